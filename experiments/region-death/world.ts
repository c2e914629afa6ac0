// Three regions at the stated distances, some callers in each, 10,000 calls a second at 60 % of what there is.
import * as z from "zod";
import { rpc, service } from "../../src/contract/index.ts";
import type { Picker } from "../../src/core/index.ts";
import {
  createWorld, exponential, Figures, openLoop, type Rate, type SimulatedClientOptions, simulatedClient,
  type SimulatedServer, simulatedServer, type SimulatedWorld, steps,
} from "../../src/sim/index.ts";

export const regions = ["east", "west", "south"] as const;
export type RegionName = (typeof regions)[number];

/** Round trips in milliseconds; within a region it is 1. */
const roundTrips: readonly [RegionName, RegionName, number][] = [
  ["east", "west", 35], ["east", "south", 70], ["west", "south", 150],
];

export const serversPerRegion = 10;
export const workers = 4;
export const workMs = 7.2;
export const callersPerRegion = 3;
/** Calls a second of one region's callers at 60 % of its capacity of 5,556. */
export const regionRate = 3_333;

const Ledger = service("ledger.v1.Ledger", {
  read: rpc({ input: z.object({}), output: z.object({}), idempotent: true }),
  add: rpc({ input: z.object({ id: z.string() }), output: z.object({}), idempotent: "keyed" }),
});

export interface Pick {
  readonly atMs: number;
  readonly from: RegionName;
  /** Where the attempt was sent: its region, and its host. */
  readonly to: string;
  readonly host: string;
}

export interface RegionWorld {
  readonly world: SimulatedWorld;
  readonly serversOf: Readonly<Record<RegionName, readonly SimulatedServer[]>>;
  /** Outcomes of the calls of each region's callers. */
  readonly figures: Readonly<Record<RegionName, Figures>>;
  /** Attempts in the order in which they were sent, while they are recorded. */
  readonly picks: Pick[];
  /** How often the effect of each write was applied; and the writes that were acknowledged. */
  readonly applied: ReadonlyMap<string, number>;
  readonly acknowledged: ReadonlySet<string>;
  readonly attempts: number;
}

export interface RegionWorldOptions {
  readonly seed: number;
  /** How the callers of a region are made. */
  readonly client: (region: RegionName) => SimulatedClientOptions;
  /** Calls a second by region; default: 60 % of the region's capacity. */
  readonly rates?: Partial<Record<RegionName, Rate>>;
  readonly untilMs: number;
  /** Share of all rates, for policies that need not be looked at so closely. Servers become as much slower. */
  readonly scale?: number;
  /** Attempts are recorded from here on. */
  readonly recordFromMs: number;
}

export function createRegionWorld(options: RegionWorldOptions): RegionWorld {
  const { seed, scale = 1, untilMs } = options;
  const world = createWorld({ seed, link: { latencyMs: 0.5, jitterMs: 0.05 } });
  for (const [a, b, roundTripMs] of roundTrips) world.link(a, b, { latencyMs: roundTripMs / 2, jitterMs: 1 });
  const applied = new Map<string, number>();
  const acknowledged = new Set<string>();
  const recorded = new Set<string>();
  const picks: Pick[] = [];
  const attempts = { count: 0 };
  const serve = (region: RegionName, i: number): SimulatedServer => simulatedServer(world, Ledger, {
    host: `${region}-${i}`, region, workers, work: exponential(workMs / scale),
    handlers: {
      // Effect and record in one step, in a database that all regions share: what a replay store has to do.
      add: async (request: { id: string }, context, place) => {
        await place.work(context);
        const key = context.idempotencyKey ?? "";
        if (recorded.has(key)) return {};
        recorded.add(key);
        applied.set(request.id, (applied.get(request.id) ?? 0) + 1);
        return {};
      },
    },
  });
  const of = <T>(make: (region: RegionName) => T) =>
    Object.fromEntries(regions.map((region) => [region, make(region)])) as Record<RegionName, T>;
  const serversOf = of((region) => Array.from({ length: serversPerRegion }, (_, i) => serve(region, i)));
  const figures = of(() => new Figures({ bucketMs: 1_000, fromMs: 3_000 }));

  const recordedPicker = (region: RegionName, picker: Picker): Picker => {
    const recording: Picker = (candidates, context) => {
      const chosen = picker(candidates, context);
      attempts.count++;
      if (chosen !== undefined && world.nowMs >= options.recordFromMs) {
        const { address } = chosen;
        picks.push({ atMs: world.nowMs, from: region, to: address.region, host: address.address });
      }
      return chosen;
    };
    return Object.assign(recording, picker.seesAll === true ? { seesAll: true } : {});
  };
  for (const region of regions) {
    for (let i = 0; i < callersPerRegion; i++) {
      const client = options.client(region);
      const ledger = simulatedClient(world, Ledger, {
        timeoutMs: 1_000, ...client, host: `${region}-caller-${i}`, region,
        routing: (make) => recordedPicker(region, client.routing?.(make) ?? make()),
      });
      const rate = options.rates?.[region] ?? steps([[0, regionRate]]);
      openLoop(world, {
        name: `${region} ${i}`, untilMs, deadlineMs: 1_000, figures: figures[region],
        rate: { most: rate.most * scale / callersPerRegion, at: (ms) => rate.at(ms) * scale / callersPerRegion },
        call: (index) => {
          if (index % 10 >= 3) return ledger.read({});
          const id = `${region} ${i} ${index}`;
          return ledger.add({ id }).then(() => void acknowledged.add(id));
        },
      });
    }
  }
  return {
    world, serversOf, figures, picks, applied, acknowledged,
    get attempts() {
      return attempts.count;
    },
  };
}

/** The hosts of a region's callers. */
export function callersOf(region: RegionName): readonly string[] {
  return Array.from({ length: callersPerRegion }, (_, i) => `${region}-caller-${i}`);
}

/** Writes acknowledged whose effect is nowhere, and effects that were applied more than once. */
export function damage({ applied, acknowledged }: RegionWorld): { readonly lost: number; readonly doubled: number } {
  return {
    lost: [...acknowledged].filter((id) => !applied.has(id)).length,
    doubled: [...applied.values()].filter((times) => times > 1).length,
  };
}
