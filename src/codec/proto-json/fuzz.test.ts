/** Whatever text comes, the reader answers with a value or an RpcError, and what it gives can be written again. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Model } from "../../contract/model.ts";
import { RpcError } from "../../core/error.ts";
import { Writer } from "../../wire/writer.ts";
import { createJsonCodec } from "../json.ts";
import { fits } from "../protobuf/fits.ts";
import { models, randomModel, runs, valuesOfModel } from "../../../test/codec/models.ts";

const json = createJsonCodec({ codegen: true });
const interpreted = createJsonCodec({ codegen: false });
const schemaOf = (model: Model) => ({ model, refine: undefined, validate: (value: unknown) => value });
const options = { seed: 20_261_121, numRuns: runs, endOnFailure: true };
const all = Object.values(models);

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

function encoded(model: Model, value: unknown, codec = json): Uint8Array {
  const writer = new Writer(16);
  codec.compile(schemaOf(model)).encode(value, writer);
  return writer.finish();
}

/** Decodes; a value that comes out has the structure of its model, and comes out again of what it is written as. */
function decodeAny(model: Model, bytes: Uint8Array): void {
  const coder = json.compile(schemaOf(model));
  const [one, other] = [json, interpreted].map((codec) => outcome(() => (
    codec.compile(schemaOf(model)).decode(bytes, 0, bytes.length)))) as [Outcome, Outcome];
  assert.deepStrictEqual(one, other);
  if (!("value" in one)) return;
  const { value } = one;
  assert.ok((model.kind === "unknown" && value === undefined) || fits(model, value), "has not the model's structure");
  assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
  const again = encoded(model, value);
  assert.deepStrictEqual(coder.decode(again, 0, again.length), value);
}

test("random bytes", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
    for (const model of all) decodeAny(model, bytes);
  }), options);
});

/** JSON that names the models' fields, so that readers get further. */
const names = [
  "v0", "v1", "v2", "v3", "v16", "v30", "value", "items", "entries", "x", "at", "name", "left", "children", "byName",
  "circle", "box", "kind", "string", "of", "y", "@type", "__proto__", "constructor", "c0", "a b", "count",
];
const parts = fc.oneof(fc.constantFrom(
  null, true, 0, -1, 1.5, 1e300, "", "1", "NaN", "red", "AAE=", "2030-01-01T00:00:00Z", "1s", 7, false), fc.string());
const anyJson = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof({ maxDepth: 4 }, parts, fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom(...names), tie("value"), { maxKeys: 6 })),
})).value;

test("random JSON", () => {
  fc.assert(fc.property(anyJson, (value) => {
    const bytes = Buffer.from(JSON.stringify(value));
    for (const model of all) decodeAny(model, bytes);
  }), { ...options, numRuns: 3 * runs });
});

const mutation = fc.record({ at: fc.nat(), remove: fc.nat(3), insert: fc.constantFrom(
  "", "0", '"', "{", "}", "[", "]", ",", ":", "null", "1e999", "\\", "\u0000", '{"a":', '"__proto__":1,') });

test("valid texts, mutated", () => {
  const pair = fc.constantFrom(...all).chain((model) =>
    fc.tuple(fc.constant(model), valuesOfModel(model, 3), fc.array(mutation, { minLength: 1, maxLength: 3 })));
  fc.assert(fc.property(pair, ([model, value, mutations]) => {
    const text = mutations.reduce((before, { at, remove, insert }) => {
      const from = at % (before.length + 1);
      return before.slice(0, from) + insert + before.slice(from + remove);
    }, Buffer.from(encoded(model, value)).toString());
    decodeAny(model, Buffer.from(text));
  }), { ...options, numRuns: 10 * runs });
});

test("texts of another type", () => {
  const pair = fc.tuple(randomModel, fc.constantFrom(...all)).chain(([other, model]) =>
    fc.tuple(fc.constant(other), fc.constant(model), valuesOfModel(model, 3)));
  fc.assert(fc.property(pair, ([other, model, value]) => decodeAny(other, encoded(model, value))), options);
});

test("values of another type are refused", () => {
  const anything = fc.anything({ withBigInt: true, withDate: true, withMap: true, withTypedArray: true });
  fc.assert(fc.property(anything, fc.constantFrom(...all), (value, model) => {
    assert.deepStrictEqual(outcome(() => encoded(model, value)), outcome(() => encoded(model, value, interpreted)));
  }), { ...options, numRuns: 10 * runs });
});

test("long texts take time in proportion to their length", () => {
  const model = models["scalars"] as Model;
  const timeMs = (text: string) => {
    const bytes = Buffer.from(text);
    const from = performance.now();
    decodeAny(model, bytes);
    return performance.now() - from;
  };
  const texts = (n: number) => [
    `{"int64":"${"9".repeat(n)}"}`, `{"bytes":"${"-_".repeat(n)}"}`, `{"double":"1${"0".repeat(n)}"}`,
    `{"timestamp":"${"2".repeat(n)}"}`, `{"x":"${"\\u003a".repeat(n)}"}`, `{${'"a":1,'.repeat(n)}"b":1}`,
  ];
  for (const [i, text] of texts(100_000).entries()) {
    assert.ok(timeMs(text) < 2000, `text ${i} takes too long`);
  }
});
