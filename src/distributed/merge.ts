/**
 * Merging makes one stream of many, with back-pressure: of each stream one item is asked for ahead, and no more until
 * it has been taken.
 */

/**
 * One ordered stream of ordered ones, by a k-way merge over a heap. Equal items come in the order of their streams.
 * Ends with the first failure, and when its reader leaves; the streams that are still open are then ended.
 */
export async function* mergeOrdered<T>(
  streams: readonly AsyncIterable<T>[], compare: (a: T, b: T) => number,
): AsyncGenerator<T> {
  const sources = streams.map((stream, index) => new Source(stream, index));
  const before = (a: Source<T>, b: Source<T>): boolean => {
    const order = compare(a.item as T, b.item as T);
    return order < 0 || (order === 0 && a.index < b.index);
  };
  try {
    for (const source of sources) source.ask();
    const heap: Source<T>[] = [];
    for (const source of sources) if (await source.arrive()) push(heap, source, before);
    for (let least = heap[0]; least !== undefined; least = heap[0]) {
      const item = least.item as T;
      least.ask();
      yield item;
      if (await least.arrive()) sink(heap, before);
      else pop(heap, before);
    }
  } finally {
    await endAll(sources);
  }
}

/** One stream of many, each item as it comes. Ends as {@link mergeOrdered} does. */
export async function* mergeUnordered<T>(streams: readonly AsyncIterable<T>[]): AsyncGenerator<T> {
  const sources = streams.map((stream, index) => new Source(stream, index));
  const come: Source<T>[] = [];
  let wake: (() => void) | undefined;
  const ask = (source: Source<T>): void => {
    source.ask(() => {
      come.push(source);
      wake?.();
    });
  };
  try {
    for (const source of sources) ask(source);
    for (let open = sources.length; open > 0;) {
      const source = come.shift();
      if (source === undefined) {
        await new Promise<void>((resolve) => wake = resolve);
        wake = undefined;
      } else if (await source.arrive()) {
        const item = source.item as T;
        ask(source);
        yield item;
      } else {
        open--;
      }
    }
  } finally {
    await endAll(sources);
  }
}

/** A stream of which one item is asked for ahead. */
class Source<T> {
  readonly index: number;
  item: T | undefined = undefined;
  isOpen = true;
  readonly #items: AsyncIterator<T>;
  #asked: Promise<IteratorResult<T>> | undefined = undefined;

  constructor(stream: AsyncIterable<T>, index: number) {
    this.index = index;
    this.#items = stream[Symbol.asyncIterator]();
  }

  ask(come?: () => void): void {
    const asked = this.#asked = this.#items.next();
    // Who has left does not hear of a failure that comes later.
    asked.then(come, come ?? (() => undefined));
  }

  /** Waits for what was asked for: false at the end. */
  async arrive(): Promise<boolean> {
    try {
      const { done = false, value } = await (this.#asked as Promise<IteratorResult<T>>);
      this.isOpen = !done;
      this.item = value as T;
      return !done;
    } catch (error) {
      this.isOpen = false;
      throw error;
    }
  }

  end(): Promise<unknown> | undefined {
    return this.isOpen ? this.#items.return?.() : undefined;
  }
}

/** Ends those that are open, without waiting for an item that they have yet to make. */
async function endAll<T>(sources: readonly Source<T>[]): Promise<void> {
  for (const source of sources) source.end()?.catch(() => undefined);
  await Promise.resolve();
}

type Before<T> = (a: Source<T>, b: Source<T>) => boolean;

function push<T>(heap: Source<T>[], source: Source<T>, before: Before<T>): void {
  let at = heap.push(source) - 1;
  while (at > 0) {
    const above = (at - 1) >> 1;
    if (!before(source, heap[above] as Source<T>)) break;
    heap[at] = heap[above] as Source<T>;
    at = above;
  }
  heap[at] = source;
}

function pop<T>(heap: Source<T>[], before: Before<T>): void {
  const last = heap.pop() as Source<T>;
  if (heap.length === 0) return;
  heap[0] = last;
  sink(heap, before);
}

/** Lets the first, whose item is another now, down to its place. */
function sink<T>(heap: Source<T>[], before: Before<T>): void {
  const source = heap[0] as Source<T>;
  let at = 0;
  for (;;) {
    let below = 2 * at + 1;
    if (below >= heap.length) break;
    if (below + 1 < heap.length && before(heap[below + 1] as Source<T>, heap[below] as Source<T>)) below++;
    if (!before(heap[below] as Source<T>, source)) break;
    heap[at] = heap[below] as Source<T>;
    at = below;
  }
  heap[at] = source;
}
