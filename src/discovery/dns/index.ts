/** Discovery by DNS: SRV records as RFC 2782 has them, or the addresses of a name. */
import { nodeRuntime, systemNameServers } from "../../runtime/node/index.ts";
import type { EngineDiscovery } from "../engine.ts";
import { type DnsOptions, dnsDiscoveryOn } from "./discovery.ts";

export { type DnsOptions, dnsDiscoveryOn } from "./discovery.ts";
export type { Family } from "./hosts.ts";
export type { DnsService, DnsServices } from "./query.ts";
export type { NameServers } from "./resolver.ts";

/**
 * Makes a discovery by DNS. It is only read: `register` throws `unimplemented`.
 *
 * @example
 * const discovery = dnsDiscovery({ domain: "example.com" });
 * const cities = createClient(Cities, { region: "eu-west", discovery });   // _geo-v1-cities._tcp.example.com
 */
export function dnsDiscovery(options: DnsOptions = {}): EngineDiscovery {
  return dnsDiscoveryOn(nodeRuntime, { ...options, servers: options.servers ?? systemNameServers() });
}
