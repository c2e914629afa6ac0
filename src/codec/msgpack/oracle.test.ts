/** The compiled codec beside the library: the same bytes, and the same answer to whatever bytes come. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Codec } from "../../contract/codec.ts";
import type { Model, StructModel } from "../../contract/model.ts";
import { RpcError } from "../../core/error.ts";
import { Writer } from "../../wire/writer.ts";
import { fits } from "../protobuf/fits.ts";
import { createMsgpackCodec } from "./codec.ts";
import { libraryMsgpack } from "../../../test/codec/msgpack/library.ts";
import { models, randomModel, runs, valuesOfModel } from "../../../test/codec/models.ts";

const generated = createMsgpackCodec({ codegen: true });
const interpreted = createMsgpackCodec({ codegen: false });
const schemaOf = (model: Model | undefined) => ({ model, refine: undefined, validate: (value: unknown) => value });
const options = { seed: 20_261_122, numRuns: runs, endOnFailure: true };

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

function encoded(codec: Codec, model: Model | undefined, value: unknown, before = 0): Uint8Array {
  const writer = new Writer(1);
  writer.writeBytes(new Uint8Array(before));
  codec.compile(schemaOf(model)).encode(value, writer);
  return writer.finish().slice(before);
}

/** Decodes between guard bytes. */
function decoded(codec: Codec, model: Model | undefined, bytes: Uint8Array): Outcome & { isKnown?: boolean } {
  const before = 3;
  const padded = new Uint8Array(bytes.length + 2 * before).fill(0x81);
  padded.set(bytes, before);
  const coder = codec.compile(schemaOf(model));
  const found = outcome(() => coder.decode(padded, before, before + bytes.length));
  padded.fill(0);
  return coder.wasStructural === undefined ? found : { ...found, isKnown: coder.wasStructural() };
}

function sameBytes(model: Model, value: unknown): void {
  const [ours, slow, theirs] = [generated, interpreted, libraryMsgpack].map((codec) =>
    outcome(() => encoded(codec, model, value, 5)));
  assert.deepStrictEqual(ours, slow);
  assert.deepStrictEqual(ours, theirs);
  if (ours === undefined || "error" in ours) return;
  const bytes = ours.value as Uint8Array;
  for (const codec of [generated, interpreted, libraryMsgpack]) {
    const back = decoded(codec, model, bytes);
    assert.deepEqual(back, { ...back, value });
  }
}

for (const [name, model] of Object.entries(models)) {
  test(`the bytes of the library: ${name}`, () => {
    fc.assert(fc.property(valuesOfModel(model), (value) => sameBytes(model, value)), options);
  });
}

test("the bytes of the library: models at random", () => {
  const cases = randomModel.chain((model) => fc.tuple(fc.constant(model), valuesOfModel(model)));
  fc.assert(fc.property(cases, ([model, value]) => sameBytes(model, value)), options);
});

test("whatever the value, it is written as the library writes it", () => {
  const values = fc.anything({
    withBigInt: true, withDate: true, withMap: true, withSet: true, withNullPrototype: true, withSparseArray: true,
    maxDepth: 4, values: [fc.string({ unit: "binary" }), fc.double(), fc.constant(null), fc.uint8Array(), fc.bigInt()],
  });
  fc.assert(fc.property(values, (value) => {
    const [ours, theirs] = [generated, libraryMsgpack].map((codec) => outcome(() => encoded(codec, undefined, value)));
    assert.deepStrictEqual(ours, theirs);
  }), options);
});

/** The same value with the properties of every object in another order, and one more in each. */
function shuffled(value: unknown, seed: number): unknown {
  if (Array.isArray(value)) return value.map((item) => shuffled(item, seed));
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  const members = Object.entries(value).map(([key, member]) => [key, shuffled(member, seed)] as const);
  const cut = members.length === 0 ? 0 : seed % members.length;
  return Object.fromEntries([...members.slice(cut), ...members.slice(0, cut).toReversed()]);
}

test("properties are found in any order", () => {
  const cases = randomModel.chain((model) => fc.tuple(fc.constant(model), valuesOfModel(model), fc.nat(20)));
  fc.assert(fc.property(cases, ([model, value, seed]) => {
    const bytes = outcome(() => encoded(libraryMsgpack, undefined, shuffled(value, seed)));
    if ("error" in bytes) return;
    for (const codec of [generated, interpreted]) {
      const back = decoded(codec, model, bytes.value as Uint8Array);
      assert.deepEqual(back, { ...back, value });
    }
  }), options);
});

test("unknown properties are passed over, wherever they stand", () => {
  const cases = randomModel.chain((model) =>
    fc.tuple(fc.constant(model), valuesOfModel(model), fc.anything({ withDate: true, withMap: true }), fc.nat(20)));
  fc.assert(fc.property(cases, ([model, value, other, at]) => {
    const members = Object.entries(value as object);
    members.splice(at % (members.length + 1), 0, ["unknown", other]);
    const bytes = outcome(() => encoded(libraryMsgpack, undefined, Object.fromEntries(members)));
    if ("error" in bytes) return;
    for (const codec of [generated, interpreted]) {
      const back = decoded(codec, model, bytes.value as Uint8Array);
      assert.deepEqual(back, { ...back, value });
    }
  }), options);
});

interface Mutation {
  readonly kind: string;
  readonly at: number;
  readonly byte: number;
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  kind: fc.constantFrom("cut", "flip", "insert", "remove", "append", "swap"), at: fc.nat(),
  byte: fc.oneof(fc.nat(255), fc.integer({ min: 0xc0, max: 0xdf })),
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

/** Generated and interpreted code agree, refuse what the library refuses, and take no structure for what it is not. */
function decodeAll(model: Model, bytes: Uint8Array): void {
  const [one, other] = [generated, interpreted].map((codec) => decoded(codec, model, bytes));
  assert.deepStrictEqual(one, other);
  const [free, theirs] = [generated, libraryMsgpack].map((codec) => decoded(codec, undefined, bytes)) as [
    Outcome, Outcome];
  assert.equal("error" in free, "error" in theirs, JSON.stringify([free, theirs], bigints));
  if ("value" in free) assert.deepEqual(free, theirs);
  if (one === undefined || "error" in one) assert.deepStrictEqual(one, { ...free, isKnown: false });
  else if (one.isKnown === true) assert.ok(fits(model, one.value), "a structure that is not that of the model");
  else assert.ok("value" in theirs);
  assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
}

function bigints(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}

for (const [name, model] of Object.entries(models).filter(([name]) => !name.startsWith("bare"))) {
  test(`valid messages, mutated: ${name}`, () => {
    const cases = fc.tuple(valuesOfModel(model), fc.array(mutation, { minLength: 1, maxLength: 3 }));
    fc.assert(fc.property(cases, ([value, mutations]) => {
      const bytes = outcome(() => encoded(interpreted, model, value));
      if ("value" in bytes) decodeAll(model, mutations.reduce(mutate, bytes.value as Uint8Array));
    }), options);
  });
}

test("random bytes", () => {
  const heads = fc.constantFrom(0x81, 0x82, 0x92, 0xa1, 0xa3, 0xc0, 0xc4, 0xc7, 0xcf, 0xd4, 0xd6, 0xd9, 0xdc, 0xde, 1);
  const bytes = fc.array(fc.oneof(heads, fc.integer({ min: 0, max: 255 }), fc.constantFrom(0x61, 0x62)),
    { maxLength: 60 });
  fc.assert(fc.property(bytes, (all) => {
    for (const model of Object.values(models)) decodeAll(model, Uint8Array.from(all));
  }), options);
});

test("values nest to a hundred levels and no deeper, known or not", () => {
  const chain: StructModel = {
    kind: "struct", name: "Chain",
    get fields(): StructModel["fields"] {
      return [{ name: "next", number: 1, model: chain, presence: "optional" }];
    },
  };
  const nested = (levels: number): object => (levels === 1 ? {} : { next: nested(levels - 1) });
  for (const codec of [generated, interpreted]) {
    for (const model of [chain, undefined]) {
      sameBytes(chain, nested(100));
      assert.throws(() => encoded(codec, model, nested(101)), /cannot encode value.next.* nested deeper than 100/);
      const level = [0x81, 0xa4, 0x6e, 0x65, 0x78, 0x74];
      const bytes = Uint8Array.from([...Array.from({ length: 101 }, () => level).flat(), 0xc0]);
      assert.match(JSON.stringify(decoded(codec, model, bytes)), /nested deeper than 100/);
    }
  }
});
