/** A whole body is what one message comes in over HTTP: gathered under a limit, however it was split. */
import { type Budget, Gathering, messageTooLarge } from "./envelope.ts";

const nothing = new Uint8Array(0);

export class WholeBody {
  readonly #maxBytes: number;
  readonly #held: Gathering;

  /** Beyond `maxBytes`, or beyond what the budget has left for bodies that have not ended, `add` throws. */
  constructor(maxBytes: number, budget?: Budget) {
    this.#maxBytes = maxBytes;
    this.#held = new Gathering(maxBytes, budget);
  }

  /**
   * Takes a part, and returns the body with its last. A body that comes as one part is that part, not copied: nobody
   * writes to its bytes again (HttpSink). What must wait for more is copied, since a view would keep the whole read
   * that it came in. Throws `resource_exhausted`.
   */
  add(bytes: Uint8Array, start: number, end: number, last: boolean): Uint8Array | undefined {
    if (last && this.#held.length === 0) {
      if (end - start > this.#maxBytes) throw messageTooLarge(end - start, this.#maxBytes);
      return bytes.subarray(start, end);
    }
    if (end > start) this.#held.add(bytes, start, end);
    return last ? this.end() : undefined;
  }

  /** The body where its end is told without a part, by trailers. */
  end(): Uint8Array {
    const { bytes, length } = this.#held;
    this.#held.drop();
    return length === 0 ? nothing : bytes.subarray(0, length);
  }

  /** Forgets a body that will not be completed, or not be read. */
  drop(): void {
    this.#held.drop();
  }
}
