/** The server's half of HTTP/2: one accepted connection, and the requests that come on it. */
import type { Accept, AcceptOwner, ServedConnection } from "../../core/connection.ts";
import type { Timer } from "../../core/alarm.ts";
import { expected, RpcError } from "../../core/error.ts";
import type { ByteStream, Runtime } from "../../core/runtime.ts";
import { Head, type HttpHandler } from "../message.ts";
import { ErrorCode, lastStreamId } from "./constants.ts";
import { fault } from "./failure.ts";
import type { ReceivedHead } from "./hpack-decoder.ts";
import { Http2Session, type Role } from "./session.ts";
import { type Http2Settings, resolveHttp2Settings } from "./settings.ts";
import { Http2Stream } from "./stream.ts";

export interface Http2AcceptOptions extends AcceptOwner {
  /** Serves every request. */
  readonly handle: HttpHandler;
  /** Limits; see {@link Http2Settings} for the defaults. */
  readonly settings?: Partial<Http2Settings> | undefined;
}

/**
 * Makes the acceptor of HTTP/2 connections. The bytes that it is given begin with the client's preface ("prior
 * knowledge", or after ALPN has agreed on `h2`). Throws `invalid_argument` for settings that are no limits.
 */
export function http2Accept(runtime: Runtime, options: Http2AcceptOptions): Accept {
  const settings = resolveHttp2Settings(options.settings);
  return (stream) => {
    const connection = new Http2ServerConnection(runtime, settings, stream, options);
    return { connection, sink: connection.session };
  };
}

/** The answer to a head that is larger than allowed. */
const tooLarge = new Head(Object.create(null) as Record<string, string>, 431);

class Http2ServerConnection implements Role, ServedConnection {
  readonly side = "server";
  readonly session: Http2Session;
  readonly #owner: Http2AcceptOptions;
  lastPeerId = 0;
  /** Why no new streams are wanted, and the last that is served all the same. */
  #draining: RpcError | undefined = undefined;
  #lastServedId = lastStreamId;
  #drainTimer: Timer | undefined = undefined;

  constructor(runtime: Runtime, settings: Http2Settings, stream: ByteStream, options: Http2AcceptOptions) {
    this.#owner = options;
    this.session = new Http2Session(runtime.clock, settings, () => stream, this);
    this.session.open();
  }

  get peer(): string {
    return this.session.peer;
  }

  get inFlight(): number {
    return this.session.streams.size;
  }

  opened(): void {
    // Requests may come behind the client's settings; nobody waits for them.
  }

  isIdle(id: number): boolean {
    return id > this.lastPeerId || id % 2 === 0;
  }

  headers(id: number, head: ReceivedHead, last: boolean): void {
    const { session } = this;
    const stream = session.streams.get(id);
    if (stream !== undefined) this.#trailers(stream, head, last);
    else if (id % 2 === 0) throw fault(ErrorCode.protocol, `a request on stream ${id}, which is even`);
    else if (id > this.lastPeerId) this.#request(id, head, last);
    else if (!session.wasReset(id)) throw fault(ErrorCode.streamClosed, `a HEADERS frame on closed stream ${id}`);
  }

  #trailers(stream: Http2Stream, head: ReceivedHead, last: boolean): void {
    const { session } = this;
    const { id } = stream;
    if (stream.remoteDone) session.mistake(id, ErrorCode.streamClosed, "a HEADERS frame after the end of the request");
    else if (!last) session.mistake(id, ErrorCode.protocol, "trailers that do not end the request");
    else if (head.method !== "") session.mistake(id, ErrorCode.protocol, "a second request on one stream");
    else if (head.wrong !== undefined) session.mistake(id, ErrorCode.protocol, head.wrong);
    else if (head.excess !== undefined) session.mistake(id, ErrorCode.calm, head.excess);
    else if (!stream.agrees(0, true)) session.mistake(id, ErrorCode.protocol, "a body shorter than content-length");
    else stream.trailed(head);
  }

  #request(id: number, head: ReceivedHead, last: boolean): void {
    const { session } = this;
    this.lastPeerId = id;
    if (id > this.#lastServedId) {
      // The client learnt, or will, that this one was not begun.
      session.forget(id);
      return;
    }
    if (head.excess !== undefined) {
      session.outbox.headers(session.encoder.encode(tooLarge), true, id, session.peerMaxFrameBytes);
      if (!last) session.mistake(id, ErrorCode.none, head.excess);
    } else if (head.wrong !== undefined) {
      session.mistake(id, ErrorCode.protocol, head.wrong);
    } else if (head.method === "") {
      session.mistake(id, ErrorCode.protocol, "a request without :method");
    } else if (last && head.contentLength > 0) {
      session.mistake(id, ErrorCode.protocol, "a body shorter than content-length");
    } else if (session.streams.size >= session.settings.maxConcurrentStreams) {
      session.mistake(id, ErrorCode.refused, "more streams than maxConcurrentStreams");
    } else {
      this.#serve(id, head, last);
    }
  }

  #serve(id: number, head: ReceivedHead, last: boolean): void {
    const { session } = this;
    const stream = new Http2Stream(session, id, undefined);
    stream.expected = head.contentLength;
    stream.remoteDone = last;
    session.streams.add(stream);
    try {
      const sink = this.#owner.handle(head, stream, last);
      stream.sink = sink;
      if (stream.untold !== undefined) stream.tellFailed(sink, stream.untold);
    } catch (error) {
      session.outbox.abort();
      if (RpcError.is(error) && error.code === "resource_exhausted") stream.reset("refused");
      else stream.reset("internal");
    }
  }

  goingAway(): void {
    // The client will open no more streams; those in flight go on.
  }

  pinged(): void {
    // Servers answer pings and send none but the mark of their draining.
  }

  marked(): void {
    this.#refuseFurther();
  }

  finished(): void {
    if (this.#drainTimer === undefined && this.#draining !== undefined) this.#endIfIdle();
  }

  settle(): void {
    // A server owes nobody news of its streams.
  }

  lost(_stream: Http2Stream, error: RpcError | undefined): RpcError {
    return expected("cancelled", "the client's connection is gone", { cause: error });
  }

  /**
   * Tells the client to open no more streams, serves those that are on their way meanwhile (until a ping is answered,
   * at most drainWaitMs), and ends the connection when all are done.
   */
  drain(reason: RpcError): void {
    const { session } = this;
    if (this.#draining !== undefined || session.isEnded) return;
    this.#draining = reason;
    session.sendGoAway(lastStreamId, ErrorCode.none, reason.message);
    session.mark();
    this.#drainTimer = session.clock.after(session.settings.drainWaitMs, () => this.#refuseFurther()).unref();
  }

  #refuseFurther(): void {
    const { session } = this;
    if (this.#drainTimer === undefined || session.isEnded) return;
    this.#drainTimer.cancel();
    this.#drainTimer = undefined;
    this.#lastServedId = this.lastPeerId;
    session.sendGoAway(this.lastPeerId, ErrorCode.none, this.#draining?.message ?? "");
    this.#endIfIdle();
  }

  #endIfIdle(): void {
    if (this.session.streams.size === 0) this.session.end();
  }

  close(reason: RpcError): void {
    this.#draining ??= reason;
    this.session.end(reason);
  }

  sweep(nowMs: number): void {
    this.session.sweep(nowMs);
  }

  closed(error: RpcError | undefined): void {
    this.#drainTimer?.cancel();
    this.#owner.ended(this, error);
  }

  gone(): void {
    this.#owner.gone?.(this);
  }
}
