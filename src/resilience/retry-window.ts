/**
 * A retry window counts the calls and the retries of the last second, and how many of those retries failed too: what a
 * budget may have saved up for a burst that helps, it may not spend on one that does not.
 */
const slotCount = 10;
const slotMs = 100;

/** Fewer retries that failed say little. */
const leastFailed = 3;
/** From this share of the retries on that failed, they do not help. */
const vainShare = 0.1;

export class RetryWindow {
  readonly #retries = new Int32Array(slotCount);
  readonly #failed = new Int32Array(slotCount);
  /** All calls so far, as of the beginning of each slot. */
  readonly #callsBefore = new Float64Array(slotCount);
  #slot: number;

  constructor(nowMs: number) {
    this.#slot = Math.floor(nowMs / slotMs);
  }

  /** Counts a retry. `calls` are all calls so far, here and below. */
  withdrawn(nowMs: number, calls: number, count = 1): void {
    this.#roll(nowMs, calls);
    const slot = this.#slot % slotCount;
    this.#retries[slot] = (this.#retries[slot] ?? 0) + count;
  }

  failed(nowMs: number, calls: number): void {
    this.#roll(nowMs, calls);
    const slot = this.#slot % slotCount;
    this.#failed[slot] = (this.#failed[slot] ?? 0) + 1;
  }

  /** Whether the retries of the last second do not help, and are this share of its calls, or so many, already. */
  isSpent(nowMs: number, calls: number, share: number, least: number): boolean {
    this.#roll(nowMs, calls);
    let [retries, failed] = [0, 0];
    for (let i = 0; i < slotCount; i++) {
      retries += this.#retries[i] ?? 0;
      failed += this.#failed[i] ?? 0;
    }
    if (failed < leastFailed || failed < retries * vainShare) return false;
    const inWindow = calls - (this.#callsBefore[(this.#slot + 1) % slotCount] ?? 0);
    return retries >= Math.max(least, inWindow * share);
  }

  #roll(nowMs: number, calls: number): void {
    const slot = Math.floor(nowMs / slotMs);
    if (slot === this.#slot) return;
    for (let i = Math.max(this.#slot + 1, slot - slotCount + 1); i <= slot; i++) {
      this.#retries[i % slotCount] = this.#failed[i % slotCount] = 0;
      this.#callsBefore[i % slotCount] = calls;
    }
    this.#slot = slot;
  }
}
