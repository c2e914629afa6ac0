/**
 * The driver of the embedded registry: the discovery and the registrar that clients and servers are given.
 *
 * One connection carries everything: a stream for each watched name and one heartbeat for all leases of the
 * process. A registry that is gone takes nothing with it: watchers keep the last snapshot, registrations are
 * entered again as soon as it is back, and a new incarnation of it must first hear from everybody before
 * anything is taken out on its word (snapshots.ts).
 */
import type { Discovery, Registrar } from "../core/discovery.ts";
import { endpointAddress } from "../core/endpoint.ts";
import { RpcError } from "../core/error.ts";
import type { Observer } from "../core/observer.ts";
import type { Runtime, Security } from "../core/runtime.ts";
import { createClientOn } from "../client/create-client.ts";
import type { ClientCredentials } from "../client/credentials.ts";
import { checkEndpoint, checkName, checkTtl } from "../discovery/check.ts";
import { RegistryContract } from "./contract.ts";
import { NameWatch } from "./name-watch.ts";
import { Registrations } from "./registration.ts";

export interface RegistryClientOptions {
  /** Where the registry listens. */
  readonly address: string;
  /** Whom we trust, and our certificate. Default: no TLS. */
  readonly tls?: Security | undefined;
  /** What is shown of us: over TLS alone. Default none. */
  readonly credentials?: ClientCredentials | undefined;
  /** How long an entry outlives its process, in milliseconds: renewed at a third of it. Default 3,000, least 500. */
  readonly ttlMs?: number | undefined;
  /** The registry gives a sign of life on each watch so often, in milliseconds. Default 2,000. */
  readonly keepaliveMs?: number | undefined;
  /** Most names watched at once. Default 10,000. */
  readonly maxNames?: number | undefined;
  /**
   * Hears `registry.lost` and `registry.found` (a watch), `registry.renew.failed` and `registry.register.failed`
   * (each once an outage), `registry.forgotten` (an entry that is entered again) and `registry.watcher.failed`.
   */
  readonly observer?: Observer | undefined;
}

export interface RegistryClient extends Discovery, Registrar, AsyncDisposable {
  /** Withdraws all registrations, ends all watches, and closes the connection. */
  close(): Promise<void>;
}

const keepaliveLimits = { minMs: 100, maxMs: 60_000 };

/** Connects to an embedded registry. Throws `invalid_argument` for options that are out of bounds. */
export function connectRegistry(runtime: Runtime, options: RegistryClientOptions): RegistryClient {
  const { ttlMs = 3_000, keepaliveMs = 2_000, maxNames = 10_000, observer = {} } = options;
  checkTtl(ttlMs);
  checkKeepalive(keepaliveMs);
  const watches = new Map<string, NameWatch>();
  const client = createClientOn(runtime, RegistryContract, {
    address: options.address, tls: options.tls, credentials: options.credentials,
    // There is but this one: it is never left out. Whoever lost it must be back before a new incarnation has
    // settled (settleMs), so that connections are given up, and tried again, rather soon.
    outliers: false, connectTimeoutMs: 1_500, reconnectMaxMs: 500, suspectAfterMs: 1_500, deadAfterMs: 1_000,
    // Watches have their own signs of life: a ping every tenth of a second would be a burden for nothing.
    heartbeatMs: 1_000,
    observer: {
      endpointChanged(_endpoint, status) {
        if (status === "ready") hurry();
      },
    },
  });
  const registrations = new Registrations(runtime, { client, ttlMs, observer });
  let closing: Promise<void> | undefined;

  function hurry(): void {
    for (const watch of watches.values()) watch.hurry();
    registrations.hurry();
  }

  function refuseWhenClosed(): void {
    if (closing !== undefined) throw new RpcError("failed_precondition", "the connection to the registry is closed");
  }

  async function close(): Promise<void> {
    for (const watch of watches.values()) watch.close();
    watches.clear();
    await registrations.close();
    client.$.close(0);
  }

  return {
    watch(name, watcher) {
      refuseWhenClosed();
      checkName(name);
      let watch = watches.get(name);
      if (watch === undefined) {
        if (watches.size >= maxNames) {
          throw new RpcError("resource_exhausted", `${maxNames} names are watched already (maxNames)`);
        }
        watch = new NameWatch(runtime, { client, name, keepaliveMs, observer });
        watches.set(name, watch);
      }
      const shared = watch;
      const remove = shared.add(watcher);
      return () => {
        if (remove() > 0 || watches.get(name) !== shared) return;
        watches.delete(name);
        shared.close();
      };
    },
    register(name, fields) {
      refuseWhenClosed();
      checkName(name);
      const endpoint = endpointAddress(fields);
      checkEndpoint(endpoint);
      return registrations.add(name, endpoint);
    },
    close: () => closing ??= close(),
    [Symbol.asyncDispose]: () => closing ??= close(),
  };
}

function checkKeepalive(keepaliveMs: number): void {
  const { minMs, maxMs } = keepaliveLimits;
  if (keepaliveMs >= minMs && keepaliveMs <= maxMs) return;
  throw new RpcError("invalid_argument",
    `keepaliveMs is ${keepaliveMs}, expected milliseconds from ${minMs} to ${maxMs}`);
}
