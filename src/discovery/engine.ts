/**
 * An Engine is a place of others that holds memberships, such as etcd: `engineDiscovery` makes a Discovery and a
 * Registrar of the little that a driver must say of it.
 *
 * Written once here, for all of them: watchers share a follower of their name; what was told last stays true while the
 * engine is away, and for a while after, until those whom it forgot are back; whoever lost the engine comes back after
 * a pause with jitter; entries are told in one order, each id once; and a close withdraws what was entered.
 */
import type { Discovery, Registrar } from "../core/discovery.ts";
import { type EndpointAddress, endpointAddress } from "../core/endpoint.ts";
import { RpcError } from "../core/error.ts";
import type { Observer } from "../core/observer.ts";
import type { Runtime } from "../core/runtime.ts";
import { checkEndpoint, checkName } from "./check.ts";
import { Followings } from "./followings.ts";
import type { EngineEntry } from "./holding.ts";
import { Holdings } from "./holdings.ts";

export { type EngineEntry, superseded } from "./holding.ts";

/** What a driver says of its engine. Everything else is `engineDiscovery`'s. */
export interface Engine {
  /** What messages call it, with its address: `etcd at 10.0.0.5:2379`. */
  readonly name: string;
  /**
   * Follows one name until `signal` aborts: tells `view` the complete set, and again whenever it changed. Rejects when
   * the engine refuses, is lost, or is silent for too long (a stalled engine closes no connection: ask it for signs of
   * life); it is then called again after a pause. An engine without the name tells the empty set.
   */
  follow(name: string, view: EngineView, signal: AbortSignal): Promise<void>;
  /**
   * Enters an entry under a lease and keeps it alive: `held` is called once the engine has it. When `signal` aborts it
   * withdraws the entry and resolves, but for the reason {@link superseded}, where the entry is already somebody
   * else's to keep and must stay. Rejects when entry or engine is lost; it is then called again after a pause. Engines
   * that are only read have none.
   */
  hold?(entry: EngineEntry, held: () => void, signal: AbortSignal): Promise<void>;
  /** Ends its connections. Nothing is followed or held any more. */
  close(): Promise<void>;
}

/** What a follower tells. */
export interface EngineView {
  /** The complete set now, in any order; of several with one id the first counts. */
  told(endpoints: readonly EndpointAddress[]): void;
  /** An entry is left out; the rest serve. Said once for as long as it stays so. */
  skipped(entry: string, why: string): void;
}

export interface EngineOptions {
  /**
   * Hears `discovery.lost` and `discovery.found` (a name's follower), `discovery.skipped` (an entry and why),
   * `discovery.register.failed`, `discovery.register.lost` and `discovery.registered`, each once an outage.
   */
  readonly observer?: Observer | undefined;
  /** Most names watched at once. Default 10,000. */
  readonly maxNames?: number | undefined;
  /** Most endpoints of one name; a larger set is not taken at all. Default 100,000. */
  readonly maxEndpoints?: number | undefined;
  /** First and longest pause before the engine is tried again, in milliseconds. Default 50 and 1,000. */
  readonly retryMinMs?: number | undefined;
  readonly retryMaxMs?: number | undefined;
  /**
   * For so long after the engine was lost nobody is taken out on its word, in milliseconds: servers that could not
   * renew their leases, or whom it has forgotten, need time to come back. Default 5,000; 0 believes it at once.
   */
  readonly settleMs?: number | undefined;
}

export interface EngineDiscovery extends Discovery, Registrar, AsyncDisposable {
  /** Withdraws all registrations, ends all watches, and closes the connections. */
  close(): Promise<void>;
}

/** Makes the discovery of an engine. */
export function engineDiscovery(runtime: Runtime, engine: Engine, options: EngineOptions = {}): EngineDiscovery {
  const settings = {
    observer: options.observer ?? {}, maxNames: options.maxNames ?? 10_000,
    maxEndpoints: options.maxEndpoints ?? 100_000, settleMs: options.settleMs ?? 5_000,
    pauseMs: { min: options.retryMinMs ?? 50, max: options.retryMaxMs ?? 1_000 },
  };
  const followings = new Followings(runtime, engine, settings);
  const holdings = new Holdings(runtime, engine, settings);
  let closing: Promise<void> | undefined;

  function check(name: string): void {
    checkName(name);
    if (closing === undefined) return;
    throw new RpcError("failed_precondition", `the discovery by ${engine.name} is closed`, { phase: "resolve" });
  }

  async function close(): Promise<void> {
    followings.close();
    await holdings.close();
    await engine.close();
  }

  return {
    watch(name, watcher) {
      check(name);
      return followings.watch(name, watcher);
    },
    register(name, fields) {
      check(name);
      const endpoint = endpointAddress(fields);
      checkEndpoint(endpoint);
      return holdings.register(name, endpoint);
    },
    close: () => closing ??= close(),
    [Symbol.asyncDispose]: () => closing ??= close(),
  };
}
