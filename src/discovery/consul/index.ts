/** Discovery by Consul: `meridian-rpc/discovery/consul`. */
import type { EngineDiscovery } from "../engine.ts";
import type { Election } from "../../leadership/election.ts";
import { nodeRuntime } from "../../runtime/node/index.ts";
import { consulDiscoveryOn } from "./consul.ts";
import { consulElectionOn, type ConsulElectionOptions } from "./election.ts";
import type { ConsulOptions } from "./settings.ts";

export { consulDiscoveryOn } from "./consul.ts";
export { consulElectionOn, type ConsulElectionOptions } from "./election.ts";
export type { ConsulCheck, ConsulOptions } from "./settings.ts";

/**
 * Finds servers in Consul, and makes servers known there, through the agent of this machine.
 *
 * @example
 * const known = consulDiscovery({ token: () => readFile("/run/consul/token", "utf8") });
 * const server = createServer({ region: "eu-west", registry: known });
 * const client = createClient(Cities, { region: "eu-west", discovery: known });
 */
export function consulDiscovery(options: ConsulOptions = {}): EngineDiscovery {
  return consulDiscoveryOn(nodeRuntime, options);
}

/** Elections in Consul: a session for each candidate, and a key that one of them locks, whose index is the token. */
export function consulElection(options: ConsulElectionOptions = {}): Election {
  return consulElectionOn(nodeRuntime, options);
}
