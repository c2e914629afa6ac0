/**
 * An Inbox is the receiving end of one stream: decoded messages wait here until they are read, and the peer
 * is credited as they are.
 */
import { RpcError } from "../../core/error.ts";
import type { Channel } from "./channel.ts";

interface Item {
  readonly value: unknown;
  /** What its frame cost of the connection's credit. */
  readonly cost: number;
}

const done: IteratorResult<unknown> = { done: true, value: undefined };

export class Inbox implements AsyncIterableIterator<unknown> {
  readonly #channel: Channel;
  readonly #id: number;
  readonly #abandoned: () => void;
  /** Read from `#head`, so that a shift does not move the rest. */
  #items: Item[] = [];
  #head = 0;
  #uncredited = 0;
  /** What the frames of the incomplete message cost that are not credited yet. */
  #partial = 0;
  /** What the peer may still send of this call. */
  #window: number;
  /** Whether the call is over, and the connection's credit for what is waiting given back. */
  #settled = false;
  #ended = false;
  #error: RpcError | undefined = undefined;
  #reader: { resolve(step: IteratorResult<unknown>): void; reject(error: RpcError): void } | undefined = undefined;

  /** `abandoned` is called when the reader stops before the end. */
  constructor(channel: Channel, id: number, abandoned: () => void) {
    this.#channel = channel;
    this.#id = id;
    this.#abandoned = abandoned;
    this.#window = channel.settings.streamWindowBytes;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Takes a data frame off the call's credit, which the peer may overdraw by one frame. */
  arrived(cost: number): void {
    if (this.#window <= 0) {
      throw new RpcError("resource_exhausted", "the peer sent data without credit: " +
        `${this.#channel.settings.streamWindowBytes} bytes of the call are unread (streamWindowBytes)`,
        { phase: "decode" });
    }
    this.#window -= cost;
  }

  /** Whether the peer may send nothing of this call until some is read. */
  get starving(): boolean {
    return this.#window <= 0;
  }

  push(value: unknown, lastCost: number): void {
    const cost = lastCost + this.#partial;
    this.#partial = 0;
    if (this.#ended) {
      this.#channel.consumed(cost);
      return;
    }
    const reader = this.#reader;
    if (reader !== undefined) {
      this.#reader = undefined;
      this.#credit(cost);
      reader.resolve({ done: false, value });
    } else {
      this.#items.push({ value, cost });
    }
  }

  /**
   * Takes frames of a message that is not complete. One larger than the window could never come unless they were
   * credited; but only while nothing waits to be read, or a peer whose messages end in small frames could fill the
   * memory of a reader that is slow.
   */
  partial(cost: number): void {
    this.#partial += cost;
    this.#creditPartial();
  }

  #creditPartial(): void {
    if (this.#partial === 0 || this.#head < this.#items.length) return;
    const cost = this.#partial;
    this.#partial = 0;
    this.#credit(cost);
  }

  /**
   * The call is over: what still waits may be read at leisure, or never, so the connection's credit for it is
   * given back now. Other calls need it.
   */
  settle(): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#channel.consumed(this.#partial);
    this.#partial = 0;
    for (let i = this.#head; i < this.#items.length; i++) this.#channel.consumed((this.#items[i] as Item).cost);
  }

  /** The end: after what is waiting, readers see the error or the end. */
  close(error?: RpcError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    const reader = this.#reader;
    if (reader === undefined) return;
    this.#reader = undefined;
    if (error === undefined) reader.resolve(done);
    else reader.reject(error);
  }

  next(): Promise<IteratorResult<unknown>> {
    if (this.#head < this.#items.length) return Promise.resolve({ done: false, value: this.#take() });
    if (this.#ended) {
      if (this.#error === undefined) return Promise.resolve(done);
      const error = this.#error;
      this.#error = undefined;
      return Promise.reject(error);
    }
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
    });
  }

  return(): Promise<IteratorResult<unknown>> {
    this.#discard();
    if (!this.#ended) {
      this.close();
      this.#abandoned();
    }
    this.#error = undefined;
    return Promise.resolve(done);
  }

  #take(): unknown {
    const item = this.#items[this.#head] as Item;
    this.#head++;
    if (this.#head === this.#items.length) {
      this.#items = [];
      this.#head = 0;
    } else if (this.#head >= 1_024) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    if (!this.#settled) this.#credit(item.cost);
    this.#creditPartial();
    return item.value;
  }

  #credit(cost: number): void {
    this.#channel.consumed(cost);
    if (this.#ended) return;
    this.#uncredited += cost;
    if (this.#uncredited >= this.#channel.settings.streamWindowBytes >>> 2) {
      if (!this.#channel.ended) this.#channel.sendCreditFrame(this.#id, this.#uncredited);
      this.#window += this.#uncredited;
      this.#uncredited = 0;
    }
  }

  #discard(): void {
    for (; this.#head < this.#items.length && !this.#settled; this.#head++) {
      this.#channel.consumed((this.#items[this.#head] as Item).cost);
    }
    if (!this.#settled) this.#channel.consumed(this.#partial);
    this.#partial = 0;
    this.#items = [];
    this.#head = 0;
  }
}
