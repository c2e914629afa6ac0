/**
 * A WaitingLine is where calls wait for room: bounded, the most critical first, and never for long.
 *
 * Within one criticality first come, first served, with a bound of `maxWaitMs` on the wait. When calls have had to wait
 * all through an interval, the line stands: then nobody waits longer than twice the target (the most critical: three
 * times), and the most important is served first, of equals the last to come, since its caller is the likeliest to be
 * there still (controlled delay and adaptive LIFO, as at Facebook, "Fail at Scale", ACM Queue 2015, and in folly). A
 * full line makes room for a call that is more important than one in it, and when it stands, for a newer one.
 */
import { type Clock, numberOption } from "../core/index.ts";
import { Alarm } from "../core/alarm.ts";

export interface LineOptions {
  /** How long calls may wait without anything being wrong, in milliseconds. Default 5. */
  readonly targetMs?: number;
  /** How long calls must have waited until the line stands, in milliseconds. Default 100. */
  readonly intervalMs?: number;
  /** Longest wait, in milliseconds, of the critical or in a line that does not stand. Default 500. */
  readonly maxWaitMs?: number;
  /** Whether the last to come is first when the line stands. Default true. */
  readonly lifo?: boolean;
}

/** Checks options of a line, and fills in what they leave out. */
export function lineOptions(options: LineOptions): Required<LineOptions> {
  const intervalMs = numberOption("intervalMs", options.intervalMs ?? 100, { least: 1, unit: "milliseconds" });
  const targetMs = numberOption("targetMs", options.targetMs ?? Math.min(5, intervalMs / 2),
    { least: 0, most: intervalMs / 2, unit: "milliseconds, at most half of intervalMs" });
  const maxWaitMs = numberOption("maxWaitMs", options.maxWaitMs ?? Math.max(500, intervalMs),
    { least: intervalMs, unit: "milliseconds, at least intervalMs" });
  return { intervalMs, targetMs, maxWaitMs, lifo: options.lifo ?? true };
}

/** Somebody who waits. Its links are the line's. */
export interface Waiter {
  /** 0 for the most critical. */
  readonly rank: number;
  /** Its place among those of its rank, and all others: lower is more important. */
  readonly level: number;
  enteredMs: number;
  row: Row | undefined;
  before: Waiter | undefined;
  behind: Waiter | undefined;
  /** Turned away: `why` says for what. */
  turnedAway(why: string): void;
}

/** Those of one rank, the longest waiting first. Each stands for itself: the most critical may hardly have to wait. */
export interface Row {
  first: Waiter | undefined;
  last: Waiter | undefined;
  size: number;
  isStanding: boolean;
  /** Since when it has not been empty. */
  filledMs: number;
  /** When somebody last had to wait longer than the target. */
  lateMs: number;
  /** When somebody last had to wait longer than that while it stood. */
  stoodMs: number;
  /** How long calls must have waited until it stands. */
  readonly intervalMs: number;
}

/** So many are compared with each other: a longer row would cost more than the comparison is worth. */
const mostLooked = 64;

/** The last that came of the most important. Few wait in a row that stands. */
function mostImportant(row: Row): Waiter | undefined {
  let most = row.last;
  let looked = 0;
  for (let waiter = most; waiter !== undefined && looked < mostLooked; waiter = waiter.before, looked++) {
    if (waiter.level < (most as Waiter).level) most = waiter;
  }
  return most;
}

/** The longest waiting of the least important. */
function leastImportant(row: Row): Waiter | undefined {
  let least = row.first;
  let looked = 0;
  for (let waiter = least; waiter !== undefined && looked < mostLooked; waiter = waiter.behind, looked++) {
    if (waiter.level > (least as Waiter).level) least = waiter;
  }
  return least;
}

export interface WaitingLine {
  readonly size: number;
  /**
   * Whether more comes than is done, if somebody knows: only then does a line stand. One that is long although less
   * comes will grow shorter, and whoever has patience is served. Default true.
   */
  isOverloaded: boolean;
  /**
   * Calls a millisecond that are taken out, if somebody knows. A line that stands has no more in it than are served in
   * time: others are turned away at once rather than after a wait, the least important first. Default Infinity.
   */
  servedPerMs: number;
  /** So much longer than else anybody may wait in a line that does not stand, in milliseconds. Default 0. */
  graceMs: number;
  /** The program stood still for so long: that is no time that anybody waited because of the load. */
  stood(ms: number): void;
  /** Whether calls of some rank have waited longer than they should, all through an interval. */
  isStanding(nowMs: number): boolean;
  /** Takes somebody in, if need be in place of another. False: there is no room. */
  enter(waiter: Waiter, capacity: number): boolean;
  /** Who is next; those who have waited too long are turned away on the way. */
  next(nowMs: number): Waiter | undefined;
  /** Takes out somebody who no longer wants to wait. */
  leave(waiter: Waiter): void;
}

const ranks = 3;
/** The critical wait so much longer before their row stands, and in it, while what was let in too much is done. */
const criticalPatience = 5;
/**
 * How long anybody waits in a row that stands, in multiples of the target: to make good for uneven arrivals. The
 * critical longer, since they may come in bursts of their own, and it is others who make room for them; with four
 * targets their own tail is too long.
 */
const standingPatience = 2;
const criticalStandingPatience = 3;
/** For so many intervals after a row stood it stands again as soon as somebody waits too long. */
const remembered = 10;

/** Makes an empty line. `beforeLook` is called before anybody is turned away by the clock. */
export function waitingLine(
  clock: Clock, options: LineOptions = {}, beforeLook: (nowMs: number) => void = () => undefined,
): WaitingLine {
  return new Line(clock, options, beforeLook);
}

class Line extends Alarm implements WaitingLine {
  size = 0;
  isOverloaded = true;
  servedPerMs = Infinity;
  graceMs = 0;
  readonly #beforeLook: (nowMs: number) => void;
  readonly #clock: Clock;
  readonly #targetMs: number;
  readonly #maxWaitMs: number;
  readonly #intervalMs: number;
  readonly #lifo: boolean;
  readonly #rows: readonly Row[];

  constructor(clock: Clock, options: LineOptions, beforeLook: (nowMs: number) => void) {
    super();
    this.#beforeLook = beforeLook;
    this.keepsAlive = false;
    this.#clock = clock;
    const { intervalMs, targetMs, maxWaitMs, lifo } = lineOptions(options);
    this.#intervalMs = intervalMs;
    this.#targetMs = targetMs;
    this.#maxWaitMs = maxWaitMs;
    this.#lifo = lifo;
    this.#rows = Array.from({ length: ranks }, (_none, rank) => ({
      first: undefined, last: undefined, size: 0, isStanding: false, filledMs: 0, lateMs: -Infinity, stoodMs: -Infinity,
      intervalMs: rank === 0 ? this.#intervalMs * criticalPatience : this.#intervalMs,
    }));
  }

  isStanding(nowMs: number): boolean {
    let any = false;
    for (const row of this.#rows) {
      this.#look(row, nowMs);
      any ||= row.isStanding;
      // Those behind the critical may not be asked for long: their wait is over all the same.
      if (row.isStanding) this.#slough(row, nowMs);
    }
    return any;
  }

  enter(waiter: Waiter, capacity: number): boolean {
    const nowMs = waiter.enteredMs;
    const row = this.#rows[waiter.rank] as Row;
    if (row.isStanding && row.size >= Math.max(1, this.servedPerMs * this.#patienceMs(row))) {
      const least = leastImportant(row);
      if (least === undefined || least.level <= waiter.level) return false;
      this.leave(least);
      least.turnedAway("somebody more important came");
    }
    if (this.size >= capacity && !this.#makeRoom(waiter)) return false;
    if (row.size === 0) row.filledMs = nowMs;
    waiter.row = row;
    waiter.before = row.last;
    waiter.behind = undefined;
    if (row.last === undefined) row.first = waiter;
    else row.last.behind = waiter;
    row.last = waiter;
    row.size++;
    if (this.size++ === 0) this.#clock.set(this, nowMs + this.#patienceMs(row));
    return true;
  }

  /** Turns away one of those less critical, or less important; of the same importance, only when they stand. */
  #makeRoom(waiter: Waiter): boolean {
    for (let rank = ranks - 1; rank >= waiter.rank; rank--) {
      const row = this.#rows[rank] as Row;
      const least = leastImportant(row);
      if (least === undefined) continue;
      const takesNewer = this.#lifo && row.isStanding;
      const isLeast = least.level < waiter.level || (least.level === waiter.level && !takesNewer);
      if (rank === waiter.rank && isLeast) return false;
      this.leave(least);
      least.turnedAway("the line is full");
      return true;
    }
    return false;
  }

  next(nowMs: number): Waiter | undefined {
    let next: Waiter | undefined;
    for (const row of this.#rows) {
      if (row.size === 0) continue;
      this.#look(row, nowMs);
      next ??= this.#take(row, nowMs);
      this.#slough(row, nowMs);
    }
    // Whoever less critical is served proves that the most critical are not too many.
    if (next !== undefined && next.rank > 0) (this.#rows[0] as Row).isStanding = false;
    return next;
  }

  /** Takes the next of a row out; those who have waited too long are turned away on the way. */
  #take(row: Row, nowMs: number): Waiter | undefined {
    for (;;) {
      const waiter = this.#lifo && row.isStanding ? mostImportant(row) : row.first;
      if (waiter === undefined) return undefined;
      this.leave(waiter);
      const waitedMs = nowMs - waiter.enteredMs;
      if (waitedMs > this.#targetOfMs(row)) row.lateMs = nowMs;
      if (waitedMs <= this.#mostMs) return waiter;
      waiter.turnedAway("it waited too long");
    }
  }

  leave(waiter: Waiter): void {
    const { row } = waiter;
    if (row === undefined) return;
    if (waiter.before === undefined) row.first = waiter.behind;
    else waiter.before.behind = waiter.behind;
    if (waiter.behind === undefined) row.last = waiter.before;
    else waiter.behind.before = waiter.before;
    waiter.row = waiter.before = waiter.behind = undefined;
    row.size--;
    if (--this.size === 0 && this.isSet) this.#clock.clear(this);
  }

  stood(ms: number): void {
    for (const row of this.#rows) {
      row.filledMs += ms;
      row.lateMs += ms;
      row.stoodMs += ms;
      for (let waiter = row.first; waiter !== undefined; waiter = waiter.behind) waiter.enteredMs += ms;
    }
  }

  /** How long anybody of a row may wait now. */
  #patienceMs(row: Row): number {
    return row.isStanding ? Math.min(this.#longMs(row), this.#maxWaitMs) : this.#mostMs;
  }

  /** What is too long where a row stands. */
  #longMs(row: Row): number {
    return this.#targetOfMs(row) * (row === this.#rows[0] ? criticalStandingPatience : standingPatience);
  }

  /** How long anybody at all may wait now. */
  get #mostMs(): number {
    return this.#maxWaitMs + this.graceMs;
  }

  /** How long one of a row may wait without anything being wrong: where calls are long, until one of them is done. */
  #targetOfMs(row: Row): number {
    const targetMs = this.servedPerMs > 0 ? Math.max(this.#targetMs, 1 / this.servedPerMs) : this.#targetMs;
    return targetMs * (row.intervalMs / this.#intervalMs);
  }

  /** Whether a row stands now. */
  #look(row: Row, nowMs: number): void {
    if (row.isStanding) {
      row.stoodMs = row.lateMs;
      row.isStanding = this.isOverloaded && nowMs - row.lateMs <= row.intervalMs;
    } else if (this.isOverloaded && row.size > 0 && this.#isLong(row, nowMs)) {
      row.isStanding = true;
      row.lateMs = nowMs;
    }
  }

  /** Whether it has not been empty for an interval; or, soon after it stood, its first waits too long already. */
  #isLong(row: Row, nowMs: number): boolean {
    if (nowMs - row.filledMs > row.intervalMs) return true;
    const waitedMs = nowMs - (row.first as Waiter).enteredMs;
    return waitedMs > this.#longMs(row) && nowMs - row.stoodMs < remembered * row.intervalMs;
  }

  /** Turns away who has waited too long. */
  #slough(row: Row, nowMs: number): void {
    for (let waiter = row.first; waiter !== undefined; waiter = row.first) {
      const waitedMs = nowMs - waiter.enteredMs;
      if (waitedMs <= this.#patienceMs(row)) return;
      row.lateMs = nowMs;
      this.leave(waiter);
      waiter.turnedAway(`it waited ${waitedMs.toFixed(0)} ms`);
    }
  }

  /** Somebody may have waited too long, whether or not there is ever room. */
  ring(): void {
    const nowMs = this.#clock.now();
    this.#beforeLook(nowMs);
    let dueMs = Infinity;
    for (const row of this.#rows) {
      this.#look(row, nowMs);
      this.#slough(row, nowMs);
      if (row.first === undefined) continue;
      dueMs = Math.min(dueMs, row.first.enteredMs + this.#patienceMs(row));
    }
    // A little later than due, so that whoever is due is too late and not just in time.
    if (this.size > 0) this.#clock.set(this, Math.max(nowMs, dueMs) + 1);
  }
}
