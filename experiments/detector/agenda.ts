// The Agenda is a queue of typed events in the order of time; those of one instant come in the order they were added.

export interface Happening {
  atMs: number;
  /** Breaks ties; given by the agenda. */
  order: number;
}

/** A binary heap. An event that was taken may be added again, so that what recurs allocates nothing. */
export class Agenda<E extends Happening> {
  readonly #heap: E[] = [];
  #added = 0;

  get size(): number {
    return this.#heap.length;
  }

  get nextAtMs(): number {
    return this.#heap[0]?.atMs ?? Infinity;
  }

  clear(): void {
    this.#heap.length = 0;
  }

  add(event: E): void {
    const heap = this.#heap;
    event.order = this.#added++;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as E;
      if (!isBefore(event, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = event;
  }

  take(): E | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === last || last === undefined) return first;
    const size = heap.length;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      if (child + 1 < size && isBefore(heap[child + 1] as E, heap[child] as E)) child++;
      const below = heap[child] as E;
      if (!isBefore(below, last)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(one: Happening, other: Happening): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);
}
