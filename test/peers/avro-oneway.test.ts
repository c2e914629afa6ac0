// One-way messages of Avro: from Apache's Python to us over HTTP, where each POST has an answer, and from our client to
// our server on every transport. Apache's Python serves none: its library does not know them.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import * as z from "zod";
import { rpc, service } from "../../src/contract/index.ts";
import { exportAvro } from "../../src/contract/avro/index.ts";
import { createClient, createServer, type Server } from "../../src/index.ts";
import { avro } from "../../src/protocol/index.ts";
import { pythonFile } from "./compiled.ts";
import { newerPython } from "./newer.ts";
import { lacking, outputOf, python } from "./programs.ts";

const Notes = service("notes.v1.Notes", {
  note: rpc({ input: z.object({ text: z.string() }), output: z.object({}), oneway: true }),
  notes: rpc({ input: z.object({}), output: z.object({ texts: z.array(z.string()) }), safe: true }),
});

describe("one-way messages of Avro", () => {
  const folder = mkdtempSync(join(tmpdir(), "meridian-avro-oneway-"));
  const file = join(folder, "notes.avpr");
  let texts: string[] = [];
  let server: Server;
  let address: string;
  before(async () => {
    writeFileSync(file, exportAvro(Notes));
    server = createServer().implement(Notes, {
      note: ({ text }) => {
        texts.push(text);
        return {};
      },
      notes: () => ({ texts }),
    });
    address = await server.listen();
  });
  after(async () => {
    await server.close(1_000);
    rmSync(folder, { recursive: true });
  });

  for (const [name, library] of [["Debian's", undefined], ["PyPI's", newerPython()]] as const) {
    const skip = name === "PyPI's" && library === undefined ? "not installed: avro of PyPI" : lacking("python-avro");
    test(`${name} Python sends us some`, { skip }, async () => {
      texts = [];
      const args = [pythonFile("avro_oneway.py"), address.split(":")[1] ?? "", file, "one", "two"];
      assert.deepEqual(JSON.parse(await outputOf(python, args, { library })),
        { answers: [null, null], notes: { texts: ["one", "two"] } });
    });
  }

  for (const transport of ["serial", "framed", "http"] as const) {
    test(`our client sends some, ${transport}`, async () => {
      texts = [];
      const client = createClient(Notes, { address, protocol: avro({ transport }) });
      try {
        await client.note({ text: "one" });
        await client.note({ text: "two" });
        // What goes on one connection arrives in its order; over HTTP both have been answered.
        assert.deepEqual(await client.notes({}), { texts: ["one", "two"] });
      } finally {
        client.$.close();
      }
    });
  }
});
