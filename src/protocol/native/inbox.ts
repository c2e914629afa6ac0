/**
 * An Inbox is the receiving end of one stream: decoded messages wait here until they are read, and the peer
 * is credited as they are.
 */
import type { RpcError } from "../../core/error.ts";
import type { Channel } from "./channel.ts";

interface Item {
  readonly value: unknown;
  readonly bytes: number;
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
  #ended = false;
  #error: RpcError | undefined = undefined;
  #reader: { resolve(step: IteratorResult<unknown>): void; reject(error: RpcError): void } | undefined = undefined;

  /** `abandoned` is called when the reader stops before the end. */
  constructor(channel: Channel, id: number, abandoned: () => void) {
    this.#channel = channel;
    this.#id = id;
    this.#abandoned = abandoned;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  push(value: unknown, lastBytes: number): void {
    const bytes = lastBytes + this.#partial;
    this.#partial = 0;
    if (this.#ended) {
      this.#channel.consumed(bytes);
      return;
    }
    const reader = this.#reader;
    if (reader !== undefined) {
      this.#reader = undefined;
      this.#credit(bytes);
      reader.resolve({ done: false, value });
    } else {
      this.#items.push({ value, bytes });
    }
  }

  /**
   * Takes frames of a message that is not complete. One larger than the window could never come unless they were
   * credited; but only while nothing waits to be read, or a peer whose messages end in small frames could fill the
   * memory of a reader that is slow.
   */
  partial(bytes: number): void {
    this.#partial += bytes;
    this.#creditPartial();
  }

  #creditPartial(): void {
    if (this.#partial === 0 || this.#head < this.#items.length) return;
    const bytes = this.#partial;
    this.#partial = 0;
    this.#credit(bytes);
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
    this.#credit(item.bytes);
    this.#creditPartial();
    return item.value;
  }

  #credit(bytes: number): void {
    this.#channel.consumed(bytes);
    if (this.#ended) return;
    this.#uncredited += bytes;
    if (this.#uncredited >= this.#channel.settings.streamWindowBytes >>> 2) {
      if (!this.#channel.ended) this.#channel.sendCreditFrame(this.#id, this.#uncredited);
      this.#uncredited = 0;
    }
  }

  #discard(): void {
    for (; this.#head < this.#items.length; this.#head++) {
      this.#channel.consumed((this.#items[this.#head] as Item).bytes);
    }
    this.#channel.consumed(this.#partial);
    this.#partial = 0;
    this.#items = [];
    this.#head = 0;
  }
}
