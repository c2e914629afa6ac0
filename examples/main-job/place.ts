/**
 * A place is what a process has from where it is: the registry's view of the world, and a network on which
 * other regions are as far away as the table of round trips says.
 */
import type { Discovery, Registrar, Runtime } from "../../src/core/index.ts";
import { registry } from "../../src/registry/index.ts";
import { nodeRuntime } from "../../src/runtime/node/index.ts";
import { withDistance } from "../../src/runtime/sim/distance.ts";
import { roundTripMs } from "./geography.ts";

export interface Place {
  readonly runtime: Runtime;
  readonly discovery: Discovery;
  readonly registrar: Registrar;
}

/** Opens the place of a process in `region`. */
export function openPlace(region: string, registryAddress: string): Place {
  const known = registry(registryAddress);
  const regionsByName = new Map<string, ReadonlyMap<string, string>>();
  /** An address says nothing of where it is, so we remember it from the snapshots that named it. */
  const regionOf = (address: string): string => {
    for (const regions of regionsByName.values()) {
      const found = regions.get(address);
      if (found !== undefined) return found;
    }
    return region;
  };
  const { clock, random, network } = nodeRuntime;
  return {
    registrar: known,
    runtime: {
      clock, random, network: withDistance(network, clock, (address) => roundTripMs(region, regionOf(address)) / 2),
    },
    discovery: {
      watch: (name, watcher) => known.watch(name, {
        snapshot(endpoints) {
          regionsByName.set(name, new Map(endpoints.map((endpoint) => [endpoint.address, endpoint.region])));
          watcher.snapshot(endpoints);
        },
        failed: (error) => watcher.failed?.(error),
      }),
    },
  };
}
