// Eight properties that must hold whatever the seed draws: faults, their times, work, loads. A seed that breaks one is
// told with the command that plays it again.
import type { Experiment, Row } from "./frame/rows.ts";
import { properties } from "./reliability/properties.ts";

export const experiment: Experiment = {
  about: "eight properties of every seed: nothing lost, failover, retries, recovery, return, overload, gray, control",
  seeds: 20,
  async *run(options) {
    const { seeds } = options;
    const progress = (text: string): void => options.progress(text);
    for (const [i, property] of properties.entries()) {
      let broken = 0;
      let done = 0;
      for (const seed of seeds) {
        const found = await property.run(seed);
        if (found.broken.length > 0) {
          broken++;
          progress(`property ${i + 1} broken by seed ${seed} (${found.digest}): ${found.broken[0]}\n` +
            `  again: npm run sim -- reliability --seed ${seed} --seeds 1`);
        }
        if (++done % 100 === 0) progress(`property ${i + 1}: ${done} of ${seeds.length} seeds, ${broken} broken`);
        // Lets whoever reads the rows go on.
        await new Promise(setImmediate);
      }
      yield row(`${i + 1}. ${property.name}`, seeds.length, broken);
    }
  },
};

function row(name: string, seeds: number, broken: number): Row {
  return {
    experiment: "reliability", case: name, policy: "ours", seeds, value: broken, ci95: 0, unit: "seeds that broke it",
    published: null, goal: "none", met: broken === 0,
  };
}
