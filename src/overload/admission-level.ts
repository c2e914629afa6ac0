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
  /** Calls that were completed. */
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

/** Time constant of what is remembered of levels, in milliseconds. */
const histogramMs = 2_000;
/**
 * What is let in, as a share of what is completed: more, so that the server never idles by chance, and much more where
 * few calls make up its work. The line takes the rest.
 */
const surplusOf = (limit: number): number => 1.02 + 2.5 / limit;
/** Least and most of that share while it is corrected. */
const leastSurplus = 0.5;
const mostSurplus = 2;

/** Makes a cursor that lets everybody in. */
export function admissionLevel(): AdmissionLevel {
  return new Cursor();
}

/** Time constants of a rate, in milliseconds: at first and after a change, and at last. */
const briefMs = 400;
const longMs = 4_000;
/** Standard deviations of chance by which the last moments differ from the rest when the rate has changed. */
const changed = 3;

/**
 * Calls a millisecond: soon known, then ever more exactly, until it changes. For a cursor that wavers lets in some
 * calls of a user and not others, and several servers' differ.
 */
class Rate {
  perMs = 0;
  #briefly = 0;
  #ageMs = 0;

  add(count: number, elapsedMs: number): void {
    const perMs = count / elapsedMs;
    const memoryMs = Math.min(longMs, Math.max(briefMs, this.#ageMs));
    const isFirst = this.#ageMs === 0;
    this.#ageMs += elapsedMs;
    this.perMs = isFirst ? perMs : faded(this.perMs, perMs, elapsedMs / memoryMs);
    this.#briefly = isFirst ? perMs : faded(this.#briefly, perMs, elapsedMs / briefMs);
    if (Math.abs(this.#briefly - this.perMs) > changed * Math.sqrt(this.perMs / (2 * briefMs))) {
      this.perMs = this.#briefly;
      this.#ageMs = briefMs;
    }
  }

  forget(): void {
    this.perMs = this.#briefly = this.#ageMs = 0;
  }
}

function faded(before: number, now: number, times: number): number {
  return now + (before - now) * Math.exp(-times);
}

class Cursor implements AdmissionLevel {
  cursor = allLevels;
  share = 1;
  readonly #histogram = new Float32Array(allLevels);
  /** Time that the histogram is of, in milliseconds, faded as it is. */
  #countedMs = 0;
  readonly #completed = new Rate();
  #surplus = 1;

  count(level: number): void {
    (this.#histogram[level] as number)++;
  }

  adjust({ elapsedMs, completed, isPressed, isLate, limit }: Happened): void {
    const isFirst = this.#completed.perMs === 0;
    // What is completed tells what can be only while there is always something to do.
    if (isPressed || isLate || completed / elapsedMs > this.#completed.perMs) this.#completed.add(completed, elapsedMs);
    const step = elapsedMs / 1_000;
    const surplus = surplusOf(limit);
    if (isFirst) this.#surplus = surplus;
    if (isLate) this.#surplus -= step * 0.5;
    else if (isPressed) this.#surplus += (surplus - this.#surplus) * Math.min(1, step * 4);
    else this.#surplus += step * 0.5;
    this.#surplus = between(this.#surplus, leastSurplus, mostSurplus);
    this.#place(elapsedMs);
  }

  /**
   * Puts the cursor where as many come below it as are to be let in, whatever comes above it: which changes with what
   * callers hold back. Lets the histogram fade.
   */
  #place(elapsedMs: number): void {
    const histogram = this.#histogram;
    const keep = Math.exp(-elapsedMs / histogramMs);
    const countedMs = this.#countedMs + elapsedMs;
    const wanted = this.#completed.perMs * this.#surplus * countedMs;
    let [total, below, cursor] = [0, 0, allLevels];
    for (let level = 0; level < allLevels; level++) {
      const count = histogram[level] as number;
      if (total >= wanted && cursor === allLevels) [below, cursor] = [total, level];
      total += count;
      histogram[level] = count * keep;
    }
    this.#countedMs = countedMs * keep;
    this.cursor = total === 0 ? allLevels : Math.max(1, cursor);
    this.share = this.cursor === allLevels ? 1 : Math.max(0.001, below / total);
  }

  open(): void {
    this.cursor = allLevels;
    this.share = 1;
    this.#histogram.fill(0);
    this.#countedMs = 0;
    this.#completed.forget();
  }
}
