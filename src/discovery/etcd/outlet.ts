/** An Outlet is the sending end of a stream: what is pushed waits until it is read. */

export class Outlet<Item> implements AsyncIterableIterator<Item> {
  #items: Item[] = [];
  #ended = false;
  #reader: ((step: IteratorResult<Item>) => void) | undefined = undefined;

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Does nothing after the end. */
  push(item: Item): void {
    if (this.#ended) return;
    const reader = this.#reader;
    this.#reader = undefined;
    if (reader === undefined) this.#items.push(item);
    else reader({ done: false, value: item });
  }

  end(): void {
    this.#ended = true;
    this.#items = [];
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.({ done: true, value: undefined });
  }

  next(): Promise<IteratorResult<Item>> {
    const item = this.#items.shift();
    if (item !== undefined) return Promise.resolve({ done: false, value: item });
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => {
      this.#reader = resolve;
    });
  }

  return(): Promise<IteratorResult<Item>> {
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }
}
