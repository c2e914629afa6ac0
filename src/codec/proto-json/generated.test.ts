/** Generated coders and the interpreter agree: on every byte that is written, and on every text that is taken. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Model } from "../../contract/model.ts";
import { RpcError } from "../../core/error.ts";
import { Writer } from "../../wire/writer.ts";
import { createJsonCodec } from "../json.ts";
import {
  field, list, map, models, randomModel, runs, scalar, struct, valuesOfModel,
} from "../../../test/codec/models.ts";

/** A codec of its own for each text, so that one which was given up does not send the next past the generated code. */
const generated = () => createJsonCodec({ codegen: true });
const interpreted = createJsonCodec({ codegen: false });
const schemaOf = (model: Model) => ({ model, refine: undefined, validate: (value: unknown) => value });
const options = { seed: 20_261_122, numRuns: runs, endOnFailure: true };

/** Written behind other bytes, into a writer that must grow at any place. */
function written(codec: ReturnType<typeof generated>, model: Model, value: unknown, initialBytes: number): string {
  const writer = new Writer(initialBytes);
  writer.writeByte(0x5b);
  codec.compile(schemaOf(model)).encode(value, writer);
  return Buffer.from(writer.finish()).toString();
}

function outcome(run: () => unknown): unknown {
  try {
    return { value: run() };
  } catch (error) {
    assert.ok(RpcError.is(error), String(error));
    return { error: error.message };
  }
}

function reads(model: Model, text: string): void {
  const bytes = Buffer.from(`x${text}y`);
  const by = (codec: ReturnType<typeof generated>) => outcome(() => (
    codec.compile(schemaOf(model)).decode(bytes, 1, bytes.length - 1)));
  assert.deepStrictEqual(by(generated()), by(interpreted), text);
}

/** The same JSON with the members of its objects the other way round. */
function reversed(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(reversed);
  if (typeof json !== "object" || json === null) return json;
  return Object.fromEntries(Object.entries(json).toReversed().map(([name, value]) => [name, reversed(value)]));
}

function agree(model: Model, value: unknown, initialBytes: number): void {
  const text = written(generated(), model, value, initialBytes);
  assert.equal(text, written(interpreted, model, value, 16));
  const json = text.slice(1);
  reads(model, json);
  const parsed: unknown = JSON.parse(json);
  reads(model, JSON.stringify(reversed(parsed)));
  reads(model, JSON.stringify(parsed, undefined, 1));
  reads(model, json.replaceAll(/[a-z]/g, (letter) => `\\u00${letter.charCodeAt(0).toString(16)}`));
  reads(model, json.replaceAll(":", ":null,\"more\":"));
  reads(model, json.replaceAll(/"[^"\\]*":/g, (key) => `${key}null,${key}`));
}

for (const [name, model] of Object.entries(models)) {
  test(`generated JSON: ${name}`, () => {
    fc.assert(fc.property(valuesOfModel(model), fc.integer({ min: 1, max: 300 }),
      (value, initialBytes) => agree(model, value, initialBytes)), { ...options, numRuns: Math.ceil(runs / 4) });
  });
}

test("generated JSON: models at random", () => {
  const both = randomModel.chain((model) => fc.tuple(fc.constant(model), valuesOfModel(model, 3), fc.nat(300)));
  fc.assert(fc.property(both, ([model, value, initialBytes]) => agree(model, value, initialBytes + 1)), options);
});

const texts: Model = struct("Texts", [
  field("one", 1, scalar("string")), field("toString", 2, scalar("string")), field("list", 3, list(scalar("string"))),
  field("naïve \"key\"", 4, scalar("string")), field("map", 5, map(scalar("string"), scalar("string"))),
  field("asMap", 6, map(scalar("string"), scalar("double"), "Map")), field("last", 7, scalar("int64")),
]);
const awkward = fc.oneof(
  fc.string({ unit: "binary" }), fc.string({ unit: "grapheme", maxLength: 60 }),
  fc.array(fc.constantFrom("\ud800", "\udc00", "\"", "\\", "\n", "\u007f", "\u2028", "é", "😀", "a", "0123456789abc"))
    .map((parts) => parts.join("")),
);

test("texts of all kinds", () => {
  const value = fc.record({
    one: awkward, toString: awkward, list: fc.array(awkward), "naïve \"key\"": awkward,
    map: fc.dictionary(awkward.filter((key) => key !== "__proto__"), awkward),
    asMap: fc.array(fc.tuple(awkward, fc.double({ noNaN: true }))).map((entries) => new Map(entries)),
    last: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  });
  fc.assert(fc.property(value, fc.integer({ min: 1, max: 300 }), (one, initialBytes) => {
    const text = written(generated(), texts, one, initialBytes);
    assert.equal(text, written(interpreted, texts, one, 16));
    reads(texts, text.slice(1));
  }), { ...options, numRuns: 10 * runs });
});

test("numbers as JSON has them", () => {
  const numbers: Model = struct("Numbers", [
    field("d", 1, scalar("double")), field("f", 2, scalar("float")), field("i", 3, scalar("int32")),
    field("u", 4, scalar("uint32")), field("l", 5, scalar("int64")), field("n", 6, scalar("uint64")),
  ]);
  const number = fc.oneof(
    fc.double().map(String), fc.integer().map(String), fc.bigInt({ min: -(2n ** 65n), max: 2n ** 65n }).map(String),
    fc.stringMatching(/^-?[0-9]{0,3}\.?[0-9]{0,25}([eE][+-]?[0-9]{0,3})?$/),
    fc.constantFrom("-0", "00", "1.", ".5", "1e400", "-1e-400", "9007199254740993", "1e5", "-", "+1", "null"),
  );
  fc.assert(fc.property(fc.constantFrom("d", "f", "i", "u", "l", "n"), number, fc.boolean(), (name, text, quoted) => (
    reads(numbers, `{"${name}":${quoted ? `"${text}"` : text}}`))), { ...options, numRuns: 30 * runs });
});

test("times as JSON has them", () => {
  const time: Model = struct("Times", [field("t", 1, scalar("timestamp"))]);
  const two = fc.integer({ min: 0, max: 62 }).map((number) => String(number).padStart(2, "0"));
  const text = fc.tuple(fc.constantFrom("19", "20", "00", "99", "1/"), two, two, two, two, two, two,
    fc.constantFrom("Z", ".123Z", ".1Z", ".12:Z", "+01:00", "")).map(([century, year, month, day, hour, minute, second,
    rest]) => `${century}${year}-${month}-${day}T${hour}:${minute}:${second}${rest}`);
  const real = fc.date({ noInvalidDate: true, min: new Date(-62_135_596_800_000), max: new Date(253_402_300_799_999) })
    .map((date) => date.toISOString());
  fc.assert(fc.property(fc.oneof(text, real), (one) => reads(time, `{"t":"${one}"}`)),
    { ...options, numRuns: 30 * runs });
});

test("depth counts the same", () => {
  const tree: Model = models["tree"] as Model;
  for (const levels of [48, 49, 50, 51, 99, 100, 101]) {
    reads(tree, '{"left":'.repeat(levels) + "{}" + "}".repeat(levels));
    reads(tree, '{"children":[{"x":'.repeat(levels) + "{}" + "}]}".repeat(levels));
    reads(tree, '{"children":['.repeat(levels) + "{}" + "]}".repeat(levels));
    reads(tree, '{"byName":{"a":'.repeat(levels) + "{}" + "}}".repeat(levels));
  }
});

test("a peer that writes otherwise is read all the same, and one that changes its ways too", () => {
  const coder = generated().compile(schemaOf(texts));
  const plain = Buffer.from('{"one":"a","last":"5"}');
  const spaced = Buffer.from('{ "one": "a", "last": "5" }');
  const wanted = coder.decode(plain, 0, plain.length);
  for (let i = 0; i < 2000; i++) {
    const text = i % 700 < 350 ? spaced : plain;
    assert.deepStrictEqual(coder.decode(text, 0, text.length), wanted);
  }
});
