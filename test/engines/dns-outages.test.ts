// Discovery by DNS over a bind that is killed, stalled and restarted, holds large sets, and says how long they hold.
import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { EndpointAddress } from "../../src/core/endpoint.ts";
import type { EngineDiscovery } from "../../src/discovery/engine.ts";
import { dnsDiscovery } from "../../src/discovery/dns/index.ts";
import type { EngineProcess } from "./engine-process.ts";
import { dns, startBind, update, zone } from "./dns.ts";

const skip = dns.missing ?? false;
const timeout = 120_000;
const name = "geo.v1.Cities";

interface Watch {
  readonly addresses: () => string[];
  readonly sets: (readonly EndpointAddress[])[];
  readonly failures: Error[];
  until(condition: () => boolean, what: string): Promise<void>;
}

function watch(discovery: EngineDiscovery): Watch {
  const sets: (readonly EndpointAddress[])[] = [];
  const failures: Error[] = [];
  discovery.watch(name, { snapshot: (set) => sets.push(set), failed: (error) => failures.push(error) });
  return {
    sets, failures, addresses: () => (sets.at(-1) ?? []).map(({ address }) => address),
    async until(condition, what) {
      const deadline = performance.now() + 60_000;
      while (!condition()) {
        assert.ok(performance.now() < deadline, `${what} did not come about`);
        await sleep(10);
      }
    },
  };
}

async function onBind(body: (server: EngineProcess) => Promise<void>): Promise<void> {
  const server = await startBind();
  try {
    await body(server);
  } finally {
    await server.stop();
  }
}

describe("dns on a bind in trouble", { skip, concurrency: 1 }, () => {
  for (const trouble of ["killed", "stalled"] as const) {
    test(`while ${trouble} it changes nothing; what changed is seen when it is back`, { timeout }, () =>
      onBind(async (server) => {
        await dns.enter?.(server, name, [{ address: "127.0.0.1:7001" }]);
        const discovery = dns.discovery(server);
        const seen = watch(discovery);
        await seen.until(() => seen.sets.length > 0, "the first set");
        if (trouble === "killed") await server.kill();
        else server.stall();
        await seen.until(() => seen.failures.length > 0, "the failure");
        await sleep(1_000);
        assert.deepEqual(seen.addresses(), ["127.0.0.1:7001"]);
        if (trouble === "killed") await server.restart();
        else server.resume();
        await dns.enter?.(server, name, [{ address: "127.0.0.1:7001" }, { address: "127.0.0.1:7002", region: "eu" }]);
        await seen.until(() => seen.addresses().length === 2, "the second server");
        assert.equal(seen.sets.length, 2);
        await discovery.close();
      }));
  }

  test("a server that lost its zone's data says so with authority: the set is empty", { timeout }, () =>
    onBind(async (server) => {
      await dns.enter?.(server, name, [{ address: "127.0.0.1:7001" }]);
      const discovery = dns.discovery(server);
      const seen = watch(discovery);
      await seen.until(() => seen.addresses().length === 1, "the first set");
      await server.restartEmpty();
      await seen.until(() => seen.addresses().length === 0, "the empty set");
      await dns.enter?.(server, name, [{ address: "127.0.0.1:7003" }]);
      await seen.until(() => seen.addresses()[0] === "127.0.0.1:7003", "the new server");
      await discovery.close();
    }));

  test("two hundred SRV records come by TCP", { timeout }, () => onBind(async (server) => {
    const owner = `_geo-v1-cities._tcp.${zone}`;
    const weights = Array.from({ length: 200 }, (_, i) => i % 7 + 1);
    await update(server.address, [[
      `update add host.${zone} 60 A 127.0.0.1`,
      ...weights.map((weight, i) => `update add ${owner} 60 SRV ${i % 3} ${weight} ${7_000 + i} host.${zone}.`),
    ]]);
    const discovery = dnsDiscovery({ servers: [server.address], domain: zone });
    const seen = watch(discovery);
    await seen.until(() => seen.sets.length > 0, "the set");
    const [set = []] = seen.sets;
    assert.deepEqual(set.map(({ address, weight, priority }) => [address, weight, priority]),
      weights.map((weight, i) => [`127.0.0.1:${7_000 + i}`, weight, i % 3]));
    await discovery.close();
  }));

  test("a change is seen when the time to live is over, not before", { timeout }, () => onBind(async (server) => {
    const owner = `_geo-v1-cities._tcp.${zone}`;
    const set = (port: number): Promise<void> => update(server.address, [[
      `update delete ${owner} SRV`, `update add host.${zone} 60 A 127.0.0.1`,
      `update add ${owner} 4 SRV 0 1 ${port} host.${zone}.`,
    ]]);
    await set(7_001);
    const discovery = dnsDiscovery({ servers: [server.address], domain: zone });
    const startedMs = performance.now();
    const seen = watch(discovery);
    await seen.until(() => seen.sets.length > 0, "the first set");
    await set(7_002);
    await seen.until(() => seen.sets.length > 1, "the change");
    const tookMs = performance.now() - startedMs;
    assert.ok(tookMs >= 3_600, `seen ${tookMs} ms after the first question, of which the answer held for 4 s`);
    assert.deepEqual(seen.addresses(), ["127.0.0.1:7002"]);
    await discovery.close();
  }));
});
