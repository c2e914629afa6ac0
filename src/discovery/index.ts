/** Discovery drivers: who serves a name, from the program, from a file, from an engine of others. */
export { cachedDiscovery, type CachedOptions } from "./cached.ts";
export type { CachedSet } from "./cache-format.ts";
export { coalescedDiscovery, type CoalescingOptions } from "./coalesced.ts";
export { combinedDiscovery, type CombinedOptions, type CombinedPart } from "./combined.ts";
export { encodeEntry, readEntry, readEntryValue } from "./entry.ts";
export {
  type Engine, type EngineDiscovery, engineDiscovery, type EngineEntry, type EngineOptions, type EngineView, superseded,
} from "./engine.ts";
export { fileDiscovery, type FileDiscoveryOptions } from "./file.ts";
export { type MemoryDiscovery, memoryDiscovery } from "./memory.ts";
export { type PlausibleDiscovery, plausibleDiscovery, type PlausibleOptions } from "./plausible.ts";
export { type SnapshotCache, snapshotCache, type SnapshotCacheOptions } from "./snapshot-cache.ts";
export { staticDiscovery } from "./static.ts";
export { subsetDiscovery, subsetOf, type SubsetOptions } from "./subset.ts";
export { type DiscoveryView, discoveryView, type ViewOptions, type ViewTools } from "./view.ts";
