// C3's simulation: servers whose speed changes every 10 to 500 ms, and clients who hear of it with their replies.
//
// Suresh et al., "C3: Cutting Tail Latency in Cloud Data Stores via Adaptive Replica Selection" (NSDI 2015). What is
// modelled is told in docs/experiments.md.
import { curve, nines, ninesOf } from "./frame/curves.ts";
import { meanOf, type Experiment, type Row } from "./frame/rows.ts";
import { type C3Policy, runC3 } from "./pickers/c3-world.ts";
import { quantileOf } from "./pickers/prequal-world.ts";

const policies: readonly C3Policy[] = [
  "random", "least outstanding", "peak EWMA", "C3, no rate control", "C3", "ours, by default", "ours, least delay",
  "shortest queue", "clairvoyant",
];
/** Those that see a part of the traffic: to them alone it matters how many clients there are. */
const partial: readonly C3Policy[] = ["least outstanding", "C3", "ours, by default", "ours, least delay"];
/** p99.9 at 70 % and 150 clients, re-run of the published set-up. */
const known: Readonly<Record<number, Partial<Record<C3Policy, string>>>> = {
  500: {
    "random": "834-994", "least outstanding": "195-207", "C3": "85-107", "shortest queue": "58-81", "clairvoyant": "24",
  },
  10: { "least outstanding": "40", "C3": "35", "clairvoyant": "23" },
};
/** Milliseconds between changes of speed, utilisation, clients. */
const cases = [[500, 0.7, 150], [10, 0.7, 150], [500, 0.45, 150], [500, 0.7, 300]] as const;
/** The whole set-up has 600,000. */
const requests = 120_000;

export const experiment: Experiment = {
  about: "C3's simulation: three replicas each, speeds that change every 10 or 500 ms, 150 or 300 clients",
  seeds: 5,
  async *run(options) {
    const { seeds, hours } = options;
    const progress = (text: string): void => options.progress(text);
    const size = hours === undefined ? requests : 6_000;
    const tails = new Map<string, readonly number[]>();
    for (const [everyMs, utilisation, clients] of cases) {
      const of = `T ${everyMs} ms, ${Math.round(utilisation * 100)} %, ${clients} clients`;
      for (const policy of policies) {
        if (clients === 300 && !partial.includes(policy)) continue;
        const took: Float64Array[] = [];
        for (const seed of seeds) {
          took.push(runC3({
            policy, seed, clients, everyMs, utilisation, requests: size,
          }));
          await new Promise(setImmediate);
        }
        const tail = took.map((one) => quantileOf(one, 0.999));
        tails.set(`${of} ${policy}`, tail);
        progress(`${of}, ${policy}: p99.9 ${tail.map((ms) => ms.toFixed(0)).join(" ")} ms`);
        const row = (unit: string, values: readonly number[], more: Partial<Row> = {}): Row => ({
          experiment: "c3", case: of, policy, seeds: took.length, ...meanOf(values), unit, published: null, goal: null,
          met: null, ...more,
        });
        yield row("ms, p50", took.map((one) => quantileOf(one, 0.5)));
        yield row("ms, p99", took.map((one) => quantileOf(one, 0.99)));
        const most = utilisation !== 0.7 || clients !== 150 ? undefined : everyMs === 500 ? 80 : 30;
        const mean = meanOf(tail).value;
        yield row("ms, p99.9", tail, {
          published: utilisation === 0.7 && clients === 150 ? known[everyMs]?.[policy] ?? null : null,
          ...policy.startsWith("ours") && most !== undefined ? { goal: `at most ${most}`, met: mean <= most } : {},
        });
      }
    }
    yield* ratios(tails);
  },
  plots: (rows) => ({
    "": [500, 10].map((everyMs) => curve(rows, {
      title: `Latency where speeds are drawn anew every ${everyMs} ms`, x: nines, y: { label: "ms", isLog: true },
      at: ({ case: of, unit }) =>
        (of === `T ${everyMs} ms, 70 %, 150 clients` && unit.startsWith("ms") ? ninesOf(unit) : undefined),
    })),
  }),
};

function* ratios(tails: ReadonlyMap<string, readonly number[]>): Generator<Row> {
  const few = "T 500 ms, 70 %, 150 clients";
  for (const policy of ["ours, by default", "ours, least delay"]) {
    const ratio = (
      of: string, unit: string, above: string, below: string, goal: string, isMet: (value: number) => boolean,
    ): Row => {
      const values = (tails.get(above) ?? []).map((ms, i) => ms / ((tails.get(below) ?? [])[i] as number));
      const figure = meanOf(values);
      return { experiment: "c3", case: of, policy, seeds: values.length, ...figure, unit, published: null, goal,
        met: isMet(figure.value) };
    };
    const its = `${few} ${policy}`;
    yield ratio(few, "least outstanding's p99.9 of ours", `${few} least outstanding`, its, "at least 2.5",
      (value) => value >= 2.5);
    yield ratio(few, "C3's p99.9 of ours", `${few} C3`, its, "at least 1", (value) => value >= 1);
    yield ratio("300 clients", "p99.9 of that of 150", `T 500 ms, 70 %, 300 clients ${policy}`, its, "at most 1.1",
      (value) => value <= 1.1);
  }
}
