import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { field, oneof, openEnum, scalar, schemaOf, wellKnown } from "../contract/index.ts";
import { RpcError } from "../core/error.ts";
import { codecCases } from "../testing/codec.ts";
import { Writer } from "../wire/writer.ts";
import { createJsonCodec, json } from "./json.ts";
import { protobuf } from "./protobuf/index.ts";

const utf8 = new TextEncoder();

function textOf(type: z.ZodType, value: unknown, codec = json): string {
  const writer = new Writer();
  codec.compile(schemaOf(type, "T")).encode(value, writer);
  return new TextDecoder().decode(writer.finish());
}

function read(type: z.ZodType, text: string, codec = json): unknown {
  const bytes = utf8.encode(text);
  return codec.compile(schemaOf(type, "T")).decode(bytes, 0, bytes.length);
}

function refuses(run: () => unknown, message: RegExp): void {
  assert.throws(run, (error) => {
    assert.ok(RpcError.is(error) && error.code === "invalid_argument", String(error));
    assert.match(error.message, message);
    return true;
  });
}

/** A property `v` of that type: what it is written as, and what else is read as the same. */
function holds(type: z.ZodType, value: unknown, text: string, ...others: readonly string[]): void {
  const object = z.object({ v: type });
  assert.equal(textOf(object, { v: value }), text === "" ? "{}" : `{"v":${text}}`);
  for (const one of [text, ...others]) {
    assert.deepStrictEqual(read(object, one === "" ? "{}" : `{"v":${one}}`), { v: value }, one);
  }
}

function refused(type: z.ZodType, ...texts: readonly string[]): void {
  for (const text of texts) refuses(() => read(z.object({ v: type }), `{"v":${text}}`), /^JSON/);
}

for (const codegen of [true, false]) {
  const codec = createJsonCodec({ codegen });
  for (const { name, run } of codecCases(codec, { selfDescribing: true })) {
    test(`json ${codegen ? "generated" : "interpreted"} ${name}`, run);
  }
}

test("numbers", () => {
  holds(z.int32(), 5, "5", '"5"', "5.0", "5e0", '"50e-1"');
  holds(z.int32(), 0, "", "0", "null", "-0");
  holds(z.uint32(), 4_294_967_295, "4294967295", '"4294967295"');
  refused(z.int32(), "5.5", '""', '" 5"', '"5 "', '"0x5"', "true", "2147483648", '"05"', "[]", '"1e400"');
  refused(z.uint32(), "-1", "4294967296");
  holds(z.int64(), -1n, '"-1"', "-1", "-1.0", '"-1e0"');
  holds(z.uint64(), 18_446_744_073_709_551_615n, '"18446744073709551615"');
  refused(z.int64(), "9223372036854775807", '"9223372036854775808"', '"1.5"', '"007"', `"${"9".repeat(100_000)}"`);
  holds(z.float64(), 1.5, "1.5", '"1.5"', "15e-1");
  holds(scalar("double"), Number.NaN, '"NaN"');
  holds(scalar("double"), -Infinity, '"-Infinity"');
  holds(scalar("double"), -0, "-0", '"-0"');
  refused(scalar("double"), "1e400", '"inf"', '"nan"');
  refused(z.float64(), '"NaN"', '"Infinity"');
  refused(scalar("float"), "1e39");
});

test("bytes, texts and booleans", () => {
  const bytes = Uint8Array.of(251, 255);
  holds(z.instanceof(Uint8Array), bytes, '"+/8="', '"+/8"', '"-_8="', '"-_8"');
  refused(z.instanceof(Uint8Array), '"+/8=="', '"a"', '"%%%%"', "1");
  holds(z.string(), 'a"\\\u0001é😀\ud800', '"a\\"\\\\\\u0001é😀\\ud800"');
  refused(z.string(), "1", "{}");
  holds(z.boolean(), true, "true");
  refused(z.boolean(), '"true"', "1");
});

test("enums by name, and by number when read", () => {
  const closed = z.enum(["red", "green"]).meta({ numbers: { red: 0 } });
  holds(closed, "green", '"green"', "1", "1.0");
  holds(closed, "red", "", '"red"', "0", "null");
  refused(closed, "7", '"blue"', '"1"');
  const open = openEnum({ NONE: 0, SOME: 1 });
  holds(open, "SOME", '"SOME"', "1");
  holds(open, 7, "7");
  refused(open, '"OTHER"', "1.5");
});

test("times, durations and masks", () => {
  holds(z.date(), new Date(1_893_456_000_250), '"2030-01-01T00:00:00.250Z"', '"2030-01-01T02:00:00.25+02:00"',
    '"2030-01-01T00:00:00.250999999Z"');
  holds(z.date(), new Date(0), '"1970-01-01T00:00:00Z"', "null", "");
  refused(z.date(), '"2030-02-30T00:00:00Z"', '"2030-01-01 00:00:00Z"', '"2030-01-01T00:00:00"',
    '"0000-01-01T00:00:00Z"', '"2030-01-01T24:00:00Z"', '"2030-01-01T00:00:00z"', "0", '"9999-12-31T23:59:59-01:00"');
  holds(wellKnown.timestamp(), { seconds: -1n, nanos: 1 }, '"1969-12-31T23:59:59.000000001Z"');
  holds(wellKnown.duration(), { seconds: -1n, nanos: -500_000_000 }, '"-1.500s"', '"-1.5s"');
  holds(wellKnown.duration(), { seconds: 3n, nanos: 1000 }, '"3.000001s"');
  refused(wellKnown.duration(), '"1.5"', '"s"', '"1.0000000001s"', '"315576000001s"', "1");
  refuses(() => textOf(wellKnown.duration(), { seconds: 1n, nanos: -1 }), /expected a Duration/);
  holds(wellKnown.fieldMask(), { paths: ["user.display_name", "photo"] }, '"user.displayName,photo"');
  holds(wellKnown.fieldMask(), { paths: [] }, '""');
  refused(wellKnown.fieldMask(), '"a_b"');
  refuses(() => textOf(wellKnown.fieldMask(), { paths: ["fooBar"] }), /expected a FieldMask/);
});

test("values of free structure, and wrappers", () => {
  holds(wellKnown.value(), { a: [1, null, "x"], b: {} }, '{"a":[1,null,"x"],"b":{}}');
  holds(wellKnown.value(), null, "null", "");
  holds(wellKnown.value().optional(), null, "null");
  holds(wellKnown.struct(), { a: 1 }, '{"a":1}');
  holds(wellKnown.listValue(), [1], "[1]");
  refused(wellKnown.struct(), "[1]", "1");
  refused(wellKnown.value(), "1e400");
  holds(wellKnown.wrapped(z.int64()).nullable(), 5n, '"5"', "5");
  holds(wellKnown.wrapped(z.string()).nullable(), null, "", "null");
  holds(wellKnown.wrapped(z.string()).nullable(), "", '""');
  holds(wellKnown.empty(), {}, "{}", '{"unknown":1}');
});

test("names in lowerCamelCase, and those of .proto when read", () => {
  const type = z.object({
    user_name: z.string(), zip: z.string().meta({ protoName: "zip_code", jsonName: "postal" }), placedAt: z.int32(),
  });
  const value = { user_name: "a", zip: "b", placedAt: 1 };
  assert.equal(textOf(type, value), '{"userName":"a","postal":"b","placedAt":1}');
  assert.deepEqual(read(type, '{"user_name":"a","zip_code":"b","placed_at":1}'), value);
  refuses(() => read(type, '{"user_name":"a","userName":"b"}'), /either "userName" or "user_name"/);
  refuses(() => textOf(z.object({ a_b: z.int32(), aB: z.int32() }), {}), /"a_b" and "aB" of T are both "aB" in JSON/);
});

test("unions as oneofs; their natural form is read where it is certain", () => {
  const Card = z.object({ kind: z.literal("card"), digits: z.string() });
  const shape = z.discriminatedUnion("kind", [Card, z.object({ kind: z.literal("bank"), iban: z.string() })]);
  holds(shape, { kind: "card", digits: "1" }, '{"card":{"digits":"1"}}', '{"kind":"card","digits":"1"}',
    '{"card":{"digits":"1","kind":"card"},"bank":null}', '{"card":{"digits":"1"},"other":1}');
  refused(shape, "{}", '{"kind":"other"}', '{"card":{},"bank":{}}', "null", '"card"');
  const either = z.union([z.string(), z.int32(), z.array(z.string())]);
  holds(either, "a", '{"string":"a"}', '"a"');
  holds(either, 5, '{"int32":5}', "5");
  holds(either, ["x"], '{"stringList":{"items":["x"]}}', '{"stringList":["x"]}', '["x"]');
  const ambiguous = z.union([z.string(), z.date()]);
  refused(ambiguous, '"a"');
});

test("oneofs are properties of the object around them", () => {
  const type = z.object({ id: z.int32(), of: oneof({ a: field(4, z.string()), free: field(5, wellKnown.value()) }) });
  const cases: [unknown, string][] = [
    [{ id: 1, of: { case: "a", value: "" } }, '{"id":1,"a":""}'], [{ id: 1 }, '{"id":1}'],
    [{ id: 0, of: { case: "free", value: null } }, '{"free":null}'],
  ];
  for (const [value, text] of cases) {
    assert.equal(textOf(type, value), text);
    assert.deepStrictEqual(read(type, text), value);
  }
  assert.deepStrictEqual(read(type, '{"a":null}'), { id: 0 });
  refuses(() => read(type, '{"a":"x","free":1}'), /expected one of the oneof of/);
  refuses(() => textOf(type, { id: 1, of: { case: "b", value: 1 } }), /expected a case of "a", "free"/);
});

test("lists, maps and values that are no messages", () => {
  holds(z.array(z.array(z.int32())), [[1], []], '[{"items":[1]},{}]', "[[1],[]]");
  holds(z.array(z.string()).optional(), [], "{}", "[]", '{"items":[]}');
  holds(z.record(z.string(), z.int32()).optional(), { a: 1 }, '{"entries":{"a":1}}');
  holds(z.map(z.boolean(), z.int64()), new Map([[true, 1n]]), '{"true":"1"}');
  holds(z.array(z.string().nullable()), [null, "a"], '[{},{"value":"a"}]', '[null,"a"]');
  refused(z.array(z.string()), "[null]", "{}");
  refused(z.map(z.int32(), z.string()), '{"x":"1"}', '{"01":"1"}', '{"1":null}');
  assert.equal(textOf(z.string(), "a"), '{"value":"a"}');
  assert.equal(read(z.string(), '"a"'), "a");
  assert.equal(read(z.string(), "{}"), "");
  assert.deepEqual(read(z.array(z.int32()), "[1]"), [1]);
  holds(z.unknown(), { a: [1] }, '"eyJhIjpbMV19"', '{"a":[1]}');
  holds(z.object({ list: z.array(z.int32()), at: z.date() }), { list: [], at: new Date(0) },
    '{"at":"1970-01-01T00:00:00Z"}', "null", "");
  holds(z.int32().default(7), 7, "7", "null", "");
});

test("what is refused, and where", () => {
  const type = z.object({ a: z.array(z.object({ n: z.int32() })) });
  refuses(() => read(type, '{"a":[{"n":"x"}]}'), /^JSON: expected int32 at "a\[0\]\.n", received string "x"$/);
  refuses(() => textOf(type, { a: [{ n: "x" }] }), /^expected int32 at "a\[0\]\.n", received string "x"$/);
  refuses(() => read(type, '{"a":'), /JSON is malformed at character 5/);
  refuses(() => read(type, "null"), /JSON: expected an object, received null/);
  refuses(() => read(type, '{"a":[],"a":[]}'), /has the key "a" twice/);
  refuses(() => read(type, '{"a":[],"\\u0061":[]}'), /has the key "a" twice/);
  refuses(() => read(type, '{"x":{"__proto__":1}}'), /a key named "__proto__"/);
  const polluting = JSON.parse('{"__proto__":"x"}') as unknown;
  refuses(() => textOf(z.record(z.string(), z.string()), polluting), /expected a key of type string/);
  refuses(() => read(type, '{"x":{"k:":1,"k:" :2}}'), /has the key "k:" twice/);
  assert.deepEqual(read(type, '{"x:y":":::","a" : []}'), { a: [] });
  refuses(() => read(z.unknown(), `${"[".repeat(101)}${"]".repeat(101)}`), /nested deeper than 100/);
  refuses(() => read(type, `{"x":${"[".repeat(100)}${"]".repeat(100)}}`), /nested deeper than 100/);
  interface Tree { children: Tree[] }
  const Tree: z.ZodType<Tree> = z.object({ get children() { return z.array(Tree); } });
  const cycle: Tree = { children: [] };
  cycle.children.push(cycle);
  refuses(() => textOf(Tree, cycle), /expected at most 100 levels of JSON/);
  const strict = createJsonCodec({ unknownProperties: "refuse" });
  refuses(() => read(type, '{"b":1}', strict), /expected no unknown property, received string "b"/);
  assert.deepEqual(read(type, '{"b":1}'), { a: [] });
});

test("an Any is its message with the type beside it", () => {
  const Note = z.object({ text: z.string(), any: wellKnown.any().optional() });
  const codec = createJsonCodec({ types: { "test.v1.Note": Note } });
  const pack = (value: z.infer<typeof Note>) => {
    const writer = new Writer();
    protobuf.compile(schemaOf(Note, "Note")).encode(value, writer);
    return { typeUrl: "type.googleapis.com/test.v1.Note", value: new Uint8Array(writer.finish()) };
  };
  const any = wellKnown.any();
  const both = (value: unknown, text: string) => {
    assert.equal(textOf(any, value, codec), text);
    assert.deepStrictEqual(read(any, text, codec), value);
  };
  both(pack({ text: "a" }), '{"@type":"type.googleapis.com/test.v1.Note","text":"a"}');
  both(pack({ text: "" }), '{"@type":"type.googleapis.com/test.v1.Note"}');
  both(pack({ text: "a", any: pack({ text: "b" }) }), '{"@type":"type.googleapis.com/test.v1.Note","text":"a",' +
    '"any":{"@type":"type.googleapis.com/test.v1.Note","text":"b"}}');
  both({ typeUrl: "", value: new Uint8Array(0) }, "{}");
  both({ typeUrl: "x/google.protobuf.Duration", value: Uint8Array.of(8, 1) },
    '{"@type":"x/google.protobuf.Duration","value":"1s"}');
  both({ typeUrl: "x/google.protobuf.Int64Value", value: Uint8Array.of(8, 1) },
    '{"@type":"x/google.protobuf.Int64Value","value":"1"}');
  both({ typeUrl: "x/google.protobuf.Timestamp", value: Uint8Array.of(16, 1) },
    '{"@type":"x/google.protobuf.Timestamp","value":"1970-01-01T00:00:00.000000001Z"}');
  both({ typeUrl: "x/google.protobuf.Empty", value: new Uint8Array(0) }, '{"@type":"x/google.protobuf.Empty"}');
  refuses(() => textOf(any, { typeUrl: "x/other.Type", value: new Uint8Array(1) }, codec),
    /expected an Any of a type that the JSON codec was given.*received string "x\/other.Type"/);
  refuses(() => read(any, '{"@type":"x/other.Type"}', codec), /an Any of a type that the JSON codec was given/);
  refuses(() => read(any, '{"text":"a"}', codec), /expected "@type" with a URL/);
  refuses(() => textOf(any, { typeUrl: "x/test.v1.Note", value: Uint8Array.of(0x0a) }, codec), /malformed message/);
  const byFunction = createJsonCodec({ types: (name) => (name === "test.v1.Note" ? Note : undefined) });
  assert.equal(textOf(any, pack({ text: "a" }), byFunction), '{"@type":"type.googleapis.com/test.v1.Note","text":"a"}');
});
