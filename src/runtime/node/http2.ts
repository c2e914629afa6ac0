/**
 * HTTP/2 by `node:http2`, behind the same interfaces as our own: slower, for whoever trusts it more.
 *
 * It keeps real time, so it does not run in the simulator; and of our limits it keeps those that Node knows.
 */
import {
  type ClientHttp2Session, type ClientHttp2Stream, connect as http2ConnectOver, constants, type Http2Session,
  type IncomingHttpHeaders, performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream,
} from "node:http2";
import type { Accept, ServedConnection } from "../../core/connection.ts";
import { expected, RpcError } from "../../core/error.ts";
import { type Peer, peerOf } from "../../core/peer.ts";
import type { ByteStream, Runtime, Security } from "../../core/runtime.ts";
import type { Timer } from "../../core/alarm.ts";
import { checkHead, resolveHttp2Settings } from "../../http/h2/index.ts";
import type {
  Exchange, Head, Http2AcceptOptions, Http2ConnectOptions, Http2Settings, HttpConnect, HttpConnection,
  HttpConnectionEvents, HttpSink,
} from "../../http/index.ts";
import { connectionGone, type NodeCarrier, NodeExchange, receivedHead } from "./http2-exchange.ts";
import { StreamDuplex } from "./stream-duplex.ts";

/** Makes what opens HTTP/2 connections by `node:http2`. Throws `invalid_argument` for settings that are no limits. */
export function nodeHttp2Connect(options: Http2ConnectOptions = {}): HttpConnect {
  const settings = resolveHttp2Settings(options.settings);
  const security = options.security?.offering(["h2"]);
  return (runtime, address, events) => new NodeClientConnection(runtime, settings, security, address, events);
}

/** Makes the acceptor of connections by `node:http2`. Throws `invalid_argument` for settings that are no limits. */
export function nodeHttp2Accept(runtime: Runtime, options: Http2AcceptOptions): Accept {
  const settings = resolveHttp2Settings(options.settings);
  return (stream) => {
    const connection = new NodeServerConnection(runtime, settings, stream, options);
    return { connection, sink: connection.duplex.sink };
  };
}

function nodeOptions(settings: Http2Settings) {
  return {
    maxHeaderListPairs: settings.maxHeaderFields,
    settings: {
      headerTableSize: settings.headerTableBytes,
      initialWindowSize: settings.streamWindowBytes,
      maxFrameSize: settings.maxFrameBytes,
      maxHeaderListSize: settings.maxHeaderListBytes,
    },
  };
}

/** So many pings without a frame of a response in between are borne by gRPC's servers (gRFC A8). */
const bornePings = 2;

/** What client and server keep alike. */
abstract class NodeConnection implements NodeCarrier {
  readonly runtime: Runtime;
  readonly settings: Http2Settings;
  readonly exchanges = new Set<NodeExchange>();
  memo: unknown = undefined;
  lastReceivedMs: number;
  lost: RpcError | undefined = undefined;
  isOpen = false;
  pingsSinceResponse = 0;

  constructor(runtime: Runtime, settings: Http2Settings) {
    this.runtime = runtime;
    this.settings = settings;
    this.lastReceivedMs = runtime.clock.now();
  }

  abstract readonly peer: string;
  abstract finished(exchange: NodeExchange): void;

  get windowBytes(): number {
    return this.settings.streamWindowBytes;
  }

  get inFlight(): number {
    return this.exchanges.size;
  }

  heard(): void {
    this.lastReceivedMs = this.runtime.clock.now();
    this.pingsSinceResponse = 0;
  }

  /** Whatever goes wrong with a session shows with its end. */
  watch(session: Http2Session): void {
    session.on("error", (error) => {
      this.lost ??= expected("unavailable", error.message, { cause: error, phase: "network" });
    });
    session.setLocalWindowSize(this.settings.connectionWindowBytes);
  }

  failAll(error: RpcError): void {
    this.lost ??= error;
    for (const exchange of [...this.exchanges]) exchange.fail(this.lost);
  }
}

class NodeClientConnection extends NodeConnection implements HttpConnection {
  readonly peer: string;
  readonly #events: HttpConnectionEvents;
  readonly #duplex: StreamDuplex;
  readonly #openingTimer: Timer;
  #session: ClientHttp2Session | undefined = undefined;
  #graceTimer: Timer | undefined = undefined;
  #isDraining = false;
  #isEnded = false;
  #wasAvailable = false;

  constructor(
    runtime: Runtime, settings: Http2Settings, security: Security | undefined, address: string,
    events: HttpConnectionEvents,
  ) {
    super(runtime, settings);
    this.peer = address;
    this.#events = events;
    this.#duplex = new StreamDuplex((error) => this.#closed(error), () => this.#begin());
    this.#duplex.over(runtime.network.connect(address, this.#duplex.sink, security));
    this.#openingTimer = runtime.clock.after(settings.openingTimeoutMs, () => {
      this.abort(expected("unavailable", `no complete opening of HTTP/2 within ${settings.openingTimeoutMs} ms ` +
        "(openingTimeoutMs)", { phase: "connect", neverStarted: true }));
    }).unref();
  }

  #begin(): void {
    const options = nodeOptions(this.settings);
    const session = http2ConnectOver(`http://${this.peer}`, {
      ...options, settings: { ...options.settings, enablePush: false }, createConnection: () => this.#duplex,
    });
    this.#session = session;
    this.watch(session);
    session.on("goaway", (code: number, _lastId: number, text?: Uint8Array) => {
      const said = text === undefined || text.length === 0 ? "" : ` ${JSON.stringify(Buffer.from(text).toString())}`;
      this.#drain(`the server goes away: error code ${code}${said}`);
    });
    session.once("remoteSettings", () => {
      this.#openingTimer.cancel();
      this.isOpen = true;
      this.#wasAvailable = this.available;
      this.#events.opened();
    });
    session.on("remoteSettings", () => this.#settle());
    session.on("close", () => void this.#duplex.destroy());
  }

  get #maxStreams(): number {
    const most = this.#session?.remoteSettings.maxConcurrentStreams ?? Infinity;
    return Math.min(most, this.settings.maxConcurrentStreams);
  }

  get available(): boolean {
    const session = this.#session;
    return this.isOpen && !this.#isDraining && !this.#isEnded && session !== undefined && !session.closed &&
      !session.destroyed && this.exchanges.size < this.#maxStreams;
  }

  request(head: Head, last: boolean, sink: HttpSink): Exchange {
    const session = this.#session;
    if (!this.available || session === undefined) {
      throw expected("unavailable", "the connection takes no request now", { phase: "connect", neverStarted: true });
    }
    checkHead(head);
    const fields = {
      ":method": head.method, ":path": head.path, ":scheme": head.scheme, ":authority": head.authority, ...head.fields,
    };
    const stream: ClientHttp2Stream = session.request(fields, { endStream: last });
    const exchange = new NodeExchange(this, stream, "client", last);
    exchange.sink = sink;
    this.exchanges.add(exchange);
    stream.on("response", (response: IncomingHttpHeaders, flags: number) => {
      exchange.responded(response, (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0);
    });
    if (this.exchanges.size >= this.#maxStreams) this.#wasAvailable = false;
    return exchange;
  }

  finished(exchange: NodeExchange): void {
    this.exchanges.delete(exchange);
    this.runtime.clock.defer(() => this.#settle());
  }

  #settle(): void {
    if (this.#isEnded || !this.isOpen) return;
    if (this.#isDraining) {
      if (this.exchanges.size === 0) this.#session?.close();
    } else if (!this.#wasAvailable && this.available) {
      this.#wasAvailable = true;
      this.#events.available();
    }
  }

  #drain(why: string): void {
    if (this.#isDraining || this.#isEnded) return;
    this.#isDraining = true;
    this.#events.draining(why);
    this.#settle();
  }

  ping(): boolean {
    const session = this.#session;
    if (session === undefined || session.destroyed || this.pingsSinceResponse >= bornePings) return false;
    this.pingsSinceResponse++;
    return session.ping((error, roundTripMs) => {
      if (error !== null || this.#isEnded) return;
      this.lastReceivedMs = this.runtime.clock.now();
      this.#events.pinged(roundTripMs);
    });
  }

  get pingsSparingly(): boolean {
    return true;
  }

  abort(error: RpcError): void {
    if (this.#isEnded) return;
    this.failAll(error);
    this.#finish(error);
    this.#session?.destroy();
    this.#duplex.destroy();
  }

  close(graceMs: number): void {
    if (this.#isEnded) return;
    this.#isDraining = true;
    if (this.exchanges.size === 0) {
      this.#end();
      return;
    }
    this.#graceTimer ??= this.runtime.clock.after(graceMs, () => {
      this.failAll(expected("cancelled", `the client closed, and ${graceMs} ms of grace are over`));
      this.#end();
    }).unref();
  }

  #end(): void {
    if (this.#session === undefined) this.#duplex.destroy();
    else this.#session.destroy();
    this.#finish(undefined);
  }

  #closed(error: Error | undefined): void {
    const isOrderly = error === undefined && this.#isDraining && this.exchanges.size === 0;
    const why = error === undefined ? this.lost : RpcError.from(error, "unavailable");
    const reason = isOrderly ? undefined : why ?? connectionGone(undefined);
    this.failAll(connectionGone(reason));
    this.#finish(reason);
  }

  #finish(error: RpcError | undefined): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#openingTimer.cancel();
    this.#graceTimer?.cancel();
    this.#events.closed(error);
  }
}

class NodeServerConnection extends NodeConnection implements ServedConnection {
  readonly peer: string;
  readonly from: Peer;
  readonly duplex: StreamDuplex;
  readonly #owner: Http2AcceptOptions;
  readonly #session: ServerHttp2Session;
  readonly #stream: ByteStream;
  readonly #acceptedMs: number;
  #isEnded = false;
  #buffered = 0;
  #readMs = 0;

  constructor(runtime: Runtime, settings: Http2Settings, stream: ByteStream, owner: Http2AcceptOptions) {
    super(runtime, settings);
    this.peer = stream.peer;
    this.from = peerOf(stream);
    this.#owner = owner;
    this.#stream = stream;
    this.#acceptedMs = this.lastReceivedMs;
    this.duplex = new StreamDuplex((error) => {
      this.#finish(error === undefined ? this.lost : RpcError.from(error, "unavailable"));
      owner.gone?.(this);
    });
    const options = nodeOptions(settings);
    this.#session = performServerHandshake(this.duplex.over(stream), {
      ...options,
      settings: { ...options.settings, maxConcurrentStreams: settings.maxConcurrentStreams },
      streamResetBurst: settings.resetBurst,
      streamResetRate: settings.resetsPerSecond,
    });
    this.watch(this.#session);
    this.#session.on("remoteSettings", () => {
      this.isOpen = true;
    });
    this.#session.on("stream", (stream: ServerHttp2Stream, fields: IncomingHttpHeaders, flags: number) => {
      this.#serve(stream, receivedHead(fields), (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0);
    });
    this.#session.on("close", () => void this.duplex.destroy());
  }

  #serve(stream: ServerHttp2Stream, head: Head, last: boolean): void {
    this.heard();
    const exchange = new NodeExchange(this, stream, "server", false);
    this.exchanges.add(exchange);
    try {
      const sink = this.#owner.handle(head, exchange, last);
      // With `last` the sink was told all; its end of stream would be news of what it knows.
      exchange.sink = last ? withoutData(sink) : sink;
      if (exchange.untold !== undefined) exchange.tellFailed(sink, exchange.untold);
    } catch {
      exchange.reset("internal");
    }
  }

  finished(exchange: NodeExchange): void {
    this.exchanges.delete(exchange);
  }

  drain(reason: RpcError): void {
    this.lost ??= expected("unavailable", reason.message, { phase: "network" });
    if (!this.#session.destroyed) this.#session.close();
  }

  close(reason: RpcError): void {
    if (this.#isEnded) return;
    this.failAll(expected("cancelled", "the client's connection is gone", { cause: reason }));
    if (!this.#session.destroyed) {
      this.#session.goaway(constants.NGHTTP2_NO_ERROR, 0, Buffer.from(reason.message.slice(0, 256)));
      this.#session.destroy();
    }
    this.#finish(undefined);
  }

  sweep(nowMs: number): void {
    const { openingTimeoutMs, stallTimeoutMs } = this.settings;
    const { bufferedBytes } = this.#stream;
    if (bufferedBytes === 0 || bufferedBytes < this.#buffered) this.#readMs = nowMs;
    this.#buffered = bufferedBytes;
    const why = !this.isOpen && nowMs - this.#acceptedMs >= openingTimeoutMs
      ? `no complete opening of HTTP/2 within ${openingTimeoutMs} ms (openingTimeoutMs)`
      : nowMs - this.#readMs >= stallTimeoutMs
        ? `the peer has read nothing for ${stallTimeoutMs} ms (stallTimeoutMs)` : undefined;
    if (why === undefined || this.#isEnded) return;
    const error = expected("unavailable", why, { phase: "network" });
    this.failAll(error);
    this.#session.destroy();
    this.#finish(error);
  }

  #finish(error: RpcError | undefined): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    const hadExchanges = this.exchanges.size > 0;
    this.failAll(expected("cancelled", "the client's connection is gone", { cause: error }));
    this.#owner.ended(this, error ?? (hadExchanges ? this.lost : undefined));
  }
}

/** A sink that hears no data. */
function withoutData(sink: HttpSink): HttpSink {
  return {
    data: () => undefined,
    trailers: () => undefined,
    writable: () => sink.writable(),
    failed: (error) => sink.failed(error),
  };
}
