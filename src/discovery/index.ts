/** Discovery drivers: who serves a name, from the program, from a file, from a registry. */
export { fileDiscovery, type FileDiscoveryOptions } from "./file.ts";
export { type MemoryDiscovery, memoryDiscovery } from "./memory.ts";
export { staticDiscovery } from "./static.ts";
