/**
 * A Distribution gives durations of work, in milliseconds, from chance: what a server needs for one call.
 *
 * The fits to Google's RPCs are of the SOSP'23 study of a fleet ("A Cloud-Scale Characterization of Remote Procedure
 * Calls"): medians and 99th percentiles read there, log-normal in between.
 */
import { badOption, numberOption } from "../core/option.ts";
import type { Random } from "../core/runtime.ts";

export interface Distribution {
  /** Exact mean in milliseconds; Infinity where there is none. */
  readonly meanMs: number;
  sample(random: Random): number;
}

/** Always the same. */
export function constant(ms: number): Distribution {
  numberOption("ms", ms, { least: 0, unit: "milliseconds" });
  return { meanMs: ms, sample: () => ms };
}

/** Without memory: what a queue of M/M/1 has. */
export function exponential(meanMs: number): Distribution {
  numberOption("meanMs", meanMs, { least: 0, unit: "milliseconds" });
  return { meanMs, sample: (random) => -Math.log(1 - random.next()) * meanMs };
}

/** Every value between as likely as another. */
export function uniform(leastMs: number, mostMs: number): Distribution {
  numberOption("leastMs", leastMs, { least: 0, unit: "milliseconds" });
  numberOption("mostMs", mostMs, { least: leastMs, unit: "milliseconds" });
  return { meanMs: (leastMs + mostMs) / 2, sample: (random) => leastMs + random.next() * (mostMs - leastMs) };
}

/** Log-normal by its median and the standard deviation of its logarithm. */
export function lognormal(medianMs: number, sigma: number): Distribution {
  numberOption("medianMs", medianMs, { least: 0, unit: "milliseconds" });
  numberOption("sigma", sigma, { least: 0 });
  return {
    meanMs: medianMs * Math.exp(sigma * sigma / 2),
    sample: (random) => medianMs * Math.exp(sigma * normalOf(random)),
  };
}

/** Pareto: at least `leastMs`, and longer than x with probability (leastMs / x)^alpha. */
export function pareto(leastMs: number, alpha: number, mostMs = Infinity): Distribution {
  numberOption("leastMs", leastMs, { least: Number.MIN_VALUE, unit: "milliseconds" });
  numberOption("alpha", alpha, { least: Number.MIN_VALUE });
  if (!(mostMs > leastMs)) throw badOption("mostMs", mostMs, `expected more than leastMs, ${leastMs}`);
  return {
    meanMs: cutParetoMean(leastMs, alpha, mostMs),
    sample: (random) => Math.min(mostMs, leastMs * (1 - random.next()) ** (-1 / alpha)),
  };
}

/** Mean of min(X, most). */
function cutParetoMean(least: number, alpha: number, most: number): number {
  if (most === Infinity) return alpha > 1 ? alpha * least / (alpha - 1) : Infinity;
  if (alpha === 1) return least * (1 + Math.log(most / least));
  return least + least ** alpha * (most ** (1 - alpha) - least ** (1 - alpha)) / (1 - alpha);
}

/** Normal, with what would be negative taken as `leastMs` (Prequal's work has sigma = mu, truncated at 0). */
export function truncatedNormal(muMs: number, sigmaMs: number, leastMs = 0): Distribution {
  numberOption("muMs", muMs, { least: 0, unit: "milliseconds" });
  numberOption("sigmaMs", sigmaMs, { least: 0, unit: "milliseconds" });
  numberOption("leastMs", leastMs, { least: 0, unit: "milliseconds" });
  // Redrawn until it is above the bound: the conditional distribution.
  const a = sigmaMs === 0 ? -Infinity : (leastMs - muMs) / sigmaMs;
  if (a > 4) throw badOption("leastMs", leastMs, "it lies more than 4 sigmas above the mean: hardly anything remains");
  const density = Math.exp(-a * a / 2) / Math.sqrt(2 * Math.PI);
  const meanMs = sigmaMs === 0 ? Math.max(muMs, leastMs) : muMs + sigmaMs * density / (1 - normalShare(a));
  return {
    meanMs,
    sample(random) {
      if (sigmaMs === 0) return meanMs;
      for (;;) {
        const ms = muMs + sigmaMs * normalOf(random);
        if (ms >= leastMs) return ms;
      }
    },
  };
}

/** One of several, by weight. */
export function mixture(parts: readonly (readonly [weight: number, of: Distribution])[]): Distribution {
  if (parts.length === 0) throw badOption("parts", "[]", "expected at least one distribution with its weight");
  const total = parts.reduce((sum, [weight]) => sum + numberOption("weight", weight, { least: 0 }), 0);
  if (total === 0) throw badOption("parts", 0, "all weights are 0");
  return {
    meanMs: parts.reduce((sum, [weight, of]) => (weight === 0 ? sum : sum + weight / total * of.meanMs), 0),
    sample(random) {
      let left = random.next() * total;
      for (const [weight, of] of parts) {
        left -= weight;
        if (left < 0) return of.sample(random);
      }
      return (parts.at(-1) as (typeof parts)[number])[1].sample(random);
    },
  };
}

/** The same, longer or shorter. */
export function scaled(distribution: Distribution, factor: number): Distribution {
  numberOption("factor", factor, { least: 0 });
  return {
    meanMs: distribution.meanMs * factor,
    sample: (random) => distribution.sample(random) * factor,
  };
}

/** Classes of RPCs in Google's fleet, by service time. */
export const googleRpcs: Readonly<Record<"fast" | "typical" | "slow", Distribution>> = Object.freeze({
  /** Median 1 ms. */
  fast: lognormal(1, 0.99),
  /** Median 30 ms, 99th percentile 225 ms. */
  typical: lognormal(30, 0.866),
  /** The slowest 5 % of methods: 1st percentile 166 ms, 99th percentile 5 s. */
  slow: lognormal(911, 0.732),
});

/** Sizes of Google's RPCs in bytes: median 1.5 KB, 99th percentiles 196 KB and 563 KB. */
export const googleBytes: Readonly<Record<"request" | "response", Distribution>> = Object.freeze({
  request: lognormal(1_500, 2.09),
  response: lognormal(1_500, 2.55),
});

/** A standard normal value, by Box and Muller; the second of each pair is not kept, so that streams stay simple. */
export function normalOf(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
}

/** The share of a standard normal below x; Abramowitz and Stegun 7.1.26, to 1e-7. */
function normalShare(x: number): number {
  if (x === -Infinity) return 0;
  const t = 1 / (1 + 0.327_591_1 * Math.abs(x) / Math.SQRT2);
  const series = t * (0.254_829_592 + t * (-0.284_496_736 + t * (1.421_413_741 +
    t * (-1.453_152_027 + t * 1.061_405_429))));
  const erf = 1 - series * Math.exp(-x * x / 2);
  return x < 0 ? (1 - erf) / 2 : (1 + erf) / 2;
}
