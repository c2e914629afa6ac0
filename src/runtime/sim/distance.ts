/**
 * Distance makes the connections that a Network dials feel as if the peer were far away.
 *
 * It decorates any Network, the real one too: real processes on one machine then behave as if regions lay
 * between them. Bytes wait in order on our side of the connection, on their way out and on their way in,
 * until an alarm lets everything that is due go on at once. Accepted connections are passed through: the
 * dialling end delays both directions. Datagrams are passed through as well. One thing differs from a distant
 * peer: when the peer ends, the near connection closes, and what was still on its way out is lost.
 */
import { Alarm } from "../../core/alarm.ts";
import type { ByteSink, ByteStream, Clock, Network } from "../../core/runtime.ts";

/** Bytes under way in one direction from which the sender is told to stop, like TCP's largest window. */
const windowBytes = 4 << 20;

/**
 * Returns `network` with distance: what is dialled takes `oneWayMs(peerAddress)` milliseconds longer in each
 * direction, so opening (or being refused) takes two of them longer. Zero or less adds nothing. The distance
 * is asked for once a connection.
 */
export function withDistance(network: Network, clock: Clock, oneWayMs: (peerAddress: string) => number): Network {
  return {
    connect(address, sink) {
      const delayMs = oneWayMs(address);
      if (!(delayMs > 0)) return network.connect(address, sink);
      return new DistantStream(network, clock, { address, sink, delayMs });
    },
    listen: (address, accept) => network.listen(address, accept),
    datagrams: (address, receive) => network.datagrams(address, receive),
  };
}

interface Dialled {
  readonly address: string;
  readonly sink: ByteSink;
  readonly delayMs: number;
}

/** What is under way in one direction, in order; one alarm, set for the first. */
class Delay<T> extends Alarm {
  readonly #clock: Clock;
  readonly #arrive: (item: T) => boolean;
  #items: { readonly dueMs: number; readonly item: T }[] = [];
  #first = 0;
  #isHeld = false;

  /** `arrive` returns false to hold back what follows until {@link go}. */
  constructor(clock: Clock, arrive: (item: T) => boolean) {
    super();
    this.#clock = clock;
    this.#arrive = arrive;
  }

  get isEmpty(): boolean {
    return this.#first === this.#items.length;
  }

  add(item: T, dueMs: number): void {
    this.#items.push({ dueMs, item });
    this.#aim();
  }

  hold(): void {
    this.#isHeld = true;
  }

  /** Lets held items go on; never within this call. */
  go(): void {
    this.#isHeld = false;
    this.#aim();
  }

  clear(): void {
    this.#items = [];
    this.#first = 0;
    this.#clock.clear(this);
  }

  override ring(): void {
    const nowMs = this.#clock.now();
    try {
      for (;;) {
        const next = this.#items[this.#first];
        if (next === undefined || next.dueMs > nowMs || this.#isHeld) break;
        this.#first++;
        if (!this.#arrive(next.item)) this.#isHeld = true;
      }
    } finally {
      // Cut off what has gone once it is the greater part: each item is then copied once on average.
      if (this.#first * 2 >= this.#items.length) {
        this.#items = this.#items.slice(this.#first);
        this.#first = 0;
      }
      this.#aim();
    }
  }

  #aim(): void {
    const next = this.#items[this.#first];
    if (next !== undefined && !this.#isHeld && !this.isSet) this.#clock.set(this, next.dueMs);
  }
}

interface Write {
  readonly bytes: Uint8Array;
  readonly written: (() => void) | undefined;
}

type Arrival =
  | { readonly kind: "opened" }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "closed"; readonly error: Error | undefined };

class DistantStream implements ByteStream, ByteSink {
  readonly peer: string;
  readonly #clock: Clock;
  readonly #delayMs: number;
  readonly #inner: ByteStream;
  readonly #outgoing: Delay<Write | "end" | "destroy">;
  readonly #incoming: Delay<Arrival>;
  #sink: ByteSink | undefined;
  /** Written before the connection opened: it leaves when it does. */
  #early: (Write | "end")[] | undefined = [];
  #outgoingBytes = 0;
  #incomingBytes = 0;
  #isEnded = false;
  #isBlocked = false;
  #isPaused = false;
  #isInnerPaused = false;

  constructor(network: Network, clock: Clock, { address, sink, delayMs }: Dialled) {
    this.peer = address;
    this.#clock = clock;
    this.#delayMs = delayMs;
    this.#sink = sink;
    this.#outgoing = new Delay(clock, (item) => this.#depart(item));
    this.#incoming = new Delay(clock, (item) => this.#arrive(item));
    this.#inner = network.connect(address, this);
  }

  get bufferedBytes(): number {
    return this.#outgoingBytes + this.#inner.bufferedBytes;
  }

  write(bytes: Uint8Array, written?: () => void): boolean {
    if (this.#isEnded) return false;
    this.#outgoingBytes += bytes.length;
    this.#leave({ bytes, written });
    if (this.#outgoingBytes < windowBytes) return true;
    this.#isBlocked = true;
    return false;
  }

  pause(): void {
    this.#isPaused = true;
    this.#incoming.hold();
  }

  resume(): void {
    this.#isPaused = false;
    this.#incoming.go();
  }

  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#leave("end");
    this.resume();
  }

  destroy(): void {
    const sink = this.#sink;
    if (sink === undefined) return;
    this.#sink = undefined;
    this.#isEnded = true;
    this.#incoming.clear();
    this.#outgoing.clear();
    this.#outgoingBytes = 0;
    // The peer learns it one way later, we at once.
    this.#outgoing.go();
    this.#outgoing.add("destroy", this.#clock.now() + this.#delayMs);
    this.#clock.defer(() => sink.closed());
  }

  opened(): void {
    this.#incoming.add({ kind: "opened" }, this.#clock.now() + 2 * this.#delayMs);
  }

  received(bytes: Uint8Array): void {
    this.#incomingBytes += bytes.length;
    this.#incoming.add({ kind: "bytes", bytes }, this.#clock.now() + this.#delayMs);
    if (this.#incomingBytes >= windowBytes && !this.#isInnerPaused) {
      this.#isInnerPaused = true;
      this.#inner.pause();
    }
  }

  drained(): void {
    this.#outgoing.go();
  }

  closed(error?: Error): void {
    this.#outgoing.clear();
    this.#outgoingBytes = 0;
    const wasRefused = this.#early !== undefined && this.#incoming.isEmpty;
    const delayMs = wasRefused ? 2 * this.#delayMs : this.#delayMs;
    this.#incoming.add({ kind: "closed", error }, this.#clock.now() + delayMs);
  }

  #leave(item: Write | "end"): void {
    if (this.#early === undefined) this.#outgoing.add(item, this.#clock.now() + this.#delayMs);
    else this.#early.push(item);
  }

  #depart(item: Write | "end" | "destroy"): boolean {
    if (item === "destroy") {
      this.#inner.destroy();
      return true;
    }
    if (item === "end") {
      this.#inner.end();
      return true;
    }
    this.#outgoingBytes -= item.bytes.length;
    const { bytes, written } = item;
    const mayGoOn = this.#inner.write(bytes, written && (() => {
      // Nothing is told after `closed`, which destroying tells before the inner stream knows.
      if (this.#sink !== undefined) written();
    }));
    if (this.#isBlocked && this.#outgoingBytes * 2 <= windowBytes) {
      this.#isBlocked = false;
      this.#sink?.drained?.();
    }
    return mayGoOn;
  }

  #arrive(item: Arrival): boolean {
    switch (item.kind) {
      case "opened": {
        const early = this.#early ?? [];
        this.#early = undefined;
        for (const write of early) this.#leave(write);
        this.#sink?.opened?.();
        break;
      }
      case "bytes":
        this.#incomingBytes -= item.bytes.length;
        if (this.#isInnerPaused && this.#incomingBytes * 2 <= windowBytes) {
          this.#isInnerPaused = false;
          this.#inner.resume();
        }
        this.#sink?.received(item.bytes);
        break;
      case "closed": {
        const sink = this.#sink;
        this.#sink = undefined;
        this.#isEnded = true;
        sink?.closed(item.error);
        break;
      }
    }
    return !this.#isPaused;
  }
}
