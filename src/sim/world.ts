/**
 * A world is a simulation with what servers and clients of Meridian need to live in it: a modelled wire, a registry,
 * and chance by name. `simulatedServer`, `simulatedClient` and `openLoop` fill it.
 */
import type { Random, Runtime } from "../core/runtime.ts";
import type { Protocol } from "../protocol/protocol.ts";
import { programOf, worldOf, worlds } from "../runtime/sim/inside.ts";
import { createSeededRandom } from "../runtime/sim/random.ts";
import { createSimulation, type Simulation, type SimulationOptions } from "../runtime/sim/simulation.ts";
import { simulatedDiscovery, type SimulatedDiscovery, type SimulatedDiscoveryOptions } from "./discovery.ts";
import { noTraffic, type Traffic, trafficOf } from "./messages.ts";
import type { SimulatedServer } from "./server.ts";
import { modelledWire, type WireOptions } from "./wire.ts";

export interface WorldOptions extends SimulationOptions {
  readonly discovery?: SimulatedDiscoveryOptions | undefined;
  readonly wire?: WireOptions | undefined;
}

export interface SimulatedWorld extends Simulation {
  readonly seed: number | string;
  /** What clients of this world speak unless told otherwise. */
  readonly wire: Protocol;
  /** What clients of this world ask, and its servers register in, unless told otherwise. */
  readonly discovery: SimulatedDiscovery;
  /** The servers made by `simulatedServer`, by their host's name. */
  readonly servers: ReadonlyMap<string, SimulatedServer>;
  /** Chance under a name: what one part draws does not depend on what others do. */
  chance(name: string): Random;
  /** What the programs of a host have sent over the modelled wire so far; of all hosts without a name. */
  traffic(host?: string): Readonly<Traffic>;
  /** The share of all handled calls that each server had, 0 to 1, by its host's name. */
  shares(): ReadonlyMap<string, number>;
  /** Runs until `untilMs` in steps, telling how far it is after each. */
  runTelling(untilMs: number, everyMs: number, tell: (progress: Progress) => void): Promise<void>;
}

export interface Progress {
  readonly nowMs: number;
  readonly untilMs: number;
  readonly events: number;
  readonly digest: string;
}

export function createWorld(options: WorldOptions): SimulatedWorld {
  const simulation = createSimulation(options);
  const inside = worldOf(simulation);
  const chances = new Map<string, Random>();
  const more = {
    seed: options.seed,
    wire: modelledWire(options.wire),
    discovery: simulatedDiscovery(simulation, options.discovery),
    servers: new Map<string, SimulatedServer>(),
    chance(name: string): Random {
      let random = chances.get(name);
      if (random === undefined) chances.set(name, random = createSeededRandom(`${options.seed} chance ${name}`));
      return random;
    },
    traffic(name?: string): Traffic {
      const sum = noTraffic();
      for (const host of inside.hosts.values()) {
        if (name !== undefined && host.name !== name) continue;
        const traffic = trafficOf(inside, host);
        for (const key of Object.keys(sum) as (keyof Traffic)[]) sum[key] += traffic[key];
      }
      return sum;
    },
    shares(): ReadonlyMap<string, number> {
      const handled = [...more.servers].map(([host, { figures }]) => [host, figures.handled] as const);
      const sum = handled.reduce((total, [, count]) => total + count, 0);
      return new Map(handled.map(([host, count]) => [host, sum === 0 ? 0 : count / sum]));
    },
    async runTelling(untilMs: number, everyMs: number, tell: (progress: Progress) => void): Promise<void> {
      while (simulation.nowMs < untilMs) {
        await simulation.run(Math.min(untilMs, simulation.nowMs + everyMs));
        const { nowMs, events, digest } = simulation;
        tell({ nowMs, untilMs, events, digest });
      }
    },
  };
  // Getters stay getters.
  const all = Object.defineProperties(more, Object.getOwnPropertyDescriptors(simulation));
  const world = all as unknown as SimulatedWorld;
  worlds.set(world, inside);
  return world;
}

/** The runtime's host, for messages and figures. */
export function hostName(runtime: Runtime): string {
  return programOf(runtime).host.name;
}
