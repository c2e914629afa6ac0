/** What unary and streaming calls of a client have in common over HTTP. */
import type { Context } from "../core/context.ts";
import { expected, RpcError } from "../core/error.ts";
import type { Metadata } from "../core/metadata.ts";
import type { Compression } from "../wire/compression.ts";
import type { Head } from "../http/message.ts";
import type { ClientDialect } from "./dialect.ts";
import type { Gathering } from "./envelope.ts";
import { compressionNamed } from "./http-message.ts";

/** Of an error's text no more is read. */
export const maxErrorBytes = 65_536;

const roundingMs = 1e-3;

/** What is left of the deadline in whole milliseconds, at least 1; undefined for none. */
export function leftMs(deadline: number, nowMs: number): number | undefined {
  const left = deadline - nowMs;
  // Also Infinity: what is beyond so many years is no deadline anybody will live to see.
  if (left > Number.MAX_SAFE_INTEGER) return undefined;
  // A timeout that was added to a time does not come out of it to the last bit; equal timeouts must look equal.
  return Math.max(1, Math.ceil(left - roundingMs));
}

/** What of an encoded request is sent behind its head. A dialect that put all of it there says so by GET. */
export function bodyOf(dialect: ClientDialect, head: Head, message: Uint8Array): Uint8Array | undefined {
  if (dialect.body !== undefined) return dialect.body(head, message);
  return head.method === "GET" ? undefined : message;
}

/** Whether a call's method bears a repeat. */
export function isRepeatable({ method: { idempotent }, idempotencyKey }: Context): boolean {
  return idempotent === true || (idempotent === "keyed" && idempotencyKey !== undefined);
}

/** The end of a call whose response breaks the rules: what is too large, and how many there are, keep their codes. */
export function unreadable(what: string, error: unknown): RpcError {
  const failure = RpcError.from(error, "internal");
  const code = failure.code === "resource_exhausted" || failure.code === "unimplemented" ? failure.code : "internal";
  return expected(code, `${what}: ${failure.message}`, { cause: failure, phase: "decode", retryable: false });
}

/**
 * The end of a call that the server broke off. Both sides keep the deadline, and the server may be first to notice:
 * what it breaks off then, it does for the deadline, whatever it says (grpc-go resets the stream, others end it short).
 */
export function brokenOff(error: RpcError, { deadline, startedMs }: Context, nowMs: number): RpcError {
  if (nowMs < deadline || error.neverStarted) return error;
  const message = `the deadline passed: after ${Math.round(nowMs - startedMs)} ms the server broke the call off`;
  return expected("deadline_exceeded", `${message} (${error.message})`, { phase: "network", cause: error });
}

/** What a response is compressed with. Throws `internal` for what was not offered. */
export function decompressor(compressions: readonly Compression[], name: string): Compression {
  const compression = compressionNamed(compressions, name);
  if (compression !== undefined) return compression;
  throw new RpcError("internal", `the server compressed by ${JSON.stringify(name.slice(0, 64))}, which was not offered`,
    { phase: "decode" });
}

/** Tells the caller of metadata, if there is any and it asked; takes out what is told to the connection's owner. */
export function tellMetadata(
  connection: { withoutLoad(trailer: Metadata): Metadata }, { onMetadata }: Context, kind: "header" | "trailer",
  metadata: Metadata,
): void {
  const own = kind === "trailer" ? connection.withoutLoad(metadata) : metadata;
  if (onMetadata === undefined) return;
  for (const _ in own) {
    try {
      onMetadata(kind, own);
    } catch {
      // A listener's own failure is neither the call's nor the connection's.
    }
    return;
  }
}

/** An error's text. What cannot be decompressed is none: that the call failed, and its HTTP status, matter more. */
export function errorText({ bytes, length }: Gathering, compression: Compression | undefined): Uint8Array {
  const text = bytes.subarray(0, length);
  if (compression === undefined) return text;
  try {
    return compression.decompress(text, maxErrorBytes);
  } catch {
    return text.subarray(length);
  }
}

/** What the server sent behind the message that says how the call ended. */
export function behindEnd(): RpcError {
  return expected("internal", "a message came after the end of the response", { phase: "decode", retryable: false });
}

/** Which end of the server's messages is meant when there are not as many as there should be. */
export function cardinality(what: string): RpcError {
  return expected("unimplemented", `the server sent ${what}; the method answers with exactly one`,
    { phase: "decode" });
}
