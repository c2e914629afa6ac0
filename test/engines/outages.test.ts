// Every engine is killed, stalled and wiped under a thousand calls a second. None may fail.
import { test } from "node:test";
import type { EngineUnderTest } from "./harness.ts";
import { outages, surviveOutage } from "./outage.ts";
import { consul } from "./consul.ts";
import { dns } from "./dns.ts";
import { etcd } from "./etcd.ts";
import { kubernetes } from "./kubernetes.ts";
import { redis } from "./redis.ts";
import { embeddedRegistry } from "./registry.ts";
import { zookeeper } from "./zookeeper.ts";

const engines: readonly EngineUnderTest[] = [embeddedRegistry, consul, dns, etcd, kubernetes, redis, zookeeper];

for (const engine of engines) {
  for (const outage of outages) {
    test(`${engine.name} ${outage.name}: no call fails, and a new server is found within 2 s of its return`,
      { skip: engine.missing ?? false, timeout: 400_000 },
      async () => void await surviveOutage(engine, outage));
  }
}
