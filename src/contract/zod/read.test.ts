import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import type { RpcError } from "../../core/error.ts";
import { bytes, field, type Model, schemaOf, type StructModel } from "../index.ts";

function there<T>(value: T | undefined): T {
  assert.ok(value !== undefined);
  return value;
}

/** The model of a type, with field numbers and names only where asked. */
function model(type: z.ZodType, name = "T"): Model {
  const schema = schemaOf(type, name, "input");
  if (schema.model === undefined) throw schema.modelError as RpcError;
  return schema.model;
}

const struct = (type: z.ZodType, name?: string) => model(type, name) as StructModel;
const scalar = (kind: string) => ({ kind: "scalar", scalar: kind });
const double = { kind: "scalar", scalar: "double", finite: true };

function refused(type: z.ZodType, message: RegExp): void {
  const schema = schemaOf(type, "T", "input");
  assert.equal(schema.model, undefined);
  assert.equal(schema.modelError?.code, "invalid_argument");
  assert.match(schema.modelError?.message ?? "", message);
}

test("scalars keep their widths", () => {
  const cases: [z.ZodType, object][] = [
    [z.int32(), scalar("int32")], [z.uint32(), scalar("uint32")], [z.int64(), scalar("int64")],
    [z.uint64(), scalar("uint64")], [z.bigint(), scalar("int64")], [z.float64(), double], [z.number(), double],
    [z.float32(), { kind: "scalar", scalar: "float", finite: true }],
    [z.int(), double], [z.number().int(), double], [z.number().min(1), double], [z.int32().min(1), scalar("int32")],
    [z.boolean(), scalar("bool")], [z.date(), scalar("timestamp")], [z.string(), scalar("string")],
    [z.email(), scalar("string")], [z.uuid(), scalar("string")], [z.iso.datetime(), scalar("string")],
    [z.string().min(2).trim(), scalar("string")], [z.templateLiteral(["a", z.number()]), scalar("string")],
    [bytes(), scalar("bytes")], [z.instanceof(Uint8Array), scalar("bytes")], [z.instanceof(Date), scalar("timestamp")],
    [z.coerce.number(), double], [z.coerce.date(), scalar("timestamp")],
  ];
  for (const [type, expected] of cases) assert.deepEqual(model(type), expected);
});

test("anything JSON-like is unknown", () => {
  for (const type of [z.unknown(), z.any(), z.json(), z.preprocess(String, z.string()), z.unknown().nullable()]) {
    assert.deepEqual(model(type), { kind: "unknown" });
  }
});

test("enums and string literals are numbered from 1, or as named", () => {
  assert.deepEqual(model(z.enum(["red", "green"])), {
    kind: "enum", name: "T", values: [{ name: "red", number: 1 }, { name: "green", number: 2 }],
  });
  assert.deepEqual(model(z.enum({ Red: "RED" }).meta({ id: "Colour", numbers: { RED: 0 } })), {
    kind: "enum", name: "Colour", values: [{ name: "RED", number: 0 }],
  });
  const counted = model(z.enum(["a", "b", "c"]).meta({ numbers: { b: 7 } }));
  assert.deepEqual(counted.kind === "enum" && counted.values.map((value) => value.number), [1, 7, 8]);
  assert.equal(model(z.literal("a")).kind, "enum");
  assert.deepEqual(model(z.union([z.literal("a"), z.literal("b")])), model(z.literal(["a", "b"])));
  refused(z.enum(["a"]).meta({ numbers: { z: 1 } }), /input: a number for "z" has no place/);
  refused(z.enum(["a", "b"]).meta({ numbers: { b: 1 } }), /enum values a and b both have the number 1/);
});

test("other literals and numeric enums are scalars", () => {
  assert.deepEqual(model(z.literal(3)), scalar("int32"));
  assert.deepEqual(model(z.literal([1.5, 2])), scalar("double"));
  assert.deepEqual(model(z.literal(true)), scalar("bool"));
  assert.deepEqual(model(z.literal(3n)), scalar("int64"));
  assert.deepEqual(model(z.literal([1, null])), { kind: "nullable", of: scalar("int32") });
  assert.deepEqual(model(z.enum({ Up: 1, Down: 2, 1: "Up", 2: "Down" } as const)), scalar("int32"));
  refused(z.literal(["a", 1]), /input: a set of literals of different types/);
});

test("structs number their fields in order; a named number counts on; fields come sorted", () => {
  const { fields } = struct(z.object({
    c: field(10, z.string().optional()), d: z.int32(), a: field(1, z.boolean()).nullable(),
    b: z.string().meta({ field: 5 }),
  }));
  assert.deepEqual(fields.map(({ name, number }) => [name, number]), [["a", 1], ["b", 5], ["c", 10], ["d", 11]]);
});

test("a field number survives checks and wrappers", () => {
  const types = [
    field(9, z.string()).min(3).optional(), field(9, z.string().default("x")), field(9, z.string()).default("x"),
    z.string().optional().meta({ field: 9 }), field(9, z.string()).readonly().nullish(),
    field(9, z.string()).transform(Number), field(9, z.string().meta({ id: "Named" })),
  ];
  for (const type of types) assert.equal(struct(z.object({ a: type })).fields[0]?.number, 9);
});

test("field numbers that cannot be are refused with both names", () => {
  refused(z.object({ a: field(2, z.string()), b: field(2, z.string()) }), /fields a and b both have the number 2/);
  refused(z.object({ a: field(2, z.string()), b: field(1, z.string()), c: z.string() }), /fields a and c both have/);
  for (const number of [0, -1, 1.5, 2 ** 29, 19_000, 19_999, NaN]) {
    refused(z.object({ a: field(number, z.string()) }), /input: field a has the number .*, expected an integer from/);
  }
  assert.throws(() => field(1, { "~standard": { version: 1, vendor: "x" } }), /only a Zod 4 schema/);
});

test("presence: required, optional, default", () => {
  const { fields } = struct(z.object({
    required: z.string(), optional: z.string().optional(), nullish: z.string().nullish(), any: z.unknown(),
    defaulted: z.string().default("x"), outer: z.string().default("x").nullable().optional(),
    checked: z.string().min(3).default(""), prefault: z.string().prefault("x"), caught: z.string().catch("x"),
    again: z.string().optional().nonoptional(), transformed: z.string().transform(Number).default(5),
    list: z.array(z.int32()).default(() => [1]), maybe: z.union([z.string(), z.undefined()]).optional(),
  }));
  const presences = Object.fromEntries(fields.map(({ name, presence }) => [name, presence]));
  assert.deepEqual(presences, {
    required: "required", optional: "optional", nullish: "optional", any: "optional", defaulted: "default",
    outer: "default", checked: "optional", prefault: "optional", caught: "optional", again: "required",
    transformed: "optional", list: "default", maybe: "optional",
  });
  assert.equal(fields.find(({ name }) => name === "outer")?.defaultValue?.(), "x");
  const list = fields.find(({ name }) => name === "list");
  assert.deepEqual(list?.defaultValue?.(), [1]);
  assert.notEqual(list?.defaultValue?.(), list?.defaultValue?.());
  assert.deepEqual(fields.find(({ name }) => name === "maybe")?.model, scalar("string"));
  assert.deepEqual(fields.find(({ name }) => name === "nullish")?.model, { kind: "nullable", of: scalar("string") });
});

test("lists, maps, nullables", () => {
  const nullableText = { kind: "nullable", of: scalar("string") };
  assert.deepEqual(model(z.array(z.string().nullable())), { kind: "list", of: nullableText });
  assert.deepEqual(model(z.record(z.string(), z.int32())),
    { kind: "map", key: scalar("string"), value: scalar("int32"), as: "object" });
  assert.deepEqual(model(z.map(z.int64(), z.int32())),
    { kind: "map", key: scalar("int64"), value: scalar("int32"), as: "Map" });
  assert.equal((model(z.partialRecord(z.enum(["a"]), z.int32())) as { key: Model }).key.kind, "enum");
  assert.deepEqual(model(z.string().nullable().nullable()), { kind: "nullable", of: scalar("string") });
  assert.deepEqual(model(z.union([z.string(), z.null()])), { kind: "nullable", of: scalar("string") });
  refused(z.array(z.string().optional()), /input\[\]: undefined has no place in a schema model; only a property/);
  refused(z.map(z.object({}), z.string()), /input: a map whose keys are no strings/);
  refused(z.map(z.number(), z.date()).and(z.map(z.number(), z.date())), /z\.intersection\(\)/);
  refused(z.object({ m: z.map(z.date(), z.string()) }), /input\.m: a map whose keys/);
});

test("tuples of one type are lists, others are refused", () => {
  assert.deepEqual(model(z.tuple([z.number(), z.number()])), { kind: "list", of: double });
  assert.deepEqual(model(z.tuple([z.string()], z.email())), { kind: "list", of: scalar("string") });
  refused(z.object({ t: z.tuple([z.string(), z.number()]) }), /input\.t: a tuple of different types .* use z\.object/);
});

test("pipes, transforms and codecs show the wire side", () => {
  const isoDate = z.codec(z.iso.datetime(), z.date(),
    { decode: (text) => new Date(text), encode: (date) => date.toISOString() });
  for (const type of [z.string().transform(Number), z.string().pipe(z.coerce.number()), isoDate, z.stringbool()]) {
    assert.deepEqual(model(type), scalar("string"));
  }
});

test("structs are named by id, or by their place", () => {
  const Address = z.object({ geo: z.object({ lat: z.number() }) }).meta({ id: "Address" });
  const outer = struct(z.object({ home: Address, work: Address.optional(), list: z.array(z.object({})) }), "AddInput");
  assert.equal(outer.name, "AddInput");
  const [home, work, list] = outer.fields.map(({ model: inner }) => inner);
  assert.equal(home, work);
  assert.equal((home as StructModel).name, "Address");
  assert.equal((there((home as StructModel).fields[0]).model as StructModel).name, "AddressGeo");
  assert.equal(list?.kind === "list" && list.of.kind === "struct" && list.of.name, "AddInputListItem");
});

test("a named type is one model wherever it is read, and in all its clones", () => {
  const Named = z.object({ a: z.string() }).meta({ id: "NamedOnce" });
  const Colour = z.enum(["red"]).meta({ id: "ColourOnce" });
  const first = struct(z.object({ n: Named, c: Colour }), "One").fields;
  const clones = z.object({ n: field(4, Named), c: Colour.optional(), o: Named.refine(() => true) });
  const second = struct(clones, "Two").fields;
  assert.equal(first[0]?.model, second.find(({ name }) => name === "n")?.model);
  assert.equal(first[0]?.model, second.find(({ name }) => name === "o")?.model);
  assert.equal(first[1]?.model, second.find(({ name }) => name === "c")?.model);
});

test("anonymous names that would clash are told apart", () => {
  const both = struct(z.object({ aB: z.object({}), a: z.object({ b: z.object({ x: z.string() }) }) }));
  const ab = both.fields[0]?.model as StructModel;
  const nested = (there(both.fields[1]).model as StructModel).fields[0]?.model as StructModel;
  assert.deepEqual([ab.name, nested.name], ["TAB", "TAB2"]);
});

test("recursion through getters and lazy finds itself", () => {
  const Tree = z.object({ value: z.int32(), get children() { return z.array(Tree); } });
  const tree = struct(Tree);
  assert.equal((there(tree.fields[1]).model as { of: Model }).of, tree);
  interface Node { next?: Node | undefined }
  const Node: z.ZodType<Node> = z.object({ next: z.lazy(() => Node).optional() }).meta({ id: "Node" });
  const node = struct(Node);
  assert.equal(node.fields[0]?.model, node);
  type Value = string | Value[];
  const Value: z.ZodType<Value> = z.union([z.string(), z.lazy(() => z.array(Value))]);
  const value = model(Value);
  assert.ok(value.kind === "union");
  assert.equal((there(value.variants[1]).model as { of: Model }).of, value);
});

test("a getter that makes new schemas for ever is refused", () => {
  const endless = (): z.ZodType => z.object({ get next() { return endless().optional(); } });
  refused(endless(), /nesting deeper than 100 has no place .* return the same schema each time/);
});

test("discriminated unions have a tag for each variant", () => {
  const Circle = z.object({ type: z.literal("circle"), r: z.number() });
  const union = model(z.discriminatedUnion("type", [
    Circle, z.object({ type: z.literal(["square", "rectangle"]), a: z.number() }).readonly(),
    field(9, z.object({ type: z.enum(["line"]) })),
    z.discriminatedUnion("type", [z.object({ type: z.literal("dot") })]),
  ]), "Shape");
  assert.ok(union.kind === "union");
  assert.equal(union.discriminator, "type");
  assert.deepEqual(union.variants.map(({ name, number, tag }) => [name, number, tag]), [
    ["circle", 1, "circle"], ["square", 2, "square"], ["rectangle", 3, "rectangle"], ["line", 9, "line"],
    ["dot", 10, "dot"],
  ]);
  assert.equal(union.variants[1]?.model, union.variants[2]?.model);
  assert.equal((there(union.variants[0]).model as StructModel).name, "ShapeCircle");
});

test("plain unions name their variants by type, and merge what the wire cannot tell apart", () => {
  const union = model(z.union([z.email(), z.url(), z.int32(), z.object({ a: z.string() }), z.array(z.string())]));
  assert.ok(union.kind === "union");
  assert.deepEqual(union.variants.map(({ name, number }) => [name, number]),
    [["string", 1], ["int32", 3], ["tVariant4", 4], ["stringList", 5]]);
  assert.deepEqual(model(z.email().or(z.url())), scalar("string"));
  const flat = model(z.string().or(z.int32()).or(z.boolean()).nullable());
  assert.ok(flat.kind === "nullable" && flat.of.kind === "union");
  assert.equal(flat.of.variants.length, 3);
});

test("bytes stay bytes in clones", () => {
  assert.deepEqual(model(field(5, bytes())), scalar("bytes"));
  assert.deepEqual(model(z.instanceof(Uint8Array).refine((value) => value.length < 9)), scalar("bytes"));
});

test("what has no place is refused with its path and a way out", () => {
  const tags = z.object({ tags: z.set(z.string()) });
  refused(z.object({ a: tags }), /^input\.a\.tags: z\.set\(\) .* use z\.array\(\) \(the JSON/);
  refused(z.object({ a: z.looseObject({}) }), /^input\.a: an object with unknown keys .* z\.record/);
  refused(z.object({}).catchall(z.string()), /^input: an object with unknown keys/);
  refused(z.object({ a: z.custom<string>(() => true) }), /^input\.a: z\.custom\(\) .* use bytes\(\)/);
  refused(z.object({ "odd name": z.nan() }), /^input\["odd name"\]: z\.nan\(\) .* use z\.number\(\)/);
  refused(z.record(z.string(), z.symbol()), /^input\{\}: z\.symbol\(\)/);
  refused(z.void(), /^input: z\.void\(\) .* use z\.object\(\{\}\)/);
  refused(z.object({ a: z.union([z.string(), z.undefined()]) }), /z\.undefined\(\) .* use \.optional\(\)/);
  refused(z.undefined(), /use \.optional\(\) on a property/);
  refused(z.never(), /leave it out/);
  refused(z.promise(z.string()), /what the promise resolves to/);
  refused(z.object(JSON.parse('{"__proto__":1}') as {}), /input: a property named __proto__ has no place/);
  refused(z.null(), /use \.nullable\(\)/);
});

test("strict objects are structs, and a failed reading leaves nothing behind", () => {
  assert.equal(model(z.strictObject({ a: z.string() })).kind, "struct");
  const Inner = z.object({ get outer(): z.ZodType { return Outer; } }).meta({ id: "InnerOfBroken" });
  const Outer = z.object({ inner: Inner, bad: z.set(z.string()) }).meta({ id: "BrokenOuter" });
  refused(Outer, /bad/);
  refused(Inner, /outer\.bad/);
  refused(Inner, /outer\.bad/);
});
