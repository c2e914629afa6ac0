// The compliance suite over a real Redis, and what else is asked of one.
import { after, before, describe, test } from "node:test";
import { redisDiscovery } from "../../src/discovery/redis/index.ts";
import { discoveryCases } from "../../src/testing/discovery.ts";
import type { EngineServer } from "./harness.ts";
import { redis } from "./redis.ts";
import { replaceable } from "./replaceable.ts";

const timeout = 120_000;

describe("Redis", { skip: redis.missing ?? false }, () => {
  let server: EngineServer;
  let prefixes = 0;
  before(async () => {
    server = await redis.start();
  });
  after(() => server?.stop());

  for (const { name, run } of discoveryCases(async (services) => {
    const prefix = `suite-${++prefixes}:`;
    const discovery = redisDiscovery({ url: `redis://${server.address}`, prefix });
    const writer = redisDiscovery({ url: `redis://${server.address}`, prefix });
    const replace = replaceable(writer);
    let isBroken = false;
    await replace(services);
    return {
      discovery, registrar: discovery,
      async set(all) {
        if (isBroken) await server.restart();
        isBroken = false;
        await replace(all);
      },
      async breakSource() {
        isBroken = true;
        await server.kill();
      },
      async close() {
        if (isBroken) await server.restart();
        await Promise.all([discovery.close(), writer.close()]);
      },
    };
  }, { changes: true, failures: true, registrar: true })) {
    test(name, { timeout }, run);
  }
});
