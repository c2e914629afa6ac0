import assert from "node:assert/strict";
import { test } from "node:test";
import { decode as oracleDecode, encode as oracleEncode } from "@msgpack/msgpack";
import * as fc from "fast-check";
import type { Schema } from "../../contract/schema.ts";
import { RpcError } from "../../core/error.ts";
import { codecCases } from "../../testing/codec.ts";
import { Writer } from "../../wire/writer.ts";
import { msgpack } from "./index.ts";

const anything: Schema = { model: undefined, refine: undefined, validate: (value) => value };
const coder = msgpack.compile(anything);
const runs = Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 300);

function bytesOf(value: unknown): Uint8Array {
  const writer = new Writer();
  coder.encode(value, writer);
  return new Uint8Array(writer.finish());
}

function read(bytes: Uint8Array | readonly number[]): unknown {
  const all = Uint8Array.from(bytes);
  return coder.decode(all, 0, all.length);
}

function refusal(bytes: Uint8Array | readonly number[]): string {
  try {
    read(bytes);
  } catch (error) {
    assert.ok(RpcError.is(error) && error.code === "invalid_argument", String(error));
    return error.message;
  }
  return assert.fail("expected a refusal");
}

function repeat(count: number, byte: number): number[] {
  return Array.from({ length: count }, () => byte);
}

for (const { name, run } of codecCases(msgpack)) test(`msgpack ${name}`, run);

test("plain values are plain MessagePack", () => {
  const value = { a: [1, "two", null, true, -1, 70_000, 1.5], b: { c: new Date(5), d: Uint8Array.of(1) } };
  assert.deepEqual(bytesOf(value), oracleEncode(value));
  assert.deepEqual(oracleDecode(bytesOf(value)), value);
});

test("64-bit integers are bigints, numbers are never written as such", () => {
  assert.deepEqual([...bytesOf(1n)], [0xcf, 0, 0, 0, 0, 0, 0, 0, 1]);
  assert.equal(bytesOf(2 ** 40)[0], 0xcb);
  assert.equal(read([0xd3, 255, 255, 255, 255, 255, 255, 255, 255]), -1n);
});

test("the extension types are those of the documentation", () => {
  assert.deepEqual([...bytesOf(new Map([["a", 1]]))], [0xd6, 1, 0x92, 0xa1, 0x61, 1]);
  assert.deepEqual([...bytesOf(new Set([1]))], [0xd5, 2, 0x91, 1]);
  assert.deepEqual([...bytesOf(undefined)], [0xd4, 3, 0]);
  assert.deepEqual([...bytesOf(-0)], [0xd4, 4, 0]);
  assert.deepEqual([...bytesOf(1n << 64n)], [0xc7, 9, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
  assert.deepEqual([...bytesOf("\ud800")], [0xd5, 6, 0xd8, 0]);
});

test("an error says at which byte", () => {
  assert.match(refusal([]), /at byte 0: expected a value, found the end/);
  assert.match(refusal([0x92, 1]), /at byte 1: 2 elements are announced, 1 bytes are left/);
  assert.match(refusal([0x91, 0xc1]), /at byte 1: byte 0xc1 begins no value \(near 91 c1\)/);
  assert.match(refusal([1, 2]), /at byte 1: 1 bytes follow the value/);
  assert.match(refusal([0xa2, 0xc3, 0x28]), /at byte 1: text is not valid UTF-8/);
  assert.match(refusal([0xd4, 77, 0]), /extension type 77 of 1 bytes is not known/);
  assert.match(refusal([0x81, 0xc0, 1]), /key must be text or an integer/);
  assert.match(refusal([0xd5, 1, 0x91, 1]), /a Map has a key without a value/);
  assert.match(refusal([0xc7, 12, 255, ...repeat(4, 0), ...repeat(8, 127)]), /out of range/);
});

test("a count is not believed beyond the bytes that are there", () => {
  assert.match(refusal([0xdd, 0xff, 0xff, 0xff, 0xff]), /4294967295 elements are announced/);
  assert.match(refusal([0xdf, 0x0f, 0xff, 0xff, 0xff, 1]), /elements are announced/);
  assert.match(refusal([...repeat(101, 0x91), 1]), /nested deeper than 100/);
});

test("a key that would change prototypes is refused whatever its header", () => {
  const key = [...new TextEncoder().encode("__proto__")];
  for (const head of [[0xa9], [0xd9, 9], [0xda, 0, 9], [0xdb, 0, 0, 0, 9]]) {
    assert.match(refusal([0x81, ...head, ...key, 0x80]), /a key named "__proto__" is refused/);
  }
  assert.equal(read([0xa9, ...key]), "__proto__");
});

test("a byte order mark that begins a text is read, and never written as text: some readers lose it", () => {
  assert.equal(read([0xd9, 203, 0xef, 0xbb, 0xbf, ...repeat(200, 0x61)]), `\ufeff${"a".repeat(200)}`);
  assert.deepEqual([...bytesOf("\ufeffa")], [0xd6, 6, 0xfe, 0xff, 0, 0x61]);
  assert.equal(read([0xa4, 0xef, 0xbb, 0xbf, 0x61]), "\ufeffa");
});

test("what is decoded keeps none of the input, a Buffer's neither", () => {
  const input = Buffer.from(bytesOf({ b: Uint8Array.of(1, 2, 3), m: new Map([[1, Uint8Array.of(4)]]) }));
  const value = coder.decode(input, 0, input.length) as { b: Uint8Array; m: Map<number, Uint8Array> };
  input.fill(0);
  assert.deepEqual(value, { b: Uint8Array.of(1, 2, 3), m: new Map([[1, Uint8Array.of(4)]]) });
});

test("a getter that encodes while it is encoded does no harm", () => {
  const inner = { get x() { return bytesOf({ y: "inner" }).length; } };
  assert.deepEqual(read(bytesOf([inner, "outer"])), [{ x: 9 }, "outer"]);
});

test("a writer that lets others encode while it makes room gets the right bytes", () => {
  class Interrupting extends Writer {
    protected override grow(count: number): void {
      bytesOf("x".repeat(500));
      super.grow(count);
    }
  }
  const writer = new Interrupting(0);
  coder.encode("y".repeat(100), writer);
  assert.equal(read(writer.finish()), "y".repeat(100));
});

test("fuzz: round trip", () => {
  const keys = fc.oneof(fc.constantFrom("$", "\ufeff", "\ud800"), fc.string({ unit: "binary" }));
  const values = fc.anything({
    withBigInt: true, withDate: true, withMap: true, withSet: true, withNullPrototype: false, maxDepth: 4,
    key: keys.filter((key) => key !== "__proto__"),
    values: [fc.string({ unit: "binary" }), fc.double(), fc.boolean(), fc.constant(null), fc.uint8Array(), fc.bigInt()],
  });
  fc.assert(fc.property(values, (value) => {
    let bytes: Uint8Array;
    try {
      bytes = bytesOf(value);
    } catch (error) {
      assert.ok(RpcError.is(error) && /invalid Date|no plain fields|lone surrogate/.test(error.message), String(error));
      return;
    }
    assert.deepEqual(read(bytes), value);
  }), { seed: 20_260_131, numRuns: runs });
});

test("fuzz: whatever comes, the answer is a value or an RpcError", () => {
  const attempt = (bytes: Uint8Array) => {
    try {
      read(bytes);
    } catch (error) {
      assert.ok(RpcError.is(error), String(error));
    }
  };
  const heads = fc.constantFrom(0x81, 0x92, 0xa3, 0xc4, 0xc7, 0xd4, 0xd9, 0xdc, 0xde, 0xff, 1, 2, 3, 4, 5, 6);
  fc.assert(fc.property(fc.array(fc.oneof(heads, fc.integer({ min: 0, max: 255 })), { maxLength: 40 }), (bytes) => {
    attempt(Uint8Array.from(bytes));
  }), { seed: 20_260_201, numRuns: 10 * runs });
});
