/** What an admin service watches: gateways, clients and servers of its process, each in the same few words. */
import type { RegionControl } from "../region/index.ts";
import type { ClientControl, ClientEndpoint } from "../client/index.ts";
import type { Gateway } from "../gateway/index.ts";
import type { Server } from "../server/index.ts";

/** Any client: all that is asked of it is `$`. */
export interface WatchedClient {
  readonly $: Pick<ClientControl, "endpoints" | "drain" | "undrain"> & { readonly contract: { readonly name: string } };
}

export type Watchable = Gateway | Server | WatchedClient;

/** One of them, as the admin service sees it. */
export interface Watched {
  readonly role: "gateway" | "client" | "server";
  /** The names it calls, or forwards to. */
  services(): readonly string[];
  endpoints(service: string): readonly ClientEndpoint[];
  /** Whether anybody knew the id. */
  drain(id: string, isDrained: boolean): boolean;
  /** Itself, for a client: by which calls may be made. */
  readonly client: WatchedClient | undefined;
}

export function watched(one: Watchable): Watched {
  if ("$" in one) {
    const { $ } = one;
    return {
      role: "client", services: () => [$.contract.name], endpoints: () => $.endpoints(), client: one,
      drain: (id, isDrained) => (isDrained ? $.drain(id) : $.undrain(id)),
    };
  }
  if ("forwards" in one) {
    return {
      role: "gateway", services: () => one.forwards(), endpoints: (service) => one.endpoints(service),
      client: undefined,
      drain: (id, isDrained) => (isDrained ? one.drain(id) : one.undrain(id)),
    };
  }
  return { role: "server", services: () => [], endpoints: () => [], drain: () => false, client: undefined };
}

/** Every service's endpoints, of all that is watched; of one that several know, those of the first. */
export function endpointsByService(all: readonly Watched[]): Map<string, readonly ClientEndpoint[]> {
  const byService = new Map<string, readonly ClientEndpoint[]>();
  for (const one of all) {
    for (const service of one.services()) {
      if (!byService.has(service)) byService.set(service, one.endpoints(service));
    }
  }
  return byService;
}

/** Whether the status is one in which calls go out. */
export function isCallable({ status }: ClientEndpoint): boolean {
  return status === "ready" || status === "busy" || status === "idle";
}

/** Regions that an operator drained. */
export function isDrained(control: RegionControl | undefined, region: string): boolean {
  return control?.isDrained(region) ?? false;
}
