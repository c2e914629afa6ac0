// Avro's own tools as the judge: they compile what is exported, and read IDL as our import does.
import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  canonicalForm, exportAvro, fingerprint64, importAvro, parseAvroProtocol,
} from "../../src/contract/avro/index.ts";
import type { AnyContract } from "../../src/contract/index.ts";
import { createServer } from "../../src/index.ts";
import { RegistryContract } from "../../src/registry/contract.ts";
import { Shelf } from "../proto/corpus/paths.ts";
import { Torture } from "../proto/corpus/torture.ts";
import { Cities, handlers } from "./cities.ts";
import { avroToolsJar, lackingNewer } from "./newer.ts";
import { outputOf } from "./programs.ts";
import { Greeter } from "./thrift/greeter/contract.ts";
import { Calculator } from "./thrift/tutorial/contract.ts";

const contracts: readonly AnyContract[] = [Cities, RegistryContract, Shelf, Torture, Greeter, Calculator];
const folder = mkdtempSync(join(tmpdir(), "meridian-avro-tools-"));
const own = fileURLToPath(new URL("avro/", import.meta.url));
before(() => cpSync(own, folder, { recursive: true }));
after(() => rmSync(folder, { recursive: true, force: true }));

function tools(...args: readonly string[]): Promise<string> {
  return outputOf("java", ["-jar", avroToolsJar() ?? "", ...args], { cwd: folder, timeoutMs: 120_000 });
}

/** The names of the files below a folder. */
function filesBelow(name: string): readonly string[] {
  return readdirSync(join(folder, name), { recursive: true, encoding: "utf8" }).filter((one) => one.endsWith(".java"));
}

describe("Avro's own tools", { skip: lackingNewer("avroTools") }, () => {
  test("compile the protocols that are exported", async () => {
    const files = contracts.map((contract) => {
      const file = `${contract.name}.avpr`;
      writeFileSync(join(folder, file), exportAvro(contract, { omit: true }));
      return file;
    });
    mkdirSync(join(folder, "protocols"));
    await tools("compile", "protocol", ...files, "protocols");
    const made = filesBelow("protocols");
    for (const { name } of contracts) {
      assert.ok(made.includes(`${name.replaceAll(".", "/")}.java`), `${name}: ${made.join(" ")}`);
    }
  });

  test("compile the schemas of their types, and give them the same canonical form and fingerprint", async () => {
    const types = contracts.flatMap((contract) => (
      [...parseAvroProtocol(exportAvro(contract, { omit: true })).types.values()]));
    const files = types.map((type, i) => {
      const file = `type${i}.avsc`;
      writeFileSync(join(folder, file), canonicalForm(type));
      return file;
    });
    assert.ok(files.length > 20);
    mkdirSync(join(folder, "schemas"));
    await tools("compile", "schema", ...files, "schemas");
    const made = filesBelow("schemas");
    for (const type of types) {
      const name = "name" in type ? type.name : "";
      assert.ok(made.includes(`${name.replaceAll(".", "/")}.java`), `${name}: ${made.join(" ")}`);
    }
    const records = types.flatMap((type, i) => (type.type === "record" && !type.isError ? [{ type, i }] : []));
    const [largest] = records.toSorted((a, b) => canonicalForm(b.type).length - canonicalForm(a.type).length);
    assert.ok(largest !== undefined);
    assert.equal((await tools("canonical", `type${largest.i}.avsc`, "-")).trim(), canonicalForm(largest.type));
    const [said] = (await tools("fingerprint", "--fingerprint", "CRC-64-AVRO", `type${largest.i}.avsc`)).split(/\s/);
    // Theirs are the bytes in the order in which single objects have them: the lowest first.
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(fingerprint64(largest.type));
    assert.equal(said, bytes.toString("hex"));
  });

  test("read IDL as an import does", async () => {
    await tools("idl", "library.avdl", "library.avpr");
    const read = (name: string): string => importAvro(readFileSync(join(folder, name), "utf8"), name, {
      resolve: (path) => ({ path, text: readFileSync(join(folder, path), "utf8") }),
    }).text.replaceAll(name, "FILE");
    assert.equal(read("library.avdl"), read("library.avpr"));
  });

  test("call our server", async () => {
    const server = createServer().implement(Cities, handlers);
    try {
      writeFileSync(join(folder, "cities.avpr"), exportAvro(Cities, { omit: true }));
      const said = await tools("rpcsend", `http://${await server.listen()}/`, "cities.avpr", "search",
        "-data", JSON.stringify({ prefix: "b", limit: 1 }));
      const { cities } = JSON.parse(said) as { cities: readonly { readonly name: string }[] };
      assert.equal(cities.length, 1);
      assert.match(cities[0]?.name ?? "", /^B/);
    } finally {
      await server.close(1_000);
    }
  });
});
