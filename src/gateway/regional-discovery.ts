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
  const served = new Set(servers.map((server) => server.region));
  const remote = gateways.filter((gateway) => gateway.region !== region && served.has(gateway.region));
  const behindGateway = new Set(remote.map((gateway) => gateway.region));
  return [...servers.filter((server) => server.region === region || !behindGateway.has(server.region)), ...remote];
}
