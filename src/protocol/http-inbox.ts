/**
 * An inbox is the receiving end of one stream over HTTP: decoded messages wait here until they are read, and the peer
 * may send more as they are.
 */
import type { RpcError } from "../core/error.ts";
import type { Exchange } from "../http/message.ts";

interface Item {
  readonly value: unknown;
  /** The bytes of the body that it came in. */
  readonly cost: number;
}

const done: IteratorResult<unknown> = { done: true, value: undefined };

export class HttpInbox implements AsyncIterableIterator<unknown> {
  readonly #exchange: () => Exchange | undefined;
  readonly #abandoned: () => void;
  /** Read from `#head`, so that a shift does not move the rest. */
  #items: Item[] = [];
  #head = 0;
  /** Bytes of the incomplete message that are not given back yet. */
  #partial = 0;
  /** Whether the call is over, and the room for what is waiting given back. */
  #settled = false;
  #ended = false;
  #error: RpcError | undefined = undefined;
  #reader: { resolve(step: IteratorResult<unknown>): void; reject(error: RpcError): void } | undefined = undefined;

  /** `abandoned` is called when the reader stops before the end. */
  constructor(exchange: () => Exchange | undefined, abandoned: () => void) {
    this.#exchange = exchange;
    this.#abandoned = abandoned;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Whether the end is known, though messages may wait. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Whether the peer may be held back because what came is unread. */
  get holding(): boolean {
    return this.#head < this.#items.length;
  }

  /** Takes a message of which `cost` bytes have not been told to {@link partial}. */
  push(value: unknown, cost: number): void {
    const whole = cost + this.#partial;
    this.#partial = 0;
    if (this.#ended) {
      this.#consumed(whole);
      return;
    }
    const reader = this.#reader;
    if (reader === undefined) {
      this.#items.push({ value, cost: whole });
      return;
    }
    this.#reader = undefined;
    this.#consumed(whole);
    reader.resolve({ done: false, value });
  }

  /**
   * Takes a part of a message. One larger than the peer's window could never come unless its parts were given back;
   * but only while nothing waits to be read, or a slow reader's memory could be filled.
   */
  partial(cost: number): void {
    this.#partial += cost;
    this.#releasePartial();
  }

  #releasePartial(): void {
    if (this.#partial === 0 || this.holding) return;
    const cost = this.#partial;
    this.#partial = 0;
    this.#consumed(cost);
  }

  /**
   * The call is over: what still waits may be read at leisure, or never, so its room is given back now. Other calls
   * of the connection need it.
   */
  settle(): void {
    if (this.#settled) return;
    let cost = this.#partial;
    this.#partial = 0;
    for (let i = this.#head; i < this.#items.length; i++) cost += (this.#items[i] as Item).cost;
    this.#consumed(cost);
    this.#settled = true;
  }

  /** The end: after what is waiting, readers see the error or the end. */
  close(error?: RpcError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    const reader = this.#reader;
    if (reader === undefined) return;
    this.#reader = undefined;
    if (error === undefined) {
      reader.resolve(done);
    } else {
      this.#error = undefined;
      reader.reject(error);
    }
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
    this.#consumed(item.cost);
    this.#releasePartial();
    return item.value;
  }

  #consumed(bytes: number): void {
    if (!this.#settled && bytes > 0) this.#exchange()?.consumed(bytes);
  }

  #discard(): void {
    let cost = this.#partial;
    this.#partial = 0;
    for (let i = this.#head; i < this.#items.length; i++) cost += (this.#items[i] as Item).cost;
    this.#items = [];
    this.#head = 0;
    this.#consumed(cost);
  }
}
