import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { z } from "zod";
import {
  type AnyContract, bytes, field, fixed, oneof, openEnum, rpc, scalar, service, wellKnown,
} from "../index.ts";
import { Cities } from "../../../examples/main-job/contract.ts";
import {
  canonicalForm, exportAvro, fingerprint64, importAvro, parseAvroProtocol, parseAvroSchema,
} from "./index.ts";

const here = fileURLToPath(new URL(".", import.meta.url));
const front = JSON.stringify(join(here, "..", "index.ts")).slice(1, -1);

/** The exports of a module that an import printed. */
async function loaded(text: string): Promise<Readonly<Record<string, unknown>>> {
  const cache = join(here, "../../../node_modules/.cache");
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, "avro-import-"));
  try {
    const file = join(folder, "contract.mjs");
    writeFileSync(file, text);
    return await import(pathToFileURL(file).href) as Readonly<Record<string, unknown>>;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const Kind = z.enum(["in-progress", "DONE"]).meta({ id: "Kind", fallback: "DONE", aliases: ["Sort"] });
const Tree = z.object({
  value: z.int32(),
  get left() {
    return Tree.optional();
  },
  get forest() {
    return z.array(Tree);
  },
}).meta({ id: "Tree" });
const Everything = z.object({
  flag: z.boolean(), text: z.string().describe("What it says."), data: bytes(), small: z.int32(), wide: z.int64(),
  unsigned: z.uint32(), vast: z.uint64(), zigzag: scalar("sint64"), single: z.float32(), real: z.number(),
  odd: scalar("double"), when: z.date(), kind: Kind, open: openEnum({ A: 1, B: 7 }).meta({ id: "Open" }),
  list: z.array(z.string()), record: z.record(z.string(), z.int32()), byText: z.map(z.string(), z.int32()),
  byNumber: z.map(z.int32(), z.string()), maybe: z.string().optional(), nullable: z.string().nullable(),
  both: z.string().nullable().optional(), preset: z.int32().default(7),
    renamed: z.int32().meta({ fieldAliases: ["was"] }),
  anything: z.unknown(), json: wellKnown.struct(), either: z.union([z.string(), z.int32()]),
  way: oneof({ card: field(40, z.string()), cash: field(41, z.int32()) }), hash: fixed("MD5", 16), tree: Tree,
  far: field(77, z.string()), "odd name": z.string(),
}).meta({ id: "Everything" });

const Whole = service("every.v1.Whole", {
  take: rpc({
    input: Everything, output: Tree, idempotent: "keyed", timeoutMs: 500, description: "Takes it all.",
    errors: { Broken: { code: "aborted", data: z.object({ why: z.string() }) }, Late: z.object({}) },
  }),
  bare: rpc({ input: z.array(z.string()), output: z.string().nullable(), safe: true, wireName: "Bared" }),
  tell: rpc({ input: z.object({ text: z.string() }), output: z.object({}), oneway: true, criticality: "sheddable" }),
});

for (const contract of [Whole, Cities] as readonly AnyContract[]) {
  test(`${contract.name}: what is exported and imported is exported again as the same`, async () => {
    const first = exportAvro(contract, { omit: true });
    const { text } = importAvro(first, "it.avpr", { from: front });
    const module = await loaded(text);
    const again = Object.values(module).find((one): one is AnyContract =>
      typeof one === "object" && one !== null && "methods" in one);
    assert.ok(again !== undefined, text);
    const strip = (json: string) => JSON.parse(json.replace(/,\s*"meridian": \{\s*"omitted": \{[^}]*\}\s*\}/,
      "")) as unknown;
    assert.deepEqual(strip(exportAvro(again)), strip(first));
  });
}

test("a stream is refused by name and reason", () => {
  assert.throws(() => exportAvro(Cities), /geo.v1.Cities: byCountry \(it is server_stream: a message of Avro/);
});

const idl = `
/** Greets. */
@namespace("org.example")
protocol Greeter {
  import idl "common.avdl";
  import schema "point.avsc";
  enum Suit { HEARTS, SPADES } = HEARTS;
  fixed MD5(16);
  // No doc.
  @aliases(["org.example.Old"])
  record Card {
    /** Which. */ Suit suit = "SPADES";
    string? note;
    string? named = "x";
    decimal(9, 2) price;
    timestamp_ms at;
    date day;
    union { null, string, int } either = null;
    array<map<long>> counts = [];
    MD5 @aliases(["sum"]) hash;
    \`error\` problem;
    Point where;
    Card? next;
  }
  record \`error\` { int code = 5; }
  error Refused { string why; }
  /** Says hello. */
  string hello(string name, int times = 1) throws Refused;
  Card draw(org.common.Common common);
  void poke() oneway;
}`;

test("IDL is read: imports, annotations, docs, logical types, string?, defaults", async () => {
  const files: Readonly<Record<string, string>> = {
    "common.avdl": '@namespace("org.common") protocol C { record Common { boolean yes; } ' +
      "void ping(union { null, Common } one, array<Common> more); }",
    "point.avsc": '{"type":"record","name":"Point","namespace":"org.example","fields":[{"name":"x","type":"int"}]}',
  };
  const { text, notes } = importAvro(idl, "greeter.avdl", {
    from: front, resolve: (name) => ({ path: name, text: files[name] ?? assert.fail(name) }),
  });
  assert.equal(notes.length, 2, notes.join("\n"));
  assert.match(notes.join("\n"), /greeter.avdl:15: .*decimal/);
  const { Greeter } = await loaded(text) as { Greeter: AnyContract };
  assert.equal(Greeter.name, "org.example.Greeter");
  assert.deepEqual(Object.keys(Greeter.methods), ["ping", "hello", "draw", "poke"]);
  const document = JSON.parse(exportAvro(Greeter)) as {
    types: { name: string; fields: { name: string; type: unknown; default?: unknown; doc?: string }[] }[];
    messages: Record<string, Record<string, unknown>>;
  };
  const card = document.types.find(({ name }) => name === "Card")?.fields ?? [];
  const typeOf = (name: string) => card.find((one) => one.name === name);
  assert.deepEqual(typeOf("note")?.type, ["null", "string"]);
  assert.deepEqual(typeOf("next")?.type, ["null", "Card"]);
  assert.deepEqual(typeOf("either")?.type, ["null", "string", "int"]);
  assert.deepEqual([typeOf("suit")?.default, typeOf("suit")?.doc], ["SPADES", "Which."]);
  assert.deepEqual(document.messages["poke"], { request: [], response: "null", "one-way": true });
  assert.deepEqual(document.messages["hello"]?.["errors"], ["Refused"]);
  assert.equal(document.messages["hello"]?.["doc"], "Says hello.");
});

test("types inside of others are called so that they are found, wherever they stand", () => {
  const Mood = z.enum(["GOOD", "BAD"]).meta({ id: "Outer.Mood" });
  const Inner = z.object({ mood: Mood.optional(), moods: z.array(Mood) }).meta({ id: "Outer.Deep.Inner" });
  const Own = z.object({ inner: Inner, mood: Mood }).meta({ id: "Own" });
  const Deeper = z.object({ own: Own, again: Inner }).meta({ id: "Outer.Deeper" });
  const contract = service("a.b.Names", { get: rpc({ input: Own, output: Deeper }) });
  const { types } = parseAvroProtocol(exportAvro(contract));
  assert.deepEqual([...types.values()].map((type) => ("name" in type ? type.name : "")).sort(),
    ["a.b.Outer.Deep.Inner", "a.b.Outer.Deeper", "a.b.Outer.Mood", "a.b.Own"]);
});

test("a file of schemas gives types", async () => {
  const { text } = importAvro("namespace a.b; schema Pair; record Pair { int left; Side side; } enum Side { A, B }",
    "pair.avdl", { from: front });
  const module = await loaded(text);
  assert.deepEqual(Object.keys(module).sort(), ["Pair", "Side"]);
});

test("what is wrong is told with its file, line and reason", () => {
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ["protocol P {\n record R { int }\n}", "p.avdl", /p.avdl:2: expected a name, found }/],
    ["protocol P {\n void m(;\n}", "p.avdl", /p.avdl:2: /],
      ["protocol P {\n # }", "p.avdl", /p.avdl:2: "# }" is nothing/],
    ["protocol P { decimal(2, 5) x(); }", "p.avdl", /decimal\(2, 5\)/],
    ["protocol P { Nobody x(); }", "p.avdl", /there is no type "Nobody"/],
    ['protocol P { import idl "none.avdl"; }', "p.avdl", /there is no file none.avdl/],
    [`protocol P { ${"array<".repeat(200)}int${">".repeat(200)} x(); }`, "p.avdl", /nested deeper than 100/],
    ["{", "p.avpr", /p.avpr: it is not JSON/], ['{"type":"record","name":"R"}', "p.avsc", /R\) has no fields/],
    ['{"protocol":"P","messages":{"m":{"request":[{"name":"x","type":"null"}],"response":"int"}}}', "p.avpr",
      /null alone/],
  ];
  for (const [text, file, why] of cases) assert.throws(() => importAvro(text, file), why);
});

test("canonical forms and fingerprints are those of the specification", () => {
  const schema = parseAvroSchema('{"type":"record","name":"foo","namespace":"x.y","doc":"a","fields":' +
    '[{"name":"f1","type":{"type":"boolean"},"default":true}]}');
  assert.equal(canonicalForm(schema), '{"name":"x.y.foo","type":"record","fields":[{"name":"f1","type":"boolean"}]}');
  assert.equal(fingerprint64(parseAvroSchema('"int"')), 0x7275_d51a_3f39_5c8fn);
  assert.equal(fingerprint64(parseAvroSchema('"string"')), 0x8f01_4872_6345_03c7n);
});
