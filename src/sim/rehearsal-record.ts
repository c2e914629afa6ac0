/** What a rehearsal keeps of its calls: cells by the caller's region and by second, not the calls themselves. */
import { createHistogram, type Histogram } from "../telemetry/histogram.ts";

/** Calls of one region's clients that were due within one span. */
export interface RehearsalCell {
  offered: number;
  /** Answered well, in time. */
  good: number;
  failed: number;
  /** From the time they were due; failures at their deadline. */
  readonly latency: Histogram;
  /** Where they were served. */
  readonly servedIn: Map<string, number>;
  readonly codes: Map<string, number>;
}

/** Grain at which attempts are counted, for windows that begin anywhere. */
export const attemptGrainMs = 100;
/** Most spans that are kept: of longer rehearsals they last longer. */
const maxSpans = 1_200;

export interface RehearsalRecord {
  readonly seed: number;
  readonly spanMs: number;
  readonly spans: number;
  /** By the region of the callers. */
  readonly cells: ReadonlyMap<string, readonly RehearsalCell[]>;
  /** By the region of the servers: share of their workers that were busy, by span; NaN where there are none. */
  readonly utilisation: ReadonlyMap<string, Float64Array>;
  /** Calls and attempts begun, each `attemptGrainMs`. */
  readonly calls: Float64Array;
  readonly attempts: Float64Array;
  /** Of the whole run. */
  digest: string;
  events: number;
}

export function createRecord(seed: number, durationMs: number, regions: Iterable<string>): RehearsalRecord {
  const spanMs = Math.max(1_000, Math.ceil(durationMs / maxSpans / 1_000) * 1_000);
  const spans = Math.max(1, Math.ceil(durationMs / spanMs));
  const names = [...regions];
  const bins = Math.ceil(durationMs / attemptGrainMs);
  return {
    seed, spanMs, spans,
    cells: new Map(names.map((name) => [name, Array.from({ length: spans }, createCell)])),
    utilisation: new Map(names.map((name) => [name, new Float64Array(spans).fill(NaN)])),
    calls: new Float64Array(bins), attempts: new Float64Array(bins), digest: "", events: 0,
  };
}

function createCell(): RehearsalCell {
  return { offered: 0, good: 0, failed: 0, latency: createHistogram(), servedIn: new Map(), codes: new Map() };
}

/** All that the cells say of the spans that begin between two times, of one region or of all, over all records. */
export function summed(
  records: readonly RehearsalRecord[], region: string | undefined, fromMs: number, untilMs: number,
): RehearsalCell {
  const sum = createCell();
  for (const { cells, spanMs } of records) {
    for (const [name, its] of cells) {
      if (region !== undefined && name !== region) continue;
      for (let i = Math.ceil(fromMs / spanMs); i < its.length && i * spanMs < untilMs; i++) {
        const cell = its[i] as RehearsalCell;
        sum.offered += cell.offered;
        sum.good += cell.good;
        sum.failed += cell.failed;
        sum.latency.merge(cell.latency);
        for (const [where, count] of cell.servedIn) sum.servedIn.set(where, (sum.servedIn.get(where) ?? 0) + count);
        for (const [code, count] of cell.codes) sum.codes.set(code, (sum.codes.get(code) ?? 0) + count);
      }
    }
  }
  return sum;
}

/** Mean utilisation of a region's servers over the spans between two times, over all records. NaN without servers. */
export function meanUtilisation(
  records: readonly RehearsalRecord[], region: string, fromMs: number, untilMs: number,
): number {
  let [sum, count] = [0, 0];
  for (const { utilisation, spanMs } of records) {
    const its = utilisation.get(region) ?? new Float64Array(0);
    for (let i = Math.ceil(fromMs / spanMs); i < its.length && i * spanMs < untilMs; i++) {
      const value = its[i] as number;
      if (Number.isNaN(value)) continue;
      sum += value;
      count++;
    }
  }
  return count === 0 ? NaN : sum / count;
}

/** Attempts for each call within the worst second that begins between two times. */
export function worstAmplification({ calls, attempts }: RehearsalRecord, fromMs: number, untilMs: number): number {
  const window = 1_000 / attemptGrainMs;
  let worst = 0;
  const last = Math.min(calls.length, Math.floor(untilMs / attemptGrainMs)) - window;
  for (let begin = Math.ceil(fromMs / attemptGrainMs); begin <= last; begin++) {
    let [begun, attempted] = [0, 0];
    for (let i = begin; i < begin + window; i++) {
      begun += calls[i] as number;
      attempted += attempts[i] as number;
    }
    // Few calls say little: one retry of three is no storm.
    if (begun >= 20) worst = Math.max(worst, attempted / begun);
  }
  return worst;
}
