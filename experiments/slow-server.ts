// One of eleven servers falls ill for half a minute: how many calls are lost by how the others are found.
//
// Linkerd's figures of 2016 for turns, least loaded and peak EWMA
// (https://linkerd.io/2016/03/16/beyond-round-robin-load-balancing-for-latency). What is modelled is told in
// docs/experiments.md.
import { meanOf, type Experiment, type Row } from "./frame/rows.ts";
import { policies, type Policy, runSlowServer, type SlowServer } from "./pickers/slow-server.ts";

/** Per cent of calls that succeeded, as published, and as re-run in a simulation without connections. */
const published: Partial<Record<Policy, string>> = {
  "turns": "95 (95.455 re-run)", "least requests": "99 (99.50 re-run)", "peak EWMA": "99.9 (99.927 re-run)",
};
const goals: Partial<Record<Policy, number>> = { "ours, no hedging": 99.97, "ours": 99.999 };

export const experiment: Experiment = {
  about: "one of eleven servers at two seconds for half a minute, timeout one second: calls lost by policy",
  seeds: 5,
  async *run(options) {
    const { seeds, hours } = options;
    for (const policy of policies) {
      const outcomes: SlowServer[] = [];
      const seconds = hours === undefined ? 60 : 25;
      for (const seed of seeds) outcomes.push(await runSlowServer({ policy, seed, seconds }));
      options.progress(`${policy}: digests ${outcomes.map((one) => one.digest).join(" ")}`);
      yield* rowsOf(policy, outcomes);
    }
  },
};

function* rowsOf(policy: Policy, outcomes: readonly SlowServer[]): Generator<Row> {
  const row = (unit: string, pick: (one: SlowServer) => number, more: Partial<Row> = {}): Row => ({
    experiment: "slow-server", case: "one of 11 at 2 s for 30 of 60 s", policy, seeds: outcomes.length,
    ...meanOf(outcomes.map(pick)), unit, published: null, goal: null, met: null, ...more,
  });
  const goal = goals[policy];
  const succeeded = row("% within 1 s", (one) => 100 * (1 - one.lost / one.calls), {
    published: published[policy] ?? null,
    ...goal === undefined ? {} : { goal: `at least ${goal}` },
  });
  yield goal === undefined ? succeeded : { ...succeeded, met: succeeded.value >= goal };
  yield row("calls lost", (one) => one.lost);
  yield row("calls sent to the slow one", (one) => one.toSlow);
  const extra = row("% more attempts", (one) => 100 * (one.attempts / one.calls - 1));
  yield policy === "ours" ? { ...extra, goal: "at most 0.3", met: extra.value <= 0.3 } : extra;
  yield row("ms, p99.9", (one) => one.p999Ms);
}
