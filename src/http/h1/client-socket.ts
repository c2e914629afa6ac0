/** A ClientSocket is one stream of a client's connection: it carries one exchange at a time and is kept between. */
import { expected, RpcError } from "../../core/error.ts";
import type { ByteSink, ByteStream, Clock } from "../../core/runtime.ts";
import type { Writer } from "../../wire/writer.ts";
import type { Carrier, Exchange, Head, HttpSink } from "../message.ts";
import { type Channel, Http1Exchange, misuse } from "./exchange.ts";
import { Outlet } from "./outlet.ts";
import { Body, type ReadHead, readResponseHead } from "./read-head.ts";
import { again, MessageReader, type ReaderOwner } from "./reader.ts";
import type { Http1ClientSettings } from "./settings.ts";
import { refusal } from "./status.ts";
import type { SentHead } from "./write-head.ts";

/** What a socket tells the connection that it belongs to. */
export interface SocketOwner extends Carrier {
  readonly settings: Http1ClientSettings;
  readonly clock: Clock;
  lastReceivedMs: number;
  socketOpened(socket: ClientSocket): void;
  /** Its exchange is over, and it could carry another. */
  socketFree(socket: ClientSocket): void;
  /** Its exchange, if there was one, is over, and it carries no other. Once. */
  socketLost(socket: ClientSocket, error: RpcError | undefined): void;
}

/** Servers close a socket that has said nothing after a while; of those in wide use none sooner, in milliseconds. */
const silentMs = 4_000;
/** Informational responses to one request; more are no information. */
const maxInformational = 16;
/** Methods whose requests say so when they have no body (RFC 9110, section 8.6). */
const usuallyWithBody = new Set(["POST", "PUT", "PATCH"]);

export class ClientSocket implements ByteSink, ReaderOwner, Channel {
  readonly #owner: SocketOwner;
  readonly #stream: ByteStream;
  readonly #outlet: Outlet;
  readonly #reader: MessageReader;
  #exchange: Http1Exchange | undefined = undefined;
  isOpen = false;
  /** When it began to be connected, and, while it is not in use, when that began. */
  startedMs: number;
  freeSinceMs = 0;
  /** How long the server keeps it unused, as far as it said: before its first request hardly any waits longer. */
  keepAliveMs = silentMs;
  /** Whether it was opened as a sign of life. */
  isProbe = false;
  /** Whether it was given up by us, in order. */
  isRetired = false;
  /** Whether an exchange was under way as it was lost. */
  wasCarrying = false;
  #isAnswered = false;
  /** Whether an exchange was carried before the present one. */
  #wasUsed = false;
  #lost = false;
  #isToHead = false;
  #persists = true;
  #requestEnded = true;
  /** Outlet's count as the present request began, and the reader's messages. */
  #writtenBefore = 0;
  #heardSomething = false;
  #informational = 0;
  #unreadBytes = 0;
  #isPaused = false;

  constructor(owner: SocketOwner, connect: (sink: ByteSink) => ByteStream) {
    this.#owner = owner;
    this.startedMs = owner.clock.now();
    this.#stream = connect(this);
    this.#outlet = new Outlet(this.#stream, owner.clock);
    // What is secret is not told before the peer's identity is proven.
    this.#outlet.isHeld = true;
    this.#reader = new MessageReader(this, owner.settings, 502);
  }

  /** Begins an exchange. Only while there is none. */
  request(head: Head, sent: SentHead, last: boolean, sink: HttpSink): Exchange {
    const exchange = this.#exchange = new Http1Exchange(this.#owner, this);
    exchange.sink = sink;
    this.#isToHead = head.method === "HEAD";
    this.#persists = true;
    this.#heardSomething = false;
    this.#requestEnded = last;
    this.#informational = this.#unreadBytes = 0;
    this.#writtenBefore = this.#outlet.writtenBytes;
    this.#outlet.message(sent, last, last && !usuallyWithBody.has(head.method));
    this.#reader.next();
    return exchange;
  }

  opened(): void {
    if (this.#lost) return;
    this.isOpen = true;
    this.#owner.socketOpened(this);
    this.#outlet.isHeld = false;
    this.#outlet.flush();
    if (this.#outlet.full) this.drained();
  }

  received(bytes: Uint8Array): void {
    if (this.#lost || bytes.length === 0) return;
    this.#owner.lastReceivedMs = this.#owner.clock.now();
    if (this.#exchange === undefined && !this.#isAnswered) {
      // A last word before the close (408), or an answer to nothing: either way no use.
      this.abandon(undefined);
      return;
    }
    try {
      if (!this.#heardSomething) checkOpening(bytes);
      this.#heardSomething = true;
      this.#reader.push(bytes);
    } catch (error) {
      const { code, message } = RpcError.from(error, "internal");
      this.abandon(new RpcError(code === "resource_exhausted" ? code : "internal",
        `the server's response breaks the rules of HTTP/1.1: ${message}`,
        { cause: error, phase: "network", retryable: false }));
    }
    this.#settle();
    this.#balance();
  }

  drained(): void {
    this.#outlet.full = false;
    if (this.#lost || this.#requestEnded) return;
    try {
      this.#exchange?.sink?.writable();
    } catch (error) {
      this.#sinkFailed(error);
    }
  }

  closed(error?: Error): void {
    if (this.#lost) return;
    if (error === undefined && this.#exchange !== undefined && this.#reader.state === "untilClose") {
      this.#persists = false;
      this.#reader.close();
      this.#settle();
      if (this.#lost as boolean) return;
    }
    this.#fail(this.#lossOf(error));
  }

  /** What the loss of the stream means to whoever waits. */
  #lossOf(error: Error | undefined): RpcError | undefined {
    if (this.#exchange === undefined && error === undefined && this.isOpen) return undefined;
    if (!this.isOpen) {
      return expected("unavailable", error?.message ?? "the connection closed before it opened",
        { cause: error, neverStarted: true, phase: "connect" });
    }
    const why = error?.message ?? "the server closed the connection";
    const untouched = this.#outlet.writtenBytes === this.#writtenBefore;
    const when = this.#heardSomething ? " in the middle of its response"
      : this.#wasUsed ? " before it answered; it had been kept from an earlier exchange" : " before it answered";
    return expected("unavailable", this.#exchange === undefined ? why : why + when,
      { cause: error, neverStarted: untouched && this.#exchange !== undefined, retryable: true, phase: "network" });
  }

  /** Ends it at once; the exchange fails with `error`. */
  abandon(error: RpcError | undefined): void {
    if (this.#lost) return;
    this.#stream.destroy();
    this.#fail(error);
  }

  /** Ends it in order: it is not in use. */
  retire(): void {
    if (this.#lost) return;
    this.isRetired = true;
    this.#outlet.flush();
    this.#stream.end();
    this.#fail(undefined);
  }

  #fail(error: RpcError | undefined): void {
    this.#lost = true;
    this.#reader.stop();
    this.#outlet.close();
    const exchange = this.#exchange;
    this.#exchange = undefined;
    if (exchange !== undefined) {
      this.wasCarrying = true;
      const { sink } = exchange;
      exchange.channel = exchange.sink = undefined;
      try {
        sink?.failed(error ?? expected("unavailable", "the connection was closed", { phase: "network" }));
      } catch {
        // It was its last word, and nobody is left to be told.
      }
    }
    this.#owner.socketLost(this, error);
  }

  parseHead(bytes: Uint8Array, start: number, end: number): ReadHead {
    return readResponseHead(bytes, start, end, this.#owner.settings);
  }

  headRead(read: ReadHead): number {
    const { status } = read.head;
    if (status < 200) {
      if (status === 101) throw refusal(502, "it changes the protocol, which nobody asked for");
      if (++this.#informational > maxInformational) throw refusal(502, `more than ${maxInformational} heads of 1xx`);
      return again;
    }
    const body = this.#isToHead ? 0 : read.body;
    this.#persists = read.persists && body !== Body.untilClose;
    this.keepAliveMs = read.keepAliveMs;
    try {
      this.#exchange?.sink?.head?.(read.head, body === 0);
    } catch (error) {
      this.#sinkFailed(error);
    }
    return body;
  }

  dataRead(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    this.#unreadBytes += end - start;
    try {
      this.#exchange?.sink?.data(bytes, start, end, last);
    } catch (error) {
      this.#sinkFailed(error);
    }
  }

  trailersRead(trailers: Head): void {
    try {
      this.#exchange?.sink?.trailers(trailers);
    } catch (error) {
      this.#sinkFailed(error);
    }
  }

  /** Whatever the sink throws ends its exchange, not the process. */
  #sinkFailed(error: unknown): void {
    this.abandon(new RpcError("internal", "the sink of an HTTP exchange failed", { cause: error }));
  }

  messageRead(): void {
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    this.#exchange = undefined;
    exchange.channel = exchange.sink = undefined;
    this.#wasUsed = this.#isAnswered = true;
  }

  /** The response is over, and so is the read that ended it: what stands behind it belongs to nobody. */
  #settle(): void {
    if (!this.#isAnswered || this.#lost) return;
    this.#isAnswered = false;
    if (this.#persists && this.#requestEnded && this.#reader.heldBytes === 0) {
      this.#owner.socketFree(this);
      return;
    }
    // What is left of the request would be taken for the next one.
    this.#lost = this.wasCarrying = true;
    this.#reader.stop();
    this.#outlet.close();
    if (this.#requestEnded) this.#stream.end();
    else this.#stream.destroy();
    this.#owner.socketLost(this, undefined);
  }

  get writable(): boolean {
    return !this.#outlet.full;
  }

  sendHead(): void {
    throw misuse("a client's head goes with its request");
  }

  beginPiece(): Writer {
    if (this.#requestEnded) throw misuse("a body behind the end of its request");
    this.#outlet.begin();
    return this.#outlet;
  }

  endPiece(last: boolean): void {
    const outlet = this.#outlet;
    const { maxQueuedBytes } = this.#owner.settings;
    if (outlet.full && outlet.queuedBytes > maxQueuedBytes) {
      outlet.abort();
      this.abandon(expected("resource_exhausted",
        `${maxQueuedBytes} bytes wait for the server to read them (maxQueuedBytes)`, { phase: "network" }));
    } else if (!outlet.end(last)) {
      this.abandon(misuse("the body has not the length that its content-length names"));
    } else if (last) {
      this.#requestEnded = true;
    }
  }

  abortPiece(): void {
    this.#outlet.abort();
  }

  sendTrailers(): void {
    throw misuse("only responses end with trailers");
  }

  consumed(bytes: number): void {
    this.#unreadBytes -= bytes;
    this.#balance();
  }

  reset(): void {
    const exchange = this.#exchange as Http1Exchange;
    this.#exchange = undefined;
    exchange.channel = exchange.sink = undefined;
    this.isRetired = this.wasCarrying = true;
    this.abandon(undefined);
  }

  /** Pauses the stream while more has come than is wanted now. */
  #balance(): void {
    if (this.#lost) return;
    const wants = this.#exchange === undefined || this.#unreadBytes <= this.#owner.settings.windowBytes;
    if (wants !== this.#isPaused) return;
    this.#isPaused = !wants;
    if (wants) this.#stream.resume();
    else this.#stream.pause();
  }
}

/** Whoever does not speak HTTP/1.1 might never come to the end of a line. */
function checkOpening(bytes: Uint8Array): void {
  const first = bytes[0];
  if (first === 0x48 || first === 0x0d || first === 0x0a) return;
  const shown = Array.from(bytes.subarray(0, 9), (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  throw refusal(502, `it opened with ${shown}, not with a status line`);
}
