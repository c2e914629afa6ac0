import assert from "node:assert/strict";
import { test } from "node:test";
import type { Registration } from "../core/discovery.ts";
import type { EndpointAddress } from "../core/endpoint.ts";
import { createClientOn } from "../client/index.ts";
import { createSimulation } from "../runtime/sim/index.ts";
import { connectRegistry, hostRegistryOn, RegistryContract } from "./index.ts";

const address = "registry:7000";
const name = "geo.v1.Cities";
const seeds = Math.max(3, Math.ceil(Math.min(1_000, Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 50)) / 50));

async function world(seed: number, settleMs: number) {
  const simulation = createSimulation({ seed, link: { latencyMs: 1, jitterMs: 2 } });
  const host = (runtime = simulation.host("registry"), of = settleMs) =>
    simulation.runUntil(hostRegistryOn(runtime, { host: "registry", port: 7000, settleMs: of }),
      simulation.nowMs + 100);
  await host();
  const servers = connectRegistry(simulation.host("servers"), { address });
  return { simulation, host, servers };
}

test("who is told only changes knows the set that is, through churn, new values and a registry's death", async () => {
  for (let seed = 1; seed <= seeds; seed++) {
    const { simulation, host, servers } = await world(seed, 0);
    let told: readonly EndpointAddress[] = [];
    connectRegistry(simulation.host("client"), { address })
      .watch(name, { snapshot: (endpoints) => void (told = endpoints) });
    const entered = new Map<string, { weight: number; registration: Registration }>();
    const step = (): void => {
      const id = `h${Math.floor(simulation.random.next() * 60)}:1`;
      const known = entered.get(id);
      if (known !== undefined && simulation.random.next() < 0.5) {
        entered.delete(id);
        void known.registration.close();
        return;
      }
      const weight = 1 + Math.floor(simulation.random.next() * 5);
      entered.set(id, { weight, registration: servers.register(name, { address: id, weight }) });
      // Or it would be listed again at the end of the later one.
      void known?.registration.close();
    };
    for (let i = 0; i < 400; i++) simulation.at(100 + i * 7 * simulation.random.next() + i * 5, step);
    await simulation.run(1_500);
    await host(simulation.restart("registry"), 1_000);
    await simulation.run(20_000);
    const text = (all: Iterable<readonly [string, number]>): string => [...all].map(String).sort().join(" ");
    assert.equal(text(told.map((one) => [one.id, one.weight])),
      text([...entered].map(([id, one]) => [id, one.weight])), `seed ${seed}`);
  }
});

test("a change is told as one where it is less than the set, and the set to whoever asked for no changes", async () => {
  const { simulation, servers } = await world(1, 0);
  for (let i = 0; i < 100; i++) servers.register(name, { address: `h${i}:1` });
  await simulation.run(1_000);
  const client = createClientOn(simulation.host("client"), RegistryContract, { address });
  const heard = (changes: boolean | undefined) => {
    const parts: { basis: bigint; endpoints: number; removed: number }[] = [];
    void (async () => {
      for await (const part of client.watch({ name, keepaliveMs: 1_000, changes })) {
        if (part.unchanged) continue;
        parts.push({ basis: part.basis, endpoints: part.endpoints.length, removed: part.removed.length });
      }
    })().catch(() => undefined);
    return parts;
  };
  const [asked, plain] = [heard(true), heard(undefined)];
  await simulation.run(2_000);
  const [one, two] = [servers.register(name, { address: "x:1" }), servers.register(name, { address: "y:1" })];
  await simulation.run(3_000);
  void Promise.all([one.close(), two.close()]);
  await simulation.run(4_000);
  assert.equal(asked[0]?.endpoints, 100);
  assert.ok(asked.every(({ basis }, i) => (basis === 0n) === (i === 0)));
  const sum = (of: "endpoints" | "removed"): number => asked.slice(1).reduce((all, part) => all + part[of], 0);
  assert.deepEqual([sum("endpoints"), sum("removed")], [2, 2]);
  assert.ok(plain.every(({ basis, endpoints }) => basis === 0n && endpoints >= 100));
  assert.equal(plain.at(-1)?.endpoints, 100);
  for (let i = 0; i < 80; i++) servers.register(name, { address: `h${i}:1`, weight: 2 });
  await simulation.run(6_000);
  assert.equal(asked.at(-1)?.basis, 0n, "more than half: the set is less");
  assert.equal(asked.at(-1)?.endpoints, 100);
});
