/** How a server's replies begin and end over HTTP, and what goes into them when something went wrong. */
import type { ReplyMetadata } from "../core/context.ts";
import { expected, RpcError } from "../core/error.ts";
import type { Metadata } from "../core/metadata.ts";
import type { Exchange, Head } from "../http/message.ts";
import type { End, Framing, RequestHead } from "./dialect.ts";
import { envelopeHeaderBytes, writeEnvelopeHeader } from "./envelope.ts";
import { type Encoded, sendPiece } from "./http-message.ts";
import type { Reading } from "./http-server.ts";

/** The head of an enveloped reply: one object for all that say no more than others. */
export function successHead(reading: Reading, reply: ReplyMetadata | undefined): Head {
  const { dialect, replyCompression } = reading;
  const request = reading.request as RequestHead;
  if (reply?.header !== undefined) return dialect.head(request, replyCompression?.name, reply, undefined);
  return reading.okHead ??= dialect.head(request, replyCompression?.name, undefined, undefined);
}

/** The end of an enveloped reply, likewise. */
export function successEnd(reading: Reading, trailer: Metadata | undefined): End {
  const { dialect, route } = reading;
  const request = reading.request as RequestHead;
  if (trailer !== undefined) return dialect.end(request, undefined, trailer, route?.coders);
  return reading.okEnd ??= dialect.end(request, undefined, undefined, undefined);
}

/** The head of a bare reply, which says all that is to be said of it. */
export function bareHead(
  { dialect, request, replyCompression }: Reading, { bytes, length, compressed }: Encoded,
  header: Metadata | undefined, trailer: Metadata | undefined,
): Head {
  const reply: ReplyMetadata | undefined = header === undefined && trailer === undefined ? undefined : {};
  if (reply !== undefined && header !== undefined) reply.header = header;
  if (reply !== undefined && trailer !== undefined) reply.trailer = trailer;
  const head = dialect.head(request as RequestHead, compressed ? replyCompression?.name : undefined, reply, length);
  return dialect.conditional?.(request as RequestHead, head, bytes, length) ?? head;
}

/** A failure's end, without the trailing metadata if that cannot be said: the failure matters more. */
export function errorEnd({ dialect, request, route }: Reading, failure: RpcError, trailer: Metadata | undefined): End {
  try {
    return dialect.end(request as RequestHead, failure, trailer, route?.coders);
  } catch {
    return dialect.end(request as RequestHead, expected(failure.code, failure.message), undefined, undefined);
  }
}

/** Ends an enveloped body. */
export function sendEnd(exchange: Exchange, framing: Framing, end: End): void {
  if ("trailers" in end) {
    exchange.trailers(end.trailers);
    return;
  }
  if (framing === "lines") {
    sendPiece(exchange, framing, end.payload, end.payload.length, true);
    return;
  }
  const bytes = new Uint8Array(envelopeHeaderBytes + end.payload.length);
  writeEnvelopeHeader(bytes, 0, end.flags, end.payload.length);
  bytes.set(end.payload, envelopeHeaderBytes);
  sendPiece(exchange, framing, bytes, bytes.length, true);
}

/** A request of another number of messages than its method takes. */
export function cardinality(what: string): RpcError {
  return expected("unimplemented", `${what} came for a method that takes exactly one`,
    { phase: "decode", retryable: false });
}

/** The end of a call whose request does not go on. */
export function stalled(hasBegun: boolean, stallTimeoutMs: number): RpcError {
  const what = hasBegun ? "a message was left unfinished" : "the call's message did not come";
  return expected("unavailable", `${what} for ${stallTimeoutMs} ms (stallTimeoutMs)`, { phase: "network" });
}

/** A reply that cannot be encoded or sent is a mistake of the handler's; one that has no room is not. */
export function unsayable(error: unknown): RpcError {
  const failure = RpcError.from(error, "internal");
  if (failure.code === "resource_exhausted") return failure;
  return new RpcError("internal", `the reply cannot be encoded: ${failure.message}`,
    { cause: error, phase: "encode", retryable: false });
}

/** A handler's own exception: its text may hold secrets, so the caller learns only that there was one. */
export function unexpected(error: unknown): RpcError {
  return new RpcError("internal", "the handler failed unexpectedly",
    { cause: error, phase: "handler", retryable: false });
}
