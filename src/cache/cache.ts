/**
 * `responseCache` answers calls of safe methods from what was answered before: in a client, a gateway or a server.
 *
 * Freshness, stale answers and refusals to be kept follow HTTP caching (RFC 9111) and its extensions for stale content
 * (RFC 5861). Each caller gets a copy of its own. Equal calls at once are one call.
 */
import {
  type LayerMaker, badOption, type MethodInfo, type Metadata, numberOption, type Observer, type Runtime,
} from "../core/index.ts";
import { CachedCalls } from "./cached-calls.ts";
import { memoryCacheStore, type MemoryCacheOptions } from "./memory-store.ts";
import { type CachedMethod, type CacheRule, type ResolvedRule, rulesOf } from "./rules.ts";
import type { CacheStore } from "./store.ts";

export interface ResponseCacheOptions extends CacheRule {
  /** Where answers are kept. Default: in this process, within `memory`. */
  readonly store?: CacheStore | undefined;
  /** Bounds of the store in this process. */
  readonly memory?: MemoryCacheOptions | undefined;
  /**
   * Methods with rules of their own, or that are cached though not declared `safe`: `idempotent: true` at least. Any
   * other is refused.
   */
  readonly methods?: readonly CachedMethod[] | undefined;
  /**
   * Request metadata that answers depend on, such as the tenant. Calls with `authorization` or `cookie` are cached only
   * where these are named here, or the server says `public`.
   */
  readonly vary?: readonly string[] | undefined;
  /** A shared store that takes longer is gone without, in milliseconds. Default 5. */
  readonly storeTimeoutMs?: number | undefined;
  /** Time for a call that renews a stale answer behind the back of its caller, in milliseconds. Default 15,000. */
  readonly refreshTimeoutMs?: number | undefined;
  /** How far the clocks of processes that share a store may be apart, in milliseconds. Default 1,000. */
  readonly clockSkewMs?: number | undefined;
}

export interface CacheFigures {
  readonly hits: number;
  readonly stale: number;
  readonly misses: number;
  /** Calls that waited for an equal one. */
  readonly coalesced: number;
}

/** A layer for `ClientOptions.cache`, a gateway's client, or a server's own stack. */
export interface ResponseCache extends LayerMaker {
  /** Forgets the answer to one request, and what is under way for it. `metadata` has what answers vary by. */
  invalidate(method: MethodInfo, request: unknown, metadata?: Metadata): Promise<void>;
  /** Forgets every answer with this tag whose call began before now. */
  invalidateTag(tag: string): Promise<void>;
  readonly figures: CacheFigures;
}

/** The options, checked. */
export interface CacheSettings {
  readonly ruleOf: (method: MethodInfo) => ResolvedRule | undefined;
  readonly vary: readonly string[];
  readonly storeTimeoutMs: number;
  readonly refreshTimeoutMs: number;
  readonly clockSkewMs: number;
}

/** Makes the layer. Throws `invalid_argument` for options that cannot be, naming a method that may not be cached. */
export function responseCache(options: ResponseCacheOptions = {}): ResponseCache {
  const ms = (name: string, value: number, least: number): number =>
    numberOption(name, value, { least, most: 3_600_000, unit: "milliseconds" });
  const { vary = [], store, memory } = options;
  const odd = vary.find((name) => !/^[0-9a-z_.-]{1,128}$/.test(name));
  if (odd !== undefined) throw badOption("vary", odd, "expected names of metadata: small letters, digits and _ . -");
  if (store !== undefined && memory !== undefined) {
    throw badOption("memory", "{…}", "bounds the store in this process, and `store` names another");
  }
  const settings: CacheSettings = {
    ruleOf: rulesOf(options, options.methods ?? []), vary: [...new Set(vary)].toSorted(),
    storeTimeoutMs: ms("storeTimeoutMs", options.storeTimeoutMs ?? 5, 1),
    refreshTimeoutMs: ms("refreshTimeoutMs", options.refreshTimeoutMs ?? 15_000, 1),
    clockSkewMs: ms("clockSkewMs", options.clockSkewMs ?? 1_000, 0),
  };
  let calls: CachedCalls | undefined;
  const maker = (runtime: Runtime, observer: Observer) => {
    // One cache, however many clients it is given to.
    const mine = calls ??= new CachedCalls(runtime, observer, settings, store ?? memoryCacheStore(runtime, memory));
    return mine.layer;
  };
  return Object.defineProperty(Object.assign(maker, {
    invalidate: async (method: MethodInfo, request: unknown, metadata: Metadata = {}) =>
      calls?.invalidate(method, request, metadata),
    invalidateTag: async (tag: string) => calls?.invalidateTag(tag),
  }), "figures", {
    get: (): CacheFigures => calls?.figures ?? { hits: 0, stale: 0, misses: 0, coalesced: 0 }, enumerable: true,
  }) as unknown as ResponseCache;
}
