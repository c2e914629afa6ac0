// Spikes: how soon a server that is offered 1.4, 2 or 3 times what it can do does all it can, and whom it serves.
//
// One server, exponential service of 5 ms, offered half of what it can do; for 30 s more. A fifth of the calls is
// critical. Calls are made once, so that what is shed shows. What is modelled is told in docs/experiments.md.
import type { LayerMaker } from "../src/core/index.ts";
import { admission, aimdLimit, gradientLimit, vegasLimit } from "../src/overload/index.ts";
import {
  createWorld, exponential, Figures, openLoop, simulatedClient, simulatedServer, steps,
} from "../src/sim/index.ts";
import { createHistogram } from "../src/telemetry/histogram.ts";
import { dagor } from "./overload/dagor.ts";
import { curve, numberAfter } from "./frame/curves.ts";
import type { Experiment, Row } from "./frame/rows.ts";
import { rowsOf, successBetween, Work } from "./overload/worlds.ts";

const serviceMs = 5;
const capacity = 1_000 / serviceMs;
const criticalShare = 0.2;
const spike = { fromMs: 10_000, untilMs: 40_000 };
const endMs = 50_000;
/** Of the server with nothing else to do: the 99th percentile of an exponential of 5 ms. */
const unloadedP99Ms = serviceMs * Math.log(100);
const deadlineMs = 5_000;

interface Policy {
  readonly name: string;
  readonly admission: () => LayerMaker | false | undefined;
}

const limited = (limit: () => ReturnType<typeof aimdLimit>): LayerMaker => admission({ limit, levels: false, room: 1 });

const ours: Policy = { name: "ours, by default", admission: () => undefined };
const policies: readonly Policy[] = [
  { name: "none", admission: () => false },
  { name: "AIMD", admission: () => limited(() => aimdLimit({ timeoutMs: 100, floor: 4 })) },
  { name: "Gradient2", admission: () => limited(() => gradientLimit()) },
  { name: "Vegas", admission: () => admission({ limit: (runtime) => vegasLimit(runtime), levels: false, room: 1 }) },
  { name: "DAGOR", admission: () => dagor() },
  ours,
];

export interface Outcome {
  /** Seconds until the server first is at work 95 % of half a second, and of the second that follows. */
  readonly convergenceS: number;
  readonly steadyGoodput: number;
  readonly p99Ms: number;
  readonly criticalSuccess: number;
  readonly shedMs: number;
  /** Seconds after the spike until nobody was turned away any more. */
  readonly recoveryS: number;
  /** Most calls that were inside the handler at once. */
  readonly mostInside: number;
}

export async function play(policy: Policy, factor: number, seed: number): Promise<Outcome> {
  const world = createWorld({ seed });
  const maker = policy.admission();
  const server = simulatedServer(world, Work, {
    host: "server", work: exponential(serviceMs), ...(maker === undefined ? {} : { admission: maker }),
  });
  const client = simulatedClient(world, Work, { timeoutMs: deadlineMs, retry: false, throttle: false, hedge: false });
  const [all, critical] = [new Figures({ bucketMs: 100 }), new Figures({ bucketMs: 100 })];
  const accepted = createHistogram({ precisionBits: 7 });
  const sheds = createHistogram({ precisionBits: 7 });
  let lastFailureMs = spike.untilMs;
  const load = { untilMs: endMs, deadlineMs };
  const steady = (dueMs: number): boolean => dueMs >= spike.fromMs + 5_000 && dueMs < spike.untilMs;
  const ended = (_index: number, dueMs: number, endedMs: number, error: unknown): void => {
    if (error === undefined && steady(dueMs)) accepted.record(endedMs - dueMs);
    if (error === undefined) return;
    if (steady(dueMs)) sheds.record(endedMs - dueMs);
    if (dueMs > spike.untilMs) lastFailureMs = Math.max(lastFailureMs, dueMs);
  };
  const rateOf = (share: number) => steps([[0, capacity * 0.5 * share], [spike.fromMs, capacity * factor * share],
    [spike.untilMs, capacity * 0.5 * share]]);
  openLoop(world, { ...load, name: "critical", rate: rateOf(criticalShare), figures: critical,
    call: () => client.critical({}), ended: (index, due, at, error) => {
      all.begun(due);
      all.ended(due, at, error, due + deadlineMs);
      ended(index, due, at, error);
    } });
  openLoop(world, { ...load, name: "plain", rate: rateOf(1 - criticalShare), figures: all,
    call: () => client.plain({}), ended });
  const busyMs: number[] = [];
  for (let ms = 0; ms <= endMs; ms += stepMs) world.at(ms, () => busyMs.push(server.figures.busyMs));
  await world.run(endMs + deadlineMs);
  const { figures } = server;
  const workMs = figures.busyMs / figures.finished;
  return {
    convergenceS: convergenceOf(busyMs),
    // Of what it could do by the work that it was given, whose mean is 5 ms only over many seeds.
    steadyGoodput: all.goodput(spike.fromMs + 1_000, spike.untilMs) * workMs / 1_000,
    p99Ms: accepted.quantile(0.99),
    criticalSuccess: successBetween(critical, spike.fromMs, spike.untilMs),
    shedMs: sheds.quantile(0.5),
    recoveryS: (lastFailureMs - spike.untilMs) / 1_000,
    mostInside: figures.mostInside,
  };
}

/** How often the server is looked at. */
const stepMs = 100;

function convergenceOf(busyMs: readonly number[]): number {
  const shareAt = (fromMs: number, forMs: number): number =>
    ((busyMs[(fromMs + forMs) / stepMs] as number) - (busyMs[fromMs / stepMs] as number)) / forMs;
  for (let ms = spike.fromMs; ms < spike.untilMs - 1_500; ms += stepMs) {
    if (shareAt(ms, 500) >= 0.95 && shareAt(ms + 500, 1_000) >= 0.95) return (ms - spike.fromMs) / 1_000;
  }
  return Infinity;
}

export const experiment: Experiment = {
  about: "spikes of 1.4, 2 and 3 times capacity: how soon and how well a server sheds, whom it serves, beside others",
  seeds: 5,
  async *run(options) {
    const { seeds } = options;
    for (const factor of [1.4, 2, 3]) {
      for (const policy of policies) {
        const outcomes: Outcome[] = [];
        for (const seed of seeds) outcomes.push(await play(policy, factor, seed));
        yield* rows(policy, factor, outcomes);
        options.progress(`${factor} times, ${policy.name}`);
      }
    }
  },
  plots: (rows) => ({
    "": curve(rows, {
      title: "Latency of what is accepted under a spike", x: { label: "load, times the capacity" },
      y: { label: "p99 of accepted calls, times that unloaded", isLog: true },
      at: ({ case: of, unit }) =>
        (unit === "p99 of accepted, times that unloaded" ? numberAfter("^", of) : undefined),
    }),
    "capacity": curve(rows, {
      title: "What is done under a spike", x: { label: "load, times the capacity" },
      y: { label: "goodput after the first second, % of the capacity", from: 0, to: 105 },
      at: ({ case: of, unit }) => (unit === "% of capacity, after the first second" ? numberAfter("^", of) : undefined),
    }),
  }),
};

const published: Readonly<Record<string, string>> = { DAGOR: "0.5 (10 µs calls, Breakwater's authors)" };

function* rows(policy: Policy, factor: number, outcomes: readonly Outcome[]): Generator<Row> {
  const row = rowsOf("spike", outcomes, { case: `${factor} times`, policy: policy.name });
  const isOurs = policy === ours;
  const most = (bound: number) =>
    (isOurs ? { goal: `at most ${bound}`, meets: (value: number) => value <= bound } : {});
  const least = (bound: number) =>
    (isOurs ? { goal: `at least ${bound}`, meets: (value: number) => value >= bound } : {});
  const told = published[policy.name];
  yield row("s until at work 95 % of the time", (one) => one.convergenceS,
    { ...most(1), ...(told === undefined ? {} : { published: told }) });
  yield row("% of capacity, after the first second", (one) => one.steadyGoodput * 100, least(97));
  yield row("p99 of accepted, times that unloaded", (one) => one.p99Ms / unloadedP99Ms, most(5));
  yield row("% of critical calls", (one) => one.criticalSuccess * 100, least(99.5));
  yield row("ms until a call is shed, p50", (one) => one.shedMs, most(1));
  yield row("s until none is shed, after the spike", (one) => one.recoveryS, most(2));
}
