/** Figures of calls: how many ended how, how long they took from the time they were due, and when. */
import type { Code } from "../core/code.ts";
import type { RpcError } from "../core/error.ts";
import { numberOption } from "../core/option.ts";
import { createHistogram, type Histogram } from "../telemetry/histogram.ts";

/** Calls that were due within one span of time. */
export interface FigureBucket {
  readonly fromMs: number;
  offered: number;
  succeeded: number;
  failed: number;
  /** Calls that ended well within this span, whenever they were due: goodput. */
  good: number;
  /** Latency of those due in this span, failures at their deadline. */
  readonly latency: Histogram;
}

export interface FigureOptions {
  /** Span of the time series, in milliseconds. Default 1,000. */
  readonly bucketMs?: number | undefined;
  /** Calls due earlier are not counted: the time in which things settle. Default 0. */
  readonly fromMs?: number | undefined;
  /** Most buckets that are kept; later calls count in the last one. Default 100,000. */
  readonly maxBuckets?: number | undefined;
}

export interface FigureSummary {
  readonly offered: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly successShare: number;
  readonly byCode: Readonly<Record<string, number>>;
  /** Of all calls, failures at their deadline. */
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

export class Figures {
  readonly bucketMs: number;
  readonly fromMs: number;
  offered = 0;
  succeeded = 0;
  failed = 0;
  /** From the time they were due; failures at their deadline, or when they failed if they had none. */
  readonly latency: Histogram = createHistogram({ precisionBits: 7 });
  /** Of those that succeeded. */
  readonly latencyOfGood: Histogram = createHistogram({ precisionBits: 7 });
  readonly byCode = new Map<Code, number>();
  readonly buckets: FigureBucket[] = [];
  readonly #maxBuckets: number;

  constructor(options: FigureOptions = {}) {
    this.bucketMs = numberOption("bucketMs", options.bucketMs ?? 1_000, { least: 1, unit: "milliseconds" });
    this.fromMs = numberOption("fromMs", options.fromMs ?? 0, { least: 0, unit: "milliseconds" });
    this.#maxBuckets = numberOption("maxBuckets", options.maxBuckets ?? 100_000, { least: 1, whole: true });
  }

  /** A call was due at `dueMs`. */
  begun(dueMs: number): void {
    if (dueMs < this.fromMs) return;
    this.offered++;
    this.bucket(dueMs).offered++;
  }

  /** A call that was due at `dueMs` has ended. A failure counts at `deadlineMs`, if there is one. */
  ended(dueMs: number, endedMs: number, error: RpcError | undefined, deadlineMs = Infinity): void {
    if (error === undefined && endedMs >= this.fromMs) this.bucket(endedMs).good++;
    if (dueMs < this.fromMs) return;
    const bucket = this.bucket(dueMs);
    const latencyMs = (error !== undefined && deadlineMs !== Infinity ? deadlineMs : endedMs) - dueMs;
    this.latency.record(latencyMs);
    bucket.latency.record(latencyMs);
    if (error === undefined) {
      this.succeeded++;
      bucket.succeeded++;
      this.latencyOfGood.record(latencyMs);
    } else {
      this.failed++;
      bucket.failed++;
      this.byCode.set(error.code, (this.byCode.get(error.code) ?? 0) + 1);
    }
  }

  /** The span in which `atMs` lies. */
  bucket(atMs: number): FigureBucket {
    const index = Math.min(this.#maxBuckets - 1, Math.floor(atMs / this.bucketMs));
    while (this.buckets.length <= index) {
      this.buckets.push({
        fromMs: this.buckets.length * this.bucketMs, offered: 0, succeeded: 0, failed: 0, good: 0,
        latency: createHistogram({ precisionBits: 2 }),
      });
    }
    return this.buckets[index] as FigureBucket;
  }

  /** The share of calls that succeeded, 0 to 1; of those that have ended. 1 before the first. */
  get successShare(): number {
    const ended = this.succeeded + this.failed;
    return ended === 0 ? 1 : this.succeeded / ended;
  }

  /** The figures that everybody asks for, as plain data. */
  summary(): FigureSummary {
    const { offered, succeeded, failed, latency } = this;
    return {
      offered, succeeded, failed, successShare: this.successShare, byCode: Object.fromEntries(this.byCode),
      meanMs: latency.mean, p50Ms: latency.quantile(0.5), p90Ms: latency.quantile(0.9), p99Ms: latency.quantile(0.99),
      p999Ms: latency.quantile(0.999), maxMs: latency.max,
    };
  }

  /** Calls a second that ended well between two times, which are rounded to spans. */
  goodput(fromMs: number, untilMs: number): number {
    return this.#sum(fromMs, untilMs, ({ good }) => good) / (untilMs - fromMs) * 1_000;
  }

  /** Calls a second that were due between two times. */
  offeredPerSecond(fromMs: number, untilMs: number): number {
    return this.#sum(fromMs, untilMs, ({ offered }) => offered) / (untilMs - fromMs) * 1_000;
  }

  #sum(fromMs: number, untilMs: number, of: (bucket: FigureBucket) => number): number {
    const first = Math.round(fromMs / this.bucketMs);
    const last = Math.round(untilMs / this.bucketMs);
    return this.buckets.slice(first, last).reduce((sum, bucket) => sum + of(bucket), 0);
  }
}
