/** An error frame carries a status code, flags, a message, and the declared error's data where there is one. */
import { codeFromNumber, codeNumber } from "../../core/code.ts";
import { expected, type RpcError } from "../../core/error.ts";
import type { MethodCoders } from "../../contract/coders.ts";
import { createMetadata, type Metadata } from "../../core/metadata.ts";
import type { Cursor } from "../../wire/cursor.ts";
import type { FrameOutbox } from "../../wire/frame-outbox.ts";
import { writeText } from "../../wire/text.ts";
import { Writer } from "../../wire/writer.ts";
import { ErrorFlag, Flag, FrameType } from "./frame-types.ts";
import { type Extras, readExtras, writeExtras } from "../extras.ts";

/** Longer messages are cut: an error must fit the least frame. */
const maxMessageChars = 2_048;
const maxDataBytes = 8_192;

/** Sends `error` as the end of call `id`. Only what the peer may know leaves: never the cause. */
export function sendFailure(
  outbox: FrameOutbox, id: number, error: RpcError, coders: MethodCoders | undefined, trailer: Metadata | undefined,
): void {
  const extras: Extras = {};
  if (error.reason !== undefined) {
    extras.reason = error.reason;
    extras.data = encodeData(error, coders);
  }
  if (error.retryAfterMs !== undefined) extras.retryAfterMs = error.retryAfterMs;
  const metadata = trailer ?? sendable(error.metadata);
  if (metadata !== undefined) extras.trailer = metadata;
  outbox.begin();
  outbox.writeVarint(codeNumber(error.code));
  outbox.writeByte((error.retryable ? ErrorFlag.retryable : 0) | (error.neverStarted ? ErrorFlag.neverStarted : 0));
  const text = error.message.slice(0, maxMessageChars);
  const bytes = new Uint8Array(text.length * 3);
  const length = writeText(bytes, 0, text);
  outbox.writeVarint(length);
  outbox.writeBytes(bytes.subarray(0, length));
  writeExtras(outbox, extras);
  outbox.end(FrameType.error, Flag.extras, id);
}

/** Metadata that a handler put into its error, unless it would not fit the wire: the error matters more. */
function sendable(metadata: Metadata | undefined): Metadata | undefined {
  if (metadata === undefined) return undefined;
  try {
    return createMetadata(metadata);
  } catch {
    return undefined;
  }
}

function encodeData(error: RpcError, coders: MethodCoders | undefined): Uint8Array | undefined {
  if (error.data === undefined || error.reason === undefined) return undefined;
  const coder = coders?.error(error.reason);
  if (coder === undefined) return undefined;
  const writer = new Writer(256);
  try {
    coder.encode(error.data, writer);
  } catch {
    return undefined; // The error itself matters more than its data.
  }
  return writer.position > maxDataBytes ? undefined : writer.finish();
}

/** Reads an error frame into the error that the caller sees. */
export function readFailure(cursor: Cursor, coders: MethodCoders | undefined): RpcError {
  const code = codeFromNumber(cursor.varint());
  const flags = cursor.byte();
  const message = cursor.text(maxMessageChars * 3);
  const extras = readExtras(cursor);
  const coder = extras.reason === undefined ? undefined : coders?.error(extras.reason);
  return expected(code, message, {
    remote: true,
    retryable: (flags & ErrorFlag.retryable) !== 0,
    neverStarted: (flags & ErrorFlag.neverStarted) !== 0,
    reason: extras.reason,
    data: extras.data === undefined || coder === undefined
      ? undefined
      : coder.decode(extras.data, 0, extras.data.length),
    retryAfterMs: extras.retryAfterMs,
    metadata: extras.trailer,
    phase: "server",
  });
}
