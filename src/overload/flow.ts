/** A Flow knows how fast calls come and how fast they are completed, and therefore whether more comes than is done. */

/** How often is looked at what happened, in milliseconds. */
export const tickMs = 50;
/** Ticks of peace after which there is no overload any more. */
export const calmTicks = 10;

/** Time constant of what comes and what is completed, in milliseconds, and how much more than the other is too much. */
const rateMs = 2_000;
const overload = 1.1;
/** The same of what is completed at once, and by how many standard deviations of chance it must exceed the other. */
const briefMs = 500;
const certain = 3;
/** Ticks in which nobody was turned away after which no more comes than is done, whatever came before. */
const mildTicks = 40;
/** How long what was completed in better times is remembered: its time constant, in milliseconds. */
const usualMs = 30_000;

/** What happened since the last look. */
export interface Flowed {
  /** Calls that came, without those that were owed (see standstill.ts), and that were completed. */
  readonly fresh: number;
  readonly completed: number;
  /** The time for which this program ran, in milliseconds. */
  readonly workedMs: number;
  readonly isSomebodyWaiting: boolean;
  /** Whether anybody was turned away. */
  readonly isSomebodyShed: boolean;
}

export class Flow {
  /** Calls a millisecond that come, and that are completed. */
  arriving = 0;
  completing = 0;
  /** Whether more comes than is done. */
  isOverloaded = false;
  #briefly = 0;
  #arrivingBriefly = 0;
  /** By the longer time constant alone; and the most of that lately. */
  #slowly = 0;
  #usual = 0;
  /** Ticks since somebody was turned away. */
  #mild = 0;
  /** Ticks since more came than was done, or somebody waited after that. */
  #settled = calmTicks;
  readonly #room: number;

  /** So many calls too many, `room`, are none yet. */
  constructor(room: number) {
    this.#room = room;
  }

  /** Whether an overload, and what was left of it, is over. */
  get isSettled(): boolean {
    return this.#settled >= calmTicks;
  }

  /** Nobody came for so long, and nobody waits. */
  paused(elapsedMs: number): void {
    this.isOverloaded &&= elapsedMs < calmTicks * tickMs;
  }

  look({ fresh, completed, workedMs, isSomebodyWaiting, isSomebodyShed }: Flowed): void {
    const keep = Math.exp(-workedMs / rateMs);
    this.#arrive(fresh, workedMs, keep);
    this.#complete(completed, workedMs, keep);
    this.#mild = isSomebodyShed || !this.isOverloaded ? 0 : this.#mild + 1;
    if (this.isOverloaded && this.#mild >= mildTicks) this.arriving = this.completing;
    // Those that are at work now came, too, and are not completed; once it has begun they are known to be few.
    this.isOverloaded = this.arriving > overload * this.completing &&
      (this.isOverloaded || (this.arriving - this.completing) * rateMs > this.#room);
    // It is over when most ticks see nobody wait: the rest of an overload is to be worked off.
    if (this.isOverloaded) this.#settled = 0;
    else if (!this.isSettled) this.#settled = Math.max(0, this.#settled + (isSomebodyWaiting ? -2 : 1));
  }

  /** Everybody is let in again: what was not completed before tells nothing of what will be. */
  opened(): void {
    if (this.isSettled) this.completing = this.arriving;
  }

  /**
   * What comes rises slowly, and sinks at once where that is no chance: an overload that is over would else be
   * remembered for seconds, and calls be turned away that there is room for.
   */
  #arrive(fresh: number, workedMs: number, keep: number): void {
    this.arriving = this.arriving * keep + fresh * (1 - keep) / workedMs;
    const keepBrief = Math.exp(-workedMs / briefMs);
    const brief = this.#arrivingBriefly = this.#arrivingBriefly * keepBrief + fresh * (1 - keepBrief) / workedMs;
    if (brief < this.arriving * (1 - certain / Math.sqrt(this.arriving * 2 * briefMs))) this.arriving = brief;
  }

  /**
   * What is completed sinks slowly, and rises at once as far as that is no chance: after work stood still it would else
   * seem for seconds that more comes than can be done.
   */
  #complete(completed: number, workedMs: number, keep: number): void {
    this.completing = this.completing * keep + completed * (1 - keep) / workedMs;
    const keepBrief = Math.exp(-workedMs / briefMs);
    const brief = this.#briefly = this.#briefly * keepBrief + completed * (1 - keepBrief) / workedMs;
    this.#slowly = this.#slowly * keep + completed * (1 - keep) / workedMs;
    this.#usual = Math.max(this.#usual * Math.exp(-workedMs / usualMs), this.#slowly);
    // No more than was done before: calls that began together end together, which is no greater capacity.
    if (brief > this.completing * (1 + certain / Math.sqrt(brief * 2 * briefMs))) {
      this.completing = Math.max(this.completing, Math.min(brief, this.#usual));
    }
  }
}
