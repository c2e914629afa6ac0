/**
 * `cachedDiscovery` serves the last good set of a cache while the engine has not answered yet, and keeps what it tells.
 *
 * It is for those who *start* during an outage: who runs already keeps what was told last anyway. And since a wiped
 * engine may be the first thing that a client hears of, a first answer that takes away too much is preceded by what
 * the cache has, so that a guard (`plausibleDiscovery`) has something to compare it with.
 */
import type { Timer } from "../core/alarm.ts";
import type { Discovery, Watcher } from "../core/discovery.ts";
import type { EndpointAddress } from "../core/endpoint.ts";
import type { RpcError } from "../core/error.ts";
import type { Observer } from "../core/observer.ts";
import type { Runtime } from "../core/runtime.ts";
import type { Answer } from "./audience.ts";
import type { CachedSet } from "./cache-format.ts";
import { implausible } from "./loss.ts";
import { relay } from "./relay.ts";
import type { SnapshotCache } from "./snapshot-cache.ts";

export interface CachedOptions {
  /** An engine that has neither answered nor failed within so long is taken to be away. Default 500. */
  readonly patienceMs?: number | undefined;
  /** Longest time that is waited for the cache itself, in milliseconds: a disk may hang. Default 1,000. */
  readonly loadMs?: number | undefined;
  /** Sets that were last true longer ago are not served. Default: none is too old, but its age is told. */
  readonly maxAgeMs?: number | undefined;
  /** A set that takes too much away is kept only once it has been told for so long. Default 600,000. */
  readonly confirmMs?: number | undefined;
  /**
   * Hears `discovery.cached` (name, endpoints, ageMs and why: a client works from the cache),
   * `discovery.cache.expired`, and `discovery.cache.replaced` once the engine has answered.
   */
  readonly observer?: Observer | undefined;
}

/** Wraps `discovery`. */
export function cachedDiscovery(
  runtime: Pick<Runtime, "clock">, discovery: Discovery, cache: SnapshotCache, options: CachedOptions = {},
): Discovery {
  const settings = {
    cache, patienceMs: options.patienceMs ?? 500, loadMs: options.loadMs ?? 1_000,
    maxAgeMs: options.maxAgeMs ?? Infinity, confirmMs: options.confirmMs ?? 600_000, observer: options.observer ?? {},
    isDeliberate: discovery.deliberate === true,
  };
  return {
    ...relay((name, tell) => {
      const one = new CachedName(runtime, name, settings, tell);
      const stop = discovery.watch(name, one);
      one.begin();
      return () => {
        stop();
        one.close();
      };
    }),
    deliberate: discovery.deliberate,
  };
}

interface CachedSettings {
  readonly cache: SnapshotCache;
  readonly patienceMs: number;
  readonly loadMs: number;
  readonly maxAgeMs: number;
  readonly confirmMs: number;
  readonly observer: Observer;
  readonly isDeliberate: boolean;
}

class CachedName implements Watcher {
  readonly #clock: Runtime["clock"];
  readonly #name: string;
  readonly #settings: CachedSettings;
  readonly #tell: (answer: Answer) => void;
  /** `loading`: nothing can be said of the cache yet. `live`: the source has answered, and its word was passed on. */
  #state: "loading" | "waiting" | "cached" | "live" = "loading";
  #latest: readonly EndpointAddress[] | undefined = undefined;
  #failure: RpcError | undefined = undefined;
  #timer: Timer | undefined = undefined;
  /** Ends when a set that takes too much away is to be kept after all. */
  #doubt: Timer | undefined = undefined;
  #closed = false;

  constructor(
    { clock }: Pick<Runtime, "clock">, name: string, settings: CachedSettings, tell: (answer: Answer) => void,
  ) {
    this.#clock = clock;
    this.#name = name;
    this.#settings = settings;
    this.#tell = tell;
  }

  begin(): void {
    this.#timer = this.#clock.after(this.#settings.loadMs, () => this.#loaded()).unref();
    void this.#settings.cache.load().then(() => this.#loaded());
  }

  #loaded(): void {
    if (this.#closed || this.#state !== "loading") return;
    this.#timer?.cancel();
    this.#state = "waiting";
    if (this.#latest !== undefined) this.#goLive(this.#latest);
    else if (this.#failure !== undefined) this.#serve(this.#failure.message);
    else this.#timer = this.#clock.after(this.#settings.patienceMs, () => this.#serve("silence")).unref();
  }

  snapshot(endpoints: readonly EndpointAddress[]): void {
    this.#latest = endpoints;
    this.#failure = undefined;
    this.#settings.cache.setWell(this.#name, true);
    // What was written on purpose needs nothing to be compared with.
    if (this.#state !== "loading" || this.#settings.isDeliberate) this.#goLive(endpoints);
  }

  failed(error: RpcError): void {
    this.#failure = error;
    this.#settings.cache.setWell(this.#name, false);
    if (this.#state === "waiting") this.#serve(error.message);
    this.#tell({ state: "failed", error });
  }

  #usable(): CachedSet | undefined {
    const set = this.#settings.cache.get(this.#name);
    return set === undefined || this.#ageMs(set) > this.#settings.maxAgeMs ? undefined : set;
  }

  #ageMs({ atWallMs }: CachedSet): number {
    return Math.max(0, this.#clock.wallMs() - atWallMs);
  }

  /** The source does not answer: what the cache has is told, and loudly. */
  #serve(why: string): void {
    if (this.#state !== "waiting") return;
    this.#timer?.cancel();
    this.#state = "cached";
    const { cache, observer, maxAgeMs } = this.#settings;
    const set = cache.get(this.#name);
    if (set === undefined) return;
    const ageMs = this.#ageMs(set);
    const name = this.#name;
    if (ageMs > maxAgeMs) {
      observer.event?.("discovery.cache.expired", { name, ageMs, maxAgeMs });
      return;
    }
    observer.event?.("discovery.cached", { name, endpoints: set.endpoints.length, ageMs, why });
    this.#tell({ state: "known", endpoints: set.endpoints });
    if (this.#failure !== undefined) this.#tell({ state: "failed", error: this.#failure });
  }

  #goLive(endpoints: readonly EndpointAddress[]): void {
    this.#timer?.cancel();
    const before = this.#state;
    this.#state = "live";
    const cached = this.#usable()?.endpoints ?? [];
    const isDoubtful = !this.#settings.isDeliberate && takesTooMuch(cached, endpoints);
    if (before === "waiting" && isDoubtful) this.#tell({ state: "known", endpoints: cached });
    if (before === "cached" && cached.length > 0) this.#settings.observer.event?.("discovery.cache.replaced",
      { name: this.#name, cached: cached.length, endpoints: endpoints.length });
    this.#tell({ state: "known", endpoints });
    if (isDoubtful) {
      this.#doubt ??= this.#clock.after(this.#settings.confirmMs, () => this.#keep()).unref();
    } else {
      this.#keep();
    }
  }

  #keep(): void {
    this.#doubt?.cancel();
    this.#doubt = undefined;
    if (this.#latest !== undefined) this.#settings.cache.keep(this.#name, this.#latest);
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#doubt?.cancel();
    this.#settings.cache.setWell(this.#name, false);
  }
}

function takesTooMuch(before: readonly EndpointAddress[], now: readonly EndpointAddress[]): boolean {
  if (before.length === 0) return false;
  const ids = new Set(now.map(({ id }) => id));
  return implausible(before, before.filter(({ id }) => !ids.has(id)), now.length === 0) !== undefined;
}
