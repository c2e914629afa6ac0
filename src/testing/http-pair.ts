/**
 * HTTP without bytes: a client's connections and a server's handler in one process, exchange by exchange, with flow
 * control and limits as on HTTP/2. For tests of protocols: nothing between them but the contract of exchanges.
 */
import type { Code } from "../core/code.ts";
import { expected, type RpcError } from "../core/error.ts";
import type { Clock } from "../core/runtime.ts";
import {
  type Carrier, type Exchange, Head, type HttpConnect, type HttpConnection, type HttpConnectionEvents,
  type HttpHandler, type HttpSink, type ResetReason,
} from "../http/message.ts";
import { Writer } from "../wire/writer.ts";

export interface HttpPairOptions {
  /** Body bytes that each side may send ahead of what the other has consumed, for each exchange. Default 65,536. */
  readonly windowBytes?: number | undefined;
  /** Exchanges that a client may have open at once. Default 1,000. */
  readonly maxExchanges?: number | undefined;
  /** Bodies arrive in pieces of at most so many bytes. Default: as they were sent. */
  readonly pieceBytes?: (() => number) | undefined;
  /** Default 2. */
  readonly version?: 1 | 2 | undefined;
}

interface Settings {
  readonly clock: Clock;
  readonly windowBytes: number;
  readonly maxExchanges: number;
  readonly pieceBytes: () => number;
  readonly version: 1 | 2;
}

/** Makes what connects clients to `handler`, whatever the address. */
export function httpPair(clock: Clock, handler: HttpHandler, options: HttpPairOptions = {}): HttpConnect {
  const settings: Settings = {
    clock, windowBytes: options.windowBytes ?? 65_536, maxExchanges: options.maxExchanges ?? 1_000,
    pieceBytes: options.pieceBytes ?? (() => Infinity), version: options.version ?? 2,
  };
  return (_runtime, address, events) => new PairConnection(settings, handler, address, events);
}

class PairConnection implements HttpConnection, Carrier {
  readonly settings: Settings;
  readonly peer: string;
  memo: unknown = undefined;
  readonly #handler: HttpHandler;
  readonly #events: HttpConnectionEvents;
  readonly #exchanges = new Set<Half>();
  /** Received heads by those sent: identical heads are one object, and never the sender's. */
  readonly #heads = new WeakMap<Head, Head>();
  #state: "opening" | "open" | "closing" | "closed" = "opening";
  #mayBeAvailable = false;
  readonly pingsSparingly = false;
  lastReceivedMs: number;

  constructor(settings: Settings, handler: HttpHandler, peer: string, events: HttpConnectionEvents) {
    this.settings = settings;
    this.#handler = handler;
    this.peer = peer;
    this.#events = events;
    this.lastReceivedMs = settings.clock.now();
    settings.clock.defer(() => {
      if (this.#state !== "opening") return;
      this.#state = "open";
      events.opened();
    });
  }

  get available(): boolean {
    const isFree = this.#state === "open" && this.#exchanges.size < this.settings.maxExchanges;
    this.#mayBeAvailable = !isFree;
    return isFree;
  }

  get inFlight(): number {
    return this.#exchanges.size;
  }

  request(head: Head, last: boolean, sink: HttpSink): Exchange {
    if (!this.available) throw expected("unavailable", "no exchange is free", { neverStarted: true });
    const near = new Half(this, sink);
    const far = new Half(this, undefined);
    near.other = far;
    far.other = near;
    this.#exchanges.add(near);
    near.sentHead(last);
    const received = this.received(head);
    this.later(() => {
      if (far.isOver) return;
      far.heardHead(last);
      far.sink = this.#handler(received, far, last);
    });
    return near;
  }

  received(head: Head): Head {
    let copy = this.#heads.get(head);
    if (copy === undefined) {
      const fields = Object.assign(Object.create(null) as Record<string, string>, head.fields);
      copy = new Head(fields, head.status, head.method, head.path, head.scheme, head.authority);
      this.#heads.set(head, copy);
    }
    return copy;
  }

  /** In order, in a later turn, as bytes would arrive. */
  later(event: () => void): void {
    this.settings.clock.defer(() => {
      this.lastReceivedMs = this.settings.clock.now();
      event();
    });
  }

  left(half: Half): void {
    if (!this.#exchanges.delete(half)) return;
    if (this.#state === "closing" && this.#exchanges.size === 0) this.#end(undefined);
    if (this.#mayBeAvailable && this.available) this.#events.available();
  }

  ping(): boolean {
    const sentMs = this.settings.clock.now();
    this.later(() => this.#events.pinged(this.settings.clock.now() - sentMs));
    return true;
  }

  abort(error: RpcError): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    for (const half of [...this.#exchanges]) half.lost(error);
    this.#events.closed(error);
  }

  close(graceMs: number): void {
    if (this.#state === "closed") return;
    this.#state = "closing";
    if (this.#exchanges.size === 0) this.#end(undefined);
    else if (graceMs < Infinity) {
      this.settings.clock.after(graceMs, () => this.abort(expected("unavailable", "the connection was closed")));
    }
  }

  #end(error: RpcError | undefined): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.settings.clock.defer(() => this.#events.closed(error));
  }
}

const resetCodes: Readonly<Record<ResetReason, Code>> = {
  cancel: "cancelled", refused: "unavailable", protocol: "internal", internal: "internal", calm: "resource_exhausted",
  none: "internal",
};

type Part = { readonly bytes: Uint8Array; readonly last: boolean } | { readonly trailers: Head };

/** One side's half of an exchange. */
class Half implements Exchange {
  readonly carrier: PairConnection;
  readonly version: 1 | 2;
  other!: Half;
  sink: HttpSink | undefined;
  readonly #writer = new Writer(256);
  readonly #parts: Part[] = [];
  #window: number;
  #unconsumed = 0;
  #isBlocked = false;
  #hasSentAll = false;
  #hasHeardAll = false;
  isOver = false;

  constructor(carrier: PairConnection, sink: HttpSink | undefined) {
    this.carrier = carrier;
    this.version = carrier.settings.version;
    this.#window = carrier.settings.windowBytes;
    this.sink = sink;
  }

  get peer(): string {
    return this.carrier.peer;
  }

  sentHead(last: boolean): void {
    if (last) this.#sentAll();
  }

  heardHead(last: boolean): void {
    if (last) this.#heardAll();
  }

  head(head: Head, last: boolean): void {
    if (this.isOver) return;
    const received = this.carrier.received(head);
    const { other } = this;
    this.carrier.later(() => {
      if (other.isOver) return;
      if (last) other.#heardAll();
      other.sink?.head?.(received, last);
    });
    if (last) this.#sentAll();
  }

  begin(): Writer {
    this.#writer.position = 0;
    return this.#writer;
  }

  end(last: boolean): void {
    this.#queue({ bytes: this.#writer.finish(), last });
  }

  abort(): void {
    this.#writer.position = 0;
  }

  trailers(trailers: Head): void {
    this.#queue({ trailers: this.carrier.received(trailers) });
  }

  get writable(): boolean {
    const isFree = this.isOver || (this.#parts.length === 0 && this.#window > 0);
    if (!isFree) this.#isBlocked = true;
    return isFree;
  }

  consumed(bytes: number): void {
    if (bytes > this.#unconsumed || !(bytes > 0)) {
      throw new RangeError(`${bytes} bytes given back of ${this.#unconsumed} that were received`);
    }
    this.#unconsumed -= bytes;
    const { other } = this;
    this.carrier.later(() => {
      other.#window += bytes;
      other.#pump();
    });
  }

  /** Body bytes received and not given back: what a test finds at the end, if somebody forgot. */
  get unconsumedBytes(): number {
    return this.#unconsumed;
  }

  reset(reason: ResetReason): void {
    if (this.isOver) return;
    this.#over();
    const { other } = this;
    this.carrier.later(() => other.lost(expected(resetCodes[reason], `the other side reset the exchange: ${reason}`,
      { remote: true, phase: "network", neverStarted: reason === "refused" })));
  }

  lost(error: RpcError): void {
    if (this.isOver) return;
    this.#over();
    if (!this.other.isOver) this.carrier.later(() => this.other.lost(error));
    this.sink?.failed(error);
  }

  #queue(part: Part): void {
    if (this.isOver) return;
    this.#parts.push(part);
    this.#pump();
  }

  #pump(): void {
    while (!this.isOver) {
      const part = this.#parts[0];
      if (part === undefined) break;
      if ("trailers" in part) {
        this.#parts.shift();
        this.#deliver((sink) => sink.trailers(part.trailers), true);
        continue;
      }
      const { bytes, last } = part;
      if (bytes.length > 0 && this.#window <= 0) break;
      const size = Math.min(bytes.length, this.#window, Math.max(1, this.carrier.settings.pieceBytes()));
      const isRest = size === bytes.length;
      if (isRest) this.#parts.shift();
      else this.#parts[0] = { bytes: bytes.subarray(size), last };
      this.#window -= size;
      this.#data(bytes.subarray(0, size), last && isRest);
    }
    if (this.#isBlocked && this.writable && !this.isOver) {
      this.#isBlocked = false;
      this.sink?.writable();
    }
  }

  #data(bytes: Uint8Array, last: boolean): void {
    const { other } = this;
    this.#deliver((sink) => {
      other.#unconsumed += bytes.length;
      // Never at offset 0: a reader that forgets its `start` shall notice.
      const read = new Uint8Array(bytes.length + 3);
      read.set(bytes, 2);
      sink.data(read, 2, bytes.length + 2, last);
    }, last);
  }

  #deliver(event: (sink: HttpSink) => void, last: boolean): void {
    const { other } = this;
    this.carrier.later(() => {
      if (other.isOver) return;
      if (last) other.#heardAll();
      if (other.sink !== undefined) event(other.sink);
    });
    if (last) this.#sentAll();
  }

  #sentAll(): void {
    this.#hasSentAll = true;
    if (this.#hasHeardAll) this.#over();
  }

  #heardAll(): void {
    this.#hasHeardAll = true;
    if (this.#hasSentAll) this.#over();
  }

  #over(): void {
    this.isOver = true;
    this.carrier.left(this);
  }
}
