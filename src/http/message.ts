/**
 * An exchange is one HTTP request and its response, whatever the version of HTTP that carries it: heads, bodies in
 * pieces, trailers. What protocols are written against; HTTP/2, HTTP/1.1 and `node:http2` stand behind it.
 */
import type { RpcError } from "../core/error.ts";
import type { Metadata } from "../core/metadata.ts";
import type { Peer } from "../core/peer.ts";
import type { Runtime } from "../core/runtime.ts";
import type { Writer } from "../wire/writer.ts";

/**
 * What stands before a body, or behind it as trailers.
 *
 * Immutable. Received: identical heads of one connection are one object, so a protocol reads each once and keeps
 * what it made of it in `memo`. Sent: made once and sent often, since a connection keeps its compressed form
 * by the head's identity.
 */
export class Head {
  /** Of a request: `POST`, `/package.Service/Method`, `https`, `host:port`. Empty in responses and trailers. */
  readonly method: string;
  readonly path: string;
  readonly scheme: string;
  readonly authority: string;
  /** Of a response, 100 to 599, or what the server says instead, up to 999; 0 in requests and trailers. */
  readonly status: number;
  /** Values by lower-case name, without prototype; those of one name joined by ", " (`cookie` by "; "). */
  readonly fields: Metadata;
  /** What its reader made of it. */
  memo: unknown = undefined;
  /** A number of its own once it was sent, by which connections find its compressed form; 0 before. */
  sentAs = 0;

  constructor(fields: Metadata, status = 0, method = "", path = "", scheme = "", authority = "") {
    this.fields = fields;
    this.status = status;
    this.method = method;
    this.path = path;
    this.scheme = scheme;
    this.authority = authority;
  }
}

/** The head of a request. */
export function requestHead(method: string, path: string, scheme: string, authority: string, fields: Metadata): Head {
  return new Head(fields, 0, method, path, scheme, authority);
}

/** Why one side ends an exchange before its end: the HTTP/2 error codes that people use. */
export type ResetReason = "cancel" | "refused" | "protocol" | "internal" | "calm" | "none";

/** What the exchanges of one connection share, as far as a protocol may know. */
export interface Carrier {
  /** The peer's address. */
  readonly peer: string;
  /** Of a server's: who is at the other end. */
  readonly from?: Peer | undefined;
  /** Clock time at which anything last came from the peer: when the exchange now told of something heard it. */
  readonly lastReceivedMs: number;
  /** What the protocol above keeps of the connection (limits over all its exchanges). */
  memo: unknown;
}

/**
 * The half of an exchange that we hold. The response's end ends the exchange, on both sides: what is left of the
 * request is neither sent nor heard any more.
 */
export interface Exchange {
  /** The connection it is on. */
  readonly carrier: Carrier;
  /** 1 for HTTP/1.1, which has no trailers that a browser would see and no full duplex to rely on; 2 for HTTP/2. */
  readonly version: 1 | 2;
  /** The peer's address. */
  readonly peer: string;
  /** Server: sends the response's head; with `last` there is no body. Once; a client's head goes with its request. */
  head(head: Head, last: boolean): void;
  /**
   * Opens a piece of the body and returns what to write it to. Until `end` or `abort` nothing else may be sent
   * on the connection. Everything of a turn leaves in one write.
   */
  begin(): Writer;
  /** Completes the piece; what flow control does not let out waits inside (ask `writable` before the next). */
  end(last: boolean): void;
  /** Takes back the piece begun. */
  abort(): void;
  /** Ends the message with trailers instead of a last piece. Server only. */
  trailers(trailers: Head): void;
  /** Whether the next piece would leave at once. If not, `sink.writable` follows once it would. */
  readonly writable: boolean;
  /**
   * Lets the peer send so many body bytes more: those of `data` that need be kept no longer. Each byte is given
   * back once, also when the exchange is over meanwhile, since the connection's other exchanges need the room.
   */
  consumed(bytes: number): void;
  /** Ends it now, both ways. The sink hears nothing more. Does nothing on an exchange that is over. */
  reset(reason: ResetReason): void;
}

/** The half of an exchange that hears what the peer sends. */
export interface HttpSink {
  /** Client: the response's head; informational ones (1xx) are passed over. */
  head?(head: Head, last: boolean): void;
  /** A piece of the body, `bytes[start, end)`, possibly empty. The bytes may be kept: nobody writes to them again. */
  data(bytes: Uint8Array, start: number, end: number, last: boolean): void;
  /** The message ended with trailers. */
  trailers(trailers: Head): void;
  /** A piece may be sent again. */
  writable(): void;
  /**
   * The exchange ended before its end: the peer reset it or the connection is gone. Exactly once, and nothing after.
   * `error.neverStarted` when the peer certainly did not begin to handle it (refused stream, above GOAWAY's last).
   */
  failed(error: RpcError): void;
}

/** Serves one exchange: called for each request's head; what it returns hears the rest. `last`: there is no body. */
export type HttpHandler = (request: Head, exchange: Exchange, last: boolean) => HttpSink;

/** The client's half of an HTTP connection. */
export interface HttpConnection {
  /** Whether a request would be sent at once: opened, not draining, below the peer's limit of streams. */
  readonly available: boolean;
  /**
   * Sends a request's head (its body follows through the exchange, unless `last`). Only while `available`; throws
   * `unavailable`, never started, otherwise.
   */
  request(head: Head, last: boolean, sink: HttpSink): Exchange;
  /** Exchanges that have not ended. */
  readonly inFlight: number;
  /** Clock time at which anything last came from the peer. */
  readonly lastReceivedMs: number;
  /**
   * Asks for a sign of life; the answer shows as `pinged`. Returns false, and asks nothing, when the peer has been
   * asked as often as it bears: gRPC's servers end a connection at the third PING without HEADERS or DATA from them
   * in between (gRFC A8), so two are sent, unless the peer said in its settings that it takes any number (ours do).
   */
  ping(): boolean;
  /** Whether that bound is in force: known once `opened`. */
  readonly pingsSparingly: boolean;
  /** Ends it at once: exchanges in flight fail with `error`. */
  abort(error: RpcError): void;
  /** Takes no more requests and closes when those in flight have ended, at the latest after `graceMs`. */
  close(graceMs: number): void;
}

/** What an HTTP connection tells its owner. Every exchange in flight is told before `closed`. */
export interface HttpConnectionEvents {
  opened(): void;
  /** `available` became true again after it was false. */
  available(): void;
  /** The peer wants no new requests here (GOAWAY); those in flight that it will serve go on. */
  draining(why: string): void;
  closed(error: RpcError | undefined): void;
  pinged(roundTripMs: number): void;
}

/** Opens HTTP connections: one version of HTTP with its settings. */
export type HttpConnect = (runtime: Runtime, address: string, events: HttpConnectionEvents) => HttpConnection;
