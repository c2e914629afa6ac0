/**
 * The server half of HTTP/1.1: one accepted connection that answers its requests in order (RFC 9112).
 *
 * Requests that were sent ahead (pipelining) wait unread, and the stream is paused, until the one before them is
 * answered. A message that breaks the rules is answered with its status and a line of text, and ends the connection.
 */
import type { Accept, Accepted, AcceptOwner, ServedConnection } from "../../core/connection.ts";
import { expected, RpcError } from "../../core/error.ts";
import { type Peer, peerOf } from "../../core/peer.ts";
import type { ByteSink, ByteStream, Runtime } from "../../core/runtime.ts";
import type { Timer } from "../../core/alarm.ts";
import type { Writer } from "../../wire/writer.ts";
import type { Carrier, Head, HttpHandler } from "../message.ts";
import { type Channel, Http1Exchange, misuse } from "./exchange.ts";
import { Outlet } from "./outlet.ts";
import { type ReadHead, readRequestHead } from "./read-head.ts";
import { MessageReader, type ReaderOwner } from "./reader.ts";
import { DateLine, SentHeads } from "./sent-heads.ts";
import { type Http1ServerSettings, resolveServerSettings } from "./settings.ts";
import { phraseOf, refusal, statusOf } from "./status.ts";
import { latin1Bytes } from "./syntax.ts";
import type { Upgrade, Upgraded } from "./upgrade.ts";
import { encodeResponseHead, encodeTrailers } from "./write-head.ts";

export interface Http1AcceptOptions extends AcceptOwner {
  /** Serves each exchange. What it throws is answered 500. */
  readonly handle: HttpHandler;
  readonly settings?: Partial<Http1ServerSettings> | undefined;
  /** Grants other protocols (WebSocket). Default: none, and who asks is answered as any other. */
  readonly upgrade?: Upgrade | undefined;
}

/** Makes the acceptor of HTTP/1.1 connections of one server. */
export function http1Accept(runtime: Runtime, options: Http1AcceptOptions): Accept {
  const shared: Shared = {
    runtime, owner: options, handle: options.handle, upgrade: options.upgrade,
    settings: resolveServerSettings(options.settings),
    heads: new SentHeads(encodeResponseHead), date: new DateLine(runtime.clock),
  };
  return (stream) => {
    const connection = new Http1ServerConnection(shared, stream);
    return { connection, sink: connection };
  };
}

/** What the connections of one server have in common. */
interface Shared {
  readonly runtime: Runtime;
  readonly owner: AcceptOwner;
  readonly handle: HttpHandler;
  readonly upgrade: Upgrade | undefined;
  readonly settings: Http1ServerSettings;
  readonly heads: SentHeads;
  readonly date: DateLine;
}

/** How long a peer that was told the end may take to close its side before it is cut off, in milliseconds. */
const lingerMs = 1_000;

const goOn = latin1Bytes("HTTP/1.1 100 Continue\r\n\r\n");

/** What a connection waits for, by which a peer that keeps it waiting is found. */
type Waiting = "first" | "idle" | "head" | "body" | "handler" | "reading";

class Http1ServerConnection implements ServedConnection, ByteSink, ReaderOwner, Channel, Carrier {
  readonly peer: string;
  readonly from: Peer;
  memo: unknown = undefined;
  lastReceivedMs: number;
  readonly #shared: Shared;
  readonly #stream: ByteStream;
  readonly #scheme: string;
  readonly #outlet: Outlet;
  readonly #reader: MessageReader;
  /** The request being answered, or being read to its end after its answer. */
  #exchange: Http1Exchange | undefined = undefined;
  #requests = 0;
  /** Whether the connection carries another request after the present one. */
  #persists = true;
  #isToHead = false;
  #responseBegun = false;
  #responseEnded = false;
  #requestEnded = false;
  /** Body bytes of the present request: all, if it says, those that came, and those delivered and not consumed. */
  #bodyBytes = 0;
  #receivedBytes = 0;
  #unreadBytes = 0;
  #discardedBytes = 0;
  #isPaused = false;
  #draining = false;
  #ended = false;
  /** Granted by the request just read; then who has the connection since. */
  #upgrade: Upgraded | undefined = undefined;
  #upgraded: Accepted | undefined = undefined;
  #lingerTimer: Timer | undefined = undefined;
  #waiting: Waiting = "first";
  #waitingMark = 0;
  #waitingSinceMs: number;

  constructor(shared: Shared, stream: ByteStream) {
    this.#shared = shared;
    this.#stream = stream;
    this.peer = stream.peer;
    this.from = peerOf(stream);
    this.#scheme = stream.secure === undefined ? "http" : "https";
    this.#outlet = new Outlet(stream, shared.runtime.clock);
    this.#reader = new MessageReader(this, shared.settings, 400);
    this.lastReceivedMs = this.#waitingSinceMs = shared.runtime.clock.now();
  }

  get inFlight(): number {
    if (this.#upgraded !== undefined) return this.#upgraded.connection.inFlight;
    return this.#exchange === undefined || this.#responseEnded ? 0 : 1;
  }

  received(bytes: Uint8Array): void {
    if (this.#upgraded !== undefined) return this.#upgraded.sink.received(bytes);
    if (this.#ended) return;
    this.lastReceivedMs = this.#shared.runtime.clock.now();
    try {
      this.#reader.push(bytes);
    } catch (error) {
      this.#refuse(RpcError.from(error, "internal"));
    }
    if (this.#upgrade === undefined) this.#balance();
    else this.#handOver(this.#upgrade);
  }

  /** From here on the connection is the other protocol's, with what came behind the request. */
  #handOver({ response, accept }: Upgraded): void {
    const rest = this.#reader.takeHeld();
    this.#reader.stop();
    this.#outlet.raw(latin1Bytes(response));
    this.#outlet.flush();
    this.#outlet.close();
    if (this.#isPaused) this.#stream.resume();
    const upgraded = this.#upgraded = accept(this.#stream, {
      ended: (_connection, error) => this.#finish(error),
      gone: () => this.#shared.owner.gone?.(this),
    });
    if (this.#draining) upgraded.connection.drain(expected("unavailable", "the server is shutting down"));
    if (rest !== undefined) upgraded.sink.received(rest);
  }

  drained(): void {
    if (this.#upgraded !== undefined) return this.#upgraded.sink.drained?.();
    this.#outlet.full = false;
    if (this.#ended) return;
    try {
      this.#exchange?.sink?.writable();
    } catch (error) {
      this.#handlerFailed(error);
    }
    this.#settle();
  }

  closed(error?: Error): void {
    if (this.#upgraded !== undefined) return this.#upgraded.sink.closed(error);
    this.#lingerTimer?.cancel();
    const midway = this.#exchange !== undefined || this.#reader.midMessage;
    this.#finish(error === undefined && !midway ? undefined : expected("unavailable",
      error?.message ?? "the client closed the connection in the middle of a request",
      { cause: error, phase: "network" }));
    this.#shared.owner.gone?.(this);
  }

  parseHead(bytes: Uint8Array, start: number, end: number): ReadHead {
    return readRequestHead(bytes, start, end, this.#scheme, this.#shared.settings);
  }

  headRead(read: ReadHead): number {
    const { settings, handle, upgrade } = this.#shared;
    this.#requests++;
    if (upgrade !== undefined && read.head.fields["upgrade"] !== undefined && read.body === 0 && !read.isOld) {
      const answer = upgrade(read.head);
      if (answer !== undefined && "status" in answer) throw refusal(answer.status, answer.why);
      this.#upgrade = answer;
      if (answer !== undefined) return read.body;
    }
    this.#persists = read.persists && this.#requests < settings.maxRequests && !this.#draining;
    this.#isToHead = read.head.method === "HEAD";
    this.#receivedBytes = this.#unreadBytes = this.#discardedBytes = 0;
    this.#bodyBytes = read.body;
    const outlet = this.#outlet;
    outlet.endsWithClose = read.isOld;
    outlet.connectionLine = !this.#persists ? "close" : read.isOld ? "keep-alive" : "none";
    const exchange = this.#exchange = new Http1Exchange(this, this);
    const last = this.#requestEnded = read.body === 0;
    this.#responseBegun = this.#responseEnded = false;
    try {
      exchange.sink = handle(read.head, exchange, last);
    } catch (error) {
      this.#handlerFailed(error);
      return read.body;
    }
    if (exchange.failure !== undefined) this.#tellFailed(exchange, exchange.failure);
    else if (read.expectsContinue && !last) this.#invite();
    return read.body;
  }

  /** The body is wanted, unless the answer is there already: then who knows whether the client still sends it. */
  #invite(): void {
    if (!this.#responseBegun) this.#outlet.raw(goOn);
    else this.#closeAfter();
  }

  dataRead(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    const { settings } = this.#shared;
    this.#receivedBytes += end - start;
    if (this.#receivedBytes > settings.maxBodyBytes) {
      throw refusal(413, `a body of more than ${settings.maxBodyBytes} bytes (maxBodyBytes)`);
    }
    if (last) this.#requestEnded = true;
    if (this.#responseEnded) {
      this.#discardedBytes += end - start;
      if (this.#discardedBytes > settings.maxDiscardedBytes) this.#leave(undefined);
      return;
    }
    this.#unreadBytes += end - start;
    try {
      this.#exchange?.sink?.data(bytes, start, end, last);
    } catch (error) {
      this.#handlerFailed(error);
    }
  }

  trailersRead(trailers: Head): void {
    this.#requestEnded = true;
    if (this.#responseEnded) return;
    try {
      this.#exchange?.sink?.trailers(trailers);
    } catch (error) {
      this.#handlerFailed(error);
    }
  }

  messageRead(): void {
    this.#requestEnded = true;
    this.#settle();
  }

  get writable(): boolean {
    return !this.#outlet.full;
  }

  sendHead(head: Head, last: boolean): void {
    if (this.#responseBegun) throw misuse("a second head for one response");
    const sent = this.#shared.heads.find(head);
    const isMute = this.#isToHead || sent.isBodiless;
    if (last && !isMute && sent.contentLength > 0) {
      throw misuse(`a response without body, but with content-length ${sent.contentLength}`);
    }
    this.#shared.date.stamp(sent);
    this.#responseBegun = true;
    if (last) this.#announce();
    this.#outlet.message(sent, last, isMute);
    if (last) this.#responded();
  }

  beginPiece(): Writer {
    if (!this.#responseBegun) throw misuse("a body before its head");
    this.#outlet.begin();
    return this.#outlet;
  }

  endPiece(last: boolean): void {
    const outlet = this.#outlet;
    const { maxQueuedBytes } = this.#shared.settings;
    if (last) this.#announce();
    if (outlet.full && outlet.queuedBytes > maxQueuedBytes) {
      outlet.abort();
      this.#cut(expected("resource_exhausted",
        `${maxQueuedBytes} bytes wait for the client to read them (maxQueuedBytes)`, { phase: "network" }));
    } else if (!outlet.end(last)) {
      this.#cut(misuse("the body has not the length that its content-length names"));
    } else if (last) {
      this.#responded();
    }
  }

  abortPiece(): void {
    this.#outlet.abort();
  }

  sendTrailers(trailers: Head): void {
    if (!this.#responseBegun) throw misuse("trailers before the head");
    const lines = encodeTrailers(trailers);
    this.#announce();
    this.#outlet.trailers(lines);
    this.#responded();
  }

  consumed(bytes: number): void {
    this.#unreadBytes -= bytes;
    this.#balance();
  }

  reset(): void {
    const exchange = this.#exchange as Http1Exchange;
    exchange.channel = exchange.sink = undefined;
    this.#exchange = undefined;
    this.#stream.destroy();
    this.#finish(undefined);
  }

  /**
   * A response that comes before its request has ended tells that the connection ends too, unless little of the
   * request is left: a client that is not told would make its next request on a connection that is about to close.
   */
  #announce(): void {
    if (this.#requestEnded) return;
    const rest = this.#bodyBytes < 0 ? Infinity : this.#bodyBytes - this.#receivedBytes;
    if (rest <= this.#shared.settings.maxDiscardedBytes) return;
    this.#persists = false;
    this.#outlet.connectionLine = "close";
  }

  /** The response has its last byte. */
  #responded(): void {
    this.#responseEnded = true;
    (this.#exchange as Http1Exchange).channel = undefined;
    if (!this.#persists || this.#outlet.mustClose) this.#leave(undefined);
    else {
      this.#settle();
      this.#balance();
    }
  }

  /** Goes on to the next request, once this one is read and answered and the client takes its answers. */
  #settle(): void {
    if (this.#ended || this.#reader.state !== "ended" || !this.#responseEnded || this.#outlet.full) return;
    if (this.#upgrade !== undefined) return;
    this.#exchange = undefined;
    try {
      this.#reader.next();
    } catch (error) {
      this.#refuse(RpcError.from(error, "internal"));
    }
    if (this.#upgrade !== undefined && !this.#reader.isPushing) this.#handOver(this.#upgrade);
  }

  /** Pauses the stream while more has come than is wanted now. */
  #balance(): void {
    if (this.#ended) return;
    const { settings } = this.#shared;
    const wants = this.#reader.state === "ended"
      ? this.#reader.heldBytes <= settings.maxPipelinedBytes
      : this.#responseEnded || this.#unreadBytes <= settings.windowBytes;
    if (wants !== this.#isPaused) return;
    this.#isPaused = !wants;
    if (wants) this.#stream.resume();
    else this.#stream.pause();
  }

  #closeAfter(): void {
    this.#persists = false;
    this.#outlet.connectionLine = "close";
    if (this.#responseEnded) this.#leave(undefined);
  }

  drain(reason: RpcError): void {
    if (this.#upgraded !== undefined) return this.#upgraded.connection.drain(reason);
    if (this.#draining || this.#ended) return;
    this.#draining = true;
    if (this.#exchange !== undefined) this.#closeAfter();
    else if (!this.#reader.midMessage) this.#leave(undefined);
  }

  close(reason: RpcError): void {
    if (this.#ended) return;
    if (this.#upgraded !== undefined) return this.#upgraded.connection.close(reason);
    if (this.inFlight === 0) this.#leave(undefined);
    else this.#answer(503, reason.message, reason);
  }

  sweep(nowMs: number): void {
    if (this.#ended) return;
    if (this.#upgraded !== undefined) return this.#upgraded.connection.sweep(nowMs);
    const waiting = this.#waitsFor();
    const mark = this.#progress(waiting);
    if (waiting !== this.#waiting || mark !== this.#waitingMark) {
      this.#waiting = waiting;
      this.#waitingMark = mark;
      this.#waitingSinceMs = nowMs;
      return;
    }
    const { headTimeoutMs, idleTimeoutMs, stallTimeoutMs } = this.#shared.settings;
    const waitedMs = nowMs - this.#waitingSinceMs;
    if (waiting === "first" && waitedMs >= headTimeoutMs) this.#leave(undefined);
    else if (waiting === "idle" && waitedMs >= idleTimeoutMs) this.#leave(undefined);
    else if (waiting === "head" && waitedMs >= headTimeoutMs) {
      this.#refuse(refusal(408, `the head of the request did not come within ${headTimeoutMs} ms (headTimeoutMs)`));
    } else if (waiting === "body" && waitedMs >= stallTimeoutMs) {
      this.#refuse(refusal(408, `the body of the request did not go on for ${stallTimeoutMs} ms (stallTimeoutMs)`));
    } else if (waiting === "reading" && waitedMs >= stallTimeoutMs) {
      this.#cut(expected("unavailable", `the client has read nothing for ${stallTimeoutMs} ms (stallTimeoutMs)`,
        { phase: "network" }));
    }
  }

  #waitsFor(): Waiting {
    if (this.#stream.bufferedBytes > 0) return "reading";
    if (this.#exchange === undefined) {
      if (this.#reader.midMessage) return "head";
      return this.#requests === 0 ? "first" : "idle";
    }
    return this.#requestEnded || this.#isPaused ? "handler" : "body";
  }

  /** What changes while the peer does its part. */
  #progress(waiting: Waiting): number {
    if (waiting === "reading") return this.#outlet.writtenBytes - this.#stream.bufferedBytes;
    return waiting === "body" ? this.#reader.bodyBytes : this.#requests;
  }

  #handlerFailed(error: unknown): void {
    this.#answer(500, "the server failed to handle the request",
      new RpcError("internal", "the handler of an HTTP exchange failed", { cause: error, phase: "handler" }));
  }

  /** A message that breaks the rules. */
  #refuse(error: RpcError): void {
    this.#answer(statusOf(error), error.message, error);
  }

  /** Ends the connection with an answer of its own, if the present request has none yet. */
  #answer(status: number, text: string, error: RpcError): void {
    if (this.#ended) return;
    if (this.#responseBegun && this.#exchange !== undefined) {
      if (this.#responseEnded) this.#leave(error);
      else this.#cut(error);
      return;
    }
    const body = this.#isToHead && this.#exchange !== undefined ? "" : `${text.replace(/[^ -~]/g, "?")}\n`;
    this.#outlet.raw(latin1Bytes(`HTTP/1.1 ${status} ${phraseOf(status)}\r\n` +
      `content-type: text/plain; charset=utf-8\r\ncontent-length: ${body.length}\r\n` +
      `date: ${new Date(this.#shared.runtime.clock.wallMs()).toUTCString()}\r\nconnection: close\r\n\r\n${body}`));
    this.#leave(error);
  }

  /** Ends the connection at once. */
  #cut(error: RpcError): void {
    if (this.#ended) return;
    this.#stream.destroy();
    this.#finish(error);
  }

  /** Ends the connection after what was written; what still comes is read and dropped, or it would undo the answer. */
  #leave(error: RpcError | undefined): void {
    if (this.#ended) return;
    this.#outlet.flush();
    const waitMs = this.#stream.bufferedBytes > 0 ? this.#shared.settings.stallTimeoutMs : lingerMs;
    this.#lingerTimer = this.#shared.runtime.clock.after(waitMs, () => this.#stream.destroy()).unref();
    if (this.#isPaused) this.#stream.resume();
    this.#stream.end();
    this.#finish(error);
  }

  #finish(error: RpcError | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#reader.stop();
    this.#outlet.close();
    const exchange = this.#exchange;
    this.#exchange = undefined;
    if (exchange !== undefined && !this.#responseEnded) this.#tellFailed(exchange, error);
    this.#shared.owner.ended(this, error);
  }

  #tellFailed(exchange: Http1Exchange, error?: RpcError): void {
    const { sink } = exchange;
    exchange.channel = exchange.sink = undefined;
    exchange.failure = error ?? gone(undefined);
    try {
      sink?.failed(gone(error));
    } catch {
      // It has nobody left to tell.
    }
  }
}

function gone(why: RpcError | undefined): RpcError {
  return expected("cancelled", "the exchange's connection is gone", { cause: why, phase: "network" });
}
