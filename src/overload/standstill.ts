/**
 * A StandstillRecord knows which calls are owed: those that did not come while something stood still, and may come all
 * at once when it goes on. Such a burst is no overload, since over the whole time no more has come than usual.
 *
 * Whatever stands still, it looks alike from here: the usual calls stay away. Either this program itself did not run
 * (its look at things is late, and hardly anything came meanwhile), or its callers, or what lies between. What was seen
 * to be borne, times the length of the silence, is what may be made up for; half as much again, since callers that woke
 * repeat and hedge what they take for lost. A program that is late because it works is not still: its calls do come.
 */

/** What happened since the last look. */
export interface Look {
  /** Time since then, and how late the look is, in milliseconds. */
  readonly elapsedMs: number;
  readonly lagMs: number;
  /** Calls that came, and that were completed. */
  readonly arrived: number;
  readonly completed: number;
  /** Whether the server has more to do than it can: then nothing is owed. */
  readonly isOverloaded: boolean;
}

export interface StandstillRecord {
  /** Calls that are owed now. */
  readonly owed: number;
  /** Whether these are more than chance and a moment's pause make. */
  readonly isNotable: boolean;
  /** For how long this program itself did not run between the last two looks, in milliseconds. */
  readonly stoodMs: number;
  /** Takes in a look. Returns how many of the calls that came are none of those that were owed. */
  look(happened: Look): number;
}

/** Lateness of a look that is no ordinary one, in milliseconds: as for the observers of servers' health. */
export const standstillMs = 100;
/** Time constants of what is borne usually, and of what is owed once calls come again, in milliseconds. */
const usualMs = 10_000;
const owedMs = 2_000;
/** Longest silence that is made up for, in milliseconds. */
const mostMs = 5_000;
/** A longer silence is no standstill: whoever was here has left. */
const goneMs = 30_000;
/** Below so many missing calls in a row it may be chance. */
const leastMissing = 6;
const surplus = 1.5;
/** Of the usual calls, so many milliseconds' worth are worth a word. */
const notableMs = 150;

/** Makes an empty record. */
export function standstillRecord(): StandstillRecord {
  return new Standstills();
}

class Standstills implements StandstillRecord {
  owed = 0;
  stoodMs = 0;
  /** Calls a millisecond that are completed, as a mean with the weight of what was seen. */
  #usual = 0;
  #weight = 0;
  /** Since calls stay away: for how long, how many are missing that are not owed yet, and what was usual before. */
  #silentMs = 0;
  #missing = 0;
  #before = 0;

  get isNotable(): boolean {
    return this.owed >= surplus * Math.max(leastMissing, notableMs * this.#before);
  }

  look({ elapsedMs, lagMs, arrived, completed, isOverloaded }: Look): number {
    if (this.#silentMs === 0) this.#before = this.#weight === 0 ? 0 : this.#usual / this.#weight;
    const due = this.#before * elapsedMs;
    const isSilent = arrived < due / 2;
    this.stoodMs = lagMs > standstillMs && (isSilent || due === 0) ? lagMs : 0;
    const ranMs = elapsedMs - this.stoodMs;
    const keep = Math.exp(-ranMs / usualMs);
    this.#weight = this.#weight * keep + 1 - keep;
    this.#usual = this.#usual * keep + completed * (1 - keep) / ranMs;
    if (isOverloaded || this.#silentMs > goneMs) {
      this.owed = this.#missing = this.#silentMs = 0;
      return arrived;
    }
    if (isSilent) {
      this.#silentMs += elapsedMs;
      this.#missing += due - arrived;
      if (this.#missing >= leastMissing) {
        this.owed = Math.min(this.owed + surplus * this.#missing, surplus * this.#before * mostMs);
        this.#missing = 0;
      }
      return arrived;
    }
    this.#missing = this.#silentMs = 0;
    const madeUp = Math.max(0, Math.min(this.owed, arrived - due));
    this.owed = (this.owed - madeUp) * Math.exp(-elapsedMs / owedMs);
    return arrived - madeUp;
  }
}
