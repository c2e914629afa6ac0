// The eight properties as one scenario of a seed, so that seeds are run as the swarm's are: on several processes, with
// progress, stopped and resumed.
import { complaints } from "../../src/sim/checkers.ts";
import type { SwarmRun, SwarmScenario } from "../../src/sim/swarm.ts";
import { properties } from "./properties.ts";

/** Names of properties as their checkers': the number that section 9 gives them. */
export const checkerOf = (index: number): string => `property ${index + 1}`;

export const reliability: SwarmScenario<number> = {
  name: "reliability",
  draw: (seed) => seed,
  async run(seed): Promise<SwarmRun> {
    const verdicts = [];
    const digests = [];
    let [calls, events] = [0, 0];
    for (const [index, property] of properties.entries()) {
      const found = await property.run(seed);
      const complained = complaints(checkerOf(index));
      for (const what of found.broken) complained.add(() => what);
      verdicts.push(complained.verdict());
      digests.push(found.digest);
      calls += found.calls;
      events += found.events;
    }
    return { verdicts, digest: digests.join(" "), calls, events };
  },
  // A seed draws few things, which belong together.
  simpler: () => [],
  describe: (seed) => `seed ${seed}`,
};
