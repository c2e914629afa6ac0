/**
 * A cache spread over several nodes, each of which has its share of the keys.
 *
 * By rendezvous hashing (Thaler and Ravishankar, 1998): a key is with the node for which the hash of both is highest,
 * so that a node that comes or goes moves only the keys it gets or had.
 */
import { badOption } from "../core/index.ts";
import { textHash } from "./hash.ts";
import type { CacheStore } from "./store.ts";

/** Makes one store of several with different names. While one is away its keys are not cached; the others go on. */
export function spreadCacheStore(nodes: readonly CacheStore[]): CacheStore {
  if (nodes.length === 0) throw badOption("nodes", "[]", "expected at least one store");
  const names = nodes.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw badOption("nodes", twice, "is the name of two: keys go by it, so give each its own");
  const nodeOf = (key: string): number => {
    let best = 0;
    let highest = -1;
    for (let i = 0; i < names.length; i++) {
      const hash = textHash(`${names[i]}\n${key}`);
      if (hash > highest) [best, highest] = [i, hash];
    }
    return best;
  };
  const of = (key: string): CacheStore => nodes[nodeOf(key)] as CacheStore;
  return {
    name: `${nodes.length} nodes`, isShared: nodes.some(({ isShared }) => isShared), nodes, nodeOf,
    async get(keys) {
      const values = await Promise.all(keys.map(async (key) => (await of(key).get([key]))[0]));
      return values;
    },
    set: (key, text, ttlMs) => of(key).set(key, text, ttlMs),
    delete: (key) => of(key).delete(key),
  };
}
