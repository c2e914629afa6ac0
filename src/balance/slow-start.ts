/** Slow start lets a server that has just come into service warm up before it takes its full share. */
import type { Candidate, Context, Picker, Runtime } from "../core/index.ts";

export interface SlowStartOptions {
  /** Time to the full share, in milliseconds. Default 30,000. */
  readonly windowMs?: number;
  /** Share at the beginning. Default 0.1 (Envoy's). */
  readonly minShare?: number;
  /** 1 for a straight ramp; more makes it steeper at the beginning. Default 1 (Envoy's). */
  readonly aggression?: number;
  /**
   * Who warms up: everybody who has come into service, or only those that were let back after they had been kept out
   * (by outlier detection, probes or their load). Default `"all"`.
   */
  readonly of?: "all" | "returned";
}

/** How often another is asked for instead of one that is warming up. */
const asks = 3;

/**
 * Takes a pick of `inner` that is warming up only as often as its ramp says, and asks again otherwise. Works over
 * any picker that does not always give the same answer; when all are warming up nobody is held back.
 */
export function slowStart(
  runtime: Pick<Runtime, "clock" | "random">, options: SlowStartOptions = {},
): (inner: Picker) => Picker {
  const { clock, random } = runtime;
  const windowMs = options.windowMs ?? 30_000;
  const returnedOnly = options.of === "returned";
  return (inner) => {
    const pick = <C extends Candidate>(candidates: readonly C[], context: Context): C | undefined => {
      let picked = inner(candidates, context);
      for (let ask = 0; ask < asks && picked !== undefined; ask++) {
        const sinceMs = returnedOnly ? picked.load.returnedAtMs : picked.load.readySinceMs;
        // Almost everybody was never out: the clock need not be read for them.
        if (returnedOnly && sinceMs === 0) return picked;
        const ageMs = clock.now() - sinceMs;
        if (ageMs >= windowMs || random.next() < warmth(ageMs, options)) return picked;
        picked = inner(candidates, context) ?? picked;
      }
      return picked;
    };
    return Object.assign(pick, { seesAll: inner.seesAll ?? false, explain: inner.explain });
  };
}

/** The share of its full load that a server takes so long after it came into service (Envoy's slow start). */
export function warmth(ageMs: number, options: SlowStartOptions = {}): number {
  const { windowMs = 30_000, minShare = 0.1, aggression = 1 } = options;
  if (ageMs >= windowMs) return 1;
  return Math.max(minShare, (Math.max(0, ageMs) / windowMs) ** (1 / aggression));
}
