/**
 * A view is what a client makes of what discovery tells: from the cache while the source is away, a storm of changes
 * calmed, cut to the client's own part, and held back where it would take everybody away.
 */
import type { Discovery } from "../core/discovery.ts";
import type { EndpointAddress } from "../core/endpoint.ts";
import type { Observer } from "../core/observer.ts";
import type { Probe } from "../core/probe.ts";
import type { Runtime } from "../core/runtime.ts";
import { cachedDiscovery, type CachedOptions } from "./cached.ts";
import { coalescedDiscovery } from "./coalesced.ts";
import { plausibleDiscovery, type PlausibleOptions } from "./plausible.ts";
import type { SnapshotCache } from "./snapshot-cache.ts";
import { subsetDiscovery, type SubsetOptions } from "./subset.ts";

export interface ViewOptions {
  /** Keeps last good sets over restarts, one for all clients of a process. Default: none. */
  readonly cache?: SnapshotCache | (CachedOptions & { readonly cache: SnapshotCache }) | undefined;
  /** Changes of one name are told at most so often, in milliseconds; 0 for each. Default 100. */
  readonly coalesceMs?: number | undefined;
  /** Keeps connections to a part only. Default: to all. */
  readonly subset?: SubsetOptions | undefined;
  /** Holds back what would take away too much. `false` to believe everything. */
  readonly guard?: PlausibleOptions | false | undefined;
}

/** What a view is made with beside its options. */
export interface ViewTools {
  readonly observer?: Observer | undefined;
  /** What the guard asks by, unless its options name another. */
  readonly probe?: Probe | undefined;
}

export interface DiscoveryView extends Discovery {
  /** Believes the source now: what is held back of `name`, or of all names, is dropped. */
  confirm(name?: string): void;
  /** What is told of a name although the source no longer lists it. */
  held(name: string): readonly EndpointAddress[];
}

/** Makes the view. From the source outwards: cache, coalescing, subset, guard. */
export function discoveryView(
  runtime: Pick<Runtime, "clock" | "random">, discovery: Discovery, options: ViewOptions = {}, tools: ViewTools = {},
): DiscoveryView {
  const { cache, coalesceMs = 100, subset, guard } = options;
  const { observer, probe } = tools;
  let view = discovery;
  // Next to the source: it keeps what was told, not what a guard made of it.
  if (cache !== undefined) {
    const { cache: store, ...cached } = "cache" in cache ? cache : { cache };
    view = cachedDiscovery(runtime, view, store, { observer, ...cached });
  }
  // Before anything that looks at the whole set.
  if (coalesceMs > 0) view = coalescedDiscovery(runtime, view, { coalesceMs });
  // Before the guard, which so asks the servers of this client only: of all, a thousand clients would ask each.
  if (subset !== undefined) view = subsetDiscovery(view, subset);
  if (guard === false) return { ...view, confirm: () => undefined, held: () => [] };
  return plausibleDiscovery(runtime, view, { observer, probe, ...guard });
}
