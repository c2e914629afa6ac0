/** The JSON and the bytes of protobuf-es, for every model, in both directions. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type DescMessage, fromBinary, fromJson, type JsonValue, toBinary, toJson } from "@bufbuild/protobuf";
import fc from "fast-check";
import type { Codec } from "../../contract/codec.ts";
import type { Model } from "../../contract/model.ts";
import { Writer } from "../../wire/writer.ts";
import { createJsonCodec } from "../json.ts";
import { protobuf } from "../protobuf/index.ts";
import { describe, identifier } from "../../../test/codec/descriptors.ts";
import { models, randomModel, runs, valuesOfModel } from "../../../test/codec/models.ts";

const codecs = [createJsonCodec(), createJsonCodec({ unknownProperties: "refuse", codegen: false })];
const schemaOf = (model: Model) => ({ model, refine: undefined, validate: (value: unknown) => value });

function encode(codec: Codec, model: Model, value: unknown): Uint8Array {
  const writer = new Writer(16);
  codec.compile(schemaOf(model)).encode(value, writer);
  return writer.finish();
}

function decode(codec: Codec, model: Model, bytes: Uint8Array): unknown {
  return codec.compile(schemaOf(model)).decode(bytes, 0, bytes.length);
}

/** An enum's value that is no identifier, as it stands in JSON. */
const oddName = 'night \\"blue\\"';
const plainName = identifier(JSON.parse(`"${oddName}"`) as string);

/** JSON.stringify, which would lose the sign of zero. */
function stringify(value: unknown): string {
  const text = JSON.stringify(value, (_, part: unknown) => (Object.is(part, -0) ? "\0-0" : part));
  return text.replaceAll('"\\u0000-0"', "-0");
}

function check(model: Model, desc: DescMessage, value: unknown): void {
  const bytes = encode(protobuf, model, value);
  const message = fromBinary(desc, bytes);
  assert.deepStrictEqual(decode(protobuf, model, toBinary(desc, message)), value, "their bytes");
  for (const json of codecs) checkJson(json, model, desc, value);
}

function checkJson(json: Codec, model: Model, desc: DescMessage, value: unknown): void {
  const message = fromBinary(desc, encode(protobuf, model, value));
  const text = encode(json, model, value);
  const theirs = toJson(desc, message);
  const theirText = stringify(theirs).replaceAll(plainName, oddName);
  assert.deepStrictEqual(JSON.parse(new TextDecoder().decode(text)), JSON.parse(theirText), "our JSON");
  assert.deepStrictEqual(decode(json, model, text), value, "our JSON, read by us");
  assert.deepStrictEqual(decode(json, model, Buffer.from(theirText)), value, "their JSON, read by us");
  // The name stands in enums and, never checked, in the keys of maps.
  const ours = JSON.parse(new TextDecoder().decode(text).replaceAll(oddName, plainName)) as JsonValue;
  const read = stringify(toJson(desc, fromJson(desc, ours)));
  assert.equal(read.replaceAll(plainName, oddName), theirText, "our JSON, read by them");
}

for (const [name, model] of Object.entries(models)) {
  test(`the JSON of protobuf-es: ${name}`, () => {
    const desc = describe(model);
    fc.assert(fc.property(valuesOfModel(model), (value) => check(model, desc, value)),
      { seed: 20_261_121, numRuns: Math.ceil(runs / 4), endOnFailure: true });
  });
}

test("the JSON of protobuf-es: models at random", () => {
  const both = randomModel.chain((model) =>
    fc.tuple(fc.constant(model), fc.array(valuesOfModel(model, 3), { maxLength: 4 })));
  fc.assert(fc.property(both, ([model, values]) => {
    const desc = describe(model);
    for (const value of values) check(model, desc, value);
  }), { seed: 42, numRuns: runs, endOnFailure: true });
});
