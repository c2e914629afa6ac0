/**
 * Service times are what calls of each method take, as it was observed: when there is room, and at the very least.
 *
 * What is expected is the least mean of some calls in a row over the last half minute: means, since single calls
 * differ; the least, since load only ever makes them longer; half a minute, since a release may change them. While
 * calls wait because of the load nothing is forgotten, or waiting would become what is expected.
 */

/** What is known of one method, in milliseconds. */
interface Times {
  expectedMs: number;
  /** Least mean of this generation and of the one before. */
  leastMs: number;
  previousLeastMs: number;
  generationMs: number;
  /** A tenth of the calls takes less. */
  quickMs: number;
  calls: number;
  sumMs: number;
  seen: number;
}

export interface ServiceTimes {
  /** What calls of a method take when there is room, by the method's ordinal; 0 while that is unknown. */
  expectedMs(ordinal: number): number;
  /** What nine calls in ten of a method take at least; 0 while that is unknown. */
  quickMs(ordinal: number): number;
  /** Takes in a call that succeeded. `isPressed`: calls wait because of the load. */
  ended(ordinal: number, latencyMs: number, call: { readonly nowMs: number; readonly isPressed: boolean }): void;
}

/** Calls whose mean is taken; of fewer at first, so that something is known soon. */
const meanOf = 48;
const firstMeanOf = 16;
const generationMs = 15_000;
/** Most methods told apart; further ones have no expectation. */
const maxMethods = 100_000;
/** Calls after which the quick tenth is known. */
const quickAfter = 50;

/** Makes an empty record. */
export function serviceTimes(): ServiceTimes {
  /** Sparse: ordinals count all methods of the process. */
  const methods = new Map<number, Times>();
  return {
    expectedMs: (ordinal) => methods.get(ordinal)?.expectedMs ?? 0,
    quickMs: (ordinal) => {
      const times = methods.get(ordinal);
      return times === undefined || times.seen < quickAfter ? 0 : times.quickMs;
    },
    ended: (ordinal, latencyMs, { nowMs, isPressed }) => {
      let times = methods.get(ordinal);
      if (times === undefined) {
        if (methods.size >= maxMethods) return;
        times = {
          expectedMs: 0, leastMs: Infinity, previousLeastMs: Infinity, generationMs: nowMs, quickMs: latencyMs,
          calls: 0, sumMs: 0, seen: 0,
        };
        methods.set(ordinal, times);
      }
      // Stochastic approximation of the tenth percentile: nine steps up weigh as much as one down.
      const step = times.quickMs * 0.02 + 1e-4;
      times.quickMs = Math.max(0, times.quickMs + (latencyMs < times.quickMs ? -0.9 : 0.1) * step);
      times.seen++;
      times.sumMs += latencyMs;
      if (++times.calls < (times.seen <= firstMeanOf ? firstMeanOf : meanOf)) return;
      const meanMs = times.sumMs / times.calls;
      times.calls = times.sumMs = 0;
      if (nowMs - times.generationMs > generationMs && !isPressed) {
        times.previousLeastMs = times.leastMs;
        times.leastMs = meanMs;
        times.generationMs = nowMs;
      } else if (meanMs < times.leastMs) {
        times.leastMs = meanMs;
      }
      times.expectedMs = Math.max(1e-3, Math.min(times.leastMs, times.previousLeastMs));
    },
  };
}
