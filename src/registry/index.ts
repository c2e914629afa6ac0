/** The embedded registry: `hostRegistry({ port })` runs one, `registry(address)` finds and registers by it. */
import { nodeRuntime } from "../runtime/node/index.ts";
import { connectRegistry, type RegistryClient, type RegistryClientOptions } from "./driver.ts";
import { type HostedRegistry, type HostedRegistryOptions, hostRegistryOn } from "./host.ts";

export { entryLimits } from "../discovery/check.ts";
export { RegistryContract } from "./contract.ts";
export { connectRegistry, type RegistryClient, type RegistryClientOptions } from "./driver.ts";
export { type HostedRegistry, type HostedRegistryOptions, hostRegistryOn } from "./host.ts";
export { createRegistry, type RegistryOptions, type RegistryService } from "./registry.ts";

/** Connects to the registry at an address, on Node's clock, chance and network. */
export function registry(address: string | RegistryClientOptions): RegistryClient {
  return connectRegistry(nodeRuntime, typeof address === "string" ? { address } : address);
}

/** Runs a registry in this process, on Node's clock, chance and network. */
export function hostRegistry(options?: HostedRegistryOptions): Promise<HostedRegistry> {
  return hostRegistryOn(nodeRuntime, options);
}
