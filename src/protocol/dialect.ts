/**
 * A dialect is one protocol's way of saying a call in HTTP messages: everything in which gRPC, gRPC-Web and
 * Connect differ. What they share (exchanges, envelopes, deadlines, cancellation, limits) is written once, in
 * `http-server*.ts` and `http-client*.ts` beside this file, against this interface.
 *
 * Both halves are pure: given heads and bytes, they give heads and bytes. What they give for the same question
 * should be the same object, since a connection keeps a head's compressed form by the head's identity.
 */
import type { RpcError } from "../core/error.ts";
import type { Metadata } from "../core/metadata.ts";
import type { CallKind, MethodInfo } from "../core/method.ts";
import type { Context, ReplyMetadata } from "../core/context.ts";
import type { Coder } from "../contract/codec.ts";
import type { MethodCoders } from "../contract/coders.ts";
import type { Head } from "../http/message.ts";

/**
 * How messages lie in a body: each behind five bytes of flags and length; each so, and the whole in base64; one
 * message that is the body; or a text each that ends in a line feed, which coders write themselves. What is read so may
 * also be `marked-lines`, of which one may say that the call failed, or server-sent `events`.
 */
export type Framing = "enveloped" | "enveloped-base64" | "bare" | "lines" | "marked-lines" | "events";

/** What comes instead of envelopes' headers: a message; how the call ended; in vain. */
export const endMark = 2;
export const errorMark = 4;

/**
 * What a request's head says of its call. Read once per distinct head of a connection, so nothing of a single call
 * may be kept in it. A dialect may add fields of its own, e.g. response heads that it keeps ready.
 */
export interface RequestHead {
  /** `service/Method`, as in the HTTP path. */
  readonly path: string;
  readonly codec: string;
  /** Of the request's body and of the response's. */
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
  /** Attempts that went before this one; and further up, of the call on whose behalf it is made. */
  readonly attempt: number;
  readonly priorAttempts: number;
  /** How the request's messages are compressed, where their flags say so; undefined for not at all. */
  readonly compression: string | undefined;
  /** What the caller can decompress, in its order of preference. */
  readonly accepts: readonly string[];
  /** A request without a body (Connect GET): its only message. */
  readonly message: Uint8Array | undefined;
  /** Reads messages where they are more than the body says, or in another form. Default: the route's coder. */
  readonly requestCoder?: ((coders: MethodCoders) => Coder) | undefined;
  /** How replies are written, where not as requests are. */
  readonly reply?: ReplyForm | undefined;
}

/** How the messages of a reply are written, where it is not as those of its request. */
export interface ReplyForm {
  readonly framing: Framing;
  /** Of one reply, if framed as `lines`; else of all that have this request's head. */
  coder(coders: MethodCoders): Coder;
  /** What a stream that is silent says every now and then. */
  readonly heartbeat?: { readonly bytes: Uint8Array; readonly everyMs: number } | undefined;
}

/** What of the contract an error's declared data need on a wire: undefined where the call's route is not known. */
export type ErrorCoders = MethodCoders | undefined;

/** The server's half of a protocol over HTTP. */
export interface ServerDialect {
  /** For logs: `grpc`, `grpc-web`, `connect`. */
  readonly name: string;
  /** Media types of its requests, for the answer to one that no dialect claims (`Accept-Post`). */
  readonly contentTypes: readonly string[];
  /** Whether HTTP/1.1 can carry it. If not, such a request is answered with 505. */
  readonly http1: boolean;
  /**
   * Whether replies are compressed only to callers that compress their requests, as gRPC's own servers do. Otherwise
   * to all that can read it.
   */
  readonly mirrorsCompression?: boolean | undefined;
  /** Whether a request is in this dialect, by its method and content type. The first that claims it has it. */
  claims(request: Head): boolean;
  /**
   * Reads a head; an RpcError for one that breaks the protocol's rules. May also answer at once with a whole reply
   * (a CORS preflight, a method other than POST). `compressions` are what this server can decompress, by name.
   */
  read(request: Head, compressions: readonly string[]): RequestHead | RpcError | Reply;
  /**
   * The head of a successful response. `compression` is what its messages are compressed with; of a bare body
   * only if this body really is. `bodyBytes` is the length of a bare body, undefined for enveloped ones; a bare
   * body's head must carry `reply.trailer` too. Throws `invalid_argument` for metadata that it cannot say.
   */
  head(
    request: RequestHead, compression: string | undefined, reply: ReplyMetadata | undefined,
    bodyBytes: number | undefined,
  ): Head;
  /**
   * Instead of the head of a bare body, which is not sent yet: one that says more of it, or that the caller has it
   * already (304), and it is not sent.
   */
  conditional?(request: RequestHead, head: Head, bytes: Uint8Array, length: number): Head;
  /**
   * The end of an enveloped response that began; of one in lines, its last. Throws `invalid_argument` for metadata that
   * it cannot say.
   */
  end(request: RequestHead, error: RpcError | undefined, trailer: Metadata | undefined, coders: ErrorCoders): End;
  /**
   * A failure before any message: a whole reply. `request` is undefined when the head itself could not be read.
   * Leaves out metadata that it cannot say: the error matters more.
   */
  refusal(
    request: RequestHead | undefined, head: Head, error: RpcError, reply: ReplyMetadata | undefined,
    coders: ErrorCoders,
  ): Reply;
}

/** A whole response: a head alone, with a body, or with trailers. */
export interface Reply {
  readonly head: Head;
  readonly body: Uint8Array | undefined;
  readonly trailers?: Head | undefined;
}

/** How an enveloped body ends: in HTTP trailers, or in a last envelope with the flags given. */
export type End =
  | { readonly trailers: Head }
  | { readonly flags: number; readonly payload: Uint8Array };

/** A method as one connection calls it. */
export interface Target {
  readonly method: MethodInfo;
  readonly coders: MethodCoders;
  /** `http` or `https`. */
  readonly scheme: string;
  readonly authority: string;
  /** What request messages are compressed with, where it helps; undefined for nothing. */
  readonly compression: string | undefined;
  /** What can be decompressed here, in order of preference. */
  readonly accepts: readonly string[];
  /** What the dialect keeps of it, e.g. the head it made last. */
  memo: unknown;
}

/** The client's half. */
export interface ClientDialect {
  readonly name: string;
  /** How the bodies of a method's requests lie. */
  framing(method: MethodInfo): Framing;
  /**
   * The head of a request. `timeoutMs` is what is left of the deadline, at least 1; undefined for none. `message`
   * is given for bare bodies only: the encoded message, which is compressed if `compressed`, valid during this
   * call. With the method GET the dialect has put it into the head, and no body follows. Throws
   * `invalid_argument` for metadata that it cannot say.
   */
  request(
    target: Target, context: Context, timeoutMs: number | undefined, compressed: boolean,
    message: Uint8Array | undefined,
  ): Head;
  /**
   * What of an encoded message is the request's body, where its head has the rest; undefined for no body at all.
   * Default: all of it, unless the head's method is GET.
   */
  body?(head: Head, message: Uint8Array): Uint8Array | undefined;
  /** Reads a response's head. With `last` the whole response is this head. */
  response(head: Head, last: boolean, target: Target): ResponseHead;
  /** How the call ended, by the body of a response whose head said `error`. */
  readError?(head: Head, body: Uint8Array, target: Target): CallEnd;
  /**
   * How an enveloped response ended, by HTTP trailers: undefined when there were none. Of a response without a body, by
   * its head.
   */
  readTrailers(trailers: Head | undefined, target: Target): CallEnd;
  /** How the call ended, by an envelope; undefined if its `flags` are those of a message. */
  readEnd(flags: number, bytes: Uint8Array, start: number, end: number, target: Target): CallEnd | undefined;
}

export type ResponseHead =
  /** The call has failed, and all is said (a trailers-only response, a bare HTTP error). */
  | { readonly kind: "failed"; readonly error: RpcError; readonly header: Metadata }
  /** Messages follow, or one bare message, whose trailing metadata is then here. */
  | {
    readonly kind: "body"; readonly header: Metadata; readonly trailer: Metadata | undefined;
    readonly framing: Framing; readonly compression: string | undefined;
    /** What the server can decompress, where it says so. */
    readonly accepts: readonly string[] | undefined;
  }
  /** The body is an error's text, to be collected (at most 64 KiB of it) and given to `readError`. */
  | { readonly kind: "error"; readonly header: Metadata; readonly compression: string | undefined };

/** How a call ended. An error carries its trailing metadata itself (`RpcError.metadata`). */
export interface CallEnd {
  readonly error: RpcError | undefined;
  readonly trailer: Metadata;
}
