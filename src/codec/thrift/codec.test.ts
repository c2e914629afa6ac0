import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as z from "zod";
import { type Codec, type Coder, schemaOf, Writer } from "../../contract/index.ts";
import { RpcError } from "../../core/index.ts";
import { codecCases } from "../../testing/index.ts";
import { createThriftCodec, type ThriftEncoding, thriftBinary, thriftCompact, thriftJson } from "./index.ts";

const encodings: readonly ThriftEncoding[] = ["binary", "compact", "json"];

for (const encoding of encodings) {
  for (const codegen of encoding === "json" ? [false] : [true, false]) {
    describe(`thrift-${encoding}, ${codegen ? "generated" : "interpreted"}`, () => {
      for (const { name, run } of codecCases(createThriftCodec(encoding, { codegen }))) test(name, run);
    });
  }
}

function bytesOf(coder: Coder, value: unknown): Uint8Array {
  const writer = new Writer(16);
  coder.encode(value, writer);
  return writer.finish();
}

const hex = (coder: Coder, value: unknown): string => Buffer.from(bytesOf(coder, value)).toString("hex");
const read = (coder: Coder, bytes: Uint8Array): unknown => coder.decode(bytes, 0, bytes.length);
const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(" ", ""), "hex"));
const compile = (codec: Codec, type: z.ZodType, role?: "request" | "response" | "error"): Coder =>
  codec.compile(schemaOf(type, "Value"), role);

const sayHello = z.object({ name: z.string() });

test("arguments and results are the structs that Thrift's compiler makes of them", () => {
  assert.equal(hex(compile(thriftBinary, sayHello, "request"), { name: "Ada" }), "0b00010000000341646100");
  assert.equal(hex(compile(thriftCompact, sayHello, "request"), { name: "Ada" }), "180341646100");
  assert.equal(Buffer.from(bytesOf(compile(thriftJson, sayHello, "request"), { name: "Ada" })).toString(),
    '{"1":{"str":"Ada"}}');
  assert.equal(hex(compile(thriftBinary, z.string(), "response"), "hi"), "0b000000000002686900");
  assert.equal(hex(compile(thriftCompact, z.boolean(), "response"), true), "010000");
  assert.equal(hex(compile(thriftBinary, z.object({}), "response"), {}), "00");
  assert.equal(hex(compile(thriftBinary, z.int32(), "request"), 5), "0800010000000500");
});

test("a result that is not there is refused, unless it may be null or is void", () => {
  for (const codec of [thriftBinary, thriftCompact]) {
    assert.throws(() => read(compile(codec, z.string(), "response"), Uint8Array.of(0)), /no result/);
    assert.equal(read(compile(codec, z.string().nullable(), "response"), Uint8Array.of(0)), null);
    assert.deepEqual(read(compile(codec, z.object({}), "response"), Uint8Array.of(0)), {});
  }
});

test("what is absent reads as on every other wire", () => {
  const type = z.object({
    n: z.int32(), text: z.string(), list: z.array(z.string()), inner: z.object({ big: z.int64() }),
    may: z.string().optional(), none: z.string().nullable(), seven: z.int32().default(7), at: z.date(),
  });
  for (const encoding of encodings) {
    const coder = compile(createThriftCodec(encoding), type);
    assert.deepEqual(read(coder, encoding === "json" ? Buffer.from("{}") : Uint8Array.of(0)),
      { n: 0, text: "", list: [], inner: { big: 0n }, none: null, seven: 7, at: new Date(0) });
  }
});

test("unknown fields are passed over, whatever they hold", () => {
  const wide = z.object({
    a: z.int32(), b: z.string(), c: z.array(z.object({ x: z.number() })), d: z.record(z.string(), z.boolean()),
    e: z.boolean(), f: z.map(z.int64(), z.array(z.string())), z: z.int32(),
  });
  const value = { a: -1, b: "b", c: [{ x: 1 }], d: { y: true }, e: false, f: new Map([[1n, ["q"]]]), z: 9 };
  for (const encoding of encodings) {
    for (const codegen of [true, false]) {
      const codec = createThriftCodec(encoding, { codegen });
      const bytes = bytesOf(compile(codec, wide), value);
      assert.deepEqual(read(compile(codec, wide), bytes), value);
      assert.deepEqual(read(compile(codec, z.object({})), bytes), {});
    }
  }
});

test("integers of another width and sets are read where they fit", () => {
  const coder = compile(thriftBinary, z.object({ n: z.int32(), list: z.array(z.string()), big: z.int64() }));
  assert.deepEqual(read(coder, fromHex("060001 fffe  0e0002 0b 00000001 00000001 61  030003 7f  00")),
    { n: -2, list: ["a"], big: 127n });
  assert.throws(() => read(coder, fromHex("0a0001 0000000100000000 00")), /4294967296, which is no int32/);
  assert.throws(() => read(coder, fromHex("0b0001 00000000 00")), /string, expected i32.* in "n"/);
  const compact = compile(thriftCompact, z.object({ n: z.int32() }));
  assert.deepEqual(read(compact, fromHex("14 03 00")), { n: -2 });
  assert.deepEqual(read(compact, fromHex("13 fe 00")), { n: -2 });
});

test("unsigned integers, floats and times have the shapes that are documented", () => {
  const type = z.object({ u: z.uint32(), v: z.uint64(), f: z.float32(), at: z.date() });
  const value = { u: 4_294_967_295, v: 2n ** 64n - 1n, f: 0.5, at: new Date(1_700_000_000_123) };
  assert.equal(hex(compile(thriftBinary, type), value), [
    "0a0001", "00000000ffffffff", "0a0002", "ffffffffffffffff", "040003", "3fe0000000000000", "0a0004",
    "0000018bcfe5687b", "00",
  ].join(""));
});

test("what Thrift cannot say is refused with the field's name and the reason", () => {
  const refused = (type: z.ZodType, pattern: RegExp): void => {
    assert.throws(() => compile(thriftBinary, type), (error) => RpcError.is(error) &&
      error.code === "invalid_argument" && pattern.test(error.message));
  };
  refused(z.object({ m: z.map(z.number(), z.string()) }), /keys cannot be of type double/);
});

test("values that do not fit are refused by their path", () => {
  for (const encoding of encodings) {
    const coder = compile(createThriftCodec(encoding), z.object({ a: z.array(z.object({ n: z.int32() })) }));
    assert.throws(() => bytesOf(coder, { a: [{ n: 1 }, { n: "2" }] }), /int32 at "a\[1\]\.n", received string "2"/);
  }
});

test("bad input is refused: negative lengths, counts without bytes, depth, trailing bytes, truncation", () => {
  const tree = z.object({
    name: z.string(), tags: z.array(z.string()), map: z.record(z.string(), z.int32()),
    get child() {
      return tree.optional();
    },
  });
  const bad: readonly [ThriftEncoding, string, RegExp][] = [
    ["binary", "0b0001 ffffffff 00", /length of -1/],
    ["binary", "0b0001 7fffffff 61", /are left/],
    ["binary", "0f0002 0b 7fffffff", /elements are announced/],
    ["binary", "0f0002 0b ffffffff", /count of -1/],
    ["binary", "0d0003 0b08 7fffffff", /elements are announced/],
    ["binary", "0f0009 0c 7fffffff 00", /cut off, malformed/],
    ["binary", "0c0009".repeat(150) + "00".repeat(151), /nested too deep/],
    ["binary", "0c0004".repeat(150) + "00".repeat(151), /nested deeper than 100/],
    ["binary", "00 00", /follow the struct's end/],
    ["binary", "0b", /are left/],
    ["binary", "ff0001 00", /string|type 255/],
    ["compact", "18 ffffffff0f", /are left/],
    ["compact", "18 ffffffffffffffffffffff01", /varint/],
    ["compact", "29 f8 ffffffff0f", /elements are announced/],
    ["compact", "4c".repeat(150) + "00".repeat(151), /nested deeper than 100/],
    ["compact", "10 00", /type 0|cut off/],
    ["compact", "00 00", /follow the struct's end/],
  ];
  for (const [encoding, text, pattern] of bad) {
    for (const codegen of [true, false]) {
      const coder = compile(createThriftCodec(encoding, { codegen }), tree);
      assert.throws(() => read(coder, fromHex(text)), (error) => {
        assert.ok(RpcError.is(error) && error.code === "invalid_argument", String(error));
        assert.match(error.message, pattern, `${encoding} ${text.slice(0, 40)}`);
        return true;
      });
    }
  }
  for (const [text, pattern] of [
    ["", /expected "\{"/], ["{", /expected/], ['{"1":{"str":"a"}', /expected/], ['{"x":{"str":"a"}}', /field "x"/],
    ['{"NaN":{"str":"a"}}', /field "NaN"/], ['{"1":{"zzz":1}}', /type "zzz"/], ['{"1":{"str":5}}', /expected/],
    ['{"2":{"lst":["str",-1]}}', /count of -1/], ['{"2":{"lst":["str",99999999]}}', /elements are announced/],
    ['{"9":' + "[".repeat(500), /expected|nested/], ["{}{}", /more text/], ['{"9":{"i32":' + "[".repeat(500), /nested/],
  ] as const) {
    assert.throws(() => read(compile(thriftJson, tree), Buffer.from(text)), (error) => {
      assert.ok(RpcError.is(error) && error.code === "invalid_argument", String(error));
      assert.match(error.message, pattern, text);
      return true;
    });
  }
});

test("integers of 8 and 16 bits and sets are what a contract says that they are", () => {
  const i16 = z.int32().meta({ thrift: "i16" });
  const type = z.object({
    tiny: z.int32().meta({ thrift: "i8" }), small: i16, set: z.array(i16).meta({ thrift: "set" }),
    map: z.map(i16, z.array(z.string()).meta({ thrift: "set" })), usual: z.int32(),
  });
  const value = { tiny: -2, small: -300, set: [1, -1, 32_767], map: new Map([[-5, ["a"]]]), usual: 70_000 };
  const plain = z.object({
    tiny: z.int32(), small: z.int32(), set: z.array(z.int32()), map: z.map(z.int32(), z.array(z.string())),
    usual: z.int32(),
  });
  for (const encoding of encodings) {
    for (const codegen of encoding === "json" ? [false] : [true, false]) {
      const codec = createThriftCodec(encoding, { codegen });
      const [narrow, wide] = [compile(codec, type), compile(codec, plain)];
      const bytes = bytesOf(narrow, value);
      assert.deepEqual(read(narrow, bytes), value, encoding);
      // Whoever says i32 and list reads it as well, and is read.
      assert.deepEqual(read(wide, bytes), value, encoding);
      assert.deepEqual(read(narrow, bytesOf(wide, value)), value, encoding);
      assert.throws(() => bytesOf(narrow, { ...value, tiny: 128 }), /expected i8 at "tiny"/);
      assert.throws(() => bytesOf(narrow, { ...value, small: -32_769 }), /expected i16 at "small"/);
    }
  }
  assert.equal(hex(compile(thriftBinary, z.object({ a: i16, b: z.array(i16).meta({ thrift: "set" }) })), { a: 258,
    b: [-2] }),
    "06000101020e00020600000001fffe00");
  assert.throws(() => compile(thriftBinary, z.object({ a: z.string().meta({ thrift: "i16" }) })),
    /the metadata thrift/);
});

describe("a uuid", () => {
  const text = "0123abcd-4567-89ef-cdef-00112233aaff";
  const type = z.object({
    id: z.guid().meta({ thrift: "uuid" }), all: z.array(z.guid().meta({ thrift: "uuid" })),
    by: z.record(z.guid().meta({ thrift: "uuid" }), z.int32()), may: z.guid().meta({ thrift: "uuid" }).optional(),
  });
  const value = { id: text, all: [text, text.toUpperCase()], by: { [text]: 7 }, may: text };

  test("is sixteen bytes of their own type in binary and compact, and a text in JSON", () => {
    const one = z.object({ id: z.guid().meta({ thrift: "uuid" }) });
    const bytes = text.replaceAll("-", "");
    assert.equal(hex(compile(thriftBinary, one), { id: text }), `100001${bytes}00`);
    assert.equal(hex(compile(thriftCompact, one), { id: text }), `1d${bytes}00`);
    assert.equal(Buffer.from(bytesOf(compile(thriftJson, one), { id: text })).toString(), `{"1":{"uid":"${text}"}}`);
  });

  for (const encoding of encodings) {
    for (const codegen of encoding === "json" ? [false] : [true, false]) {
      test(`comes back in ${encoding}, ${codegen ? "generated" : "interpreted"}; nothing else passes for one`, () => {
        const coder = compile(createThriftCodec(encoding, { codegen }), type);
        assert.deepEqual(read(coder, bytesOf(coder, value)), { ...value, all: [text, text] });
        assert.deepEqual(read(coder, encoding === "json" ? Buffer.from("{}") : Uint8Array.of(0)),
          { id: "00000000-0000-0000-0000-000000000000", all: [], by: {} });
        for (const wrong of ["", text.slice(1), `${text}0`, text.replace("a", "g"), 5, null]) {
          assert.throws(() => bytesOf(coder, { ...value, id: wrong }), (error) =>
            RpcError.is(error) && error.message.includes("a uuid") || String(error).includes("string"));
        }
        const cut = bytesOf(coder, value);
        for (let length = 1; length < cut.length; length += 3) {
          assert.throws(() => read(coder, cut.subarray(0, length)), (error) => RpcError.is(error));
        }
      });
    }
  }
});
