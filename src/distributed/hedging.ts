/** Hedging is the rule for a second call of a slow target: after which delay, and how often at most. */
import { numberOption, type Runtime } from "../core/index.ts";

export interface HedgeOptions {
  /** The share of this gathering's calls that answer before a second one is begun. Default 0.95. */
  readonly quantile?: number;
  /** A fixed delay instead, in milliseconds. */
  readonly afterMs?: number;
  /** The least delay, in milliseconds. Default 1. */
  readonly leastMs?: number;
  /** Most second calls, relative to the first. Default 0.1; up to ten at once beyond that. */
  readonly maxShare?: number;
}

export interface Hedging {
  /** After so long; undefined while too little is known. */
  delayMs(): number | undefined;
  began(): void;
  ended(latencyMs: number): void;
  /** Whether a second call is within the share. */
  take(): boolean;
}

/** Latencies kept, how many make a quantile, and how often it is reckoned anew. */
const kept = 512;
const fewest = 20;
const refreshEvery = 32;
const burst = 10;

/** The rule of Dean and Barroso, "The Tail at Scale" (2013): after the 95th percentile, within a few per cent. */
export function hedging(_runtime: Pick<Runtime, "clock">, options: HedgeOptions): Hedging {
  const quantile = numberOption("hedge.quantile", options.quantile ?? 0.95, { least: 0.5, most: 0.999 });
  const leastMs = numberOption("hedge.leastMs", options.leastMs ?? 1, { least: 0, unit: "milliseconds" });
  const maxShare = numberOption("hedge.maxShare", options.maxShare ?? 0.1, { least: 0, most: 1 });
  const afterMs = options.afterMs === undefined
    ? undefined
    : numberOption("hedge.afterMs", options.afterMs, { least: 0, unit: "milliseconds" });
  const latencies = new Float64Array(kept);
  let seen = 0;
  let reckonedAt = -refreshEvery;
  let delayMs: number | undefined;
  let tokens = burst;
  return {
    delayMs: () => {
      if (afterMs !== undefined) return afterMs;
      if (seen < fewest) return undefined;
      if (seen - reckonedAt >= refreshEvery) {
        reckonedAt = seen;
        const sorted = latencies.slice(0, Math.min(seen, kept)).sort();
        delayMs = Math.max(leastMs, sorted[Math.floor(quantile * sorted.length)] as number);
      }
      return delayMs;
    },
    began: () => {
      tokens = Math.min(burst, tokens + maxShare);
    },
    ended: (latencyMs) => {
      latencies[seen++ % kept] = latencyMs;
    },
    take: () => {
      if (tokens < 1) return false;
      tokens--;
      return true;
    },
  };
}
