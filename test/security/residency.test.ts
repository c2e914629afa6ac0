/** Calls that may not leave their regions do not: by no retry, hedge, fallback, rule or gateway. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient } from "../../src/client/index.ts";
import { RpcError } from "../../src/core/index.ts";
import { memoryDiscovery } from "../../src/discovery/index.ts";
import { byRules, createGateway, createRules } from "../../src/gateway/index.ts";
import { createServer } from "../../src/server/index.ts";
import { Ledger } from "./support.ts";

/** Servers in two regions, that of `eu` failing or slow as is wished; how often each was asked. */
async function twoRegions(eu: "failing" | "slow" | "absent") {
  const discovery = memoryDiscovery();
  const asked = { eu: 0, us: 0 };
  const serve = async (region: "eu" | "us", answer: () => Promise<{ balance: number }>) => {
    const server = createServer({ region, registry: discovery, metrics: false, load: false });
    server.implement(Ledger, {
      read() {
        asked[region]++;
        return answer();
      },
      write: () => ({ balance: 0 }),
      async *watch() {
        yield { balance: 0 };
      },
    });
    await server.listen();
    return server;
  };
  const servers = [await serve("us", () => Promise.resolve({ balance: 1 }))];
  if (eu !== "absent") {
    servers.push(await serve("eu", () => (eu === "failing"
      ? Promise.reject(new RpcError("unavailable", "out of order", { retryable: true }))
      : new Promise((resolve) => void setTimeout(() => resolve({ balance: 2 }), 500)))));
  }
  return { discovery, asked, close: () => Promise.all(servers.map((one) => one.close(0))) };
}

const residency = () => ["eu"];
const hasty = { hedge: { delayMs: 20 }, timeoutMs: 5_000, metrics: false as const };

for (const eu of ["failing", "slow", "absent"] as const) {
  test(`a client: ${eu} servers of the region send nobody elsewhere`, async () => {
    const world = await twoRegions(eu);
    using client = createClient(Ledger, { discovery: world.discovery, region: "eu", regions: { residency }, ...hasty });
    try {
      const outcome = await client.read({ account: "a" })
        .then((value) => value, (error: unknown) => RpcError.from(error));
      assert.equal(RpcError.is(outcome), eu !== "slow");
      assert.equal(world.asked.us, 0);
    } finally {
      await world.close();
    }
  });

  test(`a gateway: ${eu} servers of the region send nobody elsewhere, whatever the client would do`, async () => {
    const world = await twoRegions(eu);
    const gateway = createGateway({
      region: "us", discovery: world.discovery,
      client: { regions: { residency }, hedge: { delayMs: 20 } },
      // Rules that would send elsewhere, and further where nobody is.
      rules: [{ name: "abroad", match: { service: "ledger.*" }, to: { regions: ["us"], fallback: true } }],
    });
    const address = await gateway.listen();
    using client = createClient(Ledger, { address, ...hasty });
    try {
      await client.read({ account: "a" }).catch(() => undefined);
      assert.equal(world.asked.us, 0);
    } finally {
      await gateway.close(0);
      await world.close();
    }
  });

  test(`a client with rules: ${eu} servers of the region send nobody elsewhere`, async () => {
    const world = await twoRegions(eu);
    const rules = createRules([{ name: "abroad", to: { regions: ["us"], fallback: true } }]);
    using client = createClient(Ledger, {
      discovery: world.discovery, region: "us", regions: { residency }, ...hasty,
      routing: (makePicker) => byRules(rules, makePicker),
    });
    try {
      await client.read({ account: "a" }).catch(() => undefined);
      assert.equal(world.asked.us, 0);
    } finally {
      await world.close();
    }
  });
}

test("without the rule of residence the same calls do go elsewhere", async () => {
  const world = await twoRegions("failing");
  using client = createClient(Ledger, { discovery: world.discovery, region: "eu", ...hasty });
  try {
    assert.equal((await client.read({ account: "a" })).balance, 1);
    assert.ok(world.asked.us > 0);
  } finally {
    await world.close();
  }
});
