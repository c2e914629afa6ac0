/**
 * What a gateway sees of the world: the servers of its own region, and the gateways of every other region
 * that serves the name (or, where a region has no gateway, its servers).
 */
import type { Discovery, Watcher } from "../core/discovery.ts";
import type { EndpointAddress } from "../core/endpoint.ts";
import type { RpcError } from "../core/error.ts";

export interface RegionalOptions {
  /** The gateway's own region. */
  readonly region: string;
  /** The name under which gateways register. */
  readonly gatewayName: string;
}

export function regionalDiscovery(discovery: Discovery, options: RegionalOptions): Discovery {
  return {
    deliberate: discovery.deliberate,
    watch(name, watcher) {
      let servers: readonly EndpointAddress[] | undefined;
      let gateways: readonly EndpointAddress[] = [];
      const tell = (): void => {
        if (servers !== undefined) watcher.snapshot(merge(servers, gateways, options.region));
      };
      const failed = (error: RpcError): void => watcher.failed?.(error);
      const stopGateways = discovery.watch(options.gatewayName, {
        failed,
        snapshot(endpoints) {
          gateways = endpoints;
          tell();
        },
      } satisfies Watcher);
      const stopServers = discovery.watch(name, {
        failed,
        snapshot(endpoints) {
          servers = endpoints;
          tell();
        },
      } satisfies Watcher);
      return () => {
        stopGateways();
        stopServers();
      };
    },
  };
}

function merge(
  servers: readonly EndpointAddress[], gateways: readonly EndpointAddress[], region: string,
): EndpointAddress[] {
  const served = new Map<string, EndpointAddress[]>();
  for (const server of servers) {
    const there = served.get(server.region);
    if (there === undefined) served.set(server.region, [server]);
    else there.push(server);
  }
  const remote = gateways.filter((gateway) => gateway.region !== region && served.has(gateway.region));
  const behind = new Map(remote.map((gateway) => [gateway.region, attributesOf(served.get(gateway.region) ?? [])]));
  return [
    ...servers.filter((server) => server.region === region || !behind.has(server.region)),
    ...remote.map((gateway) => withBehind(gateway, behind.get(gateway.region))),
  ];
}

/** The attribute of a gateway that says what the servers behind it are, as a JSON list of their attributes. */
const behindAttribute = "meridian.behind";
/** More different sets of attributes in one region are not told: its gateway is then taken to have them all. */
const maxSets = 64;
const anything = "*";

/** The different sets of attributes among servers; undefined where none has any. */
function attributesOf(servers: readonly EndpointAddress[]): string | undefined {
  const sets = new Set<string>();
  for (const { attributes } of servers) {
    sets.add(JSON.stringify(Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1))));
    if (sets.size > maxSets) return anything;
  }
  if (sets.size === 0 || (sets.size === 1 && sets.has("[]"))) return undefined;
  return `[${[...sets].sort().join()}]`;
}

/** As an attribute, so that a change of the servers is a change of the endpoint. */
function withBehind(gateway: EndpointAddress, behind: string | undefined): EndpointAddress {
  if (behind === undefined) return gateway;
  return Object.freeze({
    ...gateway, attributes: Object.freeze({ ...gateway.attributes, [behindAttribute]: behind }),
  });
}

/** Whether somebody at an address has all the attributes wanted: the endpoint, or a server behind that gateway. */
export function hasAttributes(address: EndpointAddress, wanted: Readonly<Record<string, string>>): boolean {
  const behind = address.attributes[behindAttribute];
  if (behind === undefined) return includes(address.attributes, wanted);
  if (behind === anything) return true;
  const sets = JSON.parse(behind) as [string, string][][];
  return sets.some((entries) => includes(Object.fromEntries(entries), wanted));
}

function includes(attributes: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>): boolean {
  for (const name in wanted) if (attributes[name] !== wanted[name]) return false;
  return true;
}
