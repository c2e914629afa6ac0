// Eight properties that must hold whatever the seed draws: faults, their times, work, loads. A seed that breaks one is
// told with the command that plays it again.
//
// A thousand seeds take most of an hour of one processor: --jobs spreads them, --state keeps where they stand.
import { fileURLToPath } from "node:url";
import { SeedRun } from "../src/cli/seed-run.ts";
import type { Experiment, Row } from "./frame/rows.ts";
import { properties } from "./reliability/properties.ts";
import { checkerOf, reliability } from "./reliability/scenario.ts";

export const experiment: Experiment = {
  about: "eight properties of every seed: nothing lost, failover, retries, recovery, return, overload, gray, control",
  seeds: 20,
  resumes: true,
  async *run(options) {
    const { seeds, jobs = 1, state } = options;
    const progress = (text: string): void => options.progress(text);
    const run = new SeedRun(reliability, {
      seed: seeds[0] ?? 1, seeds: seeds.length, jobs, state,
      worker: [fileURLToPath(new URL("reliability/worker.ts", import.meta.url))],
      ended({ seed, held, why, digest }) {
        if (held) return;
        progress(`seed ${seed} (${digest}): ${why}\n  again: npm run sim -- reliability --seed ${seed} --seeds 1`);
      },
    });
    await run.all();
    if (run.isStopped) {
      progress(state === undefined ? "stopped" : "stopped: the same command goes on from here");
      return;
    }
    const { broken } = run.state;
    // What a run throws breaks all that it was to show.
    const thrown = broken["error"] ?? [];
    for (const [i, property] of properties.entries()) {
      const found = new Set([...thrown, ...(broken[checkerOf(i)] ?? [])]);
      yield row(`${i + 1}. ${property.name}`, seeds.length, found.size);
    }
  },
};

function row(name: string, seeds: number, broken: number): Row {
  return {
    experiment: "reliability", case: name, policy: "ours", seeds, value: broken, ci95: 0, unit: "seeds that broke it",
    published: null, goal: "none", met: broken === 0,
  };
}
