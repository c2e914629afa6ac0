/** MethodCoders are what a protocol needs of a method's types: one coder each way, and one per declared error. */
import { RpcError } from "../core/error.ts";
import type { Codec, CodecRole, Coder } from "./codec.ts";
import type { AnyMethod } from "./method.ts";
import { errorMessageOf } from "./proto/describe-names.ts";
import type { Schema } from "./schema.ts";
import { carryUnknownFields, keptUnknownFields } from "./unknown-fields.ts";

export interface MethodCoders {
  /** The codec's name on the wire. */
  readonly codec: string;
  readonly request: Coder;
  readonly response: Coder;
  /** The coder of a declared error's data; undefined for a name the contract does not declare. */
  error(reason: string): Coder | undefined;
  /** The numbers of declared errors by name. Absent where the contract is not known. */
  readonly errorIds?: Readonly<Record<string, number>> | undefined;
  /**
   * A declared error as a detail in Protobuf, whatever the codec (google.rpc.Status has no other details): undefined
   * for an unknown name and for data that Protobuf cannot say. Absent where no Protobuf codec was given.
   */
  readonly detail?: ((reason: string) => DetailCoder | undefined) | undefined;
  /** The declared errors whose detail is a message of this full name. Absent where the contract is not known. */
  readonly reasonsOf?: ((type: string) => readonly string[]) | undefined;
}

/** How a declared error's data become a detail of an error. */
export interface DetailCoder {
  /** The message's full name: what exported `.proto` files call it. */
  readonly type: string;
  readonly coder: Coder;
}

/**
 * Compiles a method's coders for one side. What is received is checked completely: a codec compiled from the
 * model guarantees the structure, so only what the model cannot say is left to the schema. `details` is the Protobuf
 * codec, for error details beside another codec; default `codec`, if that is Protobuf.
 */
export function codersOf(method: AnyMethod, codec: Codec, details?: Codec): MethodCoders {
  const errors = new Map<string, Coder>();
  const detailCodec = details ?? (codec.name === "proto" ? codec : undefined);
  return {
    codec: codec.name,
    request: checked(method.input, codec, "request"),
    response: checked(method.output, codec, "response"),
    error(reason) {
      let coder = errors.get(reason);
      if (coder !== undefined) return coder;
      const declared = declaredError(method, reason);
      if (declared === undefined) return undefined;
      coder = checked(declared, codec, "error");
      errors.set(reason, coder);
      return coder;
    },
    errorIds: method.errorIds ?? Object.fromEntries(Object.keys(method.errors).map((name, i) => [name, i + 1])),
    detail: detailCodec === undefined ? undefined : detailCoders(method, detailCodec),
    reasonsOf: (type) => Object.keys(method.errors).filter((reason) =>
      errorMessageOf(method.errors[reason] as Schema, method.service) === type),
  };
}

function declaredError(method: AnyMethod, reason: string): Schema | undefined {
  return Object.hasOwn(method.errors, reason) ? method.errors[reason] : undefined;
}

/** Made on first use: few calls fail with a declared error. */
function detailCoders(method: AnyMethod, codec: Codec): (reason: string) => DetailCoder | undefined {
  const made = new Map<string, DetailCoder | undefined>();
  return (reason) => {
    if (made.has(reason)) return made.get(reason);
    const declared = declaredError(method, reason);
    if (declared === undefined) return undefined;
    const detail = detailCoder(declared, method.service, codec);
    made.set(reason, detail);
    return detail;
  };
}

/** Undefined where Protobuf cannot say the data: the error goes without them, or in its wire's own codec. */
function detailCoder(declared: Schema, service: string, codec: Codec): DetailCoder | undefined {
  const type = errorMessageOf(declared, service);
  if (type === undefined) return undefined;
  try {
    return { type, coder: checked(declared, codec, "error") };
  } catch {
    return undefined;
  }
}

function checked(schema: Schema, codec: Codec, role: CodecRole): Coder {
  const check = codec.structural ? schema.refine : schema.validate;
  const coder = codec.compile(schema, role);
  if (check === undefined) return coder;
  const { wasStructural } = coder;
  if (wasStructural === undefined || schema.refine !== undefined) return withCheck(coder, check);
  return {
    encode: (value, writer) => coder.encode(value, writer),
    decode(bytes, start, end) {
      const value = coder.decode(bytes, start, end);
      return wasStructural() ? value : check(value);
    },
  };
}

function withCheck(coder: Coder, check: (value: unknown) => unknown): Coder {
  const { reading } = coder;
  return {
    ...(reading === undefined ? {} : { reading: (writer: unknown) => withCheck(reading(writer), check) }),
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
