/**
 * A dialect is one protocol's way of saying a call in HTTP messages: everything in which gRPC, gRPC-Web and
 * Connect differ. What they share (exchanges, envelopes, deadlines, cancellation, limits) is written once, in
 * `http-server*.ts` and `http-client*.ts` beside this file, against this interface.
 */
import type { RpcError } from "../core/error.ts";
import type { Metadata } from "../core/metadata.ts";
import type { CallKind, MethodInfo } from "../core/method.ts";
import type { Context } from "../core/context.ts";
import type { MethodCoders } from "../contract/coders.ts";
import type { Head } from "../http/message.ts";

/**
 * How messages lie in a body: each behind five bytes of flags and length; each so, and the whole in base64; or one
 * message that is the body.
 */
export type Framing = "enveloped" | "enveloped-base64" | "bare";

/** What a request's head says of its call. Read once per distinct head of a connection: keep nothing of a call in it. */
export interface RequestHead {
  /** `service/Method`, as in the HTTP path. */
  readonly path: string;
  readonly codec: string;
  readonly framing: Framing;
  /** Undefined where the wire does not tell. */
  readonly kind: CallKind | undefined;
  /** From the head's arrival; undefined for none. */
  readonly timeoutMs: number | undefined;
  /** The caller's own entries: those of the protocol are taken out. */
  readonly metadata: Metadata;
  readonly idempotencyKey: string | undefined;
  readonly routeKey: string | undefined;
  readonly hops: number;
  /** Attempts that went before this one. */
  readonly attempt: number;
  /** How the request's messages are compressed, where their flags say so; undefined for not at all. */
  readonly compression: string | undefined;
  /** What the caller can decompress, in its order of preference. */
  readonly accepts: readonly string[];
  /** A request without a body (Connect GET): its only message. */
  readonly message: Uint8Array | undefined;
}

/** What of the contract an error's declared data need on a wire: undefined where the call's route is not known. */
export type ErrorCoders = MethodCoders | undefined;

/** The server's half of a protocol over HTTP. Pure: it is given heads and gives heads and bytes. */
export interface ServerDialect {
  /** For logs: `grpc`, `grpc-web`, `connect`. */
  readonly name: string;
  /** Whether a request is in this dialect, by its method and content type. */
  claims(request: Head): boolean;
  /** Reads a head; an RpcError for one that breaks the protocol's rules. May also answer at once with a whole reply. */
  read(request: Head): RequestHead | RpcError | Reply;
  /**
   * The head of a successful response. `compression` is what its messages are compressed with; for a bare body
   * only if this body really is (`bodyBytes` is then its length).
   */
  head(request: RequestHead, header: Metadata | undefined, compression: string | undefined, bodyBytes?: number): Head;
  /** The end of an enveloped response that began. */
  end(request: RequestHead, error: RpcError | undefined, trailer: Metadata | undefined, coders: ErrorCoders): End;
  /** A failure before any message: a whole reply. `request` is undefined when the head itself could not be read. */
  refusal(
    request: RequestHead | undefined, head: Head, error: RpcError, header: Metadata | undefined,
    trailer: Metadata | undefined, coders: ErrorCoders,
  ): Reply;
  /**
   * Bare bodies carry trailing metadata in their head: what `head` is given for them. Identity for the others.
   */
  readonly trailersInHead: boolean;
}

/** A whole response. */
export interface Reply {
  readonly head: Head;
  readonly body: Uint8Array | undefined;
}

/** How an enveloped body ends: in HTTP trailers, or in a last envelope with the flags given. */
export type End =
  | { readonly trailers: Head }
  | { readonly flags: number; readonly payload: Uint8Array };

/** The client's half. */
export interface ClientDialect {
  readonly name: string;
  /** The head of a call's request, and how its body will lie. `timeoutMs` is what is left of the deadline, or undefined. */
  request(call: OutgoingCall): { readonly head: Head; readonly framing: Framing };
  /**
   * Reads a response's head. With `last` the whole response is this head. `failed`: an RpcError that already says all
   * (a trailers-only response, a bare HTTP error); `body`: how to read on; `error`: the body is an error's text, to be
   * collected and given to `readError`.
   */
  response(head: Head, last: boolean, call: OutgoingCall): ResponseHead;
  /** The error whose text was the body. */
  readError?(head: Head, body: Uint8Array, coders: MethodCoders): RpcError;
  /** How the call ended, by HTTP trailers. */
  readTrailers(trailers: Head, coders: MethodCoders): CallEnd;
  /** How the call ended, by the last envelope; undefined if `flags` are those of a message. */
  readEnd(flags: number, bytes: Uint8Array, start: number, end: number, coders: MethodCoders): CallEnd | undefined;
}

export interface OutgoingCall {
  readonly method: MethodInfo;
  readonly coders: MethodCoders;
  readonly context: Context;
  readonly timeoutMs: number | undefined;
  readonly scheme: string;
  readonly authority: string;
  /** What request messages are compressed with; undefined for nothing. */
  readonly compression: string | undefined;
  /** What can be decompressed here. */
  readonly accepts: readonly string[];
  /** The encoded request, where the dialect asked to put it into the head (Connect GET). */
  readonly message?: Uint8Array | undefined;
}

export type ResponseHead =
  | { readonly kind: "failed"; readonly error: RpcError; readonly header: Metadata; readonly trailer: Metadata }
  | {
    readonly kind: "body"; readonly header: Metadata; readonly trailer: Metadata | undefined;
    readonly framing: Framing; readonly compression: string | undefined;
  }
  | { readonly kind: "error"; readonly header: Metadata; readonly trailer: Metadata | undefined;
    readonly compression: string | undefined };

export interface CallEnd {
  readonly error: RpcError | undefined;
  readonly trailer: Metadata;
}
