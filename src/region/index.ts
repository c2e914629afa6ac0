/** Region is the choice of where a call goes: own zone, own region, then the others, by health, load and distance. */
export { failBack, type FailBack, type FailBackOptions, type FailBackState } from "./fail-back.ts";
export type { RegionPicker, RegionPreferenceOptions, RegionView } from "./options.ts";
export { preferRegion } from "./prefer-region.ts";
export {
  healthScore, localityShares, overprovisioningFactor, panics, panicThreshold, priorityLoads, zoneAwareShares,
} from "./priority.ts";
export { regionControl, type RegionControl } from "./region-control.ts";
