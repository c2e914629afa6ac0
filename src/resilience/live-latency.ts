/**
 * Live latency is what each method takes now: quantiles of its attempts' round trips that follow the present and
 * forget the past, for whoever sets a limit by them (hedges, the age of an attempt that hangs, limits).
 *
 * One histogram a method, as HdrHistogram has it: sixteen steps to each doubling, so that a bucket is found by a count
 * of leading zeros and every quantile is true to 3 %. What is old fades: by half in ten seconds at the default, or with
 * the newest few thousand samples where there are many. An attempt costs an increment; quantiles are read off anew
 * after a share of new samples, never by a timer.
 */
import { badOption, type Clock, type MethodInfo, numberOption } from "../core/index.ts";

export interface LiveLatencyOptions {
  /** Time in which a sample loses half its weight, in milliseconds. Default 10,000. */
  readonly halfLifeMs?: number | undefined;
  /** Most weight of all samples of a method together: beyond, old ones fade faster. Default 10,000. */
  readonly maxSamples?: number | undefined;
  /** Methods kept; others have no statistics. Default 4,096. */
  readonly maxMethods?: number | undefined;
}

/** Quantiles of one method, as they were read off last; of a method without samples, 0. */
export interface MethodLatency {
  /** Samples that still count. */
  readonly samples: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  /** Any other quantile (0 to 1), in milliseconds, read off now: a walk over the buckets, half a microsecond. */
  quantileMs(quantile: number): number;
}

export interface LiveLatency {
  /** Takes in one attempt that took `latencyMs` and ended at `nowMs`. */
  record(method: MethodInfo, latencyMs: number, nowMs: number): void;
  /**
   * Takes in an attempt that was given up after `latencyMs`: it would have taken longer. Counted where it was given up,
   * it leaves every quantile below true; given up early, it tells nothing.
   */
  gaveUp(method: MethodInfo, latencyMs: number, nowMs: number): void;
  /** What is known of a method; undefined before its first attempt. */
  of(method: MethodInfo): MethodLatency | undefined;
}

/** Steps to each doubling, as a power of two. */
const stepBits = 4;
const steps = 1 << stepBits;
/** From 1 microsecond to 35 minutes. */
const doublings = 31;
const buckets = doublings * steps;

/** Makes the statistics of all methods of a client, or of a server. */
export function liveLatency(clock: Clock, options: LiveLatencyOptions = {}): LiveLatency {
  const halfLifeMs = numberOption("halfLifeMs", options.halfLifeMs ?? 10_000,
    { least: 100, most: 86_400_000, unit: "milliseconds" });
  const maxSamples = numberOption("maxSamples", options.maxSamples ?? 10_000, { least: 100, most: 1e9 });
  const maxMethods = numberOption("maxMethods", options.maxMethods ?? 4_096, { least: 1, most: 1e6, whole: true });
  const settings: Settings = { halfLifeMs, maxSamples };
  const methods: (Histogram | undefined)[] = [];
  let count = 0;
  const made = (method: MethodInfo, nowMs: number): Histogram | undefined => {
    if (count >= maxMethods) return undefined;
    count++;
    return methods[method.ordinal] = new Histogram(settings, nowMs);
  };
  return {
    record(method, latencyMs, nowMs) {
      const histogram = methods[method.ordinal] ?? made(method, nowMs);
      histogram?.add(latencyMs, nowMs);
    },
    gaveUp(method, latencyMs, nowMs) {
      const histogram = methods[method.ordinal];
      if (histogram !== undefined && latencyMs > histogram.p95Ms) histogram.add(latencyMs, nowMs);
    },
    of(method) {
      const histogram = methods[method.ordinal];
      histogram?.refreshIfStale(clock.now());
      return histogram;
    },
  };
}

interface Settings {
  readonly halfLifeMs: number;
  readonly maxSamples: number;
}

class Histogram implements MethodLatency {
  readonly #settings: Settings;
  readonly #weights = new Float64Array(buckets);
  /** The buckets outside of these bounds are empty. */
  #lowest = buckets;
  #highest = -1;
  samples = 0;
  p50Ms = 0;
  p95Ms = 0;
  p99Ms = 0;
  /** Samples until the quantiles are read off again. */
  #untilRefresh = 1;
  #fadedAtMs: number;

  constructor(settings: Settings, nowMs: number) {
    this.#settings = settings;
    this.#fadedAtMs = nowMs;
  }

  add(latencyMs: number, nowMs: number): void {
    const bucket = bucketOf(latencyMs);
    const weights = this.#weights;
    weights[bucket] = (weights[bucket] as number) + 1;
    if (bucket < this.#lowest) this.#lowest = bucket;
    if (bucket > this.#highest) this.#highest = bucket;
    this.samples++;
    if (--this.#untilRefresh <= 0) this.#refresh(nowMs);
  }

  /** Whoever asks after a silence gets what a silence makes of it. */
  refreshIfStale(nowMs: number): void {
    if (nowMs - this.#fadedAtMs > this.#settings.halfLifeMs) this.#refresh(nowMs);
  }

  #refresh(nowMs: number): void {
    const { halfLifeMs, maxSamples } = this.#settings;
    let keep = nowMs > this.#fadedAtMs ? 2 ** ((this.#fadedAtMs - nowMs) / halfLifeMs) : 1;
    if (this.samples * keep > maxSamples) keep = maxSamples / this.samples;
    this.#fadedAtMs = Math.max(this.#fadedAtMs, nowMs);
    const weights = this.#weights;
    let total = 0;
    const from = this.#lowest;
    const to = this.#highest;
    this.#lowest = buckets;
    this.#highest = -1;
    for (let bucket = from; bucket <= to; bucket++) {
      const weight = weights[bucket] as number;
      if (weight === 0) continue;
      const kept = weight * keep;
      // What is next to nothing is nothing: a bucket need not be carried on for ever.
      if (kept < 1e-3) {
        weights[bucket] = 0;
        continue;
      }
      total += weights[bucket] = kept;
      if (this.#lowest === buckets) this.#lowest = bucket;
      this.#highest = bucket;
    }
    this.samples = total;
    this.p50Ms = this.quantileMs(0.5);
    this.p95Ms = this.quantileMs(0.95);
    this.p99Ms = this.quantileMs(0.99);
    this.#untilRefresh = Math.min(256, Math.max(8, total / 8));
  }

  quantileMs(quantile: number): number {
    if (!(quantile >= 0 && quantile <= 1)) throw badOption("quantile", quantile, "expected a number from 0 to 1");
    const weights = this.#weights;
    // From above, since what is asked for mostly lies there.
    let above = (1 - quantile) * this.samples;
    for (let bucket = this.#highest; bucket >= 0; bucket--) {
      const weight = weights[bucket] as number;
      if (weight === 0) continue;
      if (above <= weight) return lowerBoundMs(bucket) + widthMs(bucket) * (1 - above / weight);
      above -= weight;
    }
    return 0;
  }
}

/** Below one step's worth of microseconds buckets are a microsecond wide; above, a sixteenth of their doubling. */
function bucketOf(latencyMs: number): number {
  const us = latencyMs * 1_000;
  if (!(us >= steps)) return us > 0 ? us | 0 : 0;
  if (us >= 0x7fffffff) return buckets - 1;
  const whole = us | 0;
  const doubling = 31 - Math.clz32(whole);
  const bucket = ((doubling - stepBits + 1) << stepBits) + ((whole >> (doubling - stepBits)) & (steps - 1));
  return bucket < buckets ? bucket : buckets - 1;
}

function lowerBoundMs(bucket: number): number {
  if (bucket < steps) return bucket / 1_000;
  const doubling = (bucket >> stepBits) + stepBits - 1;
  return (2 ** doubling + (bucket & (steps - 1)) * 2 ** (doubling - stepBits)) / 1_000;
}

function widthMs(bucket: number): number {
  return bucket < steps ? 0.001 : 2 ** ((bucket >> stepBits) - 1) / 1_000;
}
