// Contracts to .thrift and back: they keep their models, and all that both sides can say.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import fc from "fast-check";
import * as z from "zod";
import { Cities } from "../../../examples/main-job/contract.ts";
import { type AnyContract, bytes, field, type Model, oneof, openEnum, rpc, scalar, service,
  wellKnown } from "../index.ts";
import { readModule } from "../proto/index.ts";
import { sameModel } from "../proto/same-model.ts";
import { exportThrift, importThrift } from "./index.ts";

const here = fileURLToPath(new URL(".", import.meta.url));

/** The module that an import of an export makes. */
async function again(contracts: readonly AnyContract[]): Promise<{ contracts: readonly AnyContract[]; text: string }> {
  const files = new Map(exportThrift(contracts).map(({ path, text }) => [path, text]));
  const last = [...files.keys()].at(-1) ?? "";
  const { text } = importThrift([last], (path) => ({ path, text: files.get(path) ?? assert.fail(path) }),
    { from: join(here, "../index.ts") });
  const cache = join(here, "../../../node_modules/.cache");
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, "thrift-import-"));
  try {
    writeFileSync(join(folder, "contract.mjs"), text.replaceAll(": z.ZodType =>", " =>"));
    const module = await import(pathToFileURL(join(folder, "contract.mjs")).href) as Record<string, unknown>;
    return { contracts: readModule(module).contracts, text: [...files.values(), text].join("\n") };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function assertSame(one: AnyContract, other: AnyContract | undefined, text: string): void {
  assert.equal(one.name, other?.name, text);
  assert.deepEqual(Object.keys(one.methods), Object.keys(other?.methods ?? {}), text);
  for (const [name, method] of Object.entries(one.methods)) {
    const twin = other?.methods[name];
    const facts = ({ wireName, idempotent, safe, oneway, timeoutMs, criticality, errorIds, errorCodes, description }:
    AnyContract["methods"][string]) =>
      ({ wireName, idempotent, safe, oneway, timeoutMs, criticality, errorIds: { ...errorIds }, errorCodes,
        description });
    assert.deepEqual(twin === undefined ? undefined : facts(twin), facts(method), text);
    const parts = [["input", method.input, twin?.input], ["output", method.output, twin?.output],
      ...Object.keys(method.errors).map((error) => [error, method.errors[error],
        twin?.errors[error]] as const)] as const;
    for (const [part, mine, theirs] of parts) {
      const [a, b] = [mine?.model as Model, theirs?.model as Model];
      assert.equal(show(b), show(a), `${name} ${part}\n${text}`);
      assert.ok(sameModel(a, b), `${name} ${part}\n${show(a)}\n${show(b)}\n${text}`);
    }
  }
}

/** With what `sameModel` does not look at: presence, defaults, widths, finiteness, descriptions. */
function show(model: Model): string {
  const seen = new Set<unknown>();
  const plain = (value: unknown): unknown => {
    if (typeof value === "function") return plain((value as () => unknown)());
    if (typeof value === "bigint") return `${value}n`;
    if (typeof value !== "object" || value === null) return value;
    if (value instanceof Map) return [...value].map(plain);
    if (seen.has(value)) return "again";
    const isNamed = "fields" in value || "variants" in value;
    if (isNamed) seen.add(value);
    if (Array.isArray(value)) return value.map(plain);
    return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, part]) => [key, plain(part)]));
  };
  return JSON.stringify(plain(model));
}

const Tree = z.object({
  value: z.int32(),
  get left() {
    return Tree.optional();
  },
  get forest() {
    return z.array(Tree);
  },
}).meta({ id: "Tree" });
const Circle = z.object({ kind: z.literal("circle"), radius: z.number() }).meta({ id: "Circle" });
const Square = z.object({ side: z.number(), kind: field(9, z.literal(["square", "box"])) }).meta({ id: "Square" });
const Kind = z.enum(["in-progress", "class", "DONE"]).meta({ id: "Kind", numbers: { DONE: -7 } });
const Everything = z.object({
  flag: z.boolean(), text: z.string().describe('What "it" says.\n\nAt length.'), data: bytes(), small: z.int32(),
  wide: z.int64(), unsigned: z.uint32(), vast: z.uint64(), zigzag: scalar("sint64"), single: z.float32(),
  real: z.number(), odd: scalar("double"), loose: scalar("float"), when: z.date(), kind: Kind,
  open: openEnum({ A: 1, B: 7 }).meta({ id: "Open" }), i16: z.int32().meta({ thrift: "i16" }),
  set: z.array(z.int32().meta({ thrift: "i8" })).meta({ thrift: "set" }),
  list: z.array(z.array(z.string())), record: z.record(z.string(), z.int32()), byText: z.map(z.string(), z.int32()),
  byNumber: z.map(z.int32(), z.string()), byKind: z.map(Kind, z.array(z.uint64())), maybe: z.string().optional(),
  nullable: z.string().nullable(), both: z.string().nullable().optional(), nulls: z.array(z.int32().nullable()),
  preset: z.int32().default(7), far: field(300, z.string()), class: z.string(), "odd name": z.string(),
  words: z.array(z.string()).default(() => ["a", 'b"\n']), counts: z.record(z.string(),
    z.int64()).default(() => ({ a: 1n })),
  table: z.map(z.int32(), z.string()).default(() => new Map([[1, "x"]])), yes: z.boolean().default(true),
  half: z.number().default(0.5), tiny: z.number().default(1e-9), huge: z.number().default(1e300),
    none: z.number().default(-0),
  late: z.date().default(() => new Date(5)), most: z.uint64().default(2n ** 64n - 1n),
    ascii: bytes().default(() => Uint8Array.of(65, 66)),
  picked: Kind.default("class"), leaf: Tree.default(() => ({ value: 1, forest: [] })),
  anything: z.unknown(), json: wellKnown.struct(), wrapped: wellKnown.wrapped(z.string()),
    lasting: wellKnown.duration(),
  way: oneof({ card: field(400, z.string()), cash: field(401, z.int32()) }), tree: Tree,
}).meta({ id: "Everything" });

const Whole = service("every.v1.Whole", {
  take: rpc({
    input: Everything, output: Tree, idempotent: "keyed", timeoutMs: 500, description: "Takes it all.\nTwice.",
    errors: {
      Broken: { code: "aborted", data: z.object({ why: z.string() }), id: 4 }, Late: z.object({}),
      Odd: { code: "not_found", data: z.array(z.string()) },
    },
  }),
  bare: rpc({ input: z.array(z.string()), output: z.string().nullable(), safe: true, wireName: "Bared" }),
  tell: rpc({ input: z.object({ text: z.string() }), output: z.object({}), oneway: true, criticality: "sheddable" }),
  shape: rpc({
    input: z.object({ shape: z.discriminatedUnion("kind", [Circle, Square]).meta({ id: "Shape" }) }),
    output: z.union([z.string(), field(5, z.int64()), Tree]).meta({ id: "Answer" }), idempotent: true,
  }),
  one: rpc({
    input: z.object({ only: oneof({ a: z.string(), b: Tree }) }).meta({ id: "Only" }),
    output: z.object({ value: oneof({ a: z.string(), b: z.string() }) }),
  }),
});
const Other = service("other.Calls", {
  tree: rpc({ input: z.object({ tree: Tree }), output: z.object({ big: z.int64(), left: z.string() }) }),
});

describe("contracts to .thrift and back", () => {
  test("keep all that a contract can say", async () => {
    const { contracts, text } = await again([Whole]);
    assertSame(Whole, contracts[0], text);
    assertSame(Other, (await again([Other])).contracts[0], text);
  });

  test("the same file comes of it a second time", async () => {
    const { contracts } = await again([Whole]);
    assert.deepEqual(exportThrift(contracts), exportThrift([Whole]));
  });

  test("contracts made at random keep their models", async () => {
    await fc.assert(fc.asyncProperty(randomContracts(), async (contract) => {
      const { contracts, text } = await again([contract]);
      assertSame(contract, contracts[0], text);
    }), { seed: 7, numRuns: Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 100), endOnFailure: true });
  });

  test("what cannot be said is refused with its method and path", () => {
    const only = (input: z.ZodType, output: z.ZodType = z.object({})) => service("a.B", { c: rpc({ input, output }) });
    const cases: readonly (readonly [AnyContract, RegExp])[] = [
      [Cities, /geo\.v1\.Cities\/\w+: it is \w+_stream: Thrift has no streams/],
      [service("a.B", { delete: rpc({ input: z.object({}), output: z.object({}) }) }),
        /a\.B\/delete: delete is a word/],
      [only(z.object({ far: field(40_000, z.string()) })), /a\.B\/c, input\.far: it has the number 40000; .* 32767/],
      [only(z.object({ a: z.number().default(Infinity) })), /a\.B\/c, input\.a: the default Infinity has no constant/],
      [only(z.object({ a: z.object({}).meta({ id: "class" }) })), /a type cannot be named class/],
      [only(z.object({ a: z.object({ x: z.string() }).meta({ id: "T" }),
        b: z.object({ y: z.int32() }).meta({ id: "T" }) })),
        /two different types named T/],
      [only(z.object({ a: z.object({}).meta({ id: "B" }) })), /the type B has the name of a service/],
      [service("a.B", { c: rpc({ input: z.object({}), output: z.string(), oneway: true }) }), /one-way/],
    ];
    for (const [contract, complaint] of cases) assert.throws(() => exportThrift([contract]), complaint);
  });
});

const letters = ["alpha", "betaGamma", "delta2", "epsilon_zeta", "theta", "iota", "kappa", "from", "mu"];

/** Types of every kind, nested, with numbers, defaults and presences. */
function randomTypes(): fc.Arbitrary<z.ZodType> {
  const plain = fc.constantFrom<() => z.ZodType>(
    z.string, z.boolean, z.int32, z.uint32, z.int64, z.uint64, z.date, z.number, bytes, () => scalar("sint32"),
    () => scalar("fixed64"), () => scalar("double"), () => scalar("float"), z.float32, wellKnown.duration,
    wellKnown.struct, () => wellKnown.wrapped(z.int32()), () => Tree, () => Kind,
    () => z.int32().meta({ thrift: "i8" }), () => z.array(z.int32()).meta({ thrift: "set" }),
  ).map((make) => make());
  return fc.letrec<{ type: z.ZodType; struct: z.ZodType }>((tie) => ({
    struct: fc.uniqueArray(fc.tuple(fc.constantFrom(...letters), tie("type"), fc.nat(7), fc.nat(3)),
      { selector: ([name]) => name, maxLength: 5 }).map((members) => {
      let number = 0;
      return z.object(Object.fromEntries(members.map(([name, type, presence, step]) =>
        [name, field(number += 1 + step, shaped(type, presence))])));
    }),
    type: fc.oneof({ maxDepth: 3 }, plain, tie("type").map((of) => z.array(of)), tie("type").map((of) => of.nullable()),
      tie("type").map((of) => z.record(z.string(), of)), tie("type").map((of) => z.map(z.int64(), of)), tie("struct")),
  })).struct;
}

function shaped(type: z.ZodType, presence: number): z.ZodType {
  if (presence < 4) return type;
  return presence < 6 ? type.optional() : z.int32().default(presence);
}

function randomContracts(): fc.Arbitrary<AnyContract> {
  return fc.array(fc.tuple(randomTypes(), randomTypes(), fc.option(randomTypes()), fc.boolean()), { minLength: 1,
    maxLength: 4 })
    .map((methods) => service("some.v2.Random", Object.fromEntries(methods.map(([input, output, error, safe], i) => [
      `do_${letters[i]}`, rpc({ input, output, safe, ...(error === null ? {} : { errors: { Wrong: error } }) }),
    ]))) as AnyContract);
}
