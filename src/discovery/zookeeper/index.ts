/** ZooKeeper as discovery: `zookeeperDiscovery({ address })` finds and registers by it. */
import type { Election } from "../../leadership/election.ts";
import { nodeRuntime } from "../../runtime/node/index.ts";
import type { EngineDiscovery } from "../engine.ts";
import { zookeeperDiscoveryOn, type ZooKeeperDiscoveryOptions } from "./driver.ts";
import { zookeeperElectionOn, type ZooKeeperElectionOptions } from "./election.ts";

export { zookeeperElectionOn, type ZooKeeperElectionOptions } from "./election.ts";
export { zookeeperDiscoveryOn, type ZooKeeperDiscoveryOptions } from "./driver.ts";

/** Discovery and registration by ZooKeeper, on Node's clock, chance and network. */
export function zookeeperDiscovery(options?: ZooKeeperDiscoveryOptions): EngineDiscovery {
  return zookeeperDiscoveryOn(nodeRuntime, options);
}

/** Elections in ZooKeeper: the ephemeral node that came into being first leads; its transaction's id is the token. */
export function zookeeperElection(options: ZooKeeperElectionOptions = {}): Election {
  return zookeeperElectionOn(nodeRuntime, options);
}
