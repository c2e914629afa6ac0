/** The values that every codec must carry, each with the model of its type. */
import type {
  EnumModel, FieldModel, Model, OneofModel, ScalarKind, ScalarModel, StructModel, VariantModel, WellKnownName,
} from "../contract/model.ts";

export interface CodecValue {
  readonly name: string;
  readonly model: Model;
  readonly value: unknown;
}

const scalar = (kind: ScalarKind): ScalarModel => ({ kind: "scalar", scalar: kind });
const list = (of: Model): Model => ({ kind: "list", of });

function struct(name: string, members: Readonly<Record<string, Model>>, optional: readonly string[] = []): StructModel {
  const fields = Object.entries(members).map(([member, model], i): FieldModel => ({
    name: member, number: i + 1, model, presence: optional.includes(member) ? "optional" : "required",
  }));
  return { kind: "struct", name, fields };
}

function variant(number: number, name: string, model: Model): VariantModel {
  return { name, number, tag: name, model };
}

/** One field named `value`. */
function one(name: string, model: Model, value: unknown): CodecValue {
  return { name, model: struct(`One_${name.replaceAll(/\W/g, "_")}`, { value: model }), value: { value } };
}

const person = struct("Person", { name: scalar("string"), age: scalar("int32"), admin: scalar("bool") });
const optionals = struct("Optionals", { a: scalar("string"), b: scalar("int32"), c: scalar("bool") }, ["a", "b", "c"]);
const color: Model = {
  kind: "enum", name: "Color", values: [{ name: "red", number: 1 }, { name: "green", number: 2 }],
};
const shape: Model = {
  kind: "union", name: "Shape", discriminator: "kind",
  variants: [
    variant(1, "circle", struct("Circle", { kind: scalar("string"), radius: scalar("double") })),
    variant(2, "square", struct("Square", { kind: scalar("string"), side: scalar("double") })),
  ],
};

const payment: OneofModel = {
  kind: "oneof",
  variants: [
    { name: "card", number: 1, model: person }, { name: "note", number: 2, model: scalar("string") },
    { name: "tags", number: 3, model: list(scalar("string")) },
  ],
};
const status: EnumModel = {
  kind: "enum", name: "Status", values: [{ name: "NONE", number: 0 }, { name: "SOME", number: 5 }], open: true,
};
const wellKnown = (name: WellKnownName, of?: ScalarKind): Model =>
  ({ kind: "wellknown", name, of: of === undefined ? undefined : scalar(of) });
const spanOf = (name: string): StructModel =>
  struct(`google.protobuf.${name}`, { seconds: scalar("int64"), nanos: scalar("int32") });
const freeValue = { a: [1, "two", null, { b: true, c: -0.5 }], "": {} };

/** A property that is one of several fields, or absent. */
function oneOf(name: string, value: object): CodecValue {
  const field: FieldModel = { name: "paid", number: 1, model: payment, presence: "optional" };
  return { name, model: { kind: "struct", name: "Paid", fields: [field] }, value };
}

const numbers: readonly (readonly [ScalarKind, readonly (number | bigint)[]])[] = [
  ["int32", [0, 1, -1, 127, 128, 2_147_483_647, -2_147_483_648]],
  ["uint32", [0, 255, 65_536, 4_294_967_295]],
  ["sint32", [0, -1, 2_147_483_647, -2_147_483_648]],
  ["fixed32", [0, 4_294_967_295]],
  ["sfixed32", [0, -2_147_483_648]],
  ["int64", [0n, 1n, -1n, 9_223_372_036_854_775_807n, -9_223_372_036_854_775_808n]],
  ["uint64", [0n, 9_007_199_254_740_993n, 18_446_744_073_709_551_615n]],
  ["sint64", [0n, -1n, -9_223_372_036_854_775_808n]],
  ["fixed64", [0n, 18_446_744_073_709_551_615n]],
  ["sfixed64", [0n, -9_223_372_036_854_775_808n]],
  ["float", [0, -0, 1.5, Number.NaN, Infinity, -Infinity]],
  ["double", [0, -0, 0.1, 1e300, 5e-324, 9_007_199_254_740_991, 2 ** 32, -(2 ** 53), Number.NaN, Infinity, -Infinity]],
];

const texts = [
  "", "a", "naïve café", "日本語", "👩‍👩‍👧 family", "\u0000\u001f\u007f\"\\/", "\ufeffmark", "__proto__",
  '{"$":["Date","x"]}',
];

const dates = [0, 1, -1, 999, -62_135_596_800_000, 253_402_300_799_999, 1_700_000_000_123, 4_294_967_296_000];

/** Values that have a model: for every codec. */
export const modelledValues: readonly CodecValue[] = [
  { name: "a struct", model: person, value: { name: "Ada", age: 36, admin: true } },
  { name: "a struct of zero values", model: person, value: { name: "", age: 0, admin: false } },
  { name: "absent optional fields", model: optionals, value: {} },
  { name: "optional fields that hold zero values", model: optionals, value: { a: "", b: 0, c: false } },
  ...numbers.map(([kind, values]) => one(`list of ${kind}`, list(scalar(kind)), values)),
  ...numbers.flatMap(([kind, values]) => values.map((value) => one(`${kind} ${show(value)}`, scalar(kind), value))),
  one("texts", list(scalar("string")), texts),
  one("long text", scalar("string"), "0123456789".repeat(5000)),
  one("long text of surrogate pairs", scalar("string"), `x${"😀".repeat(9000)}`),
  one("no bytes", scalar("bytes"), new Uint8Array(0)),
  one("bytes", scalar("bytes"), Uint8Array.from({ length: 256 }, (_, i) => i)),
  one("many bytes", scalar("bytes"), new Uint8Array(70_000).fill(0xff)),
  one("dates", list(scalar("timestamp")), dates.map((ms) => new Date(ms))),
  one("an empty list", list(scalar("string")), []),
  one("a list of structs", list(person),
    Array.from({ length: 40 }, (_, i) => ({ name: `p${i}`, age: i, admin: i % 2 === 0 }))),
  one("an enum", color, "green"),
  one("both variants of a union", list(shape), [{ kind: "circle", radius: 1 }, { kind: "square", side: 2 }]),
  one("null", { kind: "nullable", of: scalar("string") }, null),
  one("not null", { kind: "nullable", of: scalar("string") }, ""),
  one("an object of any keys", { kind: "map", key: scalar("string"), value: scalar("int32"), as: "object" },
    { $: 1, "": 2, "a b": 3, constructor: 4, toString: 5 }),
  one("a Map of text", { kind: "map", key: scalar("string"), value: person, as: "Map" },
    new Map([["x", { name: "X", age: 1, admin: false }]])),
  one("a Map of 64-bit integers", { kind: "map", key: scalar("int64"), value: scalar("string"), as: "Map" },
    new Map([[-1n, "a"], [9_223_372_036_854_775_807n, "b"]])),
  oneOf("a oneof that holds a struct", { paid: { case: "card", value: { name: "Ada", age: 0, admin: false } } }),
  oneOf("a oneof that holds an empty text", { paid: { case: "note", value: "" } }),
  oneOf("a oneof that holds a list", { paid: { case: "tags", value: ["a"] } }),
  oneOf("a oneof that holds nothing", {}),
  one("names and numbers of an open enum", list(status), ["SOME", "NONE", 7, -1, 2_147_483_647]),
  one("a Duration", list(spanOf("Duration")), [
    { seconds: 0n, nanos: 0 }, { seconds: -1n, nanos: -500_000_000 }, { seconds: 315_576_000_000n, nanos: 1 },
  ]),
  one("a Timestamp in nanoseconds", spanOf("Timestamp"), { seconds: -1n, nanos: 999_999_999 }),
  one("a FieldMask", struct("google.protobuf.FieldMask", { paths: list(scalar("string")) }),
    { paths: ["user.display_name", "photo"] }),
  one("Empty", struct("google.protobuf.Empty", {}), {}),
  one("Value", list(wellKnown("google.protobuf.Value")), [null, 1.5, "", true, [], freeValue]),
  one("Struct", wellKnown("google.protobuf.Struct"), freeValue),
  one("ListValue", wellKnown("google.protobuf.ListValue"), [freeValue, null]),
  one("a wrapped integer", wellKnown("google.protobuf.Int64Value", "int64"), -7n),
  one("wrapped zero values", list(wellKnown("google.protobuf.StringValue", "string")), ["", "a"]),
  one("a free value", { kind: "unknown" }, { a: [1, "two", null, { b: true }], $: "tag" }),
];

const cycle: Record<string, unknown> = {};
cycle["itself"] = cycle;

/** Values of no model: for codecs whose values describe themselves. */
export const freeValues: readonly { readonly name: string; readonly value: unknown }[] = [
  ...[null, true, "text", 12.5, -0, Number.NaN, -Infinity, 7n, -(2n ** 200n), 2n ** 64n, -(2n ** 63n) - 1n, undefined]
    .map((value) => ({ name: `${typeof value} ${show(value)} by itself`, value })),
  { name: "a date by itself", value: new Date(1_700_000_000_123) },
  { name: "bytes by themselves", value: Uint8Array.of(1, 2, 3) },
  { name: "undefined in a list", value: [undefined, 1, undefined] },
  { name: "a Set", value: new Set([1, "a", null, undefined, 0]) },
  { name: "a Map with keys of every kind", value: new Map<unknown, unknown>([
    [1, "a"], ["1", "b"], [1n, new Map([[{}, []]])], [null, undefined],
  ]) },
  { name: "empty collections", value: [[], {}, new Map(), new Set(), "", new Uint8Array(0)] },
  { name: "an object that looks like a tag", value: { $: ["Date", "2026-01-31T12:00:00.000Z"] } },
  { name: "tags in tags", value: { $: { $: [{ $: 1 }, new Date(5)] }, other: new Map([["$", { $: [] }]]) } },
  { name: "keys that are escaped", value: { "\u0024": 1, "\u0000": "\u0024", "\ufeffkey": [-0] } },
  { name: "lone surrogates", value: ["\ud800", "a\udc00b", `${"x".repeat(300)}\ud83d`] },
  { name: "long text after a byte order mark", value: { text: `\ufeff${"x".repeat(300)}` } },
  { name: "a hundred levels", value: nested(100) },
  { name: "a hundred levels of Maps, Sets and objects that look like tags", value: nestedOddly(100) },
];

/** Values that no peer could read back, and what the error must name. */
export const refusedValues: readonly { readonly name: string; readonly value: unknown; readonly names: string }[] = [
  { name: "a function", value: { a: [{ f: () => 1 }] }, names: "value.a[0].f" },
  { name: "a symbol", value: { s: Symbol("s") }, names: "value.s" },
  { name: "a cycle", value: cycle, names: "itself" },
  { name: "a hundred and one levels", value: nested(101), names: "deeper than 100" },
  { name: "a hundred and one levels of Maps", value: nestedOddly(101), names: "deeper than 100" },
  { name: "an invalid date", value: { at: new Date(Number.NaN) }, names: "value.at" },
  { name: "a promise", value: { p: Promise.resolve(1) }, names: "await it" },
  { name: "a regular expression", value: { r: /x/ }, names: "RegExp" },
  { name: "an error", value: { e: new Error("x") }, names: "Error" },
  { name: "other typed arrays", value: { t: new Float64Array(2) }, names: "Float64Array" },
  { name: "a huge bigint", value: { b: 1n << 9000n }, names: "value.b" },
  { name: "the key __proto__", value: JSON.parse('{"a":{"__proto__":{"admin":true}}}') as unknown, names: "__proto__" },
];

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { v: value };
  return value;
}

function nestedOddly(levels: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < levels; i++) value = [new Map([["k", value]]), new Set([value]), { $: value }][i % 3];
  return value;
}

function show(value: unknown): string {
  return Object.is(value, -0) ? "-0" : String(value).slice(0, 24);
}
