/** Discovery by etcd v3: `meridian-rpc/discovery/etcd`. */
import type { EngineDiscovery } from "../engine.ts";
import type { Election } from "../../leadership/election.ts";
import { nodeRuntime } from "../../runtime/node/index.ts";
import { etcdElectionOn, type EtcdElectionOptions } from "./election.ts";
import { etcdDiscoveryOn } from "./etcd.ts";
import type { EtcdOptions } from "./settings.ts";

export { etcdElectionOn, type EtcdElectionOptions } from "./election.ts";
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

/** Elections in etcd: a lease for each candidate, whose key's create revision is the fencing token. */
export function etcdElection(options: EtcdElectionOptions = {}): Election {
  return etcdElectionOn(nodeRuntime, options);
}
