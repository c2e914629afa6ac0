/** Three members of a counter that is kept warm, an etcd, and callers, in a simulation; and a check of its own. */
import * as z from "zod";
import { type ClientOf, createClientOn } from "../../src/client/index.ts";
import { rpc, service } from "../../src/contract/index.ts";
import { RpcError, type Runtime } from "../../src/core/index.ts";
import { etcdElectionOn } from "../../src/discovery/etcd/index.ts";
import {
  createStandbyOn, type Standby, type StandbyMode, type StandbyOptions, toPrimaryOn,
} from "../../src/leadership/index.ts";
import { createSimulation, type Simulation } from "../../src/runtime/sim/index.ts";
import { createServerOn } from "../../src/server/index.ts";
import { SimulatedEtcd } from "./simulated-etcd.ts";

export const Ledger = service("test.v1.Ledger", {
  add: rpc({ input: z.object({ id: z.string() }), output: z.object({ total: z.int32() }), idempotent: "keyed" }),
  read: rpc({ input: z.object({}), output: z.object({ ids: z.array(z.string()), by: z.string() }), idempotent: true }),
});

/** A list of ids, each as often as it was added: what is lost or doubled shows. */
export function ledgerState(ids: string[]): StandbyOptions["state"] {
  return {
    snapshot: () => new TextEncoder().encode(JSON.stringify(ids)),
    restore: (bytes) => void ids.splice(0, ids.length, ...JSON.parse(new TextDecoder().decode(bytes)) as string[]),
    apply(change) {
      ids.push(new TextDecoder().decode(change));
      return new TextEncoder().encode(String(ids.length));
    },
  };
}

export const memberNames = ["a", "b", "c"] as const;
export type MemberName = (typeof memberNames)[number];

export interface Event {
  readonly atMs: number;
  readonly member: string;
  readonly name: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface StandbyWorld {
  readonly simulation: Simulation;
  readonly members: Map<MemberName, Standby>;
  readonly events: Event[];
  /** Ids that callers were told are added, and when; and calls that failed. */
  readonly acknowledged: Map<string, number>;
  readonly failures: RpcError[];
  readonly readers: ClientOf<typeof Ledger>;
  start(): Promise<void>;
  begin(name: MemberName): Promise<void>;
  primary(): MemberName | undefined;
  load(perSecond: number, fromMs: number, toMs: number): void;
  /** Throws unless everything acknowledged is there once, and nothing twice. Returns what is there. */
  check(): Promise<readonly string[]>;
  restartEtcd(): void;
}

export interface WorldOptions {
  readonly mode?: StandbyMode;
  /** How much faster than the world a member's clock runs: 1.02 for two percent. */
  readonly rates?: Partial<Record<MemberName, number>>;
  readonly options?: Partial<StandbyOptions>;
  readonly timeoutMs?: number;
  readonly members?: readonly MemberName[];
}

export function createStandbyWorld(seed: number, world: WorldOptions = {}): StandbyWorld {
  const simulation = createSimulation({ seed, link: { latencyMs: 0.5, jitterMs: 0.3 } });
  const { mode = { kind: "semi-synchronous", backups: 1 }, rates = {}, timeoutMs = 20_000 } = world;
  const names = world.members ?? memberNames;
  const etcd = new SimulatedEtcd();
  const events: Event[] = [];
  const members = new Map<MemberName, Standby>();
  const acknowledged = new Map<string, number>();
  const failures: RpcError[] = [];
  const caller = simulation.host("caller");
  const readers = createClientOn(caller, Ledger, {
    address: names.map((name) => `${name}:7001`), timeoutMs, ...toPrimaryOn(caller),
  });

  async function begin(name: MemberName): Promise<void> {
    const host = members.has(name) ? simulation.restart(name) : simulation.host(name);
    const runtime = { ...host, clock: atRate(host.clock, rates[name] ?? 1) };
    const observer = { event: (what: string, fields: Readonly<Record<string, unknown>>) =>
      void events.push({ atMs: simulation.nowMs, member: name, name: what, fields }) };
    const election = etcdElectionOn(runtime, {
      address: "etcd:2379", ttlMs: 3_000, observer, silenceMs: 800, openTimeoutMs: 500,
    });
    const ids: string[] = [];
    const standby = createStandbyOn(runtime, {
      name: "ledger", id: name, address: `${name}:7001`, election, state: ledgerState(ids), mode, observer,
      client: { heartbeatMs: 300, deadAfterMs: 600 }, ...world.options,
    });
    members.set(name, standby);
    const server = createServerOn(host).implement(Ledger, {
      add: async ({ id }, context) => {
        const answer = await standby.change(new TextEncoder().encode(id), { context });
        return { total: Number(new TextDecoder().decode(answer)) };
      },
      read: (_request, context) => standby.read(() => ({ ids: [...ids], by: name }), { context }),
    });
    standby.implementOn(server);
    await server.listen({ host: name, port: 7_001 });
  }

  async function add(id: string): Promise<void> {
    try {
      await readers.add({ id });
      acknowledged.set(id, simulation.nowMs);
    } catch (error) {
      failures.push(RpcError.from(error));
    }
  }

  return {
    simulation, members, events, acknowledged, failures, readers, begin,
    async start() {
      await etcd.serve(simulation.host("etcd"), "etcd");
      await Promise.all(names.map(begin));
    },
    primary: () => names.find((name) => members.get(name)?.isPrimary === true),
    load(perSecond, fromMs, toMs) {
      let count = 0;
      const tick = (dueMs: number): void => {
        if (dueMs >= toMs) return;
        simulation.at(dueMs, () => {
          void add(`call ${count++}`);
          tick(dueMs + 1_000 / perSecond);
        });
      };
      tick(fromMs);
    },
    async check() {
      const { ids } = await simulation.runUntil(readers.read({}), simulation.nowMs + 60_000);
      const seen = new Set<string>();
      for (const id of ids) {
        if (seen.has(id)) throw new Error(`doubled: ${id}`);
        seen.add(id);
      }
      const lost = [...acknowledged.keys()].filter((id) => !seen.has(id));
      if (lost.length > 0) throw new Error(`${lost.length} of ${acknowledged.size} acknowledged lost: ${lost[0]}`);
      return ids;
    },
    restartEtcd: () => void etcd.serve(simulation.restart("etcd"), "etcd"),
  };
}

/** The same clock, running faster or slower than the world's. */
function atRate(clock: Runtime["clock"], rate: number): Runtime["clock"] {
  if (rate === 1) return clock;
  return {
    now: () => clock.now() * rate,
    wallMs: () => clock.wallMs() + clock.now() * (rate - 1),
    set: (alarm, atMs) => clock.set(alarm, atMs / rate),
    clear: (alarm) => clock.clear(alarm),
    after: (delayMs, callback) => clock.after(delayMs / rate, callback),
    defer: (callback) => clock.defer(callback),
  };
}
