// The Kubernetes driver over the emulator: what every driver owes, and what Kubernetes alone asks for.
import { test } from "node:test";
import { discoveryCases, type ServiceFields } from "../../src/testing/discovery.ts";
import { emulatorDiscovery, slicesOf, startEmulator } from "./kubernetes.ts";

for (const { name, run } of discoveryCases(async (services) => {
  const server = await startEmulator();
  const put = (all: ServiceFields) => server.order({
    do: "put", instead: "", objects: Object.entries(all).flatMap(([one, fields]) => slicesOf(one, fields)),
  });
  await put(services);
  const discovery = emulatorDiscovery(server, { retryMaxMs: 50 });
  let isBroken = false;
  return {
    discovery,
    async set(all) {
      if (isBroken) await server.restart();
      isBroken = false;
      await put(all);
    },
    async breakSource() {
      isBroken = true;
      await server.kill();
    },
    async close() {
      await discovery.close();
      await server.stop();
    },
  };
}, { changes: true, failures: true })) {
  test(`Kubernetes (emulator): ${name}`, { timeout: 60_000 }, run);
}
