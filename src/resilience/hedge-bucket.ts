/** A hedge bucket keeps hedges a small share of calls: every call pays in a little, every hedge takes out one. */

/** Time constant of the estimate of calls a second, in milliseconds. */
const rateWindowMs = 1_000;
/** What may be saved up: so many milliseconds of calls, each with its share. */
const burstMs = 250;
/** Least that may be saved up, so that clients of few calls can hedge at all. */
const leastBurst = 2;

export interface HedgeBucket {
  /** Calls so far: whoever makes one counts it here. */
  calls: number;
  /** Hedges so far. */
  readonly hedges: number;
  /** Takes one hedge; false when there is none. */
  withdraw(nowMs: number): boolean;
}

/** Hedges of at most `ratio` of the calls on average; a quarter of a second's worth may be saved up. */
export function hedgeBucket(ratio: number, startMs: number): HedgeBucket {
  let tokens = 0;
  let settledCalls = 0;
  let settledAtMs = startMs;
  let callsPerSecond = 0;
  const bucket = {
    calls: 0,
    hedges: 0,
    withdraw(nowMs: number): boolean {
      const calls = bucket.calls - settledCalls;
      const elapsedMs = nowMs - settledAtMs;
      if (elapsedMs > 0) {
        const rate = (calls * 1_000) / elapsedMs;
        callsPerSecond += (rate - callsPerSecond) * (1 - Math.exp(-elapsedMs / rateWindowMs));
        settledAtMs = nowMs;
      }
      settledCalls = bucket.calls;
      tokens = Math.min(Math.max(leastBurst, (callsPerSecond * ratio * burstMs) / 1_000), tokens + calls * ratio);
      if (tokens < 1) return false;
      tokens--;
      bucket.hedges++;
      return true;
    },
  };
  return bucket;
}
