/** A Grace is the time in which what came of a standstill may wait, until it is worked off: nothing else is wrong. */
import type { PacedEvents } from "./paced.ts";
import type { StandstillRecord } from "./standstill.ts";

/** Longest time to work off what came of a standstill, in milliseconds, and what is too little to speak of. */
const graceMs = 60_000;
const leastOwed = 4;

export class Grace {
  readonly #standstills: StandstillRecord;
  readonly #tell: PacedEvents;
  #sinceMs = -Infinity;
  #granted = 0;

  constructor(standstills: StandstillRecord, tell: PacedEvents) {
    this.#standstills = standstills;
    this.#tell = tell;
  }

  get isGiven(): boolean {
    return this.#sinceMs !== -Infinity;
  }

  /** How much longer than else anybody may wait, in milliseconds. */
  get waitMs(): number {
    return this.isGiven ? graceMs : 0;
  }

  /** How many more than else may wait. */
  get granted(): number {
    return Math.max(this.#granted, this.#standstills.owed);
  }

  /** Begins, or ends: when it is worked off, or more comes than can be done. */
  look(nowMs: number, isOverloaded: boolean, isSomebodyWaiting: boolean): void {
    const { owed, stoodMs, isNotable } = this.#standstills;
    if (this.isGiven) {
      const isOver = isOverloaded || (!isSomebodyWaiting && owed < leastOwed) || nowMs - this.#sinceMs > graceMs;
      this.#granted = isOver ? 0 : Math.max(this.#granted, owed);
      if (isOver) this.#sinceMs = -Infinity;
    } else if (isNotable && !isOverloaded) {
      this.#sinceMs = nowMs;
      this.#granted = owed;
      this.#tell("overload.standstill", { owed: Math.round(owed), stoodMs: Math.round(stoodMs), why: stoodMs > 0
        ? `this program did not run for ${stoodMs.toFixed(0)} ms` : "the usual calls did not come" });
    }
  }
}
