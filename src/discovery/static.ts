/** `staticDiscovery` tells endpoints that are written down in the program and never change. */
import type { Discovery } from "../core/discovery.ts";
import type { EndpointFields } from "../core/endpoint.ts";
import { RpcError } from "../core/error.ts";
import { didYouMean } from "./nearest.ts";
import { describePlace, readServices, type Services } from "./services.ts";

/** More would be a mistake, or belong into a registry. */
const maxEndpoints = 100_000;

/**
 * Endpoints by the name of the service. Throws `invalid_argument` naming the place of a mistake: a misspelt
 * key, an address without a port, an endpoint listed twice.
 *
 * @example
 * staticDiscovery({ "geo.v1.Cities": [{ address: "127.0.0.1:7001", region: "eu-west", zone: "a" }] })
 */
export function staticDiscovery(services: Readonly<Record<string, readonly EndpointFields[]>>): Discovery {
  const known = readServices(services, ["services"], maxEndpoints, (place, what, at) => {
    const where = describePlace(at === "key" ? place.slice(0, -1) : place);
    throw new RpcError("invalid_argument", `staticDiscovery: ${where}: ${what}`, { phase: "resolve" });
  });
  return {
    deliberate: true,
    watch(name, watcher) {
      const endpoints = known.get(name);
      if (endpoints === undefined) watcher.failed?.(unknownName(name, known, "staticDiscovery"));
      else watcher.snapshot(endpoints);
      return nothing;
    },
  };
}

const nothing = () => {};

/** The error for a name that a source does not have. `source` is how messages call it. */
export function unknownName(name: string, known: Services, source: string): RpcError {
  const names = [...known.keys()];
  const few = names.slice(0, 10).map((one) => JSON.stringify(one)).join(", ") + (names.length > 10 ? ", …" : "");
  const meant = didYouMean(name, names) || `; it has ${few === "" ? "none" : few}`;
  return new RpcError("not_found", `${source} has no service ${JSON.stringify(name.slice(0, 128))}${meant}`,
    { phase: "resolve", neverStarted: true });
}
