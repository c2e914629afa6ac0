/** Backoff is how long a call waits before its next attempt: exponential, with full jitter (gRFC A6). */
import { badOption, numberOption, type Random } from "../core/index.ts";

export interface BackoffOptions {
  /** Bound of the first wait, in milliseconds. Default 10. */
  readonly initialMs?: number;
  /** Growth of the bound from one wait to the next. Default 2. */
  readonly multiplier?: number;
  /** The bound never exceeds this, in milliseconds. Default 1,000. */
  readonly maxMs?: number;
}

/** Gives the wait before retry `n`, counted from 1: `random(0, min(initial * multiplier^(n-1), max))`. */
export function backoff(random: Random, options: BackoffOptions = {}): (retry: number) => number {
  const ms = { least: 0, most: 86_400_000, unit: "milliseconds" };
  const initialMs = numberOption("initialMs", options.initialMs ?? 10, ms);
  const multiplier = numberOption("multiplier", options.multiplier ?? 2, { least: 0.001, most: 1_000 });
  const maxMs = numberOption("maxMs", options.maxMs ?? Math.max(1_000, initialMs), ms);
  if (initialMs > maxMs) throw badOption("initialMs", initialMs, `it is above maxMs, which is ${maxMs}`);
  return (retry) => random.next() * Math.min(initialMs * multiplier ** (retry - 1), maxMs);
}
