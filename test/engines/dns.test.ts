// Discovery by DNS over real servers: bind, changed by dynamic update.
import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { discoveryCases, type DiscoveryHarness } from "../../src/testing/discovery.ts";
import { dns, serviceRecords, startBind, update } from "./dns.ts";

const skip = dns.missing ?? false;
const timeout = 120_000;

async function harness(services: Parameters<NonNullable<DiscoveryHarness["set"]>>[0]): Promise<DiscoveryHarness> {
  const server = await startBind();
  const set = async (all: typeof services): Promise<void> => {
    await update(server.address, Object.entries(all).flatMap(([name, endpoints]) => serviceRecords(name, endpoints)));
  };
  try {
    await set(services);
  } catch (error) {
    await server.stop();
    throw error;
  }
  const discovery = dns.discovery(server);
  let isBroken = false;
  return {
    discovery,
    async set(all) {
      if (isBroken) await server.restart();
      isBroken = false;
      await set(all);
    },
    async breakSource() {
      await server.kill();
      isBroken = true;
    },
    async close() {
      await discovery.close();
      await server.stop();
    },
  };
}

describe("dns on bind", { skip }, () => {
  for (const { name, run } of discoveryCases(harness, { changes: true, failures: true })) test(name, { timeout }, run);

  test("is only read", { timeout }, async () => {
    const discovery = dns.discovery({ address: "127.0.0.1:1" } as never);
    assert.throws(() => discovery.register("geo.v1.Cities", { address: "127.0.0.1:1" }), { code: "unimplemented" });
    await discovery.close();
  });
});
