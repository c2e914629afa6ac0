/** Compliance suites, for our implementations and yours, and a network in memory to test on. */
export { type CacheStoreCase, cacheStoreCases, type CacheStoreHarness } from "./cache.ts";
export { type CodecCase, codecCases, type CodecSuiteOptions } from "./codec.ts";
export {
  type CreateDiscoveryHarness, type DiscoveryCase, discoveryCases, type DiscoveryHarness, type DiscoverySuiteOptions,
  type ServiceFields,
} from "./discovery.ts";
export { type ElectionCase, electionCases, type ElectionHarness, type ElectionSuiteOptions } from "./election.ts";
export { inMemory, memoryNetwork } from "./memory-network.ts";
export { type ReplayStoreCase, replayStoreCases, type ReplayStoreHarness } from "./replay.ts";
export { type RuntimeCase, runtimeCases, type RuntimeHarness } from "./runtime.ts";
