/** A LateLoop knows whether the event loop is late because there is too much to do, and not because the machine is. */

/** Late ticks in a row that are no single pause. */
const lateTicks = 3;
/** So much later than may be it must run before anybody is turned away for it; and not ever less late by itself. */
const lateTimes = 5;
const lessLate = 0.95;

export class LateLoop {
  readonly #mostMs: number;
  #late = 0;
  #lagMs = 0;

  /** `mostMs`: how late it may run while calls are turned away for it. */
  constructor(mostMs: number) {
    this.#mostMs = mostMs;
  }

  get isLate(): boolean {
    return this.#late >= lateTicks;
  }

  /** A busy machine makes loops late that have little to do: many calls at once (`isFull`) are calls that waited. */
  look(lagMs: number, isFull: boolean, isShut: boolean): void {
    // What once stood still works off what came meanwhile, and is less late each time.
    const isLate = isShut ? lagMs > this.#mostMs : lagMs > this.#mostMs * lateTimes && lagMs > this.#lagMs * lessLate;
    this.#late = isFull && isLate ? this.#late + 1 : 0;
    this.#lagMs = lagMs;
  }
}
