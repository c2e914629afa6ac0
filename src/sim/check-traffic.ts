/** Checkers of traffic hold what was called and done against bounds: deadlines, amplification, recovery, waste. */
import { numberOption } from "../core/option.ts";
import { type CallRecord, complaints, type Verdict } from "./checkers.ts";

/**
 * Every call ends, at its deadline at the latest, and nothing is acknowledged later. `graceMs` is the grain of timers:
 * default 1.
 */
export function checkDeadlines(
  calls: readonly CallRecord[], { graceMs = 1 }: { readonly graceMs?: number } = {},
): Verdict {
  const found = complaints("deadlines");
  let latestMs = 0;
  for (const { id, method, dueMs, endedMs, deadlineMs } of calls) {
    if (endedMs === Infinity) found.add(() => `${method} ${id}, due at ${ms(dueMs)}, never ended`);
    else if (endedMs > deadlineMs) latestMs = Math.max(latestMs, endedMs - deadlineMs);
    if (endedMs < Infinity && endedMs > deadlineMs + graceMs) {
      found.add(() => `${method} ${id}, due at ${ms(dueMs)}, ended ${ms(endedMs - deadlineMs)} after its deadline`);
    }
  }
  return found.verdict({ calls: calls.length, latestMs });
}

/** An attempt at one hop: a request that one tier sent to the next. */
export interface AttemptRecord {
  readonly atMs: number;
  /** Which hop, e.g. `web>orders`. */
  readonly hop: string;
  /** Whether it is the first for its call, rather than a retry or a hedge. */
  readonly isFirst: boolean;
}

export interface AmplificationOptions {
  /** Attempts for each first one. Goal of the defaults: 1.2. */
  readonly most: number;
  readonly windowMs?: number;
  /** Attempts that are allowed beyond that however little is called: what a budget grants at least. Default 10. */
  readonly allowance?: number;
}

/** In no window, wherever it begins, has a hop more attempts than `most` times its first ones, and the allowance. */
export function checkAmplification(attempts: readonly AttemptRecord[], options: AmplificationOptions): Verdict {
  const most = numberOption("most", options.most, { least: 1 });
  const windowMs = numberOption("windowMs", options.windowMs ?? 1_000, { least: 1 });
  const allowance = numberOption("allowance", options.allowance ?? 10, { least: 0 });
  const found = complaints("amplification");
  let worst = 0;
  const hops = Map.groupBy(attempts, ({ hop }) => hop);
  for (const [hop, its] of hops) {
    const sorted = its.toSorted((a, b) => a.atMs - b.atMs);
    let [end, firsts] = [0, 0];
    for (const [begin, { atMs, isFirst }] of sorted.entries()) {
      for (let one = sorted[end]; one !== undefined && one.atMs < atMs + windowMs; one = sorted[++end]) {
        if (one.isFirst) firsts++;
      }
      const count = end - begin;
      const allowed = most * firsts + allowance;
      worst = Math.max(worst, Math.max(0, count - allowance) / Math.max(1, firsts));
      // One complaint for a window, not one for each attempt in it.
      if (count > allowed) {
        found.add(() => `${hop}: ${count} attempts for ${firsts} first ones within ${windowMs} ms of ${ms(atMs)}`);
        break;
      }
      if (isFirst) firsts--;
    }
  }
  return found.verdict({ attempts: attempts.length, hops: hops.size, worst });
}

export interface RecoveryOptions {
  /** When the last trouble was over. */
  readonly healedMs: number;
  /** How long it may take. */
  readonly withinMs: number;
  /** Share of the calls due that must be acknowledged in time, 0 to 1. */
  readonly goodput: number;
  /** How finely it is looked at. Default 1,000. */
  readonly windowMs?: number;
  /** Until when; calls due later are not looked at. Default: the last one due. */
  readonly untilMs?: number;
}

/** From `withinMs` after the healing on, every window's goodput is at least the share asked for. */
export function checkRecovery(calls: readonly CallRecord[], options: RecoveryOptions): Verdict {
  const { healedMs, withinMs, windowMs = 1_000 } = options;
  const goodput = numberOption("goodput", options.goodput, { least: 0, most: 1 });
  numberOption("windowMs", windowMs, { least: 1 });
  const found = complaints("recovery");
  const untilMs = options.untilMs ?? calls.reduce((last, { dueMs }) => Math.max(last, dueMs), 0) + 1;
  const windows = new Map<number, { due: number; good: number }>();
  for (const call of calls) {
    if (call.dueMs < healedMs || call.dueMs >= untilMs) continue;
    const index = Math.floor((call.dueMs - healedMs) / windowMs);
    const window = windows.get(index) ?? { due: 0, good: 0 };
    windows.set(index, window);
    window.due++;
    if (isGood(call)) window.good++;
  }
  if (windows.size === 0) found.add(() => `no call is due from ${ms(healedMs)} to ${ms(untilMs)}`);
  let [recoveredAfterMs, least] = [0, 1];
  for (const [index, { due, good }] of windows) {
    const share = good / due;
    if (share < goodput) recoveredAfterMs = Math.max(recoveredAfterMs, (index + 1) * windowMs);
    if (index * windowMs < withinMs) continue;
    least = Math.min(least, share);
    if (share < goodput) {
      found.add(() => `${good} of ${due} calls were good ${ms(index * windowMs)} after the healing`);
    }
  }
  return found.verdict({ recoveredAfterMs, leastGoodput: least });
}

/** Acknowledged in time. */
export function isGood({ outcome, endedMs, deadlineMs }: CallRecord): boolean {
  return outcome === "acknowledged" && endedMs <= deadlineMs;
}

/** Work of a server: what it spent on one attempt, and until when anybody wanted it. */
export interface WorkRecord {
  readonly startedMs: number;
  readonly endedMs: number;
  /** The attempt's deadline, or when it was cancelled if that was earlier. */
  readonly wantedUntilMs: number;
  readonly at?: string | undefined;
}

/** At most the share `most` of the time spent working was spent after nobody wanted the result any more. */
export function checkWastedWork(work: readonly WorkRecord[], options: { readonly most: number }): Verdict {
  const most = numberOption("most", options.most, { least: 0, most: 1 });
  const found = complaints("wasted work");
  let [all, wasted, begunLate] = [0, 0, 0];
  for (const { startedMs, endedMs, wantedUntilMs } of work) {
    all += endedMs - startedMs;
    wasted += Math.max(0, endedMs - Math.max(startedMs, wantedUntilMs));
    if (startedMs >= wantedUntilMs) begunLate++;
  }
  const share = all === 0 ? 0 : wasted / all;
  if (share > most) {
    found.add(() => `${(share * 100).toFixed(1)} % of the work was for nobody, ${begunLate} of ${work.length} pieces ` +
      `begun too late; at most ${most * 100} %`);
  }
  return found.verdict({ share, begunLate, pieces: work.length });
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}
