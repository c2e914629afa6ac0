/** Avro under chance: schemas and values of every kind, bytes cut and changed, splits of streams. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { z } from "zod";
import { createAvroCodec } from "../../src/codec/index.ts";
import { parseAvroProtocol, parseAvroSchema } from "../../src/contract/avro/index.ts";
import { planOf, schemaOfPlan } from "../../src/contract/avro/messages.ts";
import { bytes, scalar, schemaOf, Writer } from "../../src/contract/index.ts";
import { RpcError } from "../../src/core/index.ts";
import { MessageReader, type Transport, transportOf } from "../../src/protocol/avro/frames.ts";

const runs = Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 150);
const codecs = [createAvroCodec({ codegen: true }), createAvroCodec({ codegen: false })];

/** A type, and values of it. */
interface Typed {
  readonly type: z.ZodType;
  readonly value: fc.Arbitrary<unknown>;
}

const leaves: readonly Typed[] = [
  { type: z.boolean(), value: fc.boolean() },
  { type: z.string(), value: fc.string({ unit: "grapheme", maxLength: 60 }) },
  { type: bytes(), value: fc.uint8Array({ maxLength: 60 }) },
  { type: z.int32(), value: fc.integer() },
  { type: z.uint32(), value: fc.nat(0xffff_ffff) },
  { type: z.int64(), value: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }) },
  { type: z.uint64(), value: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }) },
  { type: scalar("double"), value: fc.double() },
  { type: scalar("float"), value: fc.float() },
  { type: z.date(), value: fc.date({ noInvalidDate: true }) },
  { type: z.enum(["A", "b-c", "D"]), value: fc.constantFrom("A", "b-c", "D") },
];
const leaf = fc.constantFrom(...leaves);
const { typed } = fc.letrec<{ typed: Typed }>((tie) => ({
  typed: fc.oneof({ depthSize: "small", withCrossShrink: true }, leaf,
    tie("typed").map(({ type, value }): Typed => ({ type: z.array(type), value: fc.array(value, { maxLength: 5 }) })),
    tie("typed").map(({ type, value }): Typed => ({
      type: z.record(z.string(), type), value: fc.dictionary(fc.string({ maxLength: 8 }), value,
        { maxKeys: 4, noNullPrototype: true }),
    })),
    tie("typed").map(({ type, value }): Typed => ({
      type: z.map(z.int32(), type), value: fc.array(fc.tuple(fc.integer(), value), { maxLength: 4 }).map((all) =>
        new Map(all)),
    })),
    tie("typed").map(({ type, value }): Typed => ({ type: type.nullable(), value: fc.option(value) })),
    fc.array(fc.tuple(tie("typed"), fc.boolean()), { maxLength: 4 }).map((fields): Typed => ({
      type: z.object(Object.fromEntries(fields.map(([one, isOptional], i) =>
        [`f${i}`, isOptional ? one.type.optional() : one.type]))),
      value: fc.record(Object.fromEntries(fields.map(([one], i) => [`f${i}`, one.value])), {
        requiredKeys: fields.flatMap(([, isOptional], i) => (isOptional ? [] : [`f${i}`])), noNullPrototype: true,
      }),
    }))),
}));

test("any value of any type comes back, generated and interpreted alike; changed bytes never do harm", () => {
  const one = typed.chain((it) => fc.tuple(fc.constant(it), it.value,
    fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 4 }),
    fc.nat(400)));
  fc.assert(fc.property(one, ([{ type }, value, changes, cutAt]) => {
    const schema = schemaOf(z.object({ value: type }), "T");
    const [first, second] = codecs.map((codec) => {
      const writer = new Writer(1);
      codec.compile(schema).encode({ value }, writer);
      return writer.finish();
    }) as [Uint8Array, Uint8Array];
    assert.deepEqual(first, second);
    const own = schemaOfPlan(planOf(schema, "response"));
    for (const codec of codecs) {
      const coder = codec.compile(schema);
      assert.deepEqual(coder.decode(first, 0, first.length), { value });
      assert.deepEqual(coder.reading?.(own).decode(first, 0, first.length), { value });
    }
    const changed = first.slice(0, cutAt % (first.length + 1));
    for (const [at, byte] of changes) if (changed.length > 0) changed[at % changed.length] = byte;
    const results = codecs.map((codec) => outcome(() => codec.compile(schema).decode(changed, 0, changed.length)));
    assert.deepEqual(results[0], results[1]);
  }), { seed: 6, numRuns: runs });
});

/** What came of it: a value, or an error that says what is wrong. */
function outcome(decode: () => unknown): unknown {
  try {
    return decode();
  } catch (error) {
    assert.ok(RpcError.is(error), String(error));
    return error.message;
  }
}

test("any document is read, or refused with why", () => {
  const word = fc.constantFrom("record", "enum", "fixed", "array", "map", "int", "string", "null", "error", "a.B", "X",
    "long");
  const { json } = fc.letrec<{ json: unknown }>((tie) => ({
    json: fc.oneof({ depthSize: "medium" }, word, fc.jsonValue({ maxDepth: 1 }),
      fc.array(tie("json"), { maxLength: 3 }),
      fc.record({
        type: tie("json"), name: word, fields: fc.array(tie("json"), { maxLength: 3 }), items: tie("json"),
        values: tie("json"), symbols: fc.array(word, { maxLength: 3 }), size: fc.integer(), namespace: word,
        request: tie("json"), protocol: word, messages: fc.dictionary(word, tie("json"), { maxKeys: 2 }),
      }, { requiredKeys: [] })),
  }));
  fc.assert(fc.property(json, (document) => {
    const text = JSON.stringify(document);
    outcome(() => parseAvroSchema(text));
    outcome(() => parseAvroProtocol(text));
  }), { seed: 7, numRuns: runs });
});

test("messages come out the same however the bytes were split; nothing is kept beyond the limit", () => {
  const message = fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 }), { minLength: 1, maxLength: 4 });
  const cuts = fc.array(fc.nat(2_000), { maxLength: 30 });
  fc.assert(fc.property(fc.constantFrom<Transport>("framed", "serial"), fc.array(message, { maxLength: 6 }), cuts,
    (transport, messages, at) => {
      const bytes = Buffer.concat(messages.map((buffers, i) => written(transport, buffers, i)));
      const seen: string[] = [];
      const reader = new MessageReader(transport, 1_000, (serial, from, start, end) => {
        seen.push(`${serial} ${Buffer.from(from.subarray(start, end)).toString("hex")}`);
        return true;
      });
      const ends = [...at.map((one) => one % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
      for (const [i, end] of ends.entries()) reader.push(bytes.subarray(ends[i - 1] ?? 0, end));
      assert.deepEqual(seen, messages.map((buffers, i) =>
        `${transport === "serial" ? i : 0} ${Buffer.concat(buffers).toString("hex")}`));
      assert.equal(reader.midMessage, false);
    }), { seed: 8, numRuns: runs });
});

function written(transport: Transport, buffers: readonly Uint8Array[], serial: number): Buffer {
  const int = (value: number) => Buffer.from([value >> 24, value >> 16, value >> 8, value]);
  const body = Buffer.concat(buffers.flatMap((buffer) => [int(buffer.length), buffer]));
  return transport === "serial" ? Buffer.concat([int(serial), int(buffers.length), body])
    : Buffer.concat([body, int(0)]);
}

test("random bytes are no handshake for long, and never two things at once", () => {
  fc.assert(fc.property(fc.uint8Array({ minLength: 24, maxLength: 24 }), (opening) => {
    const whole = transportOf(opening);
    assert.notEqual(whole, undefined);
    for (let length = 1; length < 24; length++) {
      const part = transportOf(opening.subarray(0, length));
      assert.ok(part === undefined || part === whole, `${length}: ${String(part)}, ${String(whole)}`);
    }
  }), { seed: 9, numRuns: runs * 4 });
});
