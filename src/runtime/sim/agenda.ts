/**
 * The Agenda holds what is still to happen, ordered by time and, at equal times, by when it was planned.
 *
 * A binary heap. Calling something off leaves its entry where it is until its time comes, or until more than
 * half of the entries are like that: then they are swept out together.
 */

/** Something planned. An object may be planned again once it has happened. */
export abstract class Happening {
  atMs = 0;
  sequence = 0;
  /** Whether the agenda holds it. */
  isPlanned = false;
  isCalledOff = false;

  abstract happen(): void;
}

/** Fewer entries than this are not worth sweeping. */
const sweepFrom = 1_024;

export class Agenda {
  nowMs = 0;
  #heap: Happening[] = [];
  #sequence = 0;
  #calledOff = 0;

  /** Plans `happening` at `atMs`, or now if that is past. */
  plan(happening: Happening, atMs: number): void {
    happening.atMs = Math.max(atMs, this.nowMs);
    happening.sequence = this.#sequence++;
    happening.isPlanned = true;
    this.#heap.push(happening);
    this.#up(this.#heap.length - 1);
  }

  callOff(happening: Happening): void {
    if (happening.isCalledOff) return;
    happening.isCalledOff = true;
    if (!happening.isPlanned) return;
    this.#calledOff++;
    if (this.#calledOff > sweepFrom && this.#calledOff * 2 > this.#heap.length) this.#sweep();
  }

  /** Takes out what comes next at or before `untilMs` and moves time there; undefined if nothing does. */
  take(untilMs: number): Happening | undefined {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || first.atMs > untilMs) return undefined;
      this.#removeFirst();
      first.isPlanned = false;
      if (first.isCalledOff) {
        this.#calledOff--;
        continue;
      }
      this.nowMs = first.atMs;
      return first;
    }
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop() as Happening;
    if (heap.length === 0) return;
    heap[0] = last;
    this.#down(0);
  }

  #up(index: number): void {
    const heap = this.#heap;
    const entry = heap[index] as Happening;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const other = heap[parent] as Happening;
      if (!precedes(entry, other)) break;
      heap[index] = other;
      index = parent;
    }
    heap[index] = entry;
  }

  #down(index: number): void {
    const heap = this.#heap;
    const length = heap.length;
    const entry = heap[index] as Happening;
    for (;;) {
      let child = index * 2 + 1;
      if (child >= length) break;
      const right = child + 1;
      if (right < length && precedes(heap[right] as Happening, heap[child] as Happening)) child = right;
      const other = heap[child] as Happening;
      if (!precedes(other, entry)) break;
      heap[index] = other;
      index = child;
    }
    heap[index] = entry;
  }

  #sweep(): void {
    this.#heap = this.#heap.filter((entry) => {
      if (entry.isCalledOff) entry.isPlanned = false;
      return !entry.isCalledOff;
    });
    this.#calledOff = 0;
    for (let i = (this.#heap.length >> 1) - 1; i >= 0; i--) this.#down(i);
  }
}

function precedes(a: Happening, b: Happening): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence);
}
