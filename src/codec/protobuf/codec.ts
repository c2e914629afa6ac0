/**
 * The protobuf codec turns values into Protocol Buffers messages by functions compiled from their schema.
 *
 * It is the codec of the native wire and of gRPC alike, so that a gateway hands payloads on untouched.
 * docs/encoding.md has the mapping.
 */
import type { Codec, Coder } from "../../contract/codec.ts";
import type { Model } from "../../contract/model.ts";
import { requireModel, type Schema } from "../../contract/schema.ts";
import type { Writer } from "../../wire/writer.ts";
import { attemptDecode, attemptEncode, unread } from "./attempt.ts";
import { decodeInterpreted } from "./decode-interpreted.ts";
import { type Decode, generateDecoder } from "./decode-source.ts";
import { encodeInterpreted } from "./encode-interpreted.ts";
import { type Encode, generateEncoder } from "./encode-source.ts";
import { type MessagePlan, planMessage } from "./plan.ts";
import { permitsCodegen } from "./source.ts";

export interface ProtobufOptions {
  /**
   * Whether coders are generated as JavaScript, or interpret the schema, which is several times slower. By
   * default they are generated wherever that is permitted (a Content-Security-Policy may forbid it).
   */
  readonly codegen?: boolean;
}

/** The codec `proto`, generated where that is permitted. */
export const protobuf: Codec = createProtobufCodec();

/** Makes a protobuf codec. A coder compiles on its first use, and is shared by all uses of its model. */
export function createProtobufCodec(options: ProtobufOptions = {}): Codec {
  const coders = new WeakMap<Model, Coder>();
  let generates = options.codegen;
  return {
    name: "proto",
    structural: true,
    compile(schema: Schema): Coder {
      const model = requireModel(schema);
      const known = coders.get(model);
      if (known !== undefined) return known;
      const plan = planMessage(model);
      generates ??= permitsCodegen();
      const coder = generates ? generatedCoder(plan) : interpretingCoder(plan);
      coders.set(model, coder);
      return coder;
    },
  };
}

function interpretingCoder(plan: MessagePlan): Coder {
  return {
    encode: (value, writer) => encodeInterpreted(plan, value, writer),
    decode: (bytes, start, end) => decodeInterpreted(plan, bytes, start, end),
  };
}

/**
 * Generated code gives up at whatever is not plain, and the interpreter then does the work again: it knows
 * how to say what is wrong, and what is merely unusual it does right.
 */
function generatedCoder(plan: MessagePlan): Coder {
  let encode: Encode | undefined;
  let decode: Decode | undefined;
  return {
    encode(value: unknown, writer: Writer): void {
      encode ??= generateEncoder(plan);
      if (!attemptEncode(encode, value, writer)) encodeInterpreted(plan, value, writer);
    },
    decode(bytes: Uint8Array, start: number, end: number): unknown {
      decode ??= generateDecoder(plan);
      const value = attemptDecode(decode, bytes, start, end);
      return value === unread ? decodeInterpreted(plan, bytes, start, end) : value;
    },
  };
}
