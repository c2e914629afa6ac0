/**
 * The MessagePack codec: values that describe themselves, so that it works for every schema; where a schema's structure
 * is known, by functions compiled from it, to the same bytes (docs/encoding-json-msgpack.md).
 */
import type { Codec, Coder } from "../../contract/codec.ts";
import type { Model } from "../../contract/model.ts";
import type { Schema } from "../../contract/schema.ts";
import type { Writer } from "../../wire/writer.ts";
import { attemptDecode, attemptEncode, unread } from "../protobuf/attempt.ts";
import { beginInput } from "../protobuf/decode-support.ts";
import { permitsCodegen } from "../protobuf/source.ts";
import { decodeFree } from "./decode-free.ts";
import { decodeInterpreted } from "./decode-interpreted.ts";
import { type Decode, generateDecoder } from "./decode-source.ts";
import { loose } from "./decode-support.ts";
import { encodeInterpreted } from "./encode-interpreted.ts";
import { type Encode, generateEncoder } from "./encode-source.ts";
import { writeFree } from "./encode-support.ts";
import { type Plan, planOf } from "./plan.ts";

export interface MsgpackOptions {
  /**
   * Whether coders are generated as JavaScript, or interpret the schema, which is several times slower. By default they
   * are generated wherever that is permitted (a Content-Security-Policy may forbid it).
   */
  readonly codegen?: boolean | undefined;
}

/** Values as MessagePack. Its content type is `application/msgpack`. Generated where that is permitted. */
export const msgpack: Codec = createMsgpackCodec();

/** Makes a MessagePack codec. A coder compiles on its first use, and is shared by all uses of its model. */
export function createMsgpackCodec(options: MsgpackOptions = {}): Codec {
  const coders = new WeakMap<Model, Coder>();
  let generates = options.codegen;
  return {
    name: "msgpack",
    structural: false,
    compile({ model }: Schema): Coder {
      if (model === undefined) return freeCoder;
      let coder = coders.get(model);
      if (coder === undefined) {
        generates ??= permitsCodegen();
        coders.set(model, coder = coderOf(planOf(model), generates));
      }
      return coder;
    },
  };
}

const freeCoder: Coder = {
  encode(value, writer) {
    encode(writeAnything, { type: "any" }, value, writer);
  },
  decode: readAnything,
};

const writeAnything: Encode = (value, writer) => writeFree(writer, value, 0);

function coderOf(plan: Plan, generates: boolean): Coder {
  let write: Encode | undefined;
  let read: Decode | undefined;
  let isStructural = false;
  return {
    encode(value, writer) {
      if (generates) encode(write ??= generateEncoder(plan), plan, value, writer);
      else encodeInterpreted(plan, value, writer);
    },
    decode(bytes, start, end) {
      read ??= generates ? generateDecoder(plan)
        : (all, from, to) => decodeInterpreted(plan, all, from, to);
      // A default of the schema may be computed by decoding something else: hence the outer one.
      const wasLoose = loose.is;
      loose.is = false;
      const value = attemptDecode(read, bytes, start, end);
      isStructural = value !== unread && !loose.is;
      loose.is = wasLoose;
      return value === unread ? readAnything(bytes, start, end) : value;
    },
    wasStructural: () => isStructural,
  };
}

/** Generated code gives up at whatever is not plain; the interpreter does the work again, and says what is wrong. */
function encode(write: Encode, plan: Plan, value: unknown, writer: Writer): void {
  if (!attemptEncode(write, value, writer)) encodeInterpreted(plan, value, writer);
}

/** Reads a value as it describes itself. */
function readAnything(bytes: Uint8Array, start: number, end: number): unknown {
  const outer = beginInput(end);
  try {
    return decodeFree(bytes, start, end);
  } finally {
    beginInput(outer);
  }
}
