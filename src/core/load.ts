/**
 * Load is what one client has seen of one endpoint: plain numbers that pickers read and attempts update.
 *
 * Fields are mutable and public on purpose: a pick reads them by the thousand, so there is no accessor,
 * no event and no allocation between an attempt's end and the next pick.
 */

import { Outstanding } from "./outstanding.ts";

/** What a server says of itself, piggy-backed on replies (the figures of ORCA, gRFC A51). */
export interface LoadReport {
  /** Share of one core per core in use, 0 to 1. */
  readonly cpu: number;
  /** Share of the memory limit in use, 0 to 1. */
  readonly memory: number;
  /** Calls being handled. */
  readonly inFlight: number;
  /** Calls and failed calls a second, over the last reporting interval. */
  readonly callsPerSecond: number;
  readonly errorsPerSecond: number;
  /** How late the event loop runs, in milliseconds. */
  readonly loopLagMs: number;
  /**
   * What a call that comes now would take in the server, in milliseconds: the median of those that lately ended at
   * about so many in flight (Prequal's estimate). Absent or 0 when it is not told.
   */
  readonly latencyMs?: number;
}

export interface Load {
  /** Attempts of ours that have not ended. */
  inFlight: number;
  /** When those of them began that are no streams: its `oldestMs` is what a server that falls silent shows by. */
  readonly outstanding: Outstanding;
  /** Attempts of ours that have ended, and those of them that failed for a reason of the endpoint's. */
  ended: number;
  failed: number;
  /** Peak-sensitive moving average of the round trip in milliseconds (Finagle's peak EWMA); 0 before the first. */
  peakEwmaMs: number;
  /** Clock time of its last update. */
  peakEwmaAtMs: number;
  /** Plain moving average of the round trip in milliseconds, and of failures (0 to 1), per attempt. */
  latencyMs: number;
  failureRate: number;
  /** Failures since the last success. */
  consecutiveFailures: number;
  /** Least round trip that ever came back, in milliseconds: an estimate of the distance. Infinity before. */
  leastRoundTripMs: number;
  /** Round trip of the last ping, in milliseconds; 0 before the first. */
  pingMs: number;
  /** Clock time at which the endpoint came (back) into service: slow start counts from here. */
  readySinceMs: number;
  /** Clock time at which it was last let back after it had been kept out; 0 if it never was. */
  returnedAtMs: number;
  /** The server's own figures and when they came; undefined before the first. */
  report: LoadReport | undefined;
  reportAtMs: number;
  /** Attempts of ours that began since the last report, which cannot have counted them. */
  sinceReport: number;
}

/** A load that has seen nothing. */
export function createLoad(): Load {
  return {
    inFlight: 0, outstanding: new Outstanding(), ended: 0, failed: 0, peakEwmaMs: 0, peakEwmaAtMs: 0, latencyMs: 0,
    failureRate: 0, consecutiveFailures: 0, leastRoundTripMs: Infinity, pingMs: 0, readySinceMs: 0, returnedAtMs: 0,
    report: undefined, reportAtMs: 0, sinceReport: 0,
  };
}

/** Time constant of the peak EWMA: Finagle's default. */
const peakDecayMs = 10_000;
/** Weight of the newest sample in the plain averages. */
const newest = 0.1;

/**
 * Records the end of an attempt. `failed` means a failure that speaks against the endpoint (unavailable,
 * deadline, internal), not an answer the caller did not like. The average of a failure counts its latency at
 * no less than the present average, so that an endpoint that fails fast never looks attractive (the
 * sinkhole).
 *
 * Algorithm: `cost = max(rtt, cost * w + rtt * (1 - w))`, `w = exp(-dt / tau)`; Finagle's PeakEwma.
 */
export function recordAttempt(load: Load, startedMs: number, endedMs: number, failed: boolean): void {
  const roundTripMs = endedMs - startedMs;
  if (!failed) {
    recordSuccess(load, roundTripMs, endedMs);
    return;
  }
  load.ended++;
  load.failureRate += (1 - load.failureRate) * newest;
  load.failed++;
  load.consecutiveFailures++;
  follow(load, roundTripMs < load.peakEwmaMs ? load.peakEwmaMs : roundTripMs, endedMs);
}

/** The same of an attempt that was answered: what nearly all are. */
export function recordSuccess(load: Load, roundTripMs: number, endedMs: number): void {
  load.ended++;
  load.failureRate -= load.failureRate * newest;
  load.consecutiveFailures = 0;
  if (roundTripMs < load.leastRoundTripMs) load.leastRoundTripMs = roundTripMs;
  load.latencyMs = load.latencyMs === 0 ? roundTripMs : load.latencyMs + (roundTripMs - load.latencyMs) * newest;
  follow(load, roundTripMs, endedMs);
}

function follow(load: Load, roundTripMs: number, endedMs: number): void {
  if (roundTripMs >= load.peakEwmaMs) {
    load.peakEwmaMs = roundTripMs;
  } else {
    // exp(-x) is 1 - x to within a thousandth for the usual gap of a few milliseconds, and ten times cheaper.
    const gap = (endedMs - load.peakEwmaAtMs) / peakDecayMs;
    const keep = gap < 0.04 ? 1 - gap : Math.exp(-gap);
    load.peakEwmaMs = load.peakEwmaMs * keep + roundTripMs * (1 - keep);
  }
  load.peakEwmaAtMs = endedMs;
}
