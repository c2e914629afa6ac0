/** Answers as packets say them: a reply's message, or an error, small enough for a datagram. */
import { codeFromNumber, codeNumber } from "../../core/code.ts";
import type { Context } from "../../core/context.ts";
import { expected, RpcError } from "../../core/error.ts";
import type { LoadReport } from "../../core/load.ts";
import { createMetadata, type Metadata } from "../../core/metadata.ts";
import type { MethodCoders } from "../../contract/coders.ts";
import type { Cursor } from "../../wire/cursor.ts";
import { Writer } from "../../wire/writer.ts";
import { type Extras, readExtras, writeExtras } from "../extras.ts";
import { writeName } from "./request.ts";

const Flag = { extras: 1, error: 2 } as const;
const ErrorFlag = { retryable: 1, neverStarted: 2 } as const;
const maxMessageChars = 512;

/** Memory that a large answer left behind is not kept. */
const mostKeptBytes = 262_144;
let scratch = new Writer(4_096);

function begun(): Writer {
  if (scratch.bytes.length > mostKeptBytes) scratch = new Writer(4_096);
  scratch.position = 0;
  return scratch;
}

/**
 * A reply of at most `maxBytes`, from its flags on. One that is larger, or that cannot be encoded, is an error that
 * says so.
 */
export function encodeReply(
  coders: MethodCoders, value: unknown, context: Context, load: LoadReport | undefined, maxBytes: number,
): Uint8Array {
  const writer = begun();
  const { reply, method } = context;
  const hasExtras = load !== undefined || reply !== undefined;
  try {
    writer.writeByte(hasExtras ? Flag.extras : 0);
    if (hasExtras) writeExtras(writer, { load, header: reply?.header, trailer: reply?.trailer });
    coders.response.encode(value, writer);
  } catch (error) {
    const { message } = RpcError.from(error, "internal");
    return encodeFailure(expected("internal", `the reply cannot be encoded: ${message}`, { retryable: false }),
      coders, undefined, maxBytes);
  }
  if (writer.position <= maxBytes) return writer.finish();
  return encodeFailure(expected("resource_exhausted",
    `the answer of ${method.path} is ${writer.position} bytes, and a datagram has room for ${maxBytes} ` +
    "(maxDatagramBytes): call it by TCP", { retryable: false }), coders, undefined, maxBytes);
}

/** An error of at most `maxBytes`, from its flags on: what is least important is left out first. */
export function encodeFailure(
  error: RpcError, coders: MethodCoders | undefined, context: Context | undefined, maxBytes: number,
): Uint8Array {
  const { reason, retryAfterMs } = error;
  const trailer = context?.reply?.trailer ?? sendable(error.metadata);
  const data = reason === undefined ? undefined : encodeData(error, reason, coders);
  for (const extras of [{ reason, data, retryAfterMs, trailer }, { reason, data, retryAfterMs }, { retryAfterMs }]) {
    const bytes = failureBytes(error, extras, maxMessageChars);
    if (bytes.length <= maxBytes) return bytes;
  }
  return failureBytes(error, {}, 60);
}

function failureBytes(error: RpcError, extras: Extras, maxChars: number): Uint8Array {
  const writer = new Writer(256);
  writer.writeByte(Flag.error);
  writer.writeVarint(codeNumber(error.code));
  writer.writeByte((error.retryable ? ErrorFlag.retryable : 0) | (error.neverStarted ? ErrorFlag.neverStarted : 0));
  writeName(writer, error.message.slice(0, maxChars));
  writeExtras(writer, extras);
  return writer.finish();
}

function sendable(metadata: Metadata | undefined): Metadata | undefined {
  if (metadata === undefined) return undefined;
  try {
    return createMetadata(metadata);
  } catch {
    return undefined;
  }
}

function encodeData({ data }: RpcError, reason: string, coders: MethodCoders | undefined): Uint8Array | undefined {
  const coder = data === undefined ? undefined : coders?.error(reason);
  if (coder === undefined) return undefined;
  const writer = new Writer(256);
  try {
    coder.encode(data, writer);
  } catch {
    return undefined; // The error itself matters more than its data.
  }
  return writer.finish();
}

/** What came back: an error, or the message that is left at the cursor. */
export interface Answer {
  readonly error: RpcError | undefined;
  readonly extras: Extras | undefined;
}

/** Reads an answer from its flags on. Throws for what is none. */
export function readAnswer(cursor: Cursor, coders: MethodCoders): Answer {
  const flags = cursor.byte();
  if ((flags & Flag.error) === 0) {
    return { error: undefined, extras: (flags & Flag.extras) === 0 ? undefined : readExtras(cursor) };
  }
  const code = codeFromNumber(cursor.varint());
  const bits = cursor.byte();
  const message = cursor.text(3 * maxMessageChars);
  const { reason, data, retryAfterMs, trailer } = readExtras(cursor);
  const coder = reason === undefined ? undefined : coders.error(reason);
  return { extras: undefined, error: expected(code, message, {
    remote: true, phase: "server", reason, retryAfterMs, metadata: trailer,
    retryable: (bits & ErrorFlag.retryable) !== 0, neverStarted: (bits & ErrorFlag.neverStarted) !== 0,
    data: data === undefined || coder === undefined ? undefined : coder.decode(data, 0, data.length),
  }) };
}
