/** A hosted registry is the embedded registry with a server of its own. */
import type { Observer } from "../core/observer.ts";
import type { GuardMaker } from "../core/identity.ts";
import type { Runtime, Security } from "../core/runtime.ts";
import { createServerOn, type ListenOptions } from "../server/server.ts";
import { RegistryContract } from "./contract.ts";
import { createRegistry, type RegistryOptions, type RegistryService } from "./registry.ts";

export interface HostedRegistryOptions extends RegistryOptions, Omit<ListenOptions, "advertise"> {
  /** Hears the registry's events and the server's. */
  readonly observer?: Observer | undefined;
  /** Its TLS, and who may register and look up: as a server's. Default: neither. */
  readonly tls?: Security | undefined;
  readonly auth?: GuardMaker | undefined;
}

export interface HostedRegistry extends AsyncDisposable {
  /** Where it listens: what `registry(address)` takes. */
  readonly address: string;
  readonly registry: RegistryService;
  /** Ends the watches and the server. Those connected keep what they know. */
  close(): Promise<void>;
}

/** A watch is a call that never ends, so that the usual limit on calls would be one on watchers. */
const maxInFlight = 200_000;

/** Starts a registry on `runtime`. The package's `hostRegistry` fills in the Node runtime. */
export async function hostRegistryOn(runtime: Runtime, options: HostedRegistryOptions = {}): Promise<HostedRegistry> {
  const registry = createRegistry(runtime, options);
  const server = createServerOn(runtime, {
    observer: options.observer, maxInFlight, tls: options.tls, auth: options.auth,
  });
  server.implement(RegistryContract, registry.handlers);
  const address = await server.listen({ port: options.port, host: options.host, path: options.path });
  const close = async (): Promise<void> => {
    registry.close();
    await server.close(1_000);
  };
  return { address, registry, close, [Symbol.asyncDispose]: close };
}
