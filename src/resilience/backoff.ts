/** Backoff is how long a call waits before its next attempt: exponential, with full jitter (gRFC A6). */
import type { Random } from "../core/index.ts";

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
  const { initialMs = 10, multiplier = 2, maxMs = 1_000 } = options;
  return (retry) => random.next() * Math.min(initialMs * multiplier ** (retry - 1), maxMs);
}
