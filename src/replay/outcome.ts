/**
 * An outcome is how a call ended, as bytes: its value or its error as the handler decided it, and the metadata that
 * went with it.
 *
 * Values are in the codec that a method has by default, compiled Protobuf or MessagePack, so that a record takes little
 * room and a newer server reads what an older one wrote. Errors, with the data of declared ones, are tagged JSON.
 */
import { type Code, type Context, type ErrorDetail, type Metadata, type MethodInfo, RpcError } from "../core/index.ts";
import type { Coder } from "../contract/codec.ts";
import type { AnyMethod } from "../contract/method.ts";
import { codecFor } from "../codec/choose.ts";
import { taggedJson } from "../codec/json-tagged.ts";
import { msgpack } from "../codec/msgpack/index.ts";
import { Cursor } from "../wire/cursor.ts";
import { Writer } from "../wire/writer.ts";

/** What the first byte says. */
const Kind = { value: 1, error: 2, lost: 3 } as const;
/** Set beside the kind where metadata follow. */
const withMetadata = 0x80;

export type Outcome =
  | { readonly kind: "value"; readonly value: unknown }
  | { readonly kind: "error"; readonly error: RpcError }
  /** It ended, and how is not on record. */
  | { readonly kind: "lost"; readonly why: string };

/** Shared by all: encoding is never interrupted. Let go of when one outcome made it large. */
let scratch = new Writer(1_024);
const keptScratchBytes = 65_536;

export function encodeValue(method: MethodInfo, value: unknown, context: Context): Uint8Array {
  return written(Kind.value, context, (writer) => coderOf(method).encode(value, writer));
}

export function encodeError(error: RpcError, context: Context): Uint8Array {
  const { code, message, reason, data, retryable, neverStarted, retryAfterMs, details, metadata } = error;
  return written(Kind.error, context, (writer) => taggedJson.encode({
    code, message, reason, data, retryable, neverStarted, retryAfterMs, details, metadata: metadata && { ...metadata },
  }, writer));
}

/** A call that ended with nobody knowing how, or with more than is kept. */
export function encodeLost(why: string): Uint8Array {
  return written(Kind.lost, undefined, (writer) => taggedJson.encode(why, writer));
}

function written(kind: number, context: Context | undefined, body: (writer: Writer) => void): Uint8Array {
  const writer = scratch;
  writer.position = 0;
  const reply = context?.reply;
  try {
    writer.writeByte(reply === undefined ? kind : kind | withMetadata);
    if (reply !== undefined) {
      const text = new Writer(256);
      taggedJson.encode({ header: reply.header && { ...reply.header }, trailer: reply.trailer && { ...reply.trailer } },
        text);
      writer.writeVarint(text.position);
      writer.writeBytes(text.bytes.subarray(0, text.position));
    }
    body(writer);
    return writer.finish();
  } finally {
    if (writer.bytes.length > keptScratchBytes) scratch = new Writer(1_024);
  }
}

/** Reads an outcome, and gives the metadata that went with it to `context`. Throws for bytes that are none. */
export function decodeOutcome(method: MethodInfo, bytes: Uint8Array, context: Context): Outcome {
  const head = bytes[0] ?? 0;
  let start = 1;
  if ((head & withMetadata) !== 0) {
    const cursor = new Cursor().over(bytes, 1, bytes.length);
    const length = cursor.varint();
    start = cursor.position + length;
    restore(taggedJson.decode(bytes, cursor.position, start) as Kept, context);
  }
  const kind = head & ~withMetadata;
  if (kind === Kind.value) return { kind: "value", value: coderOf(method).decode(bytes, start, bytes.length) };
  const body = taggedJson.decode(bytes, start, bytes.length);
  if (kind === Kind.lost) return { kind: "lost", why: String(body) };
  if (kind !== Kind.error) throw new RpcError("data_loss", `a record of ${method.path} is of an unknown kind ${kind}`);
  const { code, message, ...options } = body as ErrorBody;
  return { kind: "error", error: new RpcError(code, message, { ...options, phase: "handler" }) };
}

interface Kept {
  readonly header?: Metadata;
  readonly trailer?: Metadata;
}

interface ErrorBody {
  readonly code: Code;
  readonly message: string;
  readonly reason?: string;
  readonly data?: unknown;
  readonly retryable: boolean;
  readonly neverStarted: boolean;
  readonly retryAfterMs?: number;
  readonly details?: readonly ErrorDetail[];
  readonly metadata?: Metadata;
}

function restore({ header, trailer }: Kept, context: Context): void {
  for (const name in header) context.setHeader(name, header[name] as string);
  for (const name in trailer) context.setTrailer(name, trailer[name] as string);
}

/**
 * By method: what its handler returned, before anything that a schema makes of it. A coder with the schema's checks
 * would read a transformed value, which could not be sent once more.
 */
const coders: (Coder | undefined)[] = [];

function coderOf(method: MethodInfo): Coder {
  return coders[method.ordinal] ??= isDeclared(method)
    ? codecFor(method).compile(method.output)
    : msgpack.compile({ model: undefined, refine: undefined, validate: (value) => value });
}

/** A method of a gateway without its contract has messages that are bytes. */
function isDeclared(method: MethodInfo): method is AnyMethod {
  return "output" in method;
}
