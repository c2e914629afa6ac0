/** `simulatedClient` puts a production client into a world: its stack, balancer, endpoints, over the modelled wire. */
import { type ClientOf, type ClientOptions, createClientOn } from "../client/create-client.ts";
import type { AnyContract } from "../contract/service.ts";
import type { SimulatedWorld } from "./world.ts";

export interface SimulatedClientOptions extends ClientOptions {
  /** The host's name; made, at the client's region and zone, if there is none of that name. Default `client`. */
  readonly host?: string | undefined;
  /** `bytes` for the native wire over the simulated network instead of the modelled one. */
  readonly wire?: "modelled" | "bytes" | undefined;
}

/**
 * A client of `contract` on a host of `world`, with the production defaults of every option. It asks the world's
 * discovery unless it is given an `address` or a `discovery`.
 */
export function simulatedClient<S extends AnyContract>(
  world: SimulatedWorld, contract: S, options: SimulatedClientOptions = {},
): ClientOf<S> {
  const { host = "client", wire = "modelled", ...given } = options;
  const { region, zone } = given;
  const place = { ...(region === undefined ? {} : { region }), ...(zone === undefined ? {} : { zone }) };
  return createClientOn(world.host(host, place), contract, {
    ...(wire === "modelled" ? { protocol: world.wire } : {}),
    ...(given.address === undefined ? { discovery: world.discovery } : {}),
    ...given,
  });
}
