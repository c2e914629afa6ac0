// .thrift files are what Apache's compiler says that they are: it takes our exports, and what it generates from a
// tutorial's files calls, and is called by, what we import from the same.
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type AnyContract, isError, rpc, service } from "../../src/contract/index.ts";
import { readModule } from "../../src/contract/proto/index.ts";
import { exportThrift, importThrift } from "../../src/contract/thrift/index.ts";
import { thriftWords } from "../../src/contract/thrift/names.ts";
import { createClient, createServer, type Handlers, type Server, thrift, type ThriftOptions } from "../../src/index.ts";
import * as z from "zod";
import { codeOf } from "../conformance/protocol-cases.ts";
import { pythonFile } from "./compiled.ts";
import { isInstalled, lacking, outputOf, python, startServer } from "./programs.ts";
import { Greeter, greeterHandlers } from "./thrift/contract.ts";
import * as tutorial from "./thrift/tutorial/contract.ts";

const { Calculator } = tutorial;
const files = fileURLToPath(new URL("thrift/tutorial/", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "meridian-thrift-idl-"));
before(async () => {
  if (!isInstalled("thrift")) return;
  await outputOf("thrift", ["-r", "--gen", "py", "-out", directory, join(files, "tutorial.thrift")]);
});
after(() => rmSync(directory, { recursive: true, force: true }));

test("the tutorial's contract is what an import writes", () => {
  const { text, notes } = importThrift(["tutorial.thrift"],
    (path) => ({ path, text: readFileSync(join(files, path), "utf8") }), { from: "../../../../src/contract/index.ts" });
  assert.equal(text, readFileSync(join(files, "contract.ts"), "utf8"));
  assert.deepEqual(notes, ["tutorial.thrift:33:3: the annotation go.tag is left out"]);
});

describe("Apache's compiler takes what is exported", { skip: lacking("thrift") }, () => {
  const compile = async (contracts: readonly AnyContract[]): Promise<readonly string[]> => {
    const folder = mkdtempSync(join(directory, "export-"));
    const written = exportThrift(contracts, { types: new Map() });
    for (const { path, text } of written) writeFileSync(join(folder, path), text);
    const last = written.at(-1)?.path ?? "";
    for (const language of ["py", "java", "js"]) {
      await outputOf("thrift", ["-r", "--strict", "--gen", language, "-out", folder, join(folder, last)]);
    }
    return readdirSync(folder);
  };

  test("the greeter, the tutorial's calculator, a contract of every kind", async () => {
    await compile([Greeter]);
    const found = await compile(readModule(tutorial).contracts);
    assert.ok(found.includes("tutorial.thrift") && found.includes("shared.thrift"), found.join());
    await compile([Everything]);
  });

  test("fields that are called like a word of its languages", async () => {
    const words = [...thriftWords, "name", "value", "type"];
    const type = z.object(Object.fromEntries(words.map((word) => [word, z.string()]))).meta({ id: "Words" });
    await compile([service("all.Teller", { tell: rpc({ input: type, output: z.object({}) }) })]);
  });
});

const calculatorHandlers = (): Handlers<typeof Calculator> => {
  let zipped = 0;
  return {
    getStruct: ({ key }) => ({ key, value: `zipped ${zipped}` }),
    ping: () => ({}),
    add: ({ num1, num2 }) => num1 + num2,
    calculate: ({ w }) => {
      if (w.op === "DIVIDE" && w.num2 === 0) {
        throw Calculator.methods.calculate.error("InvalidOperation", { whatOp: 16, why: "cannot divide by 0" });
      }
      return w.op === "SUBTRACT" ? w.num1 - w.num2 : w.num1 + w.num2;
    },
    polish: ({ w }) => ({ ...w, comment: `${w.comment ?? ""}!` }),
    swap: ({ either: { value } }) => ({
      value: value?.case === "text" ? { case: "number", value: BigInt(value.value.length) }
        : { case: "text", value: `${value?.case === "number" ? value.value : ""}` },
    }),
    count: ({ words }) => Object.fromEntries(words.map((word) => [word, words.filter((one) => one === word).length])),
    zip: () => {
      zipped++;
      return {};
    },
  };
};

const protocols = ["binary", "compact", "json"] as const;

describe("the tutorial, with Apache Thrift for Python", { skip: lacking("thrift", "python-thrift") }, () => {
  test("Python calls us", async () => {
    for (const protocol of protocols) {
      const server: Server = createServer().implement(Calculator, calculatorHandlers());
      const address = await server.listen();
      try {
        const said = JSON.parse(await outputOf(python,
          [pythonFile("thrift_tutorial.py"), directory, "call", address, protocol])) as Record<string, unknown>;
        assert.deepEqual(said[protocol], {
          sum: -3, difference: -2, refused: [16, "cannot divide by 0"], same: true, usual: [1, -1], swapped: [4, "5"],
          counts: { a: 2, b: 1 }, shared: [7, "zipped 2"],
        }, protocol);
      } finally {
        await server.close(1_000);
      }
    }
  });

  for (const encoding of protocols) {
    test(`we call Python: ${encoding}`, async () => {
      const running = await startServer(python, [pythonFile("thrift_tutorial.py"), directory, "serve", encoding]);
      const options: ThriftOptions = { encoding };
      const client = createClient(Calculator, { address: `127.0.0.1:${running.port}`, protocol: thrift(options) });
      try {
        assert.deepEqual(await client.ping({}), {});
        assert.equal(await client.add({ num1: 2, num2: -5 }), -3);
        assert.equal(await client.calculate({ logid: 1, w: { num1: 7, num2: 9, op: "SUBTRACT", tiny: 0 } }), -2);
        const error = await codeOf(client.calculate({ logid: 1, w: { num2: 0, op: "DIVIDE", tiny: 0 } }));
        assert.ok(isError(error, Calculator.methods.calculate, "InvalidOperation"), error.message);
        assert.deepEqual(error.data, { whatOp: 16, why: "cannot divide by 0" });
        const work = {
          num1: 0, num2: 3, op: "MULTIPLY" as const, priority: -32_768, labels: ["a"], tiny: -128,
          deep: [new Map([[-1n, [7]]])],
        };
        assert.deepEqual(await client.polish({ w: work }), { ...work, comment: "!" });
        assert.deepEqual(await client.swap({ either: { value: { case: "text", value: "four" } } }),
          { value: { case: "number", value: 4n } });
        assert.deepEqual(await client.count({ words: ["a", "b", "a"] }), { a: 2, b: 1 });
        await client.zip({});
        await client.zip({});
        // One-way calls are over once they were sent; those of one connection arrive in their order.
        assert.deepEqual(await client.getStruct({ key: 7 }), { key: 7, value: "zipped 2" });
      } finally {
        client.$.close();
        await running.stop();
      }
    });
  }

  test("the greeter's file imports as the contract that is called", async () => {
    const idl = readFileSync(new URL("thrift/peers.thrift", import.meta.url), "utf8");
    const { text } = importThrift(["peers.thrift"], (path) => ({ path, text: idl }));
    assert.match(text, /sayHello: rpc\(\{ input: z\.object\(\{ name: z\.string\(\) \}\), output: z\.string\(\) \}\)/);
    assert.match(text, /note: rpc\(\{ input: z\.object\(\{ text: z\.string\(\) \}\), output: .*oneway: true \}\)/);
    const server = createServer().implement(Greeter, greeterHandlers());
    const client = createClient(Greeter, { address: await server.listen(), protocol: thrift() });
    try {
      assert.equal(await client.sayHello({ name: "Ada" }), "Hello Ada");
    } finally {
      client.$.close();
      await server.close(1_000);
    }
  });
});

const Tree = z.object({
  value: z.int32(),
  get forest() {
    return z.array(Tree);
  },
}).meta({ id: "Tree" });
const Everything = service("every.v1.Whole", {
  take: rpc({
    input: z.object({
      unsigned: z.uint64(), nulls: z.array(z.string().nullable()), maybe: z.string().nullable(), when: z.date(),
      kind: z.enum(["in-progress", "class"]), preset: z.map(z.int32(), z.string()).default(() => new Map([[1,
        'a"\n']])),
      small: z.number().default(1e-7), text: z.string().default("it's"), json: z.unknown(), tree: Tree,
    }),
    output: Tree, idempotent: "keyed", timeoutMs: 500, description: "Takes */ all.\nTwice.",
    errors: { Broken: { code: "aborted", data: z.object({ why: z.string() }), id: 4 }, Odd: z.array(z.string()) },
  }),
  shape: rpc({
    input: z.object({
      shape: z.discriminatedUnion("kind", [
        z.object({ kind: z.literal("circle"), radius: z.number() }), z.object({ kind: z.literal("square"),
          side: z.number() }),
      ]),
    }),
    output: z.union([z.string(), z.int64()]),
  }),
});
