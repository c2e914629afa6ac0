/**
 * A LateLoop knows whether the event loop is so late that calls would run out of time for it.
 *
 * A busy machine makes it late, too, and then calls that are turned away find no more room elsewhere. What matters is
 * therefore their time: whoever has seconds left is answered, late as it may be, and a loop that has too much to do is
 * later each time until it matters.
 */

/** Late ticks in a row that are no single pause. */
const lateTicks = 3;
/** So much later than may be it must run before anybody is turned away for it; and not ever less late by itself. */
const lateTimes = 5;
const lessLate = 0.95;
/** It matters from so much of the time that calls have left, and no more once calls are turned away. */
const matters = 1 / 3;
const mattersNoMore = 1 / 20;
/** What calls without a deadline are taken to have left, in milliseconds, and the most that any may seem to. */
const mostLeftMs = 3_000;

/** What happened since the last look. */
export interface LoopTick {
  readonly lagMs: number;
  readonly isFull: boolean;
  readonly leftMs: number;
  readonly isShut: boolean;
}

export class LateLoop {
  readonly #mostMs: number;
  #late = 0;
  #lagMs = 0;
  #leftMs = mostLeftMs;
  #isShut = false;

  /** `mostMs`: how late it may run while calls are turned away for it. */
  constructor(mostMs: number) {
    this.#mostMs = mostMs;
  }

  get isLate(): boolean {
    return this.#late >= lateTicks && this.#lagMs > this.#leftMs * (this.#isShut ? mattersNoMore : matters);
  }

  /**
   * `isFull`: whether many came at once, which therefore waited; else there is little to do. `leftMs` is the least time
   * that one of them had.
   */
  look({ lagMs, isFull, leftMs, isShut }: LoopTick): void {
    // What once stood still works off what came meanwhile, and is less late each time.
    const isLate = isShut ? lagMs > this.#mostMs : lagMs > this.#mostMs * lateTimes && lagMs > this.#lagMs * lessLate;
    this.#late = isFull && isLate ? this.#late + 1 : 0;
    this.#lagMs = lagMs;
    this.#leftMs = Math.min(leftMs, mostLeftMs);
    this.#isShut = isShut;
  }
}
