/** The client's half of HTTP/2: one connection, and the requests that it carries. */
import type { Timer } from "../../core/alarm.ts";
import { expected, type RpcError } from "../../core/error.ts";
import type { Runtime, Security } from "../../core/runtime.ts";
import type { Exchange, Head, HttpConnect, HttpConnection, HttpConnectionEvents, HttpSink } from "../message.ts";
import { ErrorCode, lastStreamId } from "./constants.ts";
import { fault } from "./failure.ts";
import type { ReceivedHead } from "./hpack-decoder.ts";
import { Http2Session, type Role } from "./session.ts";
import { type Http2Settings, resolveHttp2Settings } from "./settings.ts";
import { Http2Stream } from "./stream.ts";

export interface Http2ConnectOptions {
  /** Limits; see {@link Http2Settings} for the defaults. */
  readonly settings?: Partial<Http2Settings> | undefined;
  /** TLS; `h2` is offered. Default: none, since the peer is known to speak HTTP/2 ("prior knowledge"). */
  readonly security?: Security | undefined;
}

/** Makes what opens HTTP/2 connections. Throws `invalid_argument` for settings that are no limits. */
export function http2Connect(options: Http2ConnectOptions = {}): HttpConnect {
  const settings = resolveHttp2Settings(options.settings);
  const security = options.security?.offering(["h2"]);
  return (runtime, address, events) => new Http2ClientConnection(runtime, settings, security, address, events);
}

class Http2ClientConnection implements Role, HttpConnection {
  readonly side = "client";
  /** Servers open no streams: we take no pushes. */
  readonly lastPeerId = 0;
  readonly #session: Http2Session;
  readonly #events: HttpConnectionEvents;
  #nextId = 1;
  /** Highest id of a stream that the peer will serve. */
  #lastServedId = Infinity;
  #isDraining = false;
  #wasAvailable = false;
  #graceTimer: Timer | undefined = undefined;
  /** Streams that GOAWAY refused fail with this. */
  #refusal: RpcError | undefined = undefined;

  constructor(
    runtime: Runtime, settings: Http2Settings, security: Security | undefined, address: string,
    events: HttpConnectionEvents,
  ) {
    this.#events = events;
    this.#session = new Http2Session(runtime.clock, settings,
      (sink) => runtime.network.connect(address, sink, security), this);
  }

  get available(): boolean {
    const session = this.#session;
    return session.isOpen && !this.#isDraining && !session.isEnded && session.streams.size < this.#maxStreams;
  }

  get #maxStreams(): number {
    const { peerMaxStreams, settings } = this.#session;
    return Math.min(peerMaxStreams, settings.maxConcurrentStreams);
  }

  get inFlight(): number {
    return this.#session.streams.size;
  }

  get lastReceivedMs(): number {
    return this.#session.lastReceivedMs;
  }

  request(head: Head, last: boolean, sink: HttpSink): Exchange {
    if (!this.available) throw this.#unavailable();
    const session = this.#session;
    const block = session.encoder.encode(head);
    const id = this.#nextId;
    this.#nextId += 2;
    const stream = new Http2Stream(session, id, sink);
    stream.isBodiless = head.method === "HEAD";
    session.streams.add(stream);
    session.outbox.headers(block, last, id, session.peerMaxFrameBytes);
    stream.requested(last);
    if (session.streams.size >= this.#maxStreams) this.#wasAvailable = false;
    if (this.#nextId > lastStreamId) this.#drain("the connection has used up its stream ids");
    return stream;
  }

  #unavailable(): RpcError {
    const session = this.#session;
    const why = session.isEnded ? "the connection is closed" : !session.isOpen ? "the connection is not open yet"
      : this.#isDraining ? "the connection takes no more requests"
        : `${session.streams.size} requests are in flight, and no more are allowed`;
    return expected("unavailable", why, { phase: "connect", neverStarted: true });
  }

  opened(): void {
    this.#wasAvailable = this.available;
    this.#events.opened();
  }

  isIdle(id: number): boolean {
    return id >= this.#nextId || id % 2 === 0;
  }

  headers(id: number, head: ReceivedHead, last: boolean): void {
    const session = this.#session;
    const stream = session.streams.get(id);
    if (stream === undefined) {
      if (this.isIdle(id)) throw fault(ErrorCode.protocol, `a HEADERS frame on idle stream ${id}`);
      return;
    }
    if (head.excess !== undefined) {
      session.sendReset(id, ErrorCode.cancel);
      stream.fail(expected("resource_exhausted", `the response's head has ${head.excess}`,
        { phase: "network", retryable: false }));
    } else if (head.wrong !== undefined) {
      session.mistake(id, ErrorCode.protocol, head.wrong);
    } else if (!stream.headReceived) {
      this.#response(stream, head, last);
    } else if (!last || head.status !== 0) {
      session.mistake(id, ErrorCode.protocol, "a second head that is no trailers");
    } else if (!stream.agrees(0, true)) {
      session.mistake(id, ErrorCode.protocol, "a body shorter than content-length");
    } else {
      stream.trailed(head);
    }
  }

  #response(stream: Http2Stream, head: ReceivedHead, last: boolean): void {
    const session = this.#session;
    const { id } = stream;
    if (head.status === 0) {
      session.mistake(id, ErrorCode.protocol, "a response without :status");
    } else if (head.status < 200) {
      if (last) session.mistake(id, ErrorCode.protocol, "an informational response that ends the stream");
      else if (++stream.informational > session.settings.maxInformational) {
        session.mistake(id, ErrorCode.calm, "too many informational responses (maxInformational)");
      }
    } else {
      const isBodiless = stream.isBodiless || head.status === 204 || head.status === 304;
      if (!isBodiless) stream.expected = head.contentLength;
      if (last && stream.expected > 0) session.mistake(id, ErrorCode.protocol, "a body shorter than content-length");
      else stream.responded(head, last);
    }
  }

  goingAway(lastId: number, errorCode: number, text: string): void {
    const session = this.#session;
    this.#lastServedId = Math.min(this.#lastServedId, lastId);
    const code = errorCode === ErrorCode.calm ? "resource_exhausted" : "unavailable";
    this.#refusal = expected(code, `the server goes away: ${text}`,
      { remote: true, phase: "connect", neverStarted: true });
    for (const stream of session.streams.all()) if (stream.id > this.#lastServedId) stream.fail(this.#refusal);
    this.#drain(`the server goes away: ${text}`);
  }

  #drain(why: string): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    this.#events.draining(why);
  }

  pinged(roundTripMs: number): void {
    this.#events.pinged(roundTripMs);
  }

  marked(): void {
    // Clients send no marks.
  }

  finished(): void {
    // Told in `settle`: whoever hears of the end of one request must not find itself within the next.
  }

  settle(): void {
    const session = this.#session;
    if (session.isEnded) return;
    if (this.#isDraining) {
      if (session.streams.size === 0) session.end();
      return;
    }
    const { available } = this;
    const isNews = available && !this.#wasAvailable;
    this.#wasAvailable = available;
    if (isNews) this.#events.available();
  }

  lost(stream: Http2Stream, error: RpcError | undefined): RpcError {
    if (stream.id > this.#lastServedId && this.#refusal !== undefined) return this.#refusal;
    return error ?? expected("unavailable", "the connection was closed", { phase: "network" });
  }

  ping(): boolean {
    return this.#session.ping();
  }

  get pingsSparingly(): boolean {
    return !this.#session.peerTakesPings;
  }

  abort(error: RpcError): void {
    this.#session.abort(error);
  }

  close(graceMs: number): void {
    const session = this.#session;
    if (session.isEnded) return;
    this.#isDraining = true;
    if (session.streams.size === 0) {
      session.end();
      return;
    }
    this.#graceTimer ??= session.clock.after(graceMs, () => {
      session.end(expected("cancelled", `the client closed, and ${graceMs} ms of grace are over`));
    }).unref();
  }

  closed(error: RpcError | undefined): void {
    this.#graceTimer?.cancel();
    this.#events.closed(error);
  }

  gone(): void {
    // Nobody waits for the stream below.
  }
}
