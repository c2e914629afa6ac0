/**
 * The Agenda holds what is still to happen, ordered by time and, at equal times, by when it was planned.
 *
 * What comes within the next few milliseconds is a binary heap; what comes later lies in buckets, which are ordered
 * only when their time comes, since most of it never does: deadlines are called off. Calling something off leaves its
 * entry where it is until its time comes, or until more than half of the entries are like that: then they are swept
 * out together.
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
/** Milliseconds of a bucket: a power of two, so that dividing by it is exact. */
const bucketMs = 16;

export class Agenda {
  nowMs = 0;
  /** What comes before the horizon, as a heap. */
  #heap: Happening[] = [];
  /** What comes later, unordered, by the number of its bucket; and those numbers as a heap. */
  readonly #buckets = new Map<number, Happening[]>();
  readonly #bucketNumbers: number[] = [];
  #horizonMs = 0;
  #later = 0;
  #sequence = 0;
  #calledOff = 0;

  /** Plans `happening` at `atMs`, or now if that is past. */
  plan(happening: Happening, atMs: number): void {
    const at = atMs > this.nowMs ? atMs : this.nowMs;
    happening.atMs = at;
    happening.sequence = this.#sequence++;
    happening.isPlanned = true;
    if (at < this.#horizonMs) {
      this.#heap.push(happening);
      this.#up(this.#heap.length - 1);
      return;
    }
    const number = Math.floor(at / bucketMs);
    const bucket = this.#buckets.get(number);
    this.#later++;
    if (bucket !== undefined) {
      bucket.push(happening);
      return;
    }
    this.#buckets.set(number, [happening]);
    pushNumber(this.#bucketNumbers, number);
  }

  callOff(happening: Happening): void {
    if (happening.isCalledOff) return;
    happening.isCalledOff = true;
    if (!happening.isPlanned) return;
    this.#calledOff++;
    if (this.#calledOff > sweepFrom && this.#calledOff * 2 > this.#heap.length + this.#later) this.#sweep();
  }

  /** Takes out what comes next at or before `untilMs` and moves time there; undefined if nothing does. */
  take(untilMs: number): Happening | undefined {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined) {
        if (!this.#openBucket(untilMs)) return undefined;
        continue;
      }
      if (first.atMs > untilMs) return undefined;
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

  /** Moves the horizon behind the next bucket; false if that begins after `untilMs`, or there is none. */
  #openBucket(untilMs: number): boolean {
    const [number] = this.#bucketNumbers;
    if (number === undefined || number * bucketMs > untilMs) return false;
    popNumber(this.#bucketNumbers);
    const bucket = this.#buckets.get(number) as Happening[];
    this.#buckets.delete(number);
    this.#later -= bucket.length;
    this.#horizonMs = (number + 1) * bucketMs;
    const heap = this.#heap;
    for (const happening of bucket) {
      if (happening.isCalledOff) {
        happening.isPlanned = false;
        this.#calledOff--;
      } else {
        heap.push(happening);
      }
    }
    this.#order();
    return true;
  }

  #order(): void {
    for (let i = (this.#heap.length >> 1) - 1; i >= 0; i--) this.#down(i);
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
    const keep = (entry: Happening): boolean => {
      if (entry.isCalledOff) entry.isPlanned = false;
      return !entry.isCalledOff;
    };
    this.#heap = this.#heap.filter(keep);
    this.#later = 0;
    for (const [number, bucket] of this.#buckets) {
      const kept = bucket.filter(keep);
      this.#buckets.set(number, kept);
      this.#later += kept.length;
    }
    this.#calledOff = 0;
    this.#order();
  }
}

/** A binary heap of numbers, the least first. */
function pushNumber(heap: number[], number: number): void {
  let index = heap.length;
  heap.push(number);
  while (index > 0) {
    const parent = (index - 1) >> 1;
    const other = heap[parent] as number;
    if (other <= number) break;
    heap[index] = other;
    index = parent;
  }
  heap[index] = number;
}

function popNumber(heap: number[]): void {
  const last = heap.pop() as number;
  if (heap.length === 0) return;
  let index = 0;
  for (;;) {
    let child = index * 2 + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && (heap[child + 1] as number) < (heap[child] as number)) child++;
    if ((heap[child] as number) >= last) break;
    heap[index] = heap[child] as number;
    index = child;
  }
  heap[index] = last;
}

function precedes(a: Happening, b: Happening): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence);
}
