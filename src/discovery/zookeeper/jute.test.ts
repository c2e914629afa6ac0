// Jute and its frames under chance: what is written is read again, and nothing but an RpcError comes of rubbish.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RpcError } from "../../core/error.ts";
import { frameCutter } from "./frames.ts";
import { JuteReader, JuteWriter } from "./jute.ts";
import { readEvent, readHandshake, readStat } from "./records.ts";

const numRuns = Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 300);
const long = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const int = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });

test("what was written is read", () => {
  fc.assert(fc.property(int, long, fc.boolean(), fc.string({ unit: "grapheme" }), fc.uint8Array(),
    (number, big, flag, text, bytes) => {
      const frame = new JuteWriter().int(number).long(big).boolean(flag).text(text).buffer(bytes).frame();
      const reader = new JuteReader(frame);
      assert.equal(reader.int(), frame.length - 4);
      assert.equal(reader.int(), number);
      assert.equal(reader.long(), big);
      assert.equal(reader.boolean(), flag);
      assert.equal(reader.text(), text);
      assert.deepEqual([...reader.buffer()], [...bytes]);
      assert.ok(reader.atEnd);
    }), { seed: 4, numRuns });
});

test("rubbish ends in an RpcError or in a value, and never in a large allocation", () => {
  const records: ((reader: JuteReader) => unknown)[] = [
    (reader) => reader.texts(), (reader) => reader.buffer(), (reader) => reader.text(),
    readHandshake, readStat, readEvent,
  ];
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(...records), (bytes, read) => {
    try {
      read(new JuteReader(bytes));
    } catch (error) {
      assert.ok(RpcError.is(error), String(error));
      assert.equal(error.code, "invalid_argument");
    }
  }), { seed: 5, numRuns: numRuns * 3 });
});

test("lengths that cannot be are refused", () => {
  for (const length of [-2, -(2 ** 31), 2 ** 31 - 1, 5]) {
    const bytes = new JuteWriter().int(length).int(0).frame().subarray(4);
    for (const read of ["buffer", "text", "texts"] as const) {
      assert.throws(() => new JuteReader(bytes)[read](), { code: "invalid_argument" });
    }
  }
  const none = new JuteWriter().int(-1).frame().subarray(4);
  assert.equal(new JuteReader(none).text(), "");
  assert.deepEqual(new JuteReader(none).texts(), []);
});

test("frames are the same however the stream was split", () => {
  const frames = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 10 });
  fc.assert(fc.property(frames, fc.array(fc.nat(400), { maxLength: 30 }), (payloads, cuts) => {
    const stream = Buffer.concat(payloads.map((one) => Buffer.concat([lengthOf(one.length), one])));
    const ends = [...cuts.map((cut) => cut % (stream.length + 1)), stream.length].sort((x, y) => x - y);
    const seen: string[] = [];
    const cut = frameCutter(1_000, (bytes) => void seen.push(Buffer.from(bytes).toString("hex")));
    ends.forEach((end, i) => cut(stream.subarray(ends[i - 1] ?? 0, end)));
    assert.deepEqual(seen, payloads.map((one) => Buffer.from(one).toString("hex")));
  }), { seed: 6, numRuns });
});

test("a frame that is too large or negative ends the stream before any of it is kept", () => {
  const cut = (): ((bytes: Uint8Array) => void) => frameCutter(1_000, () => undefined);
  assert.throws(() => cut()(lengthOf(1_001)), { code: "resource_exhausted", message: /1001 bytes exceeds/ });
  assert.throws(() => cut()(lengthOf(-1)), { code: "invalid_argument" });
  assert.throws(() => cut()(Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")), { code: "resource_exhausted" });
});

function lengthOf(length: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(length);
  return bytes;
}
