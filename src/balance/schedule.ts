/**
 * A schedule gives weighted turns with exact proportions: in every cycle each has its weight's number of turns,
 * spread evenly.
 *
 * Earliest deadline first, as in gRFC A58, on a heap: turn k of somebody with weight w is due at (k + phase) / w.
 * Due times are computed from k, never summed up, so that no rounding accumulates; they depend on virtual time
 * and weight alone, so that a schedule made anew after a change goes on where the old one was.
 */

/** Phases by the golden ratio lie far apart, so that equal weights do not fall due in one bunch. */
const golden = 0.618_033_988_749_894_9;

export class Schedule {
  /** Virtual time: the due time of the last turn given. */
  now: number;
  readonly #weights: Float64Array;
  readonly #turns: Float64Array;
  readonly #due: Float64Array;
  /** Indexes, the earliest due first (binary heap). */
  readonly #heap: Int32Array;

  /** Weights that are not positive get no turns, unless none is. `now` continues another schedule. */
  constructor(weights: Float64Array, now = 0) {
    const positive: number[] = [];
    weights.forEach((weight, i) => {
      if (weight > 0 && weight < Infinity) positive.push(i);
    });
    this.#weights = positive.length > 0 ? weights : new Float64Array(weights.length).fill(1);
    this.#heap = positive.length > 0 ? Int32Array.from(positive) : Int32Array.from(weights, (_, i) => i);
    this.#turns = new Float64Array(weights.length);
    this.#due = new Float64Array(weights.length);
    this.now = now;
    for (const i of this.#heap) {
      // The first turn after now; what fell due at now was given. The sliver is for rounding.
      this.#turns[i] = Math.max(0, Math.floor(now * (this.#weights[i] as number) - phaseOf(i) + 1e-9) + 1);
      this.#due[i] = this.#dueOf(i);
    }
    for (let at = (this.#heap.length >> 1) - 1; at >= 0; at--) this.#sink(at);
  }

  /** Whose turn it is; -1 if there is nobody. */
  next(): number {
    if (this.#heap.length === 0) return -1;
    const index = this.#heap[0] as number;
    this.now = this.#due[index] as number;
    this.#turns[index] = (this.#turns[index] as number) + 1;
    this.#due[index] = this.#dueOf(index);
    this.#sink(0);
    return index;
  }

  #dueOf(index: number): number {
    return ((this.#turns[index] as number) + phaseOf(index)) / (this.#weights[index] as number);
  }

  #sink(from: number): void {
    const heap = this.#heap;
    const due = this.#due;
    const { length } = heap;
    const index = heap[from] as number;
    const mine = due[index] as number;
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= length) break;
      if (child + 1 < length && (due[heap[child + 1] as number] as number) < (due[heap[child] as number] as number)) {
        child++;
      }
      if ((due[heap[child] as number] as number) >= mine) break;
      heap[at] = heap[child] as number;
      at = child;
    }
    heap[at] = index;
  }
}

function phaseOf(index: number): number {
  const phase = (index + 0.5) * golden;
  return phase - Math.floor(phase);
}
