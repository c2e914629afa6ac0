/** A token bucket lets a rate through on average and a burst at once. */
import { type Clock, numberOption } from "../core/index.ts";

export interface TokenBucketOptions {
  /** Tokens that come back each second. */
  readonly perSecond: number;
  /** Most tokens held, and how many there are at first. Default: one second's worth. */
  readonly burst?: number;
}

export interface TokenBucket {
  /** Takes `tokens` (default 1) and says true, or takes none and says false. */
  take(tokens?: number): boolean;
  /** How long until `tokens` (default 1) will be there, in milliseconds; Infinity if they never can be. */
  waitMs(tokens?: number): number;
  /** Tokens there are now. */
  available(): number;
}

/** Refills continuously, without a timer: what has come back is reckoned when somebody asks. */
export function tokenBucket(clock: Clock, options: TokenBucketOptions): TokenBucket {
  const perMs = numberOption("perSecond", options.perSecond, { least: 0, unit: "tokens" }) / 1_000;
  const burst = numberOption("burst", options.burst ?? options.perSecond, { least: 0, unit: "tokens" });
  let tokens = burst;
  let reckonedAtMs = clock.now();
  const available = (): number => {
    const now = clock.now();
    tokens = Math.min(burst, tokens + (now - reckonedAtMs) * perMs);
    reckonedAtMs = now;
    return tokens;
  };
  return {
    available,
    take: (wanted = 1) => {
      // A hair's breadth of tolerance: what a sum of fractions lost in rounding is not owed.
      if (available() < wanted - 1e-9) return false;
      tokens -= wanted;
      return true;
    },
    waitMs: (wanted = 1) => {
      const missing = wanted - available();
      if (missing <= 1e-9) return 0;
      return wanted > burst || perMs === 0 ? Infinity : missing / perMs;
    },
  };
}
