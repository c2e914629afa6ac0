import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RpcError } from "../core/error.ts";
import { BodyReader } from "./body-reader.ts";
import type { Framing } from "./dialect.ts";
import { type Budget, EnvelopeReader, writeEnvelopeHeader } from "./envelope.ts";

const runs = { seed: 20261121, numRuns: Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 200) };

function framed(messages: readonly { flags: number; payload: Uint8Array }[]): Uint8Array {
  const all: number[] = [];
  for (const { flags, payload } of messages) {
    const header = new Uint8Array(5);
    writeEnvelopeHeader(header, 0, flags, payload.length);
    all.push(...header, ...payload);
  }
  return Uint8Array.from(all);
}

/** Cuts `bytes` where `cuts` say, and hands the pieces over away from offset 0. */
function push(reader: BodyReader | EnvelopeReader, bytes: Uint8Array, cuts: readonly number[]): void {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  let from = 0;
  for (const to of [...places, bytes.length]) {
    const piece = new Uint8Array(to - from + 5);
    piece.set(bytes.subarray(from, to), 3);
    reader.push(piece, 3, 3 + to - from);
    from = to;
  }
}

const message = fc.record({ flags: fc.integer({ min: 0, max: 255 }), payload: fc.uint8Array({ maxLength: 300 }) },
  { noNullPrototype: true });
const cuts = fc.array(fc.nat(5_000), { maxLength: 40 });

test("envelopes come whole and in order, however their body was cut", () => {
  for (const framing of ["enveloped", "enveloped-base64"] as Framing[]) {
    fc.assert(fc.property(fc.array(message, { maxLength: 12 }), cuts, (messages, places) => {
      const got: { flags: number; payload: Uint8Array }[] = [];
      const budget: Budget = { unfinishedBytes: 0, maxUnfinishedBytes: 1_000 };
      const reader = new BodyReader({
        envelope(flags, bytes, start, end) {
          got.push({ flags, payload: Uint8Array.from(bytes.subarray(start, end)) });
          return true;
        },
      }, framing, 300, budget);
      const bytes = framing === "enveloped" ? framed(messages) : inBase64(messages);
      push(reader, bytes, places);
      reader.end();
      assert.deepEqual(got, messages);
      assert.equal(budget.unfinishedBytes, 0);
    }), runs);
  }
});

/** Each message is encoded on its own, so that padding stands within the body. */
function inBase64(messages: readonly { flags: number; payload: Uint8Array }[]): Uint8Array {
  const text = messages.map((one) => Buffer.from(framed([one])).toString("base64")).join("");
  return new TextEncoder().encode(text);
}

test("a message above the limit is refused as soon as its length is known", () => {
  for (const split of [5, 1]) {
    const reader = new EnvelopeReader({ envelope: () => true }, 100, undefined);
    const header = new Uint8Array(5);
    writeEnvelopeHeader(header, 0, 0, 101);
    const read = () => {
      for (let at = 0; at < 5; at += split) reader.push(header, at, at + split);
      reader.push(new Uint8Array(1), 0, 1);
    };
    assert.throws(read, (error) => RpcError.is(error) && error.code === "resource_exhausted" &&
      /101 bytes exceeds maxMessageBytes 100/.test(error.message));
  }
});

test("a length announced costs no memory before its bytes come", () => {
  const reader = new EnvelopeReader({ envelope: () => true }, 0xffff_ffff, undefined);
  const header = new Uint8Array(9);
  writeEnvelopeHeader(header, 0, 0, 0xffff_fff0);
  reader.push(header, 0, 9);
  assert.equal(reader.heldBytes, 9);
});

test("what is unfinished over all calls is bounded, and given back when dropped", () => {
  const budget: Budget = { unfinishedBytes: 0, maxUnfinishedBytes: 20 };
  const readers = [1, 2].map(() => new EnvelopeReader({ envelope: () => true }, 100, budget));
  const part = framed([{ flags: 0, payload: new Uint8Array(50) }]).subarray(0, 15);
  readers[0]?.push(part, 0, 15);
  assert.throws(() => readers[1]?.push(part, 0, 15), /maxUnfinishedBytes/);
  readers[0]?.stop();
  assert.equal(budget.unfinishedBytes, 0);
});

test("a bare body is one message; one that ends early is none", () => {
  const got: Uint8Array[] = [];
  const sink = {
    envelope(_flags: number, bytes: Uint8Array, start: number, end: number) {
      got.push(bytes.subarray(start, end));
      return true;
    },
  };
  const bare = new BodyReader(sink, "bare", 100, undefined);
  push(bare, Uint8Array.of(1, 2, 3), [1, 2]);
  bare.end();
  assert.deepEqual(got.map((one) => [...one]), [[1, 2, 3]]);
  for (const framing of ["enveloped", "enveloped-base64"] as Framing[]) {
    const reader = new BodyReader(sink, framing, 100, undefined);
    reader.push(new TextEncoder().encode("AAA"), 0, 3);
    assert.throws(() => reader.end(), /ended within a message/);
  }
});

test("base64 that is none is refused", () => {
  for (const text of ["A===", "=AAA", "A=AA", "AA=A", "A\nAA", "****", "-_-_"]) {
    const reader = new BodyReader({ envelope: () => true }, "enveloped-base64", 100, undefined);
    assert.throws(() => {
      reader.push(new TextEncoder().encode(text), 0, text.length);
      reader.end();
    }, (error) => RpcError.is(error) && error.code === "invalid_argument", text);
  }
});
