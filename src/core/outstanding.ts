/**
 * Outstanding is what one endpoint owes: when each of its attempts in flight began, so that the oldest is known at
 * once. A server that falls silent shows in what has *not* come back long before anything does.
 *
 * A ring of beginnings in order of time. Ends mostly come in that order too and then cost a comparison; others are
 * found by halving. Room that ended attempts leave behind a long one is given back when the ring is full, so that it
 * never holds more than twice as many as are in flight, and an end costs O(log n) at worst.
 */
const leastRoom = 16;

export class Outstanding {
  /** How many are in flight. */
  count = 0;
  #starts: Float64Array | undefined = undefined;
  /** Whether each has ended: beside the beginnings, which stay in order for the search. */
  #ended: Uint8Array | undefined = undefined;
  /** Positions that only grow; the ring is addressed by their low bits. */
  #first = 0;
  #next = 0;

  /** When the oldest in flight began, in clock milliseconds; Infinity if there is none. */
  get oldestMs(): number {
    const starts = this.#starts;
    if (starts === undefined || this.count === 0) return Infinity;
    return starts[this.#first & (starts.length - 1)] as number;
  }

  /** An attempt begins. Who began before one that is here already counts from that one's beginning. */
  begin(startedMs: number): void {
    let starts = this.#starts ??= new Float64Array(leastRoom);
    if (this.#next - this.#first === starts.length) starts = this.#makeRoom(starts);
    const mask = starts.length - 1;
    const last = this.count === 0 ? startedMs : starts[(this.#next - 1) & mask] as number;
    starts[this.#next & mask] = startedMs > last ? startedMs : last;
    (this.#ended ??= new Uint8Array(leastRoom))[this.#next & mask] = 0;
    this.#next++;
    this.count++;
  }

  /** The attempt that began then has ended. */
  end(startedMs: number): void {
    const starts = this.#starts;
    if (starts === undefined || this.count === 0) return;
    const ended = this.#ended as Uint8Array;
    const mask = starts.length - 1;
    this.count--;
    if (this.count === 0) {
      this.#first = this.#next = 0;
      return;
    }
    let at = this.#first;
    if ((starts[at & mask] as number) < startedMs) at = this.#find(starts, ended, startedMs);
    ended[at & mask] = 1;
    while (ended[this.#first & mask] === 1) this.#first++;
  }

  /** The first that began no sooner and has not ended, or else the last that has not. */
  #find(starts: Float64Array, ended: Uint8Array, startedMs: number): number {
    const mask = starts.length - 1;
    let low = this.#first;
    let high = this.#next;
    while (low < high) {
      const middle = low + Math.floor((high - low) / 2);
      if ((starts[middle & mask] as number) < startedMs) low = middle + 1;
      else high = middle;
    }
    let at = low;
    while (at < this.#next && ended[at & mask] === 1) at++;
    if (at < this.#next) return at;
    at = Math.min(low, this.#next - 1);
    while (at > this.#first && ended[at & mask] === 1) at--;
    return at;
  }

  /** Leaves out who has ended, in a ring twice as large if too few have. */
  #makeRoom(starts: Float64Array): Float64Array {
    const ended = this.#ended as Uint8Array;
    const mask = starts.length - 1;
    const room = this.count * 2 > starts.length ? starts.length * 2 : starts.length;
    const kept = new Float64Array(room);
    let next = 0;
    for (let at = this.#first; at < this.#next; at++) {
      if (ended[at & mask] === 0) kept[next++] = starts[at & mask] as number;
    }
    this.#starts = kept;
    this.#ended = new Uint8Array(room);
    this.#first = 0;
    this.#next = next;
    return kept;
  }
}
