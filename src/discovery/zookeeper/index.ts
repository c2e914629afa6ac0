/** ZooKeeper as discovery: `zookeeperDiscovery({ address })` finds and registers by it. */
import { nodeRuntime } from "../../runtime/node/index.ts";
import type { EngineDiscovery } from "../engine.ts";
import { zookeeperDiscoveryOn, type ZooKeeperDiscoveryOptions } from "./driver.ts";

export { zookeeperDiscoveryOn, type ZooKeeperDiscoveryOptions } from "./driver.ts";

/** Discovery and registration by ZooKeeper, on Node's clock, chance and network. */
export function zookeeperDiscovery(options?: ZooKeeperDiscoveryOptions): EngineDiscovery {
  return zookeeperDiscoveryOn(nodeRuntime, options);
}
