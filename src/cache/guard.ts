/** A guard keeps an engine that is slow or gone from costing calls more than a few milliseconds, or failing any. */
import { type Awaitable, expected, type Observer, type Runtime } from "../core/index.ts";
import { circuitBreaker } from "../resilience/index.ts";
import type { CacheStore } from "./store.ts";

export interface GuardOptions {
  readonly timeoutMs: number;
  readonly observer: Observer;
}

/** The store that never fails: what does not answer in time has nothing; after three times it is left alone. */
export function guarded(runtime: Pick<Runtime, "clock">, store: CacheStore, options: GuardOptions): CacheStore {
  const { nodes } = store;
  if (nodes !== undefined) {
    const inner = nodes.map((node) => guarded(runtime, node, options));
    const of = (key: string): CacheStore => inner[store.nodeOf?.(key) ?? 0] as CacheStore;
    return {
      name: store.name, isShared: store.isShared,
      get: (keys) => Promise.all(keys.map(async (key) => (await of(key).get([key]))[0])),
      set: (key, text, ttlMs) => of(key).set(key, text, ttlMs),
      delete: (key) => of(key).delete(key),
    };
  }
  return store.isShared ? guardedNode(runtime, store, options) : store;
}

function guardedNode(
  { clock }: Pick<Runtime, "clock">, store: CacheStore, { timeoutMs, observer }: GuardOptions,
): CacheStore {
  const breaker = circuitBreaker({ clock }, {
    consecutiveFailures: 3, openMs: 1_000, maxOpenMs: 10_000, closeAfter: 1, name: store.name, observer,
  });
  const ask = async <T>(action: () => Awaitable<T>, without: T): Promise<T> => {
    if (!breaker.allows(clock.now())) return without;
    try {
      const answer = await inTime(clock, timeoutMs, action);
      breaker.record(false, clock.now());
      return answer;
    } catch {
      breaker.record(true, clock.now());
      return without;
    }
  };
  return {
    name: store.name, isShared: true,
    get: (keys) => ask(() => store.get(keys), keys.map(() => undefined)),
    set: (key, text, ttlMs) => ask(() => store.set(key, text, ttlMs), undefined),
    delete: (key) => ask(() => store.delete(key), undefined),
  };
}

function inTime<T>(clock: Runtime["clock"], timeoutMs: number, action: () => Awaitable<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(timeoutMs, () => reject(expected("deadline_exceeded", `no answer in ${timeoutMs} ms`)));
    Promise.resolve().then(action).then(resolve, reject).finally(() => timer.cancel());
  });
}
