/** Discovery by etcd v3: `meridian-rpc/discovery/etcd`. */
import type { EngineDiscovery } from "../engine.ts";
import { nodeRuntime } from "../../runtime/node/index.ts";
import { etcdDiscoveryOn } from "./etcd.ts";
import type { EtcdOptions } from "./settings.ts";

export { etcdDiscoveryOn } from "./etcd.ts";
export type { EtcdOptions } from "./settings.ts";

/**
 * Finds servers in etcd, and makes servers known there.
 *
 * @example
 * const known = etcdDiscovery({ address: ["10.0.0.5:2379", "10.0.0.6:2379", "10.0.0.7:2379"] });
 * const server = createServer({ region: "eu-west", registry: known });
 * const client = createClient(Cities, { region: "eu-west", discovery: known });
 */
export function etcdDiscovery(options: EtcdOptions = {}): EngineDiscovery {
  return etcdDiscoveryOn(nodeRuntime, options);
}
