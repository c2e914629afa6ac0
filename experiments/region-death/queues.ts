// What could be had at best when one region has too many callers: every way to divide their load is looked at, with the
// latency that a region of ours has at each utilisation, as measured here with the same picker.
import { steps } from "../../src/sim/index.ts";
import { createRegionWorld, regionRate, regions, serversPerRegion, workers, workMs } from "./world.ts";

/** Beyond this no region may be loaded: ServiceRouter's threshold. */
const mostUsed = 0.75;
/** The ways out of the region that is flooded, nearest first, in milliseconds there and back, and within one. */
const awayMs = [35, 70] as const;
const withinMs = 1;
const capacity = 1_000 / workMs * serversPerRegion * workers;

/** Mean milliseconds in a region by its utilisation, network included: the points measured, joined by lines. */
export type LatencyCurve = (used: number) => number;

export async function latencyCurve(seed: number): Promise<LatencyCurve> {
  const points: (readonly [number, number])[] = [];
  for (const used of [0.55, 0.65, 0.75]) {
    const rate = steps([[0, capacity * used]]);
    const built = createRegionWorld({
      seed, untilMs: 8_000, recordFromMs: Infinity, rates: Object.fromEntries(regions.map((region) => [region, rate])),
      client: () => ({ regions: { spillAtUtilisation: Infinity } }),
    });
    await built.world.run(9_000);
    const all = Object.values(built.figures);
    points.push([used, all.reduce((sum, { latency }) => sum + latency.mean, 0) / all.length]);
  }
  return (used) => {
    const at = Math.max(1, points.findIndex(([x]) => x >= used));
    const [[x0, y0], [x1, y1]] = [points[at - 1] ?? [0, 0], points[at] ?? [1, 0]];
    return y0 + (y1 - y0) * (used - x0) / (x1 - x0);
  };
}

/** The division of the load that makes the mean latency least, in steps of a two-hundredth. */
export function bestSplit(factor: number, curve: LatencyCurve): { readonly meanMs: number } {
  const demand = regionRate * factor;
  const total = demand + 2 * regionRate;
  let best = Infinity;
  for (let near = 0; near <= 200; near++) {
    for (let far = 0; near + far <= 200; far++) {
      const [toNear, toFar] = [demand * near / 200, demand * far / 200];
      const rates = [demand - toNear - toFar, regionRate + toNear, regionRate + toFar];
      if (rates.some((rate) => rate > capacity * mostUsed)) continue;
      const served = rates.reduce((sum, rate) => sum + rate * curve(rate / capacity), 0);
      const ways = toNear * (awayMs[0] - withinMs) + toFar * (awayMs[1] - withinMs);
      best = Math.min(best, (served + ways) / total);
    }
  }
  return { meanMs: best };
}
