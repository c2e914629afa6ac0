/** MethodCoders are what a protocol needs of a method's types: one coder each way, and one per declared error. */
import { RpcError } from "../core/error.ts";
import type { Codec, Coder } from "./codec.ts";
import type { AnyMethod } from "./method.ts";
import type { Schema } from "./schema.ts";
import { carryUnknownFields, keptUnknownFields } from "./unknown-fields.ts";

export interface MethodCoders {
  /** The codec's name on the wire. */
  readonly codec: string;
  readonly request: Coder;
  readonly response: Coder;
  /** The coder of a declared error's data; undefined for a name the contract does not declare. */
  error(reason: string): Coder | undefined;
}

/**
 * Compiles a method's coders for one side. What is received is checked completely: a codec compiled from the
 * model guarantees the structure, so only what the model cannot say is left to the schema.
 */
export function codersOf(method: AnyMethod, codec: Codec): MethodCoders {
  const errors = new Map<string, Coder>();
  return {
    codec: codec.name,
    request: checked(method.input, codec),
    response: checked(method.output, codec),
    error(reason) {
      let coder = errors.get(reason);
      if (coder !== undefined) return coder;
      const declared = Object.hasOwn(method.errors, reason) ? method.errors[reason] : undefined;
      if (declared === undefined) return undefined;
      coder = checked(declared, codec);
      errors.set(reason, coder);
      return coder;
    },
  };
}

function checked(schema: Schema, codec: Codec): Coder {
  const coder = codec.compile(schema);
  const check = codec.structural ? schema.refine : schema.validate;
  if (check === undefined) return coder;
  return {
    encode: (value, writer) => coder.encode(value, writer),
    decode(bytes, start, end) {
      const before = keptUnknownFields.structs;
      const value = coder.decode(bytes, start, end);
      const checked = check(value);
      if (keptUnknownFields.structs !== before) carryUnknownFields(value, checked);
      return checked;
    },
  };
}

/** Coders that hand bytes through: what a gateway forwards with. The bytes are views of what was received. */
export function rawCoders(codec: string): MethodCoders {
  return { codec, request: rawCoder, response: rawCoder, error: () => rawCoder };
}

const rawCoder: Coder = {
  encode(value, writer) {
    if (!(value instanceof Uint8Array)) {
      throw new RpcError("internal", "a forwarded message must be bytes", { phase: "encode" });
    }
    writer.writeBytes(value);
  },
  decode: (bytes, start, end) => bytes.subarray(start, end),
};
