import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import * as z from "zod";
import { RpcError } from "../core/error.ts";
import { bytes, field, type FieldModel, type Model, requireModel, schemaOf } from "./index.ts";

const runs = Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 100);
const parameters = { seed: 20_261_121, numRuns: runs } as const;

/** A type with values that it takes unchanged. */
interface Sample {
  readonly type: z.ZodType;
  readonly value: fc.Arbitrary<unknown>;
}

const sample = (type: z.ZodType, value: fc.Arbitrary<unknown>): Sample => ({ type, value });
const text = fc.string().filter((value) => value !== "__proto__");
/** Zod makes -0 of nothing, but deepStrictEqual tells it from 0. */
const double = fc.double({ noNaN: true, noDefaultInfinity: true });

const leaves: readonly Sample[] = [
  sample(z.string(), text), sample(z.boolean(), fc.boolean()), sample(z.number(), double),
  sample(z.int(), fc.maxSafeInteger()), sample(z.int32(), fc.integer()), sample(z.uint32(), fc.nat()),
  sample(z.float32(), fc.float({ noNaN: true, noDefaultInfinity: true })),
  sample(z.int64(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
  sample(z.uint64(), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })), sample(z.bigint(), fc.bigInt()),
  sample(z.date(), fc.date({ noInvalidDate: true })), sample(bytes(), fc.uint8Array()),
  sample(z.enum(["red", "green"]), fc.constantFrom("red", "green")), sample(z.literal(["a", "b"]), fc.constant("b")),
  sample(z.literal(7), fc.constant(7)), sample(z.uuid(), fc.uuid()),
  sample(z.tuple([z.int32(), z.int32()]), fc.tuple(fc.integer(), fc.integer())),
  sample(z.unknown(), fc.jsonValue({ maxDepth: 2 }).filter((value) => !JSON.stringify(value).includes("__proto__"))),
];

/** Types of a depth of up to three, drawn like the values. */
const samples: fc.Arbitrary<Sample> = fc.letrec<{ node: Sample; leaf: Sample }>((tie) => ({
  leaf: fc.constantFrom(...leaves),
  node: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    tie("leaf"),
    tie("node").map(({ type, value }) => sample(z.array(type), fc.array(value, { maxLength: 4 }))),
    tie("node").map(({ type, value }) => sample(z.record(z.string(), type), records(value))),
    tie("node").map(({ type, value }) => sample(z.nullable(type), fc.option(value))),
    fc.tuple(tie("node"), tie("node"), tie("leaf")).map(([a, b, c]) => sample(
      z.object({ a: field(5, a.type), b: b.type.optional(), c: c.type }),
      fc.record({ a: a.value, b: b.value, c: c.value }, { requiredKeys: ["a", "c"], noNullPrototype: true }))),
    fc.tuple(tie("node"), tie("node")).map(([a, b]) => sample(
      z.discriminatedUnion("t", [
        z.object({ t: z.literal("a"), v: a.type }), z.object({ t: z.literal("b"), v: b.type }),
      ]),
      fc.oneof(tagged("a", a.value), tagged("b", b.value)))),
  ),
})).node;

function tagged(t: string, value: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.record({ t: fc.constant(t), v: value }, { noNullPrototype: true });
}

function records(value: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.array(fc.tuple(text, value), { maxLength: 4 }).map((entries) => Object.fromEntries(entries));
}

test("validate takes every value of a type, and returns it equal", () => {
  const typed = samples.chain(({ type, value }) => value.map((one) => ({ type, one })));
  fc.assert(fc.property(typed, ({ type, one }) => {
    const schema = schemaOf(type, "T", "input");
    assert.deepEqual(schema.validate(one), one);
    if (schema.refine !== undefined) assert.deepEqual(schema.refine(one), one);
  }), parameters);
});

test("validate refuses or takes whatever comes, with nothing but an RpcError of bounded length", () => {
  const anything = fc.anything({ withDate: true, withMap: true, withBigInt: true });
  fc.assert(fc.property(samples, anything, ({ type }, value) => {
    try {
      schemaOf(type, "T", "input").validate(value);
    } catch (error) {
      assert.ok(RpcError.is(error), String(error));
      assert.equal(error.code, "invalid_argument");
      assert.match(error.message, /^input/);
      assert.ok(error.message.length < 10_000);
    }
  }), parameters);
});

test("a model is well formed: fields sorted, numbers and names unique", () => {
  fc.assert(fc.property(samples, ({ type }) => checkModel(requireModel(schemaOf(type, "T")), new Map())), parameters);
});

/** `names` holds the model of each name. */
function checkModel(model: Model, names: Map<string, Model>): void {
  if (model.kind === "struct" || model.kind === "enum" || model.kind === "union") {
    const namesake = names.get(model.name);
    if (namesake === model) return;
    assert.equal(namesake, undefined, `two types are named ${model.name}`);
    names.set(model.name, model);
  }
  switch (model.kind) {
    case "struct": return checkFields(model.fields, names);
    case "list": case "nullable": return checkModel(model.of, names);
    case "map": return checkModel(model.value, names);
    case "union":
      assert.equal(new Set(model.variants.map((variant) => variant.name)).size, model.variants.length);
      for (const variant of model.variants) checkModel(variant.model, names);
      return;
    case "enum": case "scalar": case "unknown": default:
  }
}

function checkFields(fields: readonly FieldModel[], names: Map<string, Model>): void {
  const numbers = fields.map((one) => one.number);
  assert.deepEqual(numbers, [...new Set(numbers)].sort((a, b) => a - b));
  for (const one of fields) checkModel(one.model, names);
}

test("a schema that has no model says why to the codec that needs one", () => {
  const schema = schemaOf(z.object({ a: z.set(z.string()) }), "T", "input");
  assert.equal(schema.model, undefined);
  assert.throws(() => requireModel(schema), schema.modelError);
  assert.ok(schema.refine !== undefined);
  assert.deepEqual(schema.validate({ a: new Set(["x"]) }), { a: new Set(["x"]) });
  const bare = { model: undefined, refine: undefined, validate: (value: unknown) => value };
  assert.throws(() => requireModel(bare), /the structure of a schema is unknown; use the JSON/);
});

test("Zod Mini is read like Zod", async () => {
  const mini = await import("zod/mini");
  const schema = schemaOf(mini.object({ a: field(3, mini.string()), b: mini.optional(mini.int32()) }), "T", "input");
  const description = undefined;
  assert.deepEqual(requireModel(schema), {
    kind: "struct", name: "T", fields: [
      { name: "a", number: 3, model: { kind: "scalar", scalar: "string" }, description, presence: "required" },
      { name: "b", number: 4, model: { kind: "scalar", scalar: "int32" }, description, presence: "optional" },
    ],
  });
  assert.throws(() => schema.validate({ a: 1 }), /^RpcError: input\.a: /);
});
