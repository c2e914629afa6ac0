// What others do when a region dies, built from the same parts.
import type { Picker } from "../../src/core/index.ts";
import { leastRequests } from "../../src/balance/index.ts";
import { createSeededRandom } from "../../src/runtime/sim/index.ts";
import type { SimulatedClientOptions } from "../../src/sim/index.ts";
import type { RegionName } from "./world.ts";

/** Without heartbeats: what calls meet is all that is known, as in most meshes. Attempts end after 250 ms. */
export function slowToSuspect(): SimulatedClientOptions {
  return { suspectAfterMs: 1e9, deadAfterMs: 1e9, hedge: false };
}

/**
 * Names that a DNS service answers with the nearest region that its probes have not found dead: three probes 10 s
 * apart, and up to 60 s in which callers keep the answer. There are no retries elsewhere: the name has one region.
 */
export function failoverByDns(
  seed: number, dead: RegionName, deathMs: number, next: RegionName,
): (own: RegionName) => SimulatedClientOptions {
  const random = createSeededRandom(`dns ${seed}`);
  const foundMs = deathMs + 20_000 + random.next() * 10_000;
  return (own) => {
    const learntMs = foundMs + random.next() * 60_000;
    const inner = leastRequests(random);
    const picker: Picker = (candidates, context) => {
      const region = own === dead && context.startedMs >= learntMs ? next : own;
      return inner(candidates.filter(({ address }) => address.region === region), context);
    };
    return {
      routing: () => Object.assign(picker, { seesAll: true }),
      suspectAfterMs: 1e9, deadAfterMs: 1e9, outliers: false, retry: false, hedge: false,
    };
  };
}
