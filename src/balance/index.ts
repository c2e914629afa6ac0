/** Balance is the pickers that choose among equals: by turn, by weight, by load, by key, by place. */
export { avoidTried } from "./avoid-tried.ts";
export { c3, type C3Options } from "./c3.ts";
export {
  type ChoicesOptions, errorAware, type ErrorAwareOptions, leastRequests, peakEwma, type PeakEwmaOptions,
  powerOfChoices, type Prefers,
} from "./choices.ts";
export { consistentHash, type ConsistentHashOptions } from "./consistent-hash.ts";
export { derived } from "./derived.ts";
export { dynamicWeighted, type DynamicWeightedOptions } from "./dynamic-weighted.ts";
export { hash32 } from "./hash.ts";
export { random, roundRobin, smoothWeighted, weightedRandom } from "./in-turn.ts";
export { leastDelay, type LeastDelayOptions } from "./least-delay.ts";
export { maglevTable } from "./maglev.ts";
export { type ProbeSpaces, probeSpaces } from "./probe-space.ts";
export {
  distanceKm, geographic, type GeographicOptions, nearest, type NearestOptions, primaryBackup,
} from "./place.ts";
export { prequal, type PrequalOptions } from "./prequal.ts";
export { slowStart, type SlowStartOptions, warmth } from "./slow-start.ts";
