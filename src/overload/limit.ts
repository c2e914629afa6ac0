/**
 * A ConcurrencyLimit says how many calls may be at work at once, from how long calls took at which concurrency.
 *
 * Small state machines without a clock of their own: they hear of every call that ended and have a number. All keep
 * to a floor and a ceiling, and grow only while what they allow is used: of a limit that nobody comes near, nothing
 * is learned.
 */
import { badOption, numberOption } from "../core/index.ts";

/** A call that ended. One object serves all calls: read it, keep nothing of it. */
export interface LimitSample {
  /** Clock time of its end, in milliseconds. */
  nowMs: number;
  /** How long the handler took, waiting in line not included, in milliseconds. */
  latencyMs: number;
  /** What calls of its method take when there is room, in milliseconds; 0 while that is unknown. */
  expectedMs: number;
  /** Calls at work when it began, itself included. */
  inFlight: number;
  /** Whether it was lost to the load: it ran into its deadline, or what it needed refused it. */
  lost: boolean;
}

/** How many calls may be at work. */
export interface ConcurrencyLimit {
  /** A whole number from the floor to the ceiling. */
  readonly limit: number;
  /** Why it is what it is: the reason of its last change. */
  readonly why: string;
  /** Takes in the end of a call. */
  ended(sample: LimitSample): void;
}

/** Where a limit begins and what it keeps to, in calls. */
export interface LimitBounds {
  /** Default 20. */
  readonly initial?: number;
  /** Least it ever is. Default 20. */
  readonly floor?: number;
  /** Most it ever is. Default 200. */
  readonly ceiling?: number;
}

/** Checks bounds, and that they leave a place to begin. */
export function limitBounds(options: LimitBounds, defaults: Required<LimitBounds>): Required<LimitBounds> {
  const whole = { least: 1, most: 1_000_000, whole: true, unit: "calls" };
  const floor = numberOption("floor", options.floor ?? defaults.floor, whole);
  const ceiling = numberOption("ceiling", options.ceiling ?? Math.max(floor, defaults.ceiling), whole);
  if (ceiling < floor) throw badOption("ceiling", ceiling, `the floor is ${floor}, above it`);
  const initial = numberOption("initial", options.initial ?? between(defaults.initial, floor, ceiling), whole);
  if (initial < floor || initial > ceiling) {
    throw badOption("initial", initial, `expected from the floor, ${floor}, to the ceiling, ${ceiling}`);
  }
  return { initial, floor, ceiling };
}

/** `value`, or the nearest of the two bounds. */
export function between(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, value));
}

/** A limit that stays. */
export function fixedLimit(limit: number): ConcurrencyLimit {
  const fixed = numberOption("limit", limit, { least: 1, most: 1_000_000, whole: true, unit: "calls" });
  return { limit: fixed, why: "fixed", ended: () => undefined };
}
