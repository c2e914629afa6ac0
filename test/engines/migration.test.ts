// Moving from one engine to another, as docs/discovery-views.md has it, over two real ones and under calls: none fails.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import * as z from "zod";
import type { Discovery, Registrar } from "../../src/core/discovery.ts";
import { combinedDiscovery } from "../../src/discovery/index.ts";
import { createClient, createServer, rpc, service } from "../../src/index.ts";
import { nodeRuntime } from "../../src/runtime/node/index.ts";
import { etcd } from "./etcd.ts";
import { redis } from "./redis.ts";

const Mover = service("moving.v1.Mover", {
  // Not declared idempotent: a call that is lost may not be hidden by a repeat.
  carry: rpc({ input: z.object({ n: z.int32() }), output: z.object({ n: z.int32(), by: z.string() }) }),
});

async function until(what: string, holds: () => boolean): Promise<void> {
  for (const deadline = performance.now() + 60_000; !holds(); await sleep(10)) {
    if (performance.now() > deadline) throw new Error(`never: ${what}`);
  }
}

test("servers and clients move from etcd to Redis, one by one, and no call fails", {
  skip: etcd.missing ?? redis.missing ?? false, timeout: 180_000,
}, async () => {
  await using things = new AsyncDisposableStack();
  const old = await etcd.start();
  things.defer(() => old.stop());
  const fresh = await redis.start();
  things.defer(() => fresh.stop());

  /** A driver of its own for each, as if it were a process. */
  const driver = (engine: typeof etcd, server: typeof old): Discovery & Registrar => {
    const made = engine.discovery(server, { ttlMs: 2_000 });
    things.defer(() => made.close());
    return made;
  };
  const both = (): Discovery & Registrar =>
    combinedDiscovery(nodeRuntime, { old: driver(etcd, old), fresh: driver(redis, fresh) });

  async function serve(by: string, registry: Registrar) {
    const server = createServer({ registry }).implement(Mover, { carry: ({ n }) => ({ n, by }) });
    things.defer(() => server.close(0));
    return { server, address: await server.listen({ port: 0, host: "127.0.0.1" }) };
  }
  /** Starts the successor, then lets its predecessor finish: a rolling restart. */
  async function roll(predecessor: Awaited<ReturnType<typeof serve>>, by: string, registry: Registrar) {
    const successor = await serve(by, registry);
    await until(`${by} is found`, () => statuses().get(successor.address) === "ready");
    await predecessor.server.close(10_000);
    return successor;
  }

  let servers = [await serve("a", driver(etcd, old)), await serve("b", driver(etcd, old))];
  let client = createClient(Mover, { discovery: driver(etcd, old) });
  things.defer(() => client.$.close(0));
  const statuses = () => new Map(client.$.endpoints().map((one) => [one.address.address, one.status]));
  await until("both are found", () => servers.every(({ address }) => statuses().get(address) === "ready"));

  const failures: string[] = [];
  const by = new Set<string>();
  let calls = 0;
  const over = new AbortController();
  const traffic = (async () => {
    while (!over.signal.aborted) {
      const some = Array.from({ length: 5 }, () => client.carry({ n: ++calls }).then((reply) => void by.add(reply.by),
        (error: unknown) => void failures.push(String(error))));
      await Promise.all(some);
      await sleep(5);
    }
  })();

  /** The next calls are made by a client that reads elsewhere; those under way end where they were made. */
  const rollClient = async (discovery: Discovery): Promise<void> => {
    const before = client;
    const next = createClient(Mover, { discovery });
    const found = () => new Map(next.$.endpoints().map((one) => [one.address.address, one.status]));
    await until("the new client finds everybody", () =>
      servers.every(({ address }) => found().get(address) === "ready"));
    client = next;
    before.$.close(10_000);
  };

  servers = [await roll(servers[0]!, "a2", both()), servers[1]!];
  await rollClient(both());
  servers = [servers[0]!, await roll(servers[1]!, "b2", both())];
  await rollClient(driver(redis, fresh));
  servers = [await roll(servers[0]!, "a3", driver(redis, fresh)), servers[1]!];
  servers = [servers[0]!, await roll(servers[1]!, "b3", driver(redis, fresh))];
  await old.kill();
  await sleep(1_000);

  over.abort();
  await traffic;
  assert.deepEqual(failures, []);
  assert.ok(calls > 100, String(calls));
  assert.deepEqual([...by].sort(), ["a", "a2", "a3", "b", "b2", "b3"]);
});
