/** Compliance suites: what every implementation of a word must do, for ours and for yours. */
export { type CodecCase, codecCases, type CodecSuiteOptions } from "./codec.ts";
export {
  type CreateDiscoveryHarness, type DiscoveryCase, discoveryCases, type DiscoveryHarness, type DiscoverySuiteOptions,
  type ServiceFields,
} from "./discovery.ts";
export { type RuntimeCase, runtimeCases, type RuntimeHarness } from "./runtime.ts";
