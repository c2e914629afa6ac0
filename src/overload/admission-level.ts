/**
 * The admission level is a cursor over the levels of calls: those below it are let in.
 *
 * DAGOR's idea (a histogram of levels, and a cursor that admits a share of it) with another control: DAGOR takes 5 %
 * off and puts 1 % on once a second; here the cursor is set at once to where as many calls are let in as the server
 * was seen to complete, and corrected by whether calls still wait. So it needs no more than some tenths of a second.
 */
import { between } from "./limit.ts";
import { allLevels } from "./priority.ts";

/** What happened since the last adjustment. */
export interface Happened {
  /** Time since then, in milliseconds. */
  readonly elapsedMs: number;
  /** Calls that came, let in or not, and calls that were completed. */
  readonly arrived: number;
  readonly completed: number;
  /** Whether calls wait, or were turned away from the line, because of the load. */
  readonly isPressed: boolean;
  /** Whether the event loop runs late: then it is what is let in that makes it so. */
  readonly isLate: boolean;
  /** How many calls may be at work. */
  readonly limit: number;
}

export interface AdmissionLevel {
  /** Levels below it are let in; all of them while it is {@link allLevels}. */
  readonly cursor: number;
  /** Share of what arrives that is let in, 0 to 1. */
  readonly share: number;
  /** Counts a call that came. */
  count(level: number): void;
  /** Sets the cursor by what happened. */
  adjust(happened: Happened): void;
  /** Lets everybody in and forgets. */
  open(): void;
}

/** Time constants of what is remembered of rates and of levels, in milliseconds. */
const rateMs = 400;
const histogramMs = 2_000;
/**
 * What is let in, as a share of what is completed: more, so that the server never idles by chance, and much more where
 * few calls make up its work. The line takes the rest.
 */
const surplusOf = (limit: number): number => 1.02 + 2 / limit;
/** Least and most of that share while it is corrected. */
const leastSurplus = 0.5;
const mostSurplus = 2;

/** Makes a cursor that lets everybody in. */
export function admissionLevel(): AdmissionLevel {
  return new Cursor();
}

class Cursor implements AdmissionLevel {
  cursor = allLevels;
  share = 1;
  readonly #histogram = new Float32Array(allLevels);
  #arrivedPerMs = 0;
  #completedPerMs = 0;
  #surplus = 1;

  count(level: number): void {
    (this.#histogram[level] as number)++;
  }

  adjust({ elapsedMs, arrived, completed, isPressed, isLate, limit }: Happened): void {
    const keep = Math.exp(-elapsedMs / rateMs);
    const isFirst = this.#arrivedPerMs === 0;
    const arrivedPerMs = arrived / elapsedMs;
    const completedPerMs = completed / elapsedMs;
    this.#arrivedPerMs = isFirst ? arrivedPerMs : this.#arrivedPerMs * keep + arrivedPerMs * (1 - keep);
    // What is completed tells what can be only while there is always something to do.
    if (isPressed || isLate || completedPerMs > this.#completedPerMs) {
      this.#completedPerMs = isFirst ? completedPerMs : this.#completedPerMs * keep + completedPerMs * (1 - keep);
    }
    const step = elapsedMs / 1_000;
    const surplus = surplusOf(limit);
    if (isFirst) this.#surplus = surplus;
    if (isLate) this.#surplus -= step * 0.5;
    else if (isPressed) this.#surplus += (surplus - this.#surplus) * Math.min(1, step * 4);
    else this.#surplus += step * 0.5;
    this.#surplus = between(this.#surplus, leastSurplus, mostSurplus);
    this.share = this.#arrivedPerMs === 0
      ? 1
      : between(this.#completedPerMs * this.#surplus / this.#arrivedPerMs, 0.001, 1);
    this.#place(Math.exp(-elapsedMs / histogramMs));
  }

  /** Puts the cursor where the levels below it have the share of all, and lets the histogram fade. */
  #place(keep: number): void {
    const histogram = this.#histogram;
    let total = 0;
    for (let level = 0; level < allLevels; level++) total += histogram[level] as number;
    let below = 0;
    let cursor = allLevels;
    const wanted = total * this.share;
    for (let level = 0; level < allLevels; level++) {
      if (below >= wanted && this.share < 1) {
        cursor = level;
        break;
      }
      below += histogram[level] as number;
    }
    for (let level = 0; level < allLevels; level++) histogram[level] = (histogram[level] as number) * keep;
    this.cursor = total === 0 || this.share >= 1 ? allLevels : Math.max(1, cursor);
  }

  open(): void {
    this.cursor = allLevels;
    this.share = 1;
    this.#histogram.fill(0);
    this.#arrivedPerMs = this.#completedPerMs = 0;
  }
}
