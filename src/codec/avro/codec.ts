/**
 * The Avro codec turns values into Avro's binary encoding by functions compiled from their schema, and reads what other
 * schemas wrote by functions compiled from both (docs/avro.md).
 */
import { canonicalForm } from "../../contract/avro/canonical.ts";
import { planOf } from "../../contract/avro/messages.ts";
import type { AvroPlan } from "../../contract/avro/plan.ts";
import { schemaOfPlan } from "../../contract/avro/messages.ts";
import type { AvroSchema } from "../../contract/avro/schema.ts";
import type { Codec, CodecRole, Coder } from "../../contract/codec.ts";
import type { Model } from "../../contract/model.ts";
import { requireModel, type Schema } from "../../contract/schema.ts";
import type { Writer } from "../../wire/writer.ts";
import { attemptDecode, attemptEncode, unread } from "../protobuf/attempt.ts";
import { permitsCodegen } from "../protobuf/source.ts";
import { decodeInterpreted } from "./decode-interpreted.ts";
import { type Decode, generateDecoder } from "./decode-source.ts";
import { encodeInterpreted } from "./encode-interpreted.ts";
import { type Encode, generateEncoder } from "./encode-source.ts";
import { type Reading, resolveAvro } from "./resolve.ts";

export interface AvroOptions {
  /**
   * Whether coders are generated as JavaScript, or interpret the schema, which is several times slower. By default they
   * are generated wherever that is permitted (a Content-Security-Policy may forbid it).
   */
  readonly codegen?: boolean | undefined;
}

/** The codec `avro`, generated where that is permitted. */
export const avroCodec: Codec = createAvroCodec();

/** Most other schemas per type that coders are kept for; the least recently made is dropped. */
const maxWriters = 64;

/** Makes an Avro codec. A coder compiles on its first use, and is shared by all uses of its type. */
export function createAvroCodec(options: AvroOptions = {}): Codec {
  const coders = new WeakMap<Model, Map<string, Coder>>();
  let generates = options.codegen;
  return {
    name: "avro",
    structural: true,
    bound: true,
    compile(schema: Schema, role: CodecRole = "response"): Coder {
      const model = requireModel(schema);
      let byRole = coders.get(model);
      if (byRole === undefined) coders.set(model, byRole = new Map());
      const key = `${role} ${schema.name ?? ""}`;
      let coder = byRole.get(key);
      if (coder === undefined) {
        generates ??= permitsCodegen();
        byRole.set(key, coder = avroCoder(planOf(schema, role), generates));
      }
      return coder;
    },
  };
}

/** The coder of a plan. */
export function avroCoder(plan: AvroPlan, generates: boolean): Coder {
  let encode: Encode | undefined;
  let decode: Coder["decode"] | undefined;
  const readers = new Map<string, Coder>();
  const coder: Coder = {
    encode(value, writer) {
      if (!generates) {
        encodeInterpreted(plan, value, writer);
        return;
      }
      encode ??= generateEncoder(plan);
      encodeGenerated(plan, encode, value, writer);
    },
    decode(bytes, start, end) {
      decode ??= decoderOf(resolveAvro(schemaOfPlan(plan), plan), generates);
      return decode(bytes, start, end);
    },
    reading(writer) {
      const schema = writer as AvroSchema;
      const key = canonicalForm(schema);
      let reader = readers.get(key);
      if (reader === undefined) {
        // What cannot be resolved at all is told at once.
        const reading = resolveAvro(schema, plan);
        let its: Coder["decode"] | undefined;
        reader = {
          encode: (value, out) => coder.encode(value, out),
          decode: (bytes, start, end) => (its ??= decoderOf(reading, generates))(bytes, start, end),
        };
        if (readers.size >= maxWriters) readers.delete(readers.keys().next().value as string);
        readers.set(key, reader);
      }
      return reader;
    },
  };
  return coder;
}

/** Generated code gives up at whatever is not plain; the interpreter does the work again, and says what is wrong. */
function encodeGenerated(plan: AvroPlan, encode: Encode, value: unknown, writer: Writer): void {
  if (!attemptEncode(encode, value, writer)) encodeInterpreted(plan, value, writer);
}

function decoderOf(reading: Reading, generates: boolean): Coder["decode"] {
  if (!generates) return (bytes, start, end) => decodeInterpreted(reading, bytes, start, end);
  let decode: Decode | undefined;
  return (bytes, start, end) => {
    decode ??= generateDecoder(reading);
    const value = attemptDecode(decode, bytes, start, end);
    return value === unread ? decodeInterpreted(reading, bytes, start, end) : value;
  };
}
