/**
 * Dynamic weights follow what the servers say of themselves: weight = calls per second per utilisation.
 *
 * gRFC A58, weighted_round_robin: https://github.com/grpc/proposal (A58-client-side-weighted-round-robin-lb-policy).
 */
import { type Candidate, type Clock, type Load, numberOption, type Picker, type Runtime } from "../core/index.ts";
import { derived } from "./derived.ts";
import { Schedule } from "./schedule.ts";

export interface DynamicWeightedOptions {
  /** What errors add to utilisation: `errors / calls * penalty`. Default 1. */
  readonly errorUtilisationPenalty?: number;
  /** How long after its first report a server's own weight is not used yet, in milliseconds. Default 10,000. */
  readonly blackoutMs?: number;
  /** Age at which a report is disregarded, in milliseconds. Default 180,000. */
  readonly expiryMs?: number;
  /** How often weights are reckoned anew, in milliseconds. Default 1,000, at least 100. */
  readonly updateMs?: number;
}

/**
 * Weighted turns by reported load. A server without a usable report gets the mean of the others, in proportion to
 * its configured weight; with fewer than two usable reports the configured weights hold.
 */
export function dynamicWeighted(runtime: Pick<Runtime, "clock">, options: DynamicWeightedOptions = {}): Picker {
  const { clock } = runtime;
  const updateMs = numberOption("updateMs", options.updateMs ?? 1_000, { least: 100, unit: "milliseconds" });
  const weightOf = reportedWeight(clock, options);
  let virtualNow = 0;
  const reckon = (candidates: readonly Candidate[]) => ({
    schedule: new Schedule(weights(candidates, weightOf), virtualNow),
    untilMs: clock.now() + updateMs,
  });
  const states = derived((candidates) => ({ current: reckon(candidates) }));
  return (candidates) => {
    const state = states(candidates);
    if (clock.now() >= state.current.untilMs) {
      virtualNow = state.current.schedule.now;
      state.current = reckon(candidates);
    }
    const picked = candidates[state.current.schedule.next()];
    virtualNow = state.current.schedule.now;
    return picked;
  };
}

/** A weight from a server's report, or 0 if it has none that may be used. */
function reportedWeight(clock: Clock, options: DynamicWeightedOptions): (load: Load) => number {
  const errorUtilisationPenalty =
    numberOption("errorUtilisationPenalty", options.errorUtilisationPenalty ?? 1, { least: 0 });
  const blackoutMs = numberOption("blackoutMs", options.blackoutMs ?? 10_000, { least: 0, unit: "milliseconds" });
  const expiryMs = numberOption("expiryMs", options.expiryMs ?? 180_000, { least: 1, unit: "milliseconds" });
  /** Since when each server has been reporting without a gap. */
  const since = new WeakMap<Load, number>();
  return (load) => {
    const { report } = load;
    const now = clock.now();
    if (report === undefined || now - load.reportAtMs >= expiryMs) {
      since.delete(load);
      return 0;
    }
    let firstMs = since.get(load);
    // Coming back into service starts the blackout anew: figures of a cold server mean little.
    if (firstMs === undefined || firstMs < load.readySinceMs) {
      firstMs = Math.max(load.reportAtMs, load.readySinceMs);
      since.set(load, firstMs);
    }
    if (now - firstMs < blackoutMs || report.callsPerSecond <= 0) return 0;
    const errors = (report.errorsPerSecond / report.callsPerSecond) * errorUtilisationPenalty;
    const utilisation = report.cpu + errors;
    return utilisation > 0 ? report.callsPerSecond / utilisation : 0;
  };
}

function weights(candidates: readonly Candidate[], weightOf: (load: Load) => number): Float64Array {
  const weights = new Float64Array(candidates.length);
  let sum = 0;
  let usable = 0;
  let configured = 0;
  candidates.forEach(({ address, load }, i) => {
    configured += address.weight;
    const weight = address.weight > 0 ? weightOf(load) : 0;
    if (weight === 0) return;
    weights[i] = weight;
    sum += weight;
    usable++;
  });
  const hasOwn = usable >= 2;
  const perWeight = hasOwn ? (sum / usable) * (candidates.length / configured) : 1;
  candidates.forEach(({ address }, i) => {
    if (!hasOwn || weights[i] === 0) weights[i] = address.weight * perWeight;
  });
  return weights;
}
