// Prequal's figures 6, 7 and 9 in a simulated testbed: nine rules, a ramp into overload, machines of two speeds.
//
// Wydrowski et al., "Load is not what you should balance: Introducing Prequal" (NSDI 2024). What is modelled is told in
// docs/experiments.md.
import { curve, nines, ninesOf, numberAfter } from "./frame/curves.ts";
import { meanOf, type Experiment, type Row, type RunOptions } from "./frame/rows.ts";
import {
  type PrequalCase, type PrequalOutcome, type PrequalPolicy, quantileOf, runPrequal,
} from "./pickers/prequal-world.ts";

/** p99 at 70 and 90 %, of figure 7. */
const published: Partial<Record<PrequalPolicy, readonly [string, string]>> = {
  "turns": ["timeout", "timeout"], "weighted turns": ["314", "timeout"], "ours, by default": ["1804", "2654"],
  "polled two": ["2642", "1169"], "C3 of 16": ["299", "304"], "Prequal": ["281", "286"],
};
const rules: readonly PrequalPolicy[] = [
  "turns", "weighted turns", "polled two", "peak EWMA", "C3 of 16", "Prequal", "ours, by default", "ours, least delay",
  "clairvoyant",
];
const ramp = [0.75, 1.03, 1.27, 1.57, 1.74];

export const experiment: Experiment = {
  about: "Prequal's testbed: nine rules at 70 and 90 %, a ramp into overload, machines of two speeds",
  seeds: 5,
  async *run(options) {
    yield* ruleTable(options);
    yield* rampRows(options);
    yield* halves(options);
    yield* sizes(options);
  },
  plots: (rows) => ({
    "rules": [70, 90].map((load) => curve(rows, {
      title: `Figure 7: latency of nine rules at ${load} %`, x: nines, y: { label: "ms", isLog: true },
      at: ({ case: of, unit }) => (of === `figure 7, ${load} %` && unit.startsWith("ms") ? ninesOf(unit) : undefined),
    })),
    "ramp": curve(rows, {
      title: "Figure 6: p99 on the way into overload", x: { label: "work offered, of the servers' allocation" },
      y: { label: "p99, ms (5,000 is the deadline)", isLog: true },
      at: ({ case: of, unit }) => (of.startsWith("figure 6") && unit === "ms, p99" ? numberAfter("6,", of) : undefined),
    }),
    "quantile": curve([...rows].filter(({ case: of }) => of.startsWith("figure 9"))
      .map((row) => (row.policy.startsWith("Prequal, ") ? { ...row, policy: `Prequal's port, ${row.unit.slice(4)}`,
        case: row.policy } : row)), {
      title: "Figure 9: from calls in flight alone (0) to latency alone (1), half the machines at half speed",
      published: "published",
      x: { label: "quantile of calls in flight above which a server is hot" }, y: { label: "ms", isLog: true },
      at: ({ case: of }) => (of.startsWith("Prequal, quantile") ? numberAfter("quantile", of) : undefined),
    }),
  }),
};

const base = { clients: 100, servers: 100, warmMs: 4_000, measuredMs: 8_000, machines: "neighbours" } as const;

function shortened(options: RunOptions, one: Omit<PrequalCase, "seed">): Omit<PrequalCase, "seed"> {
  // `--hours` of any number: a look, not a result.
  return options.hours === undefined ? one : { ...one, warmMs: 1_500, measuredMs: 2_000 };
}

async function played(options: RunOptions, one: Omit<PrequalCase, "seed">): Promise<PrequalOutcome[]> {
  const outcomes: PrequalOutcome[] = [];
  for (const seed of options.seeds) {
    outcomes.push(runPrequal({ ...shortened(options, one), seed }));
    await new Promise(setImmediate);
  }
  options.progress(`${one.policy} at ${one.load}, ${one.clients} x ${one.servers}, ${one.machines}: ` +
    `p99 ${outcomes.map(({ tookMs }) => quantileOf(tookMs, 0.99).toFixed(0)).join(" ")} ms`);
  return outcomes;
}

type Pick = (one: PrequalOutcome) => number;
const at = (p: number): Pick => ({ tookMs }) => quantileOf(tookMs, p);
const failedShare: Pick = ({ failed, tookMs }) => 100 * failed / tookMs.length;

function rowOf(of: string, policy: string, outcomes: readonly PrequalOutcome[], unit: string, pick: Pick,
  more: Partial<Row> = {}): Row {
  return {
    experiment: "prequal", case: of, policy, seeds: outcomes.length, ...meanOf(outcomes.map(pick)), unit,
    published: null, goal: null, met: null, ...more,
  };
}

/** Rows of ours that must be a tenth below Prequal's, seed by seed on the mean. */
function* compared(
  of: string, ours: readonly PrequalOutcome[], port: readonly PrequalOutcome[], most = 0.9,
): Generator<Row> {
  const ratios = meanOf(ours.map((one, i) => at(0.99)(one) / at(0.99)(port[i] as PrequalOutcome)));
  yield {
    experiment: "prequal", case: of, policy: "ours, least delay", seeds: ours.length, ...ratios,
    unit: "of Prequal's p99", published: null, goal: `at most ${most}`, met: ratios.value <= most,
  };
  const probes = meanOf(ours.map((one) => one.probesPerCall));
  yield {
    experiment: "prequal", case: of, policy: "ours, least delay", seeds: ours.length, ...probes,
    unit: "probes per call", published: null, goal: "at most 1", met: probes.value <= 1,
  };
}

async function* ruleTable(options: RunOptions): AsyncGenerator<Row> {
  for (const [column, load] of [0.7, 0.9].entries()) {
    const of = `figure 7, ${load * 100} %`;
    const kept = new Map<PrequalPolicy, PrequalOutcome[]>();
    for (const policy of rules) {
      const outcomes = await played(options, { ...base, policy, load });
      kept.set(policy, outcomes);
      yield rowOf(of, policy, outcomes, "ms, p50", at(0.5));
      yield rowOf(of, policy, outcomes, "ms, p90", at(0.9));
      yield rowOf(of, policy, outcomes, "ms, p99", at(0.99), { published: published[policy]?.[column] ?? null });
      yield rowOf(of, policy, outcomes, "ms, p99.9", at(0.999));
      yield rowOf(of, policy, outcomes, "% failed", failedShare);
      yield rowOf(of, policy, outcomes, "in flight at a server, p99", ({ inFlight }) => quantileOf(inFlight, 0.99));
      if (policy === "Prequal") yield rowOf(of, policy, outcomes, "probes per call", (one) => one.probesPerCall);
    }
    yield* compared(of, kept.get("ours, least delay") ?? [], kept.get("Prequal") ?? []);
  }
}

async function* rampRows(options: RunOptions): AsyncGenerator<Row> {
  for (const load of ramp) {
    const of = `figure 6, ${load} of the allocation`;
    for (const policy of ["weighted turns", "Prequal", "ours, least delay", "clairvoyant"] as const) {
      const outcomes = await played(options, { ...base, measuredMs: 4_000, policy, load });
      const most = load > 1.57 ? 0.1 : 0;
      const failed = rowOf(of, policy, outcomes, "% failed", failedShare, {
        published: policy === "Prequal" ? "0" : policy === "weighted turns" && load > 1.7 ? "more than 25" : null,
      });
      yield policy === "ours, least delay"
        ? { ...failed, goal: most === 0 ? "none" : `at most ${most}`, met: failed.value <= most }
        : failed;
      yield rowOf(of, policy, outcomes, "ms, p99", at(0.99));
      yield rowOf(of, policy, outcomes, "ms, p99.9", at(0.999));
    }
  }
}

/** Figure 9: a quantile of Prequal's own, from calls in flight alone (0) to latency alone (1). */
async function* halves(options: RunOptions): AsyncGenerator<Row> {
  const of = "figure 9, half the machines at half speed, 75 %";
  // 75 % of what the machines can do together, which is three quarters of their allocation.
  const halved = { ...base, machines: "halves", load: 0.75 * 0.75, measuredMs: 4_000 } as const;
  for (const hotQuantile of [0, 0.35, 0.84, 0.99, 1]) {
    const outcomes = await played(options, { ...halved, policy: "Prequal", hotQuantile });
    const figure = { 0: "162", 0.99: "142", 1: "170" }[hotQuantile] ?? null;
    yield rowOf(of, `Prequal, quantile ${hotQuantile}`, outcomes, "ms, p90", at(0.9));
    yield rowOf(of, `Prequal, quantile ${hotQuantile}`, outcomes, "ms, p99", at(0.99), { published: figure });
    yield rowOf(of, `Prequal, quantile ${hotQuantile}`, outcomes, "ms, p99.9", at(0.999));
  }
  for (const policy of ["ours, by default", "ours, least delay", "clairvoyant"] as const) {
    const outcomes = await played(options, { ...halved, policy });
    yield rowOf(of, policy, outcomes, "ms, p90", at(0.9));
    yield rowOf(of, policy, outcomes, "ms, p99", at(0.99));
    yield rowOf(of, policy, outcomes, "ms, p99.9", at(0.999));
  }
}

async function* sizes(options: RunOptions): AsyncGenerator<Row> {
  for (const [servers, measuredMs] of [[10, 25_000], [1_000, 1_200]] as const) {
    const of = `${servers} servers, 90 %`;
    const sized = { ...base, servers, measuredMs, load: 0.9 };
    const port = await played(options, { ...sized, policy: "Prequal" });
    const ours = await played(options, { ...sized, policy: "ours, least delay" });
    for (const [policy, outcomes] of [["Prequal", port], ["ours, least delay", ours]] as const) {
      yield rowOf(of, policy, outcomes, "ms, p99", at(0.99));
      yield rowOf(of, policy, outcomes, "% failed", failedShare);
    }
    yield* compared(of, ours, port);
  }
}
