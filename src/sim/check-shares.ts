/** Checkers of shares: how traffic is divided over places, and whether it moves smoothly and in one direction. */
import { numberOption } from "../core/option.ts";
import { complaints, type Verdict } from "./checkers.ts";

/** A share of traffic at an instant, 0 to 1. */
export interface ShareSample {
  readonly atMs: number;
  readonly share: number;
}

export interface RampOptions {
  /** Moves smaller than this are noise: a share turns only when it has come back by more. Default 0.05. */
  readonly noise?: number;
  /** How often the share may turn (rise after it fell, or fall after it rose) within `perMs`. Default 1. */
  readonly mostTurns?: number;
  /** Default 60,000. */
  readonly perMs?: number;
  /** Most that the share may move in a second, either way. Default: anything. */
  readonly mostPerSecond?: number;
}

/** The share does not swing: few changes of direction, no jump. With `mostTurns: 0` it is monotone. */
export function checkRamp(samples: readonly ShareSample[], options: RampOptions = {}): Verdict {
  const noise = numberOption("noise", options.noise ?? 0.05, { least: 0, most: 1 });
  const mostTurns = numberOption("mostTurns", options.mostTurns ?? 1, { least: 0, whole: true });
  const perMs = numberOption("perMs", options.perMs ?? 60_000, { least: 1 });
  const mostPerSecond = numberOption("mostPerSecond", options.mostPerSecond ?? 1, { least: 0 });
  const found = complaints("ramp");
  const sorted = samples.toSorted((a, b) => a.atMs - b.atMs);
  const turns = turnsOf(sorted, noise);
  for (let begin = 0; begin + mostTurns < turns.length; begin++) {
    const [first, last] = [turns[begin] as number, turns[begin + mostTurns] as number];
    if (last - first < perMs) {
      found.add(() => `${mostTurns + 1} changes of direction within ${perMs} ms, from ${at(first)} to ${at(last)}`);
    }
  }
  let steepest = 0;
  let begin = 0;
  for (const [end, { atMs, share }] of sorted.entries()) {
    while (begin < end && (sorted[begin] as ShareSample).atMs < atMs - 1_000) begin++;
    const from = sorted[begin] as ShareSample;
    const moved = Math.abs(share - from.share);
    if (moved > mostPerSecond && moved > steepest) {
      found.add(() =>
        `the share moved from ${percent(from.share)} to ${percent(share)} within a second, by ${at(atMs)}`);
    }
    steepest = Math.max(steepest, moved);
  }
  return found.verdict({ turns: turns.length, steepestPerSecond: steepest });
}

/** When the share turned: the times of its extremes, of which noise makes none. */
function turnsOf(samples: readonly ShareSample[], noise: number): number[] {
  const turns: number[] = [];
  let direction = 0;
  let [low, high] = [samples[0], samples[0]];
  for (const one of samples) {
    if (low === undefined || high === undefined) break;
    if (one.share > high.share) high = one;
    if (one.share < low.share) low = one;
    if (direction >= 0 && one.share < high.share - noise) {
      if (direction > 0) turns.push(high.atMs);
      [direction, low] = [-1, one];
      high = one;
    } else if (direction <= 0 && one.share > low.share + noise) {
      if (direction < 0) turns.push(low.atMs);
      [direction, high] = [1, one];
      low = one;
    }
  }
  return turns;
}

/** One call served somewhere. */
export interface ServedRecord {
  readonly atMs: number;
  readonly by: string;
}

export interface LargestShareOptions {
  /** Most that one may have of a window's calls, 0 to 1. */
  readonly most: number;
  readonly windowMs?: number;
  /** Who is looked at. Default: everybody. */
  readonly by?: string;
  /** Calls before this are not looked at. Default 0. */
  readonly fromMs?: number;
  readonly untilMs?: number;
  /** Windows with fewer calls say too little. Default 20. */
  readonly leastCalls?: number;
}

/** Nobody (or not the one named) serves more than a share of any window's calls: no sinkhole, no hot spot. */
export function checkLargestShare(served: readonly ServedRecord[], options: LargestShareOptions): Verdict {
  const most = numberOption("most", options.most, { least: 0, most: 1 });
  const windowMs = numberOption("windowMs", options.windowMs ?? 1_000, { least: 1 });
  const { by, fromMs = 0, untilMs = Infinity, leastCalls = 20 } = options;
  const found = complaints("largest share");
  const windows = new Map<number, Map<string, number>>();
  for (const one of served) {
    if (one.atMs < fromMs || one.atMs >= untilMs) continue;
    const index = Math.floor((one.atMs - fromMs) / windowMs);
    const counts = windows.get(index) ?? new Map<string, number>();
    windows.set(index, counts);
    counts.set(one.by, (counts.get(one.by) ?? 0) + 1);
  }
  let largest = 0;
  for (const [index, counts] of windows) {
    const all = [...counts.values()].reduce((sum, count) => sum + count, 0);
    if (all < leastCalls) continue;
    for (const [who, count] of counts) {
      if (by !== undefined && who !== by) continue;
      largest = Math.max(largest, count / all);
      if (count > most * all) {
        const from = at(fromMs + index * windowMs);
        found.add(() => `${who} served ${count} of ${all} calls in the ${windowMs} ms from ${from}`);
      }
    }
  }
  return found.verdict({ largest, windows: windows.size });
}

function at(ms: number): string {
  return `${ms.toFixed(1)} ms`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
