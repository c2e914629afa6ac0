/**
 * What happened, in figures: pure functions from the record of every call and attempt to the numbers we report.
 *
 * All times are milliseconds on one clock that every process of the machine shares. A call begins when it was
 * due, not when it was sent, so that a client that stalls cannot hide the wait it caused.
 */

/** One call as its caller saw it. */
export interface CallRecord {
  /** Where the caller is. */
  readonly region: string;
  readonly method: string;
  readonly startedMs: number;
  readonly endedMs: number;
  /** `ok` or the status code it failed with. */
  readonly code: string;
  /** What the error said; empty when there was none. */
  readonly why: string;
  /** The region and zone that answered; empty if none did. */
  readonly servedRegion: string;
  readonly servedZone: string;
  /** The gateway's share of the time: from its arrival there until its answer. Undefined without a gateway. */
  readonly proxyMs: number | undefined;
}

/** One attempt of a call, as its caller's process made it. */
export interface AttemptRecord {
  /** Where the caller is. */
  readonly region: string;
  readonly startedMs: number;
}

export interface Latency {
  readonly calls: number;
  /** Undefined when there was no call. */
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
}

/** The value below or at which a share `q` of the sorted `values` lies (nearest rank). */
export function quantile(values: readonly number[], q: number): number | undefined {
  return values[Math.max(0, Math.ceil(q * values.length) - 1)];
}

/** Median and 99th percentile of the calls that were answered. */
export function latencyOf(calls: readonly CallRecord[], part = totalMs): Latency {
  const times = calls.filter(isAnswered).map(part).filter((ms) => ms !== undefined).sort((a, b) => a - b);
  return { calls: calls.length, p50Ms: quantile(times, 0.5), p99Ms: quantile(times, 0.99) };
}

/** From due until answered. */
export const totalMs = (call: CallRecord): number | undefined => call.endedMs - call.startedMs;
/** The part between the caller and its gateway: the way there and back, and any wait on the caller's side. */
export const clientToProxyMs = (call: CallRecord): number | undefined =>
  call.proxyMs === undefined ? undefined : call.endedMs - call.startedMs - call.proxyMs;
/** The part from the gateway on: the way to the server and back, and the server itself. */
export const proxyToServerMs = (call: CallRecord): number | undefined => call.proxyMs;

export function isAnswered(call: CallRecord): boolean {
  return call.code === "ok";
}

/** What is meant by "the dead region's calls": those in flight at its death or due in the second after it. */
const affectedWindowMs = 1_000;

export interface Failover {
  /** How many calls the death concerned. */
  readonly affected: number;
  /** How long 99 % and all of them waited for an answer from elsewhere; Infinity if one never had it. */
  readonly ms99: number;
  readonly msMax: number;
  /** The share that had an answer from elsewhere within 500 ms, from 0 to 1. */
  readonly movedWithin500MsShare: number;
}

/**
 * How the calls of a dead region's clients found another region.
 *
 * Each wait runs from the death, or from when the call was due if that was later, to an answer from another
 * region. Only calls of the first second count: later ones know where to go, and would only dilute the figure.
 * Calls that the dead region itself still answered need not move and do not count.
 */
export function failover(calls: readonly CallRecord[], region: string, killedMs: number): Failover {
  const affected = calls.filter((call) => call.region === region && call.endedMs >= killedMs &&
    call.startedMs < killedMs + affectedWindowMs && call.servedRegion !== region);
  const waits = affected
    .map((call) => isAnswered(call) ? call.endedMs - Math.max(call.startedMs, killedMs) : Infinity)
    .sort((a, b) => a - b);
  return {
    affected: affected.length,
    ms99: quantile(waits, 0.99) ?? 0,
    msMax: waits[waits.length - 1] ?? 0,
    movedWithin500MsShare: affected.length === 0 ? 1 : waits.filter((ms) => ms <= 500).length / affected.length,
  };
}

export interface Failures {
  readonly failed: number;
  /** Failures that a caller saw one second or more after the death, up to the end of the run. */
  readonly failedAfter1s: number;
  /** Failures among the calls that ended in the ten seconds after the death, as a share of them. */
  readonly failedShareIn10s: number;
  /** By status code. */
  readonly codes: Readonly<Record<string, number>>;
  /** The first few: which call of whose users, when since the death, after how long, and why. */
  readonly first: readonly string[];
}

/** Failures that are listed in full. */
const maxListed = 20;

/** Counts what failed; a failure is dated by when its caller saw it. */
export function failures(calls: readonly CallRecord[], killedMs: number): Failures {
  const failed = calls.filter((call) => !isAnswered(call));
  const in10s = (call: CallRecord): boolean => call.endedMs >= killedMs && call.endedMs < killedMs + 10_000;
  const codes: Record<string, number> = {};
  for (const call of failed) codes[call.code] = (codes[call.code] ?? 0) + 1;
  return {
    failed: failed.length,
    failedAfter1s: failed.filter((call) => call.endedMs >= killedMs + 1_000).length,
    failedShareIn10s: failed.filter(in10s).length / Math.max(1, calls.filter(in10s).length),
    codes,
    first: failed.slice(0, maxListed).map(({ region, method, startedMs, endedMs, why }) => `${region} ${method} at ` +
      `${(startedMs - killedMs).toFixed(0)} ms after ${(endedMs - startedMs).toFixed(0)} ms: ${why}`),
  };
}

export interface ShareWindow {
  /** Since the restoring, in milliseconds. */
  readonly fromMs: number;
  readonly calls: number;
  /** Of those, how many the restored region answered. */
  readonly home: number;
}

/** How many of a region's clients' answers came from their own region, for each second from `fromMs` on. */
export function shareByWindow(
  calls: readonly CallRecord[], region: string, span: { readonly fromMs: number; readonly toMs: number },
): ShareWindow[] {
  const windowMs = 1_000;
  const windows = Array.from({ length: Math.floor((span.toMs - span.fromMs) / windowMs) },
    (_, i) => ({ fromMs: i * windowMs, calls: 0, home: 0 }));
  for (const call of calls) {
    const window = windows[Math.floor((call.startedMs - span.fromMs) / windowMs)];
    if (window === undefined || call.region !== region || !isAnswered(call)) continue;
    window.calls++;
    if (call.servedRegion === region) window.home++;
  }
  return windows;
}

/**
 * Whether the share never falls from any second to any later one, but for chance.
 *
 * Calls choose their region at random while traffic ramps up, so that a share of 50 % out of 100 calls comes out
 * anywhere from 40 to 60. A fall counts when it exceeds three standard errors of the difference of the two
 * shares, which are estimated with one call added each way, lest a share of exactly 1 allow no error at all.
 */
export function isMonotone(windows: readonly ShareWindow[]): boolean {
  return windows.every((later, i) => windows.slice(0, i).every((earlier) => {
    if (earlier.calls === 0 || later.calls === 0) return true;
    const pooled = (earlier.home + later.home + 1) / (earlier.calls + later.calls + 2);
    const standardError = Math.sqrt(pooled * (1 - pooled) * (1 / earlier.calls + 1 / later.calls));
    return later.home / later.calls >= earlier.home / earlier.calls - 3 * standardError;
  }));
}

/** When the share reached 99 % for good, since the restoring; undefined if it did not. */
export function failbackMs(windows: readonly ShareWindow[]): number | undefined {
  const isHome = ({ calls, home }: ShareWindow): boolean => calls > 0 && home >= 0.99 * calls;
  const lastAway = windows.findLastIndex((window) => !isHome(window));
  return windows[lastAway + 1]?.fromMs;
}

/** Starts of the sliding seconds lie this far apart. */
const slideMs = 50;
/** Seconds with fewer calls say nothing: one retry among three calls is no storm. */
const minCallsPerWindow = 20;

/** The most attempts per call that began in any one second, sliding; 1 means that nothing was tried twice. */
export function amplification(calls: readonly CallRecord[], attempts: readonly AttemptRecord[]): number {
  const callStarts = calls.map((call) => call.startedMs).sort((a, b) => a - b);
  const attemptStarts = attempts.map((attempt) => attempt.startedMs).sort((a, b) => a - b);
  const last = (callStarts[callStarts.length - 1] ?? 0) - 1_000;
  let most = 0;
  for (let fromMs = callStarts[0] ?? Infinity; fromMs <= last; fromMs += slideMs) {
    const due = countBetween(callStarts, fromMs, fromMs + 1_000);
    if (due >= minCallsPerWindow) most = Math.max(most, countBetween(attemptStarts, fromMs, fromMs + 1_000) / due);
  }
  return most;
}

/** How many of the sorted `times` lie in [from, to). */
function countBetween(times: readonly number[], from: number, to: number): number {
  return firstIndexFrom(times, to) - firstIndexFrom(times, from);
}

function firstIndexFrom(times: readonly number[], bound: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((times[middle] as number) < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}
