/** A plan is how calls that may go to the same regions are divided among them. */
import type { RegionMap } from "./region-map.ts";
import type { RegionState } from "./region-state.ts";
import { panics, priorityLoads } from "./priority.ts";
import { Shares } from "./shares.ts";

export interface Plan {
  /** Region indexes, most preferred first; only regions in service with somebody to call. */
  readonly order: readonly number[];
  /** By region index. */
  readonly shares: Shares;
  /** Which regions are in panic, by region index. */
  readonly panic: readonly boolean[];
}

/** Makes the plan for the regions of `allowed`, beginning with `home` if that is one (-1 for none). */
export function createPlan(
  map: RegionMap, allowed: (index: number) => boolean, home: number, threshold: number, before?: Plan,
): Plan {
  const { regions } = map;
  const order = map.order.filter((index) => {
    const region = regions[index] as RegionState;
    return allowed(index) && !region.isDrained && region.isUsable;
  });
  const homeAt = order.indexOf(home);
  if (homeAt > 0) order.unshift(...order.splice(homeAt, 1));
  const levels = order.map((index) => regions[index] as RegionState);
  const scores = levels.map((level) => level.score);
  const loads = priorityLoads(scores, levels.map((level) => level.limit));
  const inPanic = panics(levels.map((level) => level.health), scores, threshold);
  if (scores.every((score) => score === 0)) {
    // Nobody is well: Envoy sends everything to the first level in panic; we to the first that has somebody up.
    const first = levels.findIndex((level) => level.isUp);
    if (levels.length > 0) loads[Math.max(0, first)] = 1;
  }
  const shares = regions.map(() => 0);
  const panic = regions.map(() => false);
  order.forEach((index, level) => {
    shares[index] = loads[level] as number;
    panic[index] = inPanic[level] as boolean;
  });
  return { order, shares: new Shares(shares, before?.shares), panic };
}
