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
  /** All of them; undefined after a change. */
  snapshot: readonly EndpointAddress[] | undefined;
  isTelling: boolean;
}

/** Makes an empty one in the time of `simulation`. */
export function simulatedDiscovery(
  simulation: Pick<Simulation, "at" | "nowMs">, options: SimulatedDiscoveryOptions = {},
): SimulatedDiscovery {
  return new Directory(simulation, options);
}

class Directory implements SimulatedDiscovery {
  readonly deliberate = true;
  readonly #simulation: Pick<Simulation, "at" | "nowMs">;
  readonly #delayMs: number;
  readonly #leaseMs: number;
  readonly #names = new Map<string, Name>();
  #isStopped = false;

  constructor(simulation: Pick<Simulation, "at" | "nowMs">, options: SimulatedDiscoveryOptions) {
    this.#simulation = simulation;
    this.#delayMs = numberOption("delayMs", options.delayMs ?? 0, { least: 0, unit: "milliseconds" });
    this.#leaseMs = options.leaseMs ?? Infinity;
    if (this.#leaseMs !== Infinity) numberOption("leaseMs", this.#leaseMs, { least: 0, unit: "milliseconds" });
  }

  #name(name: string): Name {
    let found = this.#names.get(name);
    if (found === undefined) {
      this.#names.set(name, found = {
        listed: new Map(), registered: new Map(), watchers: new Set(), snapshot: undefined, isTelling: false,
      });
    }
    return found;
  }

  #later(afterMs: number, step: () => void): void {
    this.#simulation.at(this.#simulation.nowMs + afterMs, step);
  }

  /** Tells all watchers after the delay; changes until then are told together. */
  #changed(one: Name): void {
    one.snapshot = undefined;
    if (one.isTelling || one.watchers.size === 0) return;
    one.isTelling = true;
    this.#later(this.#delayMs, () => {
      one.isTelling = false;
      if (this.#isStopped) return;
      for (const watcher of [...one.watchers]) watcher.snapshot(snapshotOf(one));
    });
  }

  watch(name: string, watcher: Watcher): () => void {
    const one = this.#name(name);
    one.watchers.add(watcher);
    const first = (): void => {
      if (one.watchers.has(watcher) && !this.#isStopped) watcher.snapshot(snapshotOf(one));
    };
    if (this.#delayMs === 0) first();
    else this.#later(this.#delayMs, first);
    return () => void one.watchers.delete(watcher);
  }

  register(name: string, fields: EndpointFields): Registration {
    const one = this.#name(name);
    const address = endpointAddress(fields);
    one.registered.set(address.id, address);
    this.#changed(one);
    return {
      registered: Promise.resolve(),
      close: async () => this.#remove(one, address),
    };
  }

  #remove(one: Name, address: EndpointAddress): void {
    if (one.registered.get(address.id) !== address) return;
    one.registered.delete(address.id);
    this.#changed(one);
  }

  set(name: string, endpoints: readonly EndpointFields[]): void {
    const one = this.#name(name);
    one.listed.clear();
    for (const fields of endpoints) {
      const address = endpointAddress(fields);
      one.listed.set(address.id, address);
    }
    this.#changed(one);
  }

  stop(): void {
    this.#isStopped = true;
  }

  resume(): void {
    this.#isStopped = false;
    for (const one of this.#names.values()) this.#changed(one);
  }

  push(name: string, endpoints: readonly EndpointFields[]): void {
    const bad = endpoints.map(endpointAddress);
    for (const watcher of [...this.#name(name).watchers]) watcher.snapshot(bad);
  }

  lost(name: string, id: string): void {
    const one = this.#name(name);
    const address = one.registered.get(id);
    if (address === undefined || this.#leaseMs === Infinity) return;
    this.#later(this.#leaseMs, () => this.#remove(one, address));
  }
}

function snapshotOf(one: Name): readonly EndpointAddress[] {
  return one.snapshot ??= [...new Map([...one.listed, ...one.registered]).values()];
}
