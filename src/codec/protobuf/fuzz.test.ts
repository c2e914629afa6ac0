/** Whatever bytes come, a decoder answers with a value or an RpcError, and generated and interpreted code agree. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RpcError } from "../../core/error.ts";
import type { Model } from "../../contract/model.ts";
import { Writer } from "../../wire/writer.ts";
import { createProtobufCodec } from "./codec.ts";
import { fits } from "./fits.ts";
import { models, randomModel, runs, valuesOfModel } from "../../../test/codec/models.ts";

const generated = createProtobufCodec({ codegen: true });
const interpreted = createProtobufCodec({ codegen: false });
const schemaOf = (model: Model) => ({ model, refine: undefined, validate: (value: unknown) => value });
const options = { seed: 20_261_121, numRuns: runs, endOnFailure: true };

type Outcome = { value: unknown } | { error: string };

function outcome(run: () => unknown): Outcome {
  try {
    return { value: run() };
  } catch (error) {
    assert.ok(RpcError.is(error), `threw ${String(error)}, which is no RpcError`);
    assert.equal(error.code, "invalid_argument");
    return { error: error.message };
  }
}

/** Decodes between guard bytes, by both coders, and checks what a value must then be. */
function decodeBoth(model: Model, bytes: Uint8Array): void {
  const before = 3;
  const padded = new Uint8Array(bytes.length + 2 * before).fill(0x0a);
  padded.set(bytes, before);
  const [one, other] = [generated, interpreted].map((codec) =>
    outcome(() => codec.compile(schemaOf(model)).decode(padded, before, before + bytes.length))) as [Outcome, Outcome];
  assert.deepStrictEqual(one, other);
  if ("value" in one) {
    const isNothing = model.kind === "unknown" && one.value === undefined;
    assert.ok(isNothing || fits(model, one.value), "the decoded value has not the structure of its model");
    assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
  }
}

function encoded(model: Model, value: unknown): Uint8Array {
  const writer = new Writer(16);
  interpreted.compile(schemaOf(model)).encode(value, writer);
  return writer.finish();
}

const wholeModels = Object.entries(models);

test("random bytes", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
    for (const [, model] of wholeModels) decodeBoth(model, bytes);
  }), options);
});

/** Bytes that look like fields, so that decoders get further. */
const fieldLike: fc.Arbitrary<Uint8Array> = fc.array(fc.oneof(
  fc.tuple(fc.integer({ min: 1, max: 30 }), fc.constantFrom(0, 1, 2, 5, 3, 7)).map(([number, wire]) =>
    (number < 16 ? [number << 3 | wire] : [(number << 3 | wire) & 0x7f | 0x80, number >> 4])),
  fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 4 }),
  fc.constantFrom([0], [1, 0], [2, 8, 1], [4, 10, 2, 8, 1], [0x80, 0], [0x81, 0x80, 0],
    [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]),
), { maxLength: 30 }).map((parts) => Uint8Array.from(parts.flat()));

test("random fields", () => {
  fc.assert(fc.property(fieldLike, (bytes) => {
    for (const [, model] of wholeModels) decodeBoth(model, bytes);
  }), options);
});

interface Mutation {
  readonly kind: string;
  readonly at: number;
  readonly byte: number;
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  kind: fc.constantFrom("cut", "flip", "insert", "remove", "append", "swap"), at: fc.nat(), byte: fc.nat(255),
});

function mutate(bytes: Uint8Array, { kind, at: anywhere, byte }: Mutation): Uint8Array {
  const all = [...bytes];
  const at = anywhere % (bytes.length + 1);
  if (kind === "cut") return bytes.slice(0, at);
  if (kind === "flip") all[Math.min(at, bytes.length - 1)] = byte;
  if (kind === "insert") all.splice(at, 0, byte);
  if (kind === "remove") all.splice(at, 1);
  if (kind === "append") all.push(...all);
  if (kind === "swap") all.push(...all.splice(0, at));
  return Uint8Array.from(all);
}

for (const [name, model] of wholeModels.filter(([name]) => !name.startsWith("bare"))) {
  test(`valid messages, mutated: ${name}`, () => {
    const mutations = fc.array(mutation, { minLength: 1, maxLength: 3 });
    fc.assert(fc.property(valuesOfModel(model), mutations, (value, mutations) => {
      decodeBoth(model, mutations.reduce(mutate, encoded(model, value)));
    }), options);
  });
}

test("long messages of anything take time and memory in proportion", () => {
  const repeat = (...part: readonly number[]) =>
    Uint8Array.from({ length: Math.floor(200_000 / part.length) * part.length }, (_, i) => part[i % part.length] ?? 0);
  const bytes = [
    // Empty messages, merged; unknown fields by turns with known ones; groups; a oneof that changes its mind; map
    // entries of one key; tags, lengths and varints without an end; packed numbers.
    repeat(0x0a, 0), repeat(0x08, 1, 0xf8, 0x7f, 1), repeat(0x4b), repeat(0x4b, 0x4c), repeat(0x08, 1, 0x12, 0),
    repeat(0x0a, 4, 0x0a, 0, 0x12, 0), repeat(0xff), repeat(0x80), repeat(0x0a, 0x80, 0x80, 0x10),
    repeat(0x0a, 2, 0, 0), repeat(0x0a, 2, 0x0a, 0), repeat(0x1a, 2, 0x1a, 0), repeat(0x32, 2, 0x0a, 0),
    repeat(0x2a, 0),
  ];
  const from = process.cpuUsage();
  for (const [, model] of wholeModels.filter(([name]) => !name.startsWith("bare"))) {
    for (const one of bytes) {
      for (const codec of [generated, interpreted]) {
        outcome(() => codec.compile(schemaOf(model)).decode(one, 0, one.length));
      }
    }
  }
  const { user } = process.cpuUsage(from);
  assert.ok(user < 60e6, `took ${user / 1e6} s`);
});

test("messages of another type", () => {
  const pair = fc.tuple(randomModel, fc.constantFrom(...wholeModels.map(([, model]) => model)))
    .chain(([other, model]) => fc.tuple(fc.constant(other), fc.constant(model), valuesOfModel(model, 3)));
  fc.assert(fc.property(pair, ([other, model, value]) => decodeBoth(other, encoded(model, value))), options);
});

test("values of another type: both coders encode the same or complain the same", () => {
  const values = fc.oneof(
    fc.anything({ withBigInt: true, withDate: true, withMap: true, withTypedArray: true, withNullPrototype: true }),
    ...wholeModels.map(([, model]) => valuesOfModel(model, 3)));
  fc.assert(fc.property(values, fc.constantFrom(...wholeModels.map(([, model]) => model)), (value, model) => {
    const [one, other] = [generated, interpreted].map((codec) => outcome(() => {
      const writer = new Writer(16);
      writer.writeByte(7);
      try {
        codec.compile(schemaOf(model)).encode(value, writer);
      } catch (error) {
        assert.equal(writer.position, 1, "what failed left bytes behind");
        throw error;
      }
      return writer.finish();
    })) as [Outcome, Outcome];
    assert.deepStrictEqual(one, other);
  }), { ...options, numRuns: 10 * runs });
});

test("values of a model with one part replaced", () => {
  const parts = fc.anything({ withBigInt: true, withDate: true, withMap: true, withTypedArray: true, maxDepth: 1 });
  const structs = wholeModels.filter(([, model]) => model.kind === "struct" && model.fields.length > 0);
  const broken = fc.constantFrom(...structs.map(([, model]) => model)).chain((model) =>
    fc.tuple(fc.constant(model), valuesOfModel(model, 3), parts, fc.nat()));
  fc.assert(fc.property(broken, ([model, value, part, at]) => {
    const fields = (model as { fields: readonly { name: string }[] }).fields;
    const changed = { ...value as object, [fields[at % fields.length]?.name ?? ""]: part };
    const [one, other] = [generated, interpreted].map((codec) => outcome(() => {
      const writer = new Writer(16);
      codec.compile(schemaOf(model)).encode(changed, writer);
      return writer.finish();
    })) as [Outcome, Outcome];
    assert.deepStrictEqual(one, other);
  }), { ...options, numRuns: 10 * runs });
});
