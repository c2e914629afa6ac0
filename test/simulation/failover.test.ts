// The forms of failover between real clients and servers in the simulator: nobody's call fails while one takes over.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { type ClientOptions, createClientOn } from "../../src/client/index.ts";
import { rpc, service } from "../../src/contract/index.ts";
import type { EndpointFields, LoadReport } from "../../src/core/index.ts";
import { memoryDiscovery } from "../../src/discovery/index.ts";
import { createSimulation } from "../../src/runtime/sim/index.ts";
import { createServerOn } from "../../src/server/index.ts";

const Who = service("test.v1.Who", {
  ask: rpc({ input: z.object({}), output: z.object({ name: z.string() }), idempotent: true }),
});

const calm: LoadReport = { cpu: 0.2, memory: 0.2, inFlight: 1, callsPerSecond: 50, errorsPerSecond: 0, loopLagMs: 0 };

/** Servers by name, and a client that calls 100 times a second; `phase` tells who answered meanwhile. */
async function world(fields: Readonly<Record<string, Partial<EndpointFields>>>, options: Partial<ClientOptions> = {}) {
  const simulation = createSimulation({ seed: 7, link: { latencyMs: 0.5, jitterMs: 0.3 } });
  const registry = memoryDiscovery();
  const loads = new Map<string, LoadReport>();
  const start = async (name: string, runtime = simulation.host(name)) => {
    const { region, weight, backup, priority, attributes } = fields[name] ?? {};
    const server = createServerOn(runtime, {
      region, weight, backup, priority, attributes, registry, load: () => loads.get(name) ?? calm,
    });
    server.implement(Who, { ask: () => ({ name }) });
    await server.listen({ host: name, port: 1 });
    return server;
  };
  const names = Object.keys(fields);
  const servers = await simulation.runUntil(Promise.all(names.map((name) => start(name))), 5_000);
  const client = createClientOn(simulation.host("client"), Who, { discovery: registry, timeoutMs: 2_000, ...options });
  const failed: string[] = [];
  /** The names of those that answered in this time, of which the first `settleMs` do not count. */
  const phase = async (ms: number, settleMs = 0): Promise<string> => {
    const answered = new Set<string>();
    const fromMs = simulation.nowMs + settleMs;
    const untilMs = simulation.nowMs + ms;
    while (simulation.nowMs < untilMs) {
      const atMs = simulation.nowMs;
      client.ask({}).then(({ name }) => { if (atMs >= fromMs) answered.add(name); },
        (error: Error) => void failed.push(error.message));
      await simulation.run(simulation.nowMs + 10);
    }
    await simulation.run(simulation.nowMs + 50);
    return [...answered].sort().join(" ");
  };
  const server = (name: string) => servers[names.indexOf(name)] as (typeof servers)[number];
  return { simulation, client, phase, failed, loads, start, server };
}

test("N+1: the spare stands in for one of three that died in silence, until that is back", async () => {
  const { simulation, client, phase, failed, start } = await world(
    { a: {}, b: {}, c: {}, spare: { priority: 1 } }, { failover: { overprovisioning: 1 } });
  assert.equal(await phase(1_000), "a b c");
  simulation.crash("a", { isSilent: true });
  assert.equal(await phase(3_000, 600), "b c spare");
  await simulation.runUntil(start("a", simulation.restart("a")), simulation.nowMs + 5_000);
  assert.equal(await phase(20_000, 10_000), "a b c");
  assert.deepEqual(failed, []);
  client.$.close(0);
});

test("a backup takes over when the primary is killed", async () => {
  const { simulation, client, phase, failed } = await world({ a: {}, spare: { backup: true } });
  assert.equal(await phase(1_000), "a");
  simulation.crash("a");
  assert.equal(await phase(2_000, 500), "spare");
  assert.deepEqual(failed, []);
  client.$.close(0);
});

test("a group takes over as a whole when one of two servers of the other dies", async () => {
  const blue = { attributes: { set: "blue" } };
  const green = { attributes: { set: "green" } };
  const { simulation, client, phase, failed } = await world(
    { a: blue, b: blue, x: green, y: green }, { failover: { groups: { by: ["set"], order: ["blue"] } } });
  assert.equal(await phase(1_000), "a b");
  simulation.crash("b", { isSilent: true });
  assert.equal(await phase(2_000, 600), "x y");
  assert.deepEqual(failed, []);
  client.$.close(0);
});

test("a server that drains, and one that an operator drains, get no new calls, and lose none", async () => {
  const { simulation, client, phase, failed, server } = await world({ a: {}, b: {}, c: {} });
  assert.equal(await phase(1_000), "a b c");
  assert.equal(client.$.drain("a:1"), true);
  assert.equal(await phase(1_000), "b c");
  const closed = server("b").close();
  assert.equal(await phase(2_000, 100), "c");
  await simulation.runUntil(closed, simulation.nowMs + 60_000);
  client.$.undrain("a:1");
  assert.equal(await phase(15_000, 5_000), "a c");
  assert.deepEqual(failed, []);
  client.$.close(0);
});

test("a server that reports itself full is spared, is tried again, and is back when it has room", async () => {
  const { client, phase, failed, loads } = await world({ a: {}, b: {}, c: {} });
  assert.equal(await phase(1_000), "a b c");
  loads.set("a", { ...calm, cpu: 0.99 });
  assert.equal(await phase(2_500, 1_000), "b c");
  assert.equal(client.$.endpoints().find(({ address }) => address.id === "a:1")?.status, "busy");
  loads.delete("a");
  assert.equal(await phase(15_000, 5_000), "a b c");
  assert.deepEqual(failed, []);
  client.$.close(0);
});
