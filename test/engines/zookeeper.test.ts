// The compliance suite over a real ZooKeeper, and what else is asked of one.
import { after, before, describe, test } from "node:test";
import { zookeeperDiscovery } from "../../src/discovery/zookeeper/index.ts";
import { discoveryCases } from "../../src/testing/discovery.ts";
import type { EngineServer } from "./harness.ts";
import { zookeeper } from "./zookeeper.ts";
import { replaceable } from "./replaceable.ts";

const timeout = 120_000;

describe("ZooKeeper", { skip: zookeeper.missing ?? false }, () => {
  let server: EngineServer;
  let prefixes = 0;
  before(async () => {
    server = await zookeeper.start();
  });
  after(() => server?.stop());

  for (const { name, run } of discoveryCases(async (services) => {
    const prefix = `/suite-${++prefixes}`;
    const discovery = zookeeperDiscovery({ address: server.address, prefix });
    const writer = zookeeperDiscovery({ address: server.address, prefix });
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
