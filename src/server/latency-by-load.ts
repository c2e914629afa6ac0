/**
 * Latency by load: what a call that comes now would take in this server, from those that lately ended at as many in
 * flight (Prequal's latency estimate, Wydrowski et al., NSDI 2024).
 *
 * The paper sorts calls by how many were in flight when they came; here it is how many they leave behind, which a
 * server knows without keeping anything with a call, and which in the long run is the same distribution.
 */
import type { Clock, Observer } from "../core/index.ts";

export interface LatencyByLoad {
  /** A call took so long, ended at `nowMs` (default: now), and left so many in flight. */
  ended(inFlight: number, latencyMs: number, nowMs?: number): void;
  /** The median of the calls that lately ended at about so many in flight, in milliseconds; 0 while none has. */
  at(inFlight: number): number;
  /**
   * Feeds it with the unary calls that `admission` counts. Failures count only if they took longer than usual: who
   * fails at once is not quick.
   */
  observer(admission: { readonly inFlight: number }): Observer;
}

/** Numbers in flight up to this are told apart, above it the quarters of each doubling. */
const exact = 16;
const exactBits = 4;
const perDoubling = 4;
const groups = exact + perDoubling * 12;
/** Calls kept of each group, and how many make an estimate. */
const kept = 8;
const enough = 5;
/** What is older says nothing of the present, in milliseconds. */
const freshMs = 2_000;
/** How many groups to either side are looked at for want of calls in the very one. */
const reach = 4;

/** Makes the estimator of one server. */
export function latencyByLoad(runtime: { readonly clock: Pick<Clock, "now"> }): LatencyByLoad {
  const { clock } = runtime;
  const latencies = new Float64Array(groups * kept);
  const endedAtMs = new Float64Array(groups * kept).fill(-Infinity);
  const next = new Uint8Array(groups);
  const sample = new Float64Array(kept * (2 * reach + 1));
  /** The last latency of all: better than nothing where nothing is fresh. */
  let lastMs = 0;

  const collect = (group: number, count: number, oldestMs: number): number => {
    const from = group * kept;
    for (let i = from; i < from + kept; i++) {
      if ((endedAtMs[i] as number) < oldestMs) continue;
      // Kept in order as they come: a sample is a dozen or two.
      const latencyMs = latencies[i] as number;
      let at = count++;
      for (; at > 0 && (sample[at - 1] as number) > latencyMs; at--) sample[at] = sample[at - 1] as number;
      sample[at] = latencyMs;
    }
    return count;
  };
  const ended = (inFlight: number, latencyMs: number, nowMs: number): void => {
    const group = groupOf(inFlight);
    const turn = next[group] as number;
    const at = group * kept + turn;
    next[group] = (turn + 1) % kept;
    latencies[at] = lastMs = latencyMs;
    endedAtMs[at] = nowMs;
  };
  const at = (inFlight: number): number => {
    const oldestMs = clock.now() - freshMs;
    const group = groupOf(inFlight);
    let count = collect(group, 0, oldestMs);
    for (let step = 1; step <= reach && count < enough; step++) {
      if (group - step >= 0) count = collect(group - step, count, oldestMs);
      if (group + step < groups) count = collect(group + step, count, oldestMs);
    }
    return count === 0 ? lastMs : sample[count >> 1] as number;
  };
  const observer = (admission: { readonly inFlight: number }): Observer => ({
    handled: (context, latencyMs, error) => {
      if (context.method.kind === "unary" && (error === undefined || latencyMs > lastMs)) {
        // When it ended is known by how long it took: a look at the clock would cost more than all the rest.
        ended(admission.inFlight, latencyMs, context.startedMs + latencyMs);
      }
    },
  });
  return { ended: (inFlight, latencyMs, nowMs = clock.now()) => ended(inFlight, latencyMs, nowMs), at, observer };
}

function groupOf(inFlight: number): number {
  if (inFlight < exact) return Math.max(0, inFlight);
  // Its highest bit tells the doubling, the two below it the quarter.
  const doubling = 31 - Math.clz32(inFlight);
  const quarter = (inFlight >> (doubling - 2)) & (perDoubling - 1);
  return Math.min(groups - 1, exact + (doubling - exactBits) * perDoubling + quarter);
}
