/** A simulated registry: what servers announce reaches watchers after a delay, and outlives a crash by a lease. */
import type { Discovery, Registrar, Registration, Watcher } from "../core/discovery.ts";
import { type EndpointAddress, endpointAddress, type EndpointFields } from "../core/endpoint.ts";
import { numberOption } from "../core/option.ts";
import type { Simulation } from "../runtime/sim/simulation.ts";

export interface SimulatedDiscoveryOptions {
  /** How long a change takes to reach watchers, in milliseconds. Default 0: it is known at once. */
  readonly delayMs?: number | undefined;
  /**
   * How long the entry of a server that crashed stays listed, in milliseconds. Default Infinity: the list is static,
   * and what is listed comes back with its server.
   */
  readonly leaseMs?: number | undefined;
}

export interface SimulatedDiscovery extends Discovery, Registrar {
  /** Lists endpoints under a name beside those that register. Replaces what was set before. */
  set(name: string, endpoints: readonly EndpointFields[]): void;
  /** The registry answers nobody from now on: watchers keep what they have. */
  stop(): void;
  /** It is back, and tells everybody what is true now. */
  resume(): void;
  /** Tells all watchers of a name this set instead of the true one, once: a bad push. */
  push(name: string, endpoints: readonly EndpointFields[]): void;
  /** The server behind an entry is gone without a word: its lease runs out. */
  lost(name: string, id: string): void;
}

interface Name {
  readonly listed: Map<string, EndpointAddress>;
  readonly registered: Map<string, EndpointAddress>;
  readonly watchers: Set<Watcher>;
  snapshot: readonly EndpointAddress[] | undefined;
  isTelling: boolean;
}

export function simulatedDiscovery(
  simulation: Pick<Simulation, "at" | "nowMs">, options: SimulatedDiscoveryOptions = {},
): SimulatedDiscovery {
  const delayMs = numberOption("delayMs", options.delayMs ?? 0, { least: 0, unit: "milliseconds" });
  const leaseMs = options.leaseMs ?? Infinity;
  if (leaseMs !== Infinity) numberOption("leaseMs", leaseMs, { least: 0, unit: "milliseconds" });
  const names = new Map<string, Name>();
  let isStopped = false;

  const entry = (name: string): Name => {
    let found = names.get(name);
    if (found === undefined) {
      names.set(name, found = {
        listed: new Map(), registered: new Map(), watchers: new Set(), snapshot: undefined, isTelling: false,
      });
    }
    return found;
  };
  const snapshotOf = (one: Name): readonly EndpointAddress[] =>
    one.snapshot ??= [...new Map([...one.listed, ...one.registered]).values()];
  const tell = (one: Name): void => {
    one.isTelling = false;
    if (isStopped) return;
    const snapshot = snapshotOf(one);
    for (const watcher of [...one.watchers]) watcher.snapshot(snapshot);
  };
  const changed = (one: Name): void => {
    one.snapshot = undefined;
    if (one.isTelling || one.watchers.size === 0) return;
    one.isTelling = true;
    simulation.at(simulation.nowMs + delayMs, () => tell(one));
  };

  return {
    deliberate: true,
    watch(name, watcher) {
      const one = entry(name);
      one.watchers.add(watcher);
      if (isStopped) return () => one.watchers.delete(watcher);
      if (delayMs === 0) watcher.snapshot(snapshotOf(one));
      else {
        simulation.at(simulation.nowMs + delayMs, () => {
          if (one.watchers.has(watcher) && !isStopped) watcher.snapshot(snapshotOf(one));
        });
      }
      return () => one.watchers.delete(watcher);
    },
    register(name, fields): Registration {
      const one = entry(name);
      const address = endpointAddress(fields);
      one.registered.set(address.id, address);
      changed(one);
      return {
        registered: Promise.resolve(),
        async close() {
          if (one.registered.get(address.id) !== address) return;
          one.registered.delete(address.id);
          changed(one);
        },
      };
    },
    set(name, endpoints) {
      const one = entry(name);
      one.listed.clear();
      for (const fields of endpoints) {
        const address = endpointAddress(fields);
        one.listed.set(address.id, address);
      }
      changed(one);
    },
    stop() {
      isStopped = true;
    },
    resume() {
      isStopped = false;
      for (const one of names.values()) changed(one);
    },
    push(name, endpoints) {
      const bad = endpoints.map(endpointAddress);
      for (const watcher of [...entry(name).watchers]) watcher.snapshot(bad);
    },
    lost(name, id) {
      const one = entry(name);
      const address = one.registered.get(id);
      if (address === undefined || leaseMs === Infinity) return;
      simulation.at(simulation.nowMs + leaseMs, () => {
        if (one.registered.get(id) !== address) return;
        one.registered.delete(id);
        changed(one);
      });
    },
  };
}
