// How soon silent crashes are found, and how often the living are taken for dead: SWIM, Lifeguard, phi-accrual, ours.
//
// 128 nodes, packets lost at 0 to 10 %, 1 to 32 nodes starved of their processors for 20 s at a time, pauses of 0.3 to
// 1 s, silent crashes. All policies meet the same faults. What is modelled is told in docs/experiments.md.
import { type Case, type Outcome, policies, type PolicyName, runCase, upperBound } from "./detector/cases.ts";
import { curve, numberAfter } from "./frame/curves.ts";
import { type Experiment, meanOf, quantile, type Row } from "./frame/rows.ts";

const losses = [0, 0.02, 0.05, 0.1];
/** Five seeds make a day. */
const hoursPerSeed = 4.8;
/** Where goals end, at more than 2 % loss, a quarter of it tells enough. */
const hoursShare = (loss: number): number => (loss > 0.02 ? 0.25 : 1);
const mostGoalLoss = 0.02;

export const experiment: Experiment = {
  about: "how soon crashes are found and how often the living are taken for dead, beside SWIM, Lifeguard and phi",
  seeds: 5,
  async *run(options) {
    const { seeds, hours = hoursPerSeed } = options;
    const progress = (text: string): void => options.progress(text);
    for (const loss of losses) {
      const byPolicy = new Map<PolicyName, Outcome[]>();
      for (const policy of policies) {
        const outcomes: Outcome[] = [];
        for (const seed of seeds) {
          outcomes.push(played({ policy, loss, seed, hours: hours * hoursShare(loss) }, progress));
          // Lets whoever reads the rows go on.
          await new Promise(setImmediate);
        }
        byPolicy.set(policy, outcomes);
        yield* rowsOf(outcomes);
      }
      yield* comparison(byPolicy);
    }
  },
  plots: (rows) => ({
    "found": ["p50", "p99"].map((quantile) => curve(rows, {
      title: `How soon crashes are found, ${quantile}`, x: { label: "packets lost, %" },
      y: { label: "ms from the crash", isLog: true }, policies: ["SWIM", "Lifeguard", "phi-accrual", "ours"],
      at: ({ case: of, unit }) => (unit === `ms until found, ${quantile}` ? numberAfter("^", of) : undefined),
    })),
    "wrong": curve(rows, {
      title: "How often the living are taken for dead, by observers that are well", x: { label: "packets lost, %" },
      y: { label: "wrong in a node-month, 95 % bound", isLog: true },
      at: ({ case: of, unit }) =>
        (unit === "wrong per node-month, 95 % bound" ? numberAfter("^", of) : undefined),
    }),
  }),
};

function played(one: Case, progress: (text: string) => void): Outcome {
  const startedMs = performance.now();
  const outcome = runCase(one);
  progress(`${caseName(one)}, ${one.policy}, seed ${one.seed}, ${one.hours} h: digest ${outcome.digest}, ` +
    `${((performance.now() - startedMs) / 1_000).toFixed(1)} s`);
  return outcome;
}

const caseName = ({ loss }: Case): string => `${loss * 100} % loss`;

/** Published figures, where the set-up is alike. */
const published: Partial<Record<PolicyName, string>> = {
  SWIM: "first probe 1.58 T, then the suspicion", "phi-accrual": "4600 (Akka's defaults)",
};

function* rowsOf(outcomes: readonly Outcome[]): Generator<Row> {
  const [first] = outcomes as [Outcome];
  const { policy, loss } = first;
  const isJudged = policy === "ours";
  const row = (unit: string, pick: (one: Outcome) => number, more: Partial<Row> = {}): Row => ({
    experiment: "detector", case: caseName(first), policy, seeds: outcomes.length, ...meanOf(outcomes.map(pick)), unit,
    published: null, goal: null, met: null, ...more,
  });
  /** Each seed has to meet it. */
  const goal = (unit: string, pick: (one: Outcome) => number, most: number, more: Partial<Row> = {}): Row => {
    const judged = isJudged ? { goal: `at most ${most}`, met: outcomes.every((one) => pick(one) <= most) } : {};
    return row(unit, pick, { ...more, ...judged });
  };
  const firsts = (p: number) => ({ tally }: Outcome) => quantile([...tally.declaredMs.values()], p);
  const perSecond = (count: (one: Outcome) => number) => (one: Outcome) => count(one) / one.nodeSeconds;

  yield goal("ms until found, p50", firsts(0.5), 600, { published: published[policy] ?? null });
  yield goal("ms until found, p99", firsts(0.99), 1_500);
  if (policy !== "SWIM" && policy !== "Lifeguard") {
    yield row("ms at each who watches, p50", ({ tally }) => quantile(tally.declaredEachMs, 0.5));
    yield row("ms at each who watches, p99", ({ tally }) => quantile(tally.declaredEachMs, 0.99));
  } else {
    yield row("ms until suspected, mean", ({ tally }) => meanOf([...tally.suspectedMs.values()]).value);
  }
  yield row("crashes not found", (one) => one.crashes - one.tally.declaredMs.size);

  const wrongly = outcomes.reduce((sum, { tally }) => sum + tally.wrongly, 0);
  const nodeMonths = outcomes.reduce((sum, one) => sum + one.nodeMonths, 0);
  const hasRateGoal = isJudged && loss <= mostGoalLoss;
  yield row("wrong per node-month", (one) => one.tally.wrongly / one.nodeMonths, hasRateGoal
    ? { goal: "less than 1", met: wrongly / nodeMonths < 1 }
    : {});
  yield { ...row("wrong per node-month, 95 % bound", () => 0), value: upperBound(wrongly, nodeMonths), ci95: 0 };
  const atUnwell = outcomes.reduce((sum, { tally }) => sum + tally.wronglyByUnwell, 0);
  yield row("wrong by stalled, per node-month", (one) => one.tally.wronglyByUnwell / one.nodeMonths, hasRateGoal
    ? { goal: "none", met: atUnwell === 0 }
    : {});
  yield row("pauses of 0.3-1 s held failures, %", (one) => 100 * one.tally.briefly / Math.max(1, one.pauses));
  yield row("messages per node and s", perSecond(({ tally }) => tally.messages));
  yield row("bytes per node and s", perSecond(({ tally }) => tally.bytes));
  if (first.ours === undefined) return;
  const all = outcomes.flatMap(({ ours }) => ours ?? []);
  yield row("ms such a suspicion lasts, p50", ({ ours }) => quantile(ours?.brieflyMs ?? [], 0.5));
  const ended = all.reduce((sum, { endedWrongly }) => sum + endedWrongly, 0);
  const misjudged = all.reduce((sum, one) => sum + one.misjudged, 0);
  yield { ...row("connections ended wrongly", () => 0), value: ended };
  yield { ...row("shortcuts that were wrong", () => 0), value: misjudged };
}

/** Wrong at anybody, healthy or not: at healthy observers alone even SWIM's are too few to compare with. */
function* comparison(byPolicy: ReadonlyMap<PolicyName, readonly Outcome[]>): Generator<Row> {
  const swim = byPolicy.get("SWIM") ?? [];
  const wrong = (outcomes: readonly Outcome[]): number =>
    outcomes.reduce((sum, { tally }) => sum + tally.wrongly + tally.wronglyByUnwell, 0);
  for (const [policy, outcomes] of byPolicy) {
    const [first] = outcomes as [Outcome];
    if (policy === "SWIM") continue;
    const value = wrong(outcomes) / Math.max(1, wrong(swim));
    const isJudged = policy === "ours" && first.loss <= mostGoalLoss;
    yield {
      experiment: "detector", case: caseName(first), policy, seeds: outcomes.length, value, ci95: 0,
      unit: "of SWIM's wrong declarations", published: policy === "Lifeguard" ? "1/50 to 1/100" : null,
      goal: isJudged ? "at most 0.01" : null, met: isJudged ? value <= 0.01 : null,
    };
  }
}
