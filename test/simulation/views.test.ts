// What a client does when its engine goes wrong: wiped, moved, away at the start. Calls run throughout.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { type ClientOptions, createClientOn } from "../../src/client/index.ts";
import { rpc, service } from "../../src/contract/index.ts";
import { type Discovery, RpcError, type TextStore, type Watcher } from "../../src/core/index.ts";
import { combinedDiscovery, memoryDiscovery, snapshotCache } from "../../src/discovery/index.ts";
import { createGatewayOn, gatewayServiceName } from "../../src/gateway/index.ts";
import { createSimulation } from "../../src/runtime/sim/index.ts";
import { createServerOn, type Server, type ServerOptions } from "../../src/server/index.ts";

const Echo = service("test.v1.Echo", {
  say: rpc({ input: z.object({ text: z.string() }), output: z.object({ by: z.string() }), idempotent: true }),
});

/** An engine as others run them: what it tells is nobody's purpose, and it can be wiped. */
function engine() {
  const memory = memoryDiscovery();
  const watchers = new Set<Watcher>();
  let isWiped = false;
  const watch: Discovery["watch"] = (name, watcher) => {
    watchers.add(watcher);
    const stop = memory.watch(name, {
      snapshot: (endpoints) => watcher.snapshot(isWiped ? [] : endpoints), failed: (error) => watcher.failed?.(error),
    });
    return () => {
      watchers.delete(watcher);
      stop();
    };
  };
  /** Forgets everybody, and hears from nobody again. */
  const wipe = (): void => {
    isWiped = true;
    for (const watcher of watchers) watcher.snapshot([]);
  };
  return { memory, discovery: { watch, register: memory.register }, wipe };
}

function world(seed = 1) {
  const simulation = createSimulation({ seed, link: { latencyMs: 1, jitterMs: 0.5 } });
  const servers = new Map<string, Server>();
  const serve = async (host: string, options: Partial<ServerOptions> = {}): Promise<string> => {
    const server = createServerOn(simulation.host(host, { region: options.region ?? "" }), options);
    servers.set(host, server);
    server.implement(Echo, { say: () => ({ by: host }) });
    return server.listen({ host, port: 7_001 });
  };
  const events: string[] = [];
  const held: string[] = [];
  const client = (discovery: Discovery, options: Partial<ClientOptions> = {}, host = "client") => createClientOn(
    simulation.host(host), Echo, {
      discovery, retry: false, outliers: false, ...options,
      observer: { event: (name, fields) => {
        events.push(name);
        if (name === "discovery.held") held.push(String(fields["why"]));
      } },
    });
  /** Calls every 5 ms until `untilMs`; counts answers by server, and failures. */
  const load = (echo: ReturnType<typeof client>, untilMs: number) => {
    const outcome = { by: new Map<string, number>(), failures: [] as string[] };
    const tick = (atMs: number): void => {
      if (atMs >= untilMs) return;
      simulation.at(atMs, () => {
        echo.say({ text: "x" }, { timeoutMs: 1_000 }).then(
          ({ by }) => void outcome.by.set(by, (outcome.by.get(by) ?? 0) + 1),
          (error: unknown) => void outcome.failures.push(`${atMs}: ${RpcError.from(error).message}`));
        tick(atMs + 5);
      });
    };
    tick(simulation.nowMs + 5);
    return outcome;
  };
  return { simulation, servers, serve, client, load, events, held };
}

test("a wiped engine takes nobody away who lives, and costs no call; an operator may believe it", async () => {
  const { simulation, serve, client, load, events, held } = world();
  const { memory, discovery } = engine();
  const addresses = await simulation.runUntil(Promise.all(["a", "b", "c"].map((host) => serve(host))), 1_000);
  memory.set(Echo.name, addresses.map((address) => ({ address })));
  const echo = client(discovery);
  const outcome = load(echo, 10_000);
  await simulation.run(2_000);
  memory.set(Echo.name, []);
  await simulation.run(4_000);
  simulation.crash("c");
  await simulation.run(15_000);
  assert.equal(echo.$.endpoints().length, 2, "the one that died meanwhile is gone");
  assert.deepEqual(held, ["nobody is left"]);
  assert.ok(outcome.failures.length <= 1, "at most the call that was at the server that was killed");
  assert.ok((outcome.by.get("a") ?? 0) > 500 && (outcome.by.get("b") ?? 0) > 500);
  echo.$.confirm();
  await simulation.run(15_200);
  assert.equal(echo.$.endpoints().length, 0);
  assert.ok(events.includes("discovery.released"));
});

test("the last server's own shutdown is believed within a moment", async () => {
  const { simulation, serve, servers, client } = world();
  const { discovery } = engine();
  await simulation.runUntil(serve("a", { registry: discovery }), 1_000);
  const echo = client(discovery);
  await simulation.runUntil(echo.say({ text: "x" }), 2_000);
  const closed = servers.get("a")?.close();
  await simulation.run(simulation.nowMs + 1_000);
  await closed;
  assert.equal(echo.$.endpoints().length, 0);
});

test("a view that is switched off believes everything", async () => {
  const { simulation, serve, client } = world();
  const { memory, discovery } = engine();
  memory.set(Echo.name, [{ address: await simulation.runUntil(serve("a"), 1_000) }]);
  const echo = client(discovery, { view: false });
  await simulation.runUntil(echo.say({ text: "x" }), 2_000);
  memory.set(Echo.name, []);
  assert.equal(echo.$.endpoints().length, 0);
});

test("moving from one engine to another loses no call, and no server flaps", async () => {
  const { simulation, serve, client, load, events } = world();
  const [old, fresh] = [engine(), engine()];
  const runtime = simulation.host("client");
  const hosts = ["a", "b", "c"];
  const addresses = await simulation.runUntil(Promise.all(hosts.map((host) => serve(host))), 1_000);
  const fields = addresses.map((address) => ({ address, region: "eu" }));
  const inOld = fields.map((one) => old.discovery.register(Echo.name, one));
  // Clients read both from the beginning of the move; the new engine knows nobody yet.
  const both = combinedDiscovery(runtime, { old: old.discovery, fresh: fresh.discovery });
  const echo = client(both);
  const outcome = load(echo, 9_000);
  await simulation.run(1_500);
  const before = echo.$.endpoints();
  // Servers are restarted one by one to register in both: here the registrations alone, at different times.
  for (const [index, one] of fields.entries()) {
    simulation.at(2_000 + index * 500, () => void fresh.discovery.register(Echo.name, one));
  }
  await simulation.run(5_000);
  for (const [index, one] of inOld.entries()) simulation.at(5_100 + index * 300, () => void one.close());
  await simulation.run(7_000);
  old.memory.fail(Echo.name, new RpcError("unavailable", "the old engine is gone"));
  await simulation.run(10_000);
  assert.deepEqual(outcome.failures, []);
  assert.deepEqual(echo.$.endpoints(), before, "the same endpoints, with the same connections");
  assert.equal(events.filter((one) => one === "discovery.snapshot").length, 1);
  assert.equal([...outcome.by.values()].reduce((sum, count) => sum + count, 0) > 1_500, true);
});

test("a client that starts while the engine is away calls from its cache", async () => {
  const { simulation, serve, client, events } = world();
  const { memory, discovery } = engine();
  const address = await simulation.runUntil(serve("a"), 1_000);
  memory.set(Echo.name, [{ address }]);
  let disk: string | undefined;
  const store: TextStore = {
    path: "cache", read: async () => disk,
    write: async (text) => {
      disk = text;
    },
  };
  const runtime = simulation.host("client");
  const cache = snapshotCache(runtime, store);
  const first = client(discovery, { view: { cache } });
  await simulation.runUntil(first.say({ text: "x" }), 3_000);
  first.$.close(0);
  await simulation.runUntil(cache.close(), 4_000);
  const away: Discovery = { watch: (_name, watcher) => {
    watcher.failed?.(new RpcError("unavailable", "etcd at 10.0.0.1:2379 cannot be reached"));
    return () => {};
  } };
  const second = client(away, { view: { cache: snapshotCache(runtime, store) } });
  const { by } = await simulation.runUntil(second.say({ text: "x" }, { timeoutMs: 1_000 }), 6_000);
  assert.equal(by, "a");
  assert.ok(events.includes("discovery.cached"));
});

test("a gateway whose engine was wiped goes on, in its own region and to the others", async () => {
  const { simulation, serve, client, load, held } = world();
  const { discovery, wipe } = engine();
  for (const region of ["eu", "us"]) {
    for (const zone of ["a", "b"]) {
      await simulation.runUntil(serve(`${region}-${zone}`, { region, zone, registry: discovery }), 1_000);
    }
    const gateway = createGatewayOn(simulation.host(`${region}-gateway`, { region }), {
      region, discovery, registry: discovery, observer: { event: (name, { why }) => {
        if (name === "discovery.held") held.push(String(why));
      } },
    });
    await simulation.runUntil(gateway.listen({ host: `${region}-gateway`, port: 7_000 }), 1_000);
  }
  const echo = client(discovery, { name: gatewayServiceName, region: "eu" });
  const outcome = load(echo, 8_000);
  // What a gateway never watched it cannot keep: both are in use before.
  const there = client(discovery, { name: gatewayServiceName, region: "us" }, "us-client");
  await simulation.runUntil(there.say({ text: "x" }), 2_000);
  await simulation.run(2_000);
  wipe();
  await simulation.run(4_000);
  simulation.crash("eu-a");
  simulation.crash("eu-b");
  await simulation.run(10_000);
  assert.ok(held.length >= 3, String(held));
  assert.ok((outcome.by.get("us-a") ?? 0) + (outcome.by.get("us-b") ?? 0) > 500, "the other region took over");
  assert.ok(outcome.failures.length <= 2, outcome.failures.join("\n"));
});
