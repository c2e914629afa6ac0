/** `memoryDiscovery` is a registry within the process: for tests, simulations and examples. */
import type { Discovery, Registrar, Registration } from "../core/discovery.ts";
import { type EndpointAddress, endpointAddress, type EndpointFields } from "../core/endpoint.ts";
import type { RpcError } from "../core/error.ts";
import { Audience } from "./audience.ts";

export interface MemoryDiscovery extends Discovery, Registrar {
  /** Replaces what serves the name, but for what registered itself. */
  set(name: string, endpoints: readonly EndpointFields[]): void;
  /** Tells the name's watchers that something is wrong; what they know stays true. */
  fail(name: string, error: RpcError): void;
}

/** An empty registry. A name that nobody serves has the empty set, since this registry knows everything. */
export function memoryDiscovery(): MemoryDiscovery {
  const audience = new Audience();
  const names = new Map<string, { listed: readonly EndpointAddress[]; registered: Set<EndpointAddress> }>();
  const entry = (name: string) => {
    let found = names.get(name);
    if (found === undefined) names.set(name, found = { listed: [], registered: new Set() });
    return found;
  };
  /** By id: who registers again replaces who was there. */
  const endpointsOf = (name: string): readonly EndpointAddress[] => {
    const found = names.get(name);
    if (found === undefined) return [];
    const all = [...found.listed, ...found.registered];
    return [...new Map(all.map((endpoint) => [endpoint.id, endpoint])).values()];
  };
  const tell = (name: string) => audience.tellName(name, { state: "known", endpoints: endpointsOf(name) });
  return {
    deliberate: true,
    watch(name, watcher) {
      const seat = audience.add(name, watcher);
      seat.tell({ state: "known", endpoints: endpointsOf(name) });
      return seat.leave;
    },
    set(name, endpoints) {
      entry(name).listed = endpoints.map(endpointAddress);
      tell(name);
    },
    fail(name, error) {
      audience.tellName(name, { state: "failed", error });
    },
    register(name, endpoint): Registration {
      const address = endpointAddress(endpoint);
      entry(name).registered.add(address);
      tell(name);
      return {
        registered: Promise.resolve(),
        async close() {
          if (entry(name).registered.delete(address)) tell(name);
        },
      };
    },
  };
}
