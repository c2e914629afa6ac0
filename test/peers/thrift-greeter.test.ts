// The greeter of every tutorial: its .thrift imported by the command that users type, served by us and called by
// Apache's client for Python, which Apache's compiler generates; then its server, called by us.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type Handlers, isError } from "../../src/contract/index.ts";
import { createClient, createServer, thrift } from "../../src/index.ts";
import { codeOf } from "../conformance/protocol-cases.ts";
import { pythonFile } from "./compiled.ts";
import { newerPython } from "./newer.ts";
import { isInstalled, lacking, outputOf, python, startServer } from "./programs.ts";
import { Greeter } from "./thrift/greeter/contract.ts";

const file = (name: string): string => fileURLToPath(new URL(`thrift/greeter/${name}`, import.meta.url));
const root = fileURLToPath(new URL("../..", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "meridian-thrift-greeter-"));
before(async () => {
  if (!isInstalled("thrift")) return;
  await outputOf("thrift", ["--gen", "py", "-out", directory, file("greeter.thrift")]);
});
after(() => rmSync(directory, { recursive: true, force: true }));

const words = { ENGLISH: "Hello", FRENCH: "Bonjour", GERMAN: "Hallo" } as const;

function handlers(): Handlers<typeof Greeter> {
  const waved = new Set<string>();
  return {
    ping: () => ({}),
    sayHello: ({ name }) => `Hello ${name}`,
    greet: ({ request: { name, tongue, titles } }) => {
      if (name === "") throw Greeter.methods.greet.error("NobodyThere", { reason: "no name" });
      return { message: [words[tongue], ...titles, name].join(" "), times: BigInt(titles.length) };
    },
    wave: ({ name }) => {
      waved.add(name);
      return {};
    },
    waved: () => [...waved],
  };
}

test("`meridian import greeter.thrift` writes the contract that is served and called here", async () => {
  const written = await outputOf(process.execPath, ["src/cli/meridian.ts", "import", file("greeter.thrift"),
    "--from", "../../../../src/contract/index.ts"], { cwd: root });
  assert.equal(written, readFileSync(file("contract.ts"), "utf8"));
});

describe("the greeter, with Apache Thrift for Python", { skip: lacking("thrift", "python-thrift") }, () => {
  for (const [name, library] of [["Debian's", undefined], ["PyPI's", newerPython()]] as const) {
    const skip = name === "PyPI's" && library === undefined && "not installed: thrift of PyPI";
    test(`${name} client calls our server`, { skip }, async () => {
      const server = createServer().implement(Greeter, handlers());
      try {
        const args = [pythonFile("thrift_greeter.py"), directory, "call", await server.listen()];
        assert.deepEqual(JSON.parse(await outputOf(python, args, { library })), {
          hello: "Hello Ada", plain: ["Hello Ada", 0], german: ["Hallo Dr. h. c. Ada", 2], nobody: "no name",
          waved: ["Ada", "Bo"],
        });
      } finally {
        await server.close(1_000);
      }
    });
  }

  test("our client calls its server", async () => {
    const running = await startServer(python, [pythonFile("thrift_greeter.py"), directory, "serve"]);
    const protocol = thrift({ transport: "buffered" });
    const client = createClient(Greeter, { address: `127.0.0.1:${running.port}`, protocol });
    try {
      assert.deepEqual(await client.ping({}), {});
      assert.equal(await client.sayHello({ name: "Ada" }), "Hello Ada");
      assert.deepEqual(await client.greet({ request: { name: "Ada", titles: [] } }),
        { message: "Hello Ada", times: 0n });
      assert.deepEqual(await client.greet({ request: { name: "Ada", tongue: "FRENCH", titles: ["Dr."] } }),
        { message: "Bonjour Dr. Ada", times: 1n });
      const error = await codeOf(client.greet({ request: { name: "", titles: [] } }));
      assert.ok(isError(error, Greeter.methods.greet, "NobodyThere"), error.message);
      assert.deepEqual(error.data, { reason: "no name" });
      for (const name of ["Ada", "Bo", "Ada"]) await client.wave({ name });
      assert.deepEqual((await client.waved({})).toSorted(), ["Ada", "Bo"]);
    } finally {
      client.$.close();
      await running.stop();
    }
  });
});
