// The npm package `avsc` as its users have it: a type of the same schema, written into one buffer and read from each
// record's bytes.
import assert from "node:assert/strict";
import avsc from "avsc";
import { avroCodec } from "../../src/codec/index.ts";
import { canonicalForm } from "../../src/contract/avro/index.ts";
import { planOf, schemaOfPlan } from "../../src/contract/avro/messages.ts";
import { schemaOf } from "../../src/contract/index.ts";
import { Writer } from "../../src/wire/index.ts";
import type { Contender } from "./contenders.ts";
import { type Case, shapes, valuesOf } from "./shapes.ts";

/** Encodes and decodes with the library; refuses to measure it if it wrote something else. */
export function avscContender(name: Case): Contender {
  const { type, message } = shapes[name];
  const schema = schemaOf(type, message);
  const coder = avroCodec.compile(schema);
  const json = JSON.parse(canonicalForm(schemaOfPlan(planOf(schema, "response")))) as Parameters<
    typeof avsc.Type.forSchema>[0];
  const its = avsc.Type.forSchema(json);
  const encoded = valuesOf[name].map((value) => {
    const writer = new Writer(4096);
    coder.encode(value, writer);
    return Buffer.from(writer.finish());
  });
  const decode = (index: number): unknown => its.fromBuffer(encoded[index] as Buffer);
  const values = encoded.map((_, index) => decode(index));
  const out = Buffer.allocUnsafeSlow(65_536);
  const encode = (index: number): number => its.encode(values[index], out, 0);
  for (const [i, bytes] of encoded.entries()) {
    assert.deepEqual(out.subarray(0, encode(i)), bytes, `record ${i} of ${name}`);
  }
  return { encode, decode };
}
