/** Servers that hold shards, an authority, and callers that append to lists: a world to reshard, crash and cut. */
import * as z from "zod";
import { createClientOn } from "../../src/client/index.ts";
import { rpc, service } from "../../src/contract/index.ts";
import { type Observer, observeAll, RpcError, type Runtime } from "../../src/core/index.ts";
import { memoryDiscovery } from "../../src/discovery/index.ts";
import {
  authorityHandlers, memoryAuthority, remoteAuthority, type ShardAuthority, type ShardedClient, shardedClient,
  type ShardHost, shardHost, ShardHosts, type ShardLog, type ShardMap, ShardMaps, shardMap, shardPeers,
} from "../../src/distributed/index.ts";
import { createSimulation, type Simulation } from "../../src/runtime/sim/index.ts";
import { createServerOn } from "../../src/server/server.ts";
import type { CallRecord, EffectRecord } from "../../src/sim/checkers.ts";
import type { Operation } from "../../src/sim/check-linearizable.ts";

export const Lists = service("test.v1.Lists", {
  append: rpc({
    input: z.object({ key: z.string(), id: z.string() }), output: z.object({ count: z.int32() }),
    idempotent: "keyed", routeKey: ({ key }) => key,
  }),
  count: rpc({
    input: z.object({ key: z.string() }), output: z.object({ count: z.int32() }),
    safe: true, routeKey: ({ key }) => key,
  }),
  counts: rpc({
    input: z.object({ keys: z.array(z.string()) }), output: z.object({ counts: z.record(z.string(), z.int32()) }),
    safe: true,
  }),
  ids: rpc({
    kind: "server_stream", input: z.object({ keys: z.array(z.string()), after: z.string().default("") }),
    output: z.object({ id: z.string() }), idempotent: true,
  }),
});

export type ListsClient = ShardedClient<typeof Lists>;

/** What survives a process: the entries by shard, as a disk would keep them. */
class Disk implements ShardLog {
  readonly shards = new Map<number, Map<string, string>>();

  load(shard: number): Iterable<readonly [string, string]> {
    return this.shards.get(shard) ?? [];
  }

  commit(shard: number, changes: readonly (readonly [string, string | undefined])[]): void {
    let entries = this.shards.get(shard);
    if (entries === undefined) this.shards.set(shard, entries = new Map());
    for (const [key, value] of changes) {
      if (value === undefined) entries.delete(key);
      else entries.set(key, value);
    }
  }

  drop(shard: number): void {
    this.shards.delete(shard);
  }
}

export interface ShardWorld {
  readonly simulation: Simulation;
  readonly authority: ShardAuthority;
  readonly calls: CallRecord[];
  readonly operations: Operation[];
  readonly events: string[];
  /** The servers that run now. */
  readonly hosts: Map<string, ShardHost<typeof Lists>>;
  client(name: string): { readonly runtime: Runtime; readonly lists: ListsClient };
  start(name: string): Promise<void>;
  crash(name: string): void;
  /** Starts the process again, on the same disk. */
  restart(name: string): Promise<void>;
  /** Calls at `perSecond`, until `toMs`. */
  load(perSecond: number, toMs: number, keys: number): void;
  /** What the lists hold in the end, by the map that counts: each id as often as it is there. */
  effects(): Promise<EffectRecord[]>;
  run<T>(body: Promise<T>, limitMs?: number): Promise<T>;
}

export interface ShardWorldOptions {
  readonly servers: readonly string[];
  readonly shards?: number;
  readonly seed?: number | string;
  readonly handleMs?: number;
  readonly batchEntries?: number;
}

export async function createShardWorld(options: ShardWorldOptions): Promise<ShardWorld> {
  const { servers, shards = 16, seed = 1, handleMs = 1 } = options;
  const simulation = createSimulation({ seed, link: { latencyMs: 0.5, jitterMs: 0.5 } });
  const discovery = memoryDiscovery();
  const disks = new Map<string, Disk>();
  const hosts = new Map<string, ShardHost<typeof Lists>>();
  const clients = new Map<string, { runtime: Runtime; lists: ListsClient }>();
  const calls: CallRecord[] = [];
  const operations: Operation[] = [];
  const events: string[] = [];
  const listed = new Set<string>();
  const observer: Observer = {
    event: (name, fields) => {
      if (name.startsWith("shard.")) events.push(`${Math.round(simulation.nowMs)} ${name} ${JSON.stringify(fields)}`);
    },
  };
  let written: ShardMap = shardMap(servers, shards);
  const authority = memoryAuthority(written, (map) => {
    written = map;
  });
  const run = <T>(body: Promise<T>, limitMs = 300_000) => simulation.runUntil(body, simulation.nowMs + limitMs);

  const remote = (runtime: Runtime): ShardAuthority =>
    remoteAuthority(createClientOn(runtime, ShardMaps, { address: "authority:1" }));
  const peers = (runtime: Runtime) => shardPeers(createClientOn(runtime, ShardHosts, { discovery, view: false }));

  async function serve(name: string, runtime: Runtime): Promise<void> {
    let disk = disks.get(name);
    if (disk === undefined) disks.set(name, disk = new Disk());
    const host = shardHost(runtime, Lists, {
      id: name, log: disk, authority: remote(runtime), peer: peers(runtime), observer,
      keys: { counts: ({ keys }) => keys, ids: ({ keys }) => keys },
      move: { batchEntries: options.batchEntries ?? 8, fenceTimeoutMs: 500 },
    });
    const work = () => new Promise<void>((resolve) =>
      void runtime.clock.after(handleMs * (0.5 + runtime.random.next()), resolve));
    const handlers = host.handlers({
      append: async ({ key, id }, state) => {
        const before = state.get(key);
        await work();
        const ids = before === undefined ? [] : before.split(",");
        ids.push(`${id}@${runtime.clock.now()}`);
        state.set(key, ids.join(","));
        return { count: ids.length };
      },
      count: ({ key }, state) => ({ count: state.get(key)?.split(",").length ?? 0 }),
      counts: async ({ keys }, state) => {
        await work();
        return { counts: Object.fromEntries(keys.map((key) => [key, state.get(key)?.split(",").length ?? 0])) };
      },
      async *ids({ keys, after }, state) {
        const ids = keys.flatMap((key) => state.get(key)?.split(",") ?? []).map((id) => id.split("@")[0] as string);
        for (const id of ids.toSorted()) {
          if (id <= after) continue;
          await work();
          yield { id };
        }
      },
    });
    const server = createServerOn(runtime, { attributes: { owner: name } });
    server.implement(Lists, handlers).implement(ShardHosts, host.service);
    await server.listen({ host: name, port: 1 });
    listed.add(name);
    const all = [...listed].map((owner) => ({ id: owner, address: `${owner}:1`, attributes: { owner } }));
    for (const contract of [Lists, ShardHosts]) discovery.set(contract.name, all);
    hosts.set(name, host);
    await host.start();
  }

  await run(createServerOn(simulation.host("authority")).implement(ShardMaps, authorityHandlers(authority))
    .listen({ host: "authority", port: 1 }));
  await run(Promise.all(servers.map((name) => serve(name, simulation.host(name)))));

  function client(name: string): { runtime: Runtime; lists: ListsClient } {
    let found = clients.get(name);
    if (found === undefined) {
      const runtime = simulation.host(name);
      const plain = createClientOn(runtime, Lists, { discovery, view: false, observer: observeAll() });
      found = { runtime, lists: shardedClient(plain, { map: () => remote(runtime).read(), observer }) };
      clients.set(name, found);
    }
    return found;
  }

  async function append(caller: string, key: string, id: string): Promise<void> {
    const { runtime, lists } = client(caller);
    const startedMs = runtime.clock.now();
    const timeoutMs = 4_000;
    let [outcome, code, count]: [CallRecord["outcome"], string | undefined, number | undefined] =
      ["acknowledged", undefined, undefined];
    try {
      count = (await lists.append({ key, id }, { timeoutMs })).count;
    } catch (thrown) {
      const error = RpcError.from(thrown);
      outcome = error.neverStarted ? "refused" : "unknown";
      code = error.code;
    }
    const endedMs = runtime.clock.now();
    calls.push({
      id, method: "append", caller, key: id, outcome, code,
      dueMs: startedMs, endedMs, deadlineMs: startedMs + timeoutMs,
    });
    // What was refused in the last of several attempts may have happened in one before.
    operations.push({
      object: key, name: "add", argument: 1, answer: count, startedMs,
      endedMs: outcome === "acknowledged" ? endedMs : Infinity, caller,
    });
  }

  async function count(caller: string, key: string): Promise<void> {
    const { runtime, lists } = client(caller);
    const startedMs = runtime.clock.now();
    try {
      const answer = (await lists.count({ key }, { timeoutMs: 2_000 })).count;
      operations.push({ object: key, name: "read", answer, startedMs, endedMs: runtime.clock.now(), caller });
    } catch {
      // A read that failed says nothing.
    }
  }

  return {
    simulation, authority, calls, operations, events, hosts, client, run,
    start: (name) => serve(name, simulation.host(name)),
    crash(name) {
      hosts.delete(name);
      simulation.crash(name);
    },
    restart: (name) => serve(name, simulation.restart(name)),
    load(perSecond, toMs, keys) {
      let made = 0;
      const tick = (dueMs: number): void => {
        if (dueMs >= toMs) return;
        simulation.at(dueMs, () => {
          const caller = `caller-${made % 3}`;
          const key = `key-${Math.floor(simulation.random.next() * keys)}`;
          void (made++ % 4 === 0 ? count(caller, key) : append(caller, key, `id-${made}`));
          tick(dueMs + 1_000 / perSecond);
        });
      };
      tick(simulation.nowMs + 1);
    },
    async effects() {
      const map = await authority.read();
      const found: EffectRecord[] = [];
      map.shards.forEach((owner, shard) => {
        const name = map.owners[owner] as string;
        for (const [key, value] of hosts.get(name)?.entriesOf(shard) ?? disks.get(name)?.load(shard) ?? []) {
          for (const id of value.split(",")) {
            const [effect = "", atMs] = id.split("@");
            found.push({ key: effect, atMs: Number(atMs), at: `${name} ${key}` });
          }
        }
      });
      return found;
    },
  };
}
