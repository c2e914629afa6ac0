import { test } from "node:test";
import type { Registration } from "../core/discovery.ts";
import { nodeRuntime } from "../runtime/node/index.ts";
import type { Runtime } from "../core/runtime.ts";
import { createSimulation } from "../runtime/sim/index.ts";
import { discoveryCases, type DiscoveryHarness, type ServiceFields } from "../testing/discovery.ts";
import { connectRegistry, hostRegistryOn } from "./index.ts";

/** Where the registry listens, and the Runtimes of it and of those who use it. */
interface Place {
  readonly registry: Runtime;
  readonly user: Runtime;
  readonly host: string;
}

async function harness({ registry, user, host }: Place, services: ServiceFields): Promise<DiscoveryHarness> {
  let hosted = await hostRegistryOn(registry, { host, settleMs: 0 });
  const { address } = hosted;
  let up = true;
  // Two processes: what one registers, the other sees.
  const [discovery, registrar] = [connectRegistry(user, { address }), connectRegistry(user, { address })];
  const held = new Map<string, Registration>();

  async function set(all: ServiceFields): Promise<void> {
    if (!up) hosted = await hostRegistryOn(registry, { host, port: Number(address.split(":").at(-1)), settleMs: 0 });
    up = true;
    const wanted = Object.entries(all).flatMap(([name, some]) => some.map((endpoint) => ({ name, endpoint })));
    const keys = new Set(wanted.map((one) => JSON.stringify(one)));
    for (const [key, registration] of held) {
      if (keys.has(key)) continue;
      held.delete(key);
      await registration.close();
    }
    for (const { name, endpoint } of wanted) {
      const key = JSON.stringify({ name, endpoint });
      if (!held.has(key)) held.set(key, registrar.register(name, endpoint));
    }
    await Promise.all([...held.values()].map(({ registered }) => registered));
  }

  await set(services);
  return {
    discovery, registrar, set,
    async breakSource() {
      up = false;
      await hosted.close();
    },
    async close() {
      await Promise.all([discovery.close(), registrar.close()]);
      await hosted.close();
    },
  };
}

const options = { changes: true, failures: true, registrar: true };

const node: Place = { registry: nodeRuntime, user: nodeRuntime, host: "127.0.0.1" };
for (const { name, run } of discoveryCases((services) => harness(node, services), options)) {
  test(`sockets: ${name}`, { timeout: 120_000 }, run);
}

for (const [i] of discoveryCases(() => Promise.reject(new Error("never made")), options).entries()) {
  const simulation = createSimulation({ seed: i, link: { latencyMs: 5, jitterMs: 2, lossRate: 0.01 } });
  const place: Place = { registry: simulation.host("registry"), user: simulation.host("user"), host: "registry" };
  const one = discoveryCases((services) => harness(place, services), options)[i];
  test(`sim: ${one?.name}`, () => simulation.runUntil(one?.run() ?? Promise.resolve(), 60_000));
}
