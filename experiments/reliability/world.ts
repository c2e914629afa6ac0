// A small world with everything that the properties are about: three regions, a shared store of effects, every attempt
// and every call on record.
import * as z from "zod";
import { rpc, service } from "../../src/contract/index.ts";
import { type Discovery, type Picker, RpcError } from "../../src/core/index.ts";
import { memoryReplayStore, replay } from "../../src/replay/index.ts";
import type { CallRecord, EffectRecord } from "../../src/sim/checkers.ts";
import {
  createWorld, type Distribution, exponential, openLoop, type Rate,
  type SimulatedClientOptions, simulatedClient, type SimulatedServer, simulatedServer, type SimulatedWorld,
} from "../../src/sim/index.ts";

export const Ledger = service("ledger.v1.Ledger", {
  read: rpc({ input: z.object({}), output: z.object({}), idempotent: true }),
  pay: rpc({ input: z.object({}), output: z.object({}), idempotent: true, criticality: "critical" }),
  list: rpc({ input: z.object({}), output: z.object({}), idempotent: true, criticality: "sheddable" }),
  add: rpc({ input: z.object({ id: z.string() }), output: z.object({}), idempotent: "keyed" }),
});

export type Method = keyof typeof Ledger.methods;

export interface Attempt {
  readonly atMs: number;
  readonly from: string;
  readonly region: string;
  readonly address: string;
}

/** A call with what its caller can tell of it. */
export interface Call extends CallRecord {
  readonly callerRegion: string;
  readonly method: Method;
  readonly good: boolean;
  /** Its caller was told that it certainly did not happen. */
  readonly refused: boolean;
  /** Milliseconds from when it was due. */
  readonly tookMs: number;
}

export interface LedgerWorld {
  readonly world: SimulatedWorld;
  readonly servers: readonly SimulatedServer[];
  readonly calls: readonly Call[];
  readonly attempts: readonly Attempt[];
  readonly effects: readonly EffectRecord[];
  in(region: string): readonly SimulatedServer[];
}

export interface LedgerOptions {
  readonly seed: number;
  /** Default: one region, named `east`. */
  readonly regions?: readonly string[];
  readonly serversPerRegion?: number;
  /** Default 4. */
  readonly workers?: number;
  readonly work?: Distribution;
  /** Calls a second of each region's caller. */
  readonly rate: number | Rate;
  readonly untilMs: number;
  /** Default 1,000. */
  readonly timeoutMs?: number;
  /** Which method the call of a number is. Default: three writes in ten calls. */
  readonly method?: (index: number) => Method;
  readonly client?: SimulatedClientOptions;
  /** Whether servers report their load. */
  readonly reports?: boolean;
  /** What clients ask instead of the world's discovery, which is believed whatever it says. */
  readonly discovery?: (world: SimulatedWorld) => Discovery;
}

/** Round trips in milliseconds, in the order of the regions. */
const roundTrips = [[0, 1, 35], [0, 2, 70], [1, 2, 150]] as const;

export function createLedgerWorld(options: LedgerOptions): LedgerWorld {
  const { seed, regions = ["east"], serversPerRegion = 4, workers = 4, untilMs, timeoutMs = 1_000 } = options;
  const world = createWorld({ seed, link: { latencyMs: 0.5, jitterMs: 0.05 } });
  for (const [a, b, roundTripMs] of roundTrips) {
    const [left, right] = [regions[a], regions[b]];
    if (left !== undefined && right !== undefined) world.link(left, right, { latencyMs: roundTripMs / 2, jitterMs: 1 });
  }
  const calls: Call[] = [];
  const attempts: Attempt[] = [];
  const effects: EffectRecord[] = [];
  const store = memoryReplayStore();
  const servers = regions.flatMap((region) => Array.from({ length: serversPerRegion }, (_, i) => simulatedServer(
    world, Ledger, {
      host: `${region}-${i}`, region, workers, work: options.work ?? exponential(5), reports: options.reports ?? true,
      // One store for all: the database that effects and records share.
      replay: replay({ store }),
      handlers: {
        add: async ({ id }: { id: string }, context, place) => {
          await place.work(context);
          effects.push({ key: id, atMs: world.nowMs, at: place.server.host });
          return {};
        },
      },
    })));

  for (const region of regions) {
    const recorded = (inner: Picker): Picker => Object.assign(((candidates, context) => {
      const chosen = inner(candidates, context);
      if (chosen !== undefined) {
        const { region: to, address } = chosen.address;
        attempts.push({ atMs: world.nowMs, from: region, region: to, address });
      }
      return chosen;
    }) as Picker, { seesAll: inner.seesAll ?? false });
    const ledger = simulatedClient(world, Ledger, {
      timeoutMs, ...options.client, host: `${region}-caller`, region,
      ...(options.discovery === undefined ? {} : { discovery: options.discovery(world) }),
      routing: (make) => recorded(options.client?.routing?.(make) ?? make()),
    });
    const methodOf = options.method ?? ((index) => (index % 10 < 3 ? "add" : "read"));
    openLoop(world, {
      name: region, rate: options.rate, untilMs,
      call: async (index, dueMs) => {
        const method = methodOf(index);
        const id = `${region} ${index}`;
        let error: RpcError | undefined;
        try {
          await (method === "add" ? ledger.add({ id }) : ledger[method]({}));
        } catch (thrown) {
          error = RpcError.from(thrown);
        }
        const endedMs = world.nowMs;
        const refused = error?.neverStarted === true;
        calls.push({
          id, method, caller: region, callerRegion: region, dueMs, endedMs, deadlineMs: dueMs + timeoutMs,
          outcome: error === undefined ? "acknowledged" : refused ? "refused" : "unknown",
          ...(method === "add" ? { key: id } : {}), ...(error === undefined ? {} : { code: error.code }),
          good: error === undefined, refused, tookMs: endedMs - dueMs,
        });
      },
    });
  }
  return { world, servers, calls, attempts, effects, in: (region) => servers.filter((one) => one.region === region) };
}

/** The share of those that are so, 0 to 1; 1 of none. */
export function shareOf<T>(all: readonly T[], isSo: (one: T) => boolean): number {
  return all.length === 0 ? 1 : all.filter(isSo).length / all.length;
}

/** Those due within a span. */
export function due(calls: readonly Call[], fromMs: number, untilMs: number): readonly Call[] {
  return calls.filter(({ dueMs }) => dueMs >= fromMs && dueMs < untilMs);
}
