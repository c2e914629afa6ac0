/** Where tests hold elections: the three engines, each with leases as short as it takes. */
import type { Election } from "../../src/leadership/index.ts";
import { consulElection } from "../../src/discovery/consul/index.ts";
import { etcdElection } from "../../src/discovery/etcd/index.ts";
import { zookeeperElection } from "../../src/discovery/zookeeper/index.ts";
import type { Observer } from "../../src/core/observer.ts";
import { consul } from "../engines/consul.ts";
import { etcd } from "../engines/etcd.ts";
import type { EngineUnderTest } from "../engines/harness.ts";
import { zookeeper } from "../engines/zookeeper.ts";

export interface ElectionEngineUnderTest {
  readonly engine: EngineUnderTest;
  /** The longest that a seat outlives its dead holder: a promise of the engine's. */
  readonly seatMs: number;
  elections(address: string, options?: { observer?: Observer; prefix?: string }): Election;
}

export const electionEngines: Readonly<Record<string, ElectionEngineUnderTest>> = {
  etcd: {
    // etcd's own timeouts lengthen what it grants: two seconds become three or so.
    engine: etcd, seatMs: 6_000,
    elections: (address, { observer, prefix = "meridian" } = {}) =>
      etcdElection({ address, ttlMs: 2_000, observer, prefix: `${prefix}/` }),
  },
  consul: {
    engine: consul, seatMs: 24_000,
    elections: (address, { observer, prefix = "meridian" } = {}) =>
      consulElection({ address, observer, prefix: `${prefix}/` }),
  },
  zookeeper: {
    engine: zookeeper, seatMs: 4_000,
    elections: (address, { observer, prefix = "meridian" } = {}) =>
      zookeeperElection({ address, ttlMs: 2_000, observer, prefix: `/${prefix}` }),
  },
};
