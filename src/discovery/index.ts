/** Discovery drivers: who serves a name, from the program, from a file, from an engine of others. */
export { encodeEntry, readEntry, readEntryValue } from "./entry.ts";
export {
  type Engine, type EngineDiscovery, engineDiscovery, type EngineEntry, type EngineOptions, type EngineView, superseded,
} from "./engine.ts";
export { fileDiscovery, type FileDiscoveryOptions } from "./file.ts";
export { type MemoryDiscovery, memoryDiscovery } from "./memory.ts";
export { staticDiscovery } from "./static.ts";
