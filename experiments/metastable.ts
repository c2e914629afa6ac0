// The metastable failure of HotOS'21: a server that a blip and its callers' retries keep overloaded for ever, or not.
//
// 280 calls a second to a server of 300, exponential service, one second to answer; for ten seconds it does nothing and
// holds what comes. Callers repeat what was not answered in time. What is modelled is told in docs/experiments.md.
import { type Context, expected, type Layer } from "../src/core/index.ts";
import type { ClientOptions } from "../src/client/create-client.ts";
import {
  createWorld, exponential, Figures, openLoop, simulatedClient, simulatedServer, type SimulatedServer,
  type SimulatedWorld, type StationOptions,
} from "../src/sim/index.ts";
import { curve, numberAfter } from "./frame/curves.ts";
import type { Experiment, Row } from "./frame/rows.ts";
import { meter, rowsOf, successBetween, Work } from "./overload/worlds.ts";

const perSecond = 280;
const serviceMs = 1_000 / 300;
const timeoutMs = 1_000;
const blip = { fromMs: 20_000, untilMs: 30_000 };
const endMs = 100_000;
/** Goodput of recovery, and for how long it must last. */
const recovered = { share: 0.97, forMs: 5_000 };

export interface Setting {
  readonly seed: number;
  readonly retries: number;
  readonly layers: number;
  /** Whether the server's queue stands still, or its whole program: then what is sent waits in the network. */
  readonly blip: "work" | "program";
  readonly endMs?: number;
}

interface Policy {
  readonly name: string;
  /** How the server's queue works. */
  readonly station?: StationOptions;
  /** A budget in retries per call, with so many saved up. */
  readonly budget?: { readonly ratio: number; readonly most: number };
  /** SRE's adaptive throttling, by its factor K. */
  readonly throttle?: number;
  /** Everything of our own, as it is by default. */
  readonly isOurs?: boolean;
}

/** `finish`: what was given up is worked on all the same, as where nobody tells the server. */
const naive: Policy = { name: "naive retry", station: { abandoned: "finish" } };
const ours: Policy = { name: "ours, by default", station: { abandoned: "finish" }, isOurs: true };
const ports: readonly Policy[] = [
  naive,
  { ...naive, name: "budget 10 %", budget: { ratio: 0.1, most: 10 } },
  { ...naive, name: "drop expired", station: { abandoned: "drop queued" } },
  { ...naive, name: "LIFO", station: { abandoned: "finish", discipline: "lifo" } },
  { ...naive, name: "queue of 60", station: { abandoned: "finish", maxQueue: 60 } },
  { ...naive, name: "throttle K=2", throttle: 2 },
  { name: "budget + drop", station: { abandoned: "drop queued" }, budget: { ratio: 0.1, most: 10 } },
];

export interface Outcome {
  /** Seconds from the blip's end to five seconds of 97 % goodput; 70, the length of the rest of the run, for never. */
  readonly recoveryS: number;
  /**
   * What is sent, as a share of what users asked, on average and in the worst second: attempts with repeats and hedges,
   * or of several layers, what the last server is sent.
   */
  readonly amplification: number;
  readonly worstSecond: number;
  readonly worstAfter: number;
  readonly steady: number;
  readonly wasted: number;
}

export async function play(policy: Policy, setting: Setting): Promise<Outcome> {
  const world = createWorld({ seed: setting.seed });
  const untilMs = setting.endMs ?? endMs;
  const extra = { count: 0 };
  const last = chain(world, policy, setting);
  const figures = new Figures({ bucketMs: 250 });
  const entry = caller(world, policy, setting, { layer: 0, extra });
  openLoop(world, { rate: perSecond, untilMs, deadlineMs: timeoutMs, figures, call: () => entry(undefined) });
  const sent = meter(world, untilMs, () => (setting.layers === 1
    ? figures.offered + extra.count
    : world.traffic(`caller-${setting.layers}`).requests));
  const offered = meter(world, untilMs, () => figures.offered);
  if (setting.blip === "program") world.at(blip.fromMs, () => last.stall(blip.untilMs - blip.fromMs));
  else {
    world.at(blip.fromMs, () => last.station.pause());
    world.at(blip.untilMs, () => last.station.resume());
  }
  await world.run(untilMs + 10_000);
  const ratios = sent.perSecond.map((count, i) => count / Math.max(1, offered.perSecond[i] as number));
  const total = (counts: readonly number[]): number => counts.reduce((sum, one) => sum + one, 0);
  const from = blip.fromMs / 1_000;
  return {
    recoveryS: recoveryOf(figures, untilMs),
    amplification: total(sent.perSecond) / total(offered.perSecond),
    worstSecond: Math.max(...ratios.slice(1)),
    worstAfter: Math.max(...ratios.slice(blip.untilMs / 1_000 + 5)),
    steady: successBetween(figures, 2_000, from * 1_000),
    wasted: last.figures.workMs === 0 ? 0 : last.figures.wastedMs / last.figures.workMs,
  };
}

function recoveryOf(figures: Figures, untilMs: number): number {
  for (let ms = blip.untilMs; ms + recovered.forMs <= untilMs; ms += 250) {
    if (successBetween(figures, ms, ms + recovered.forMs) >= recovered.share) return (ms - blip.untilMs) / 1_000;
  }
  // Not within the run.
  return (untilMs - blip.untilMs) / 1_000;
}

/** The servers, each of which calls the next; the last does the work. */
function chain(world: SimulatedWorld, policy: Policy, setting: Setting): SimulatedServer {
  const admission = policy.isOurs === true ? {} : { admission: false as const };
  for (let layer = 1; layer < setting.layers; layer++) {
    const next = caller(world, policy, setting, { layer, extra: { count: 0 } });
    simulatedServer(world, Work, {
      host: `layer-${layer}`, registers: false, ...admission,
      handlers: { plain: (_request, context) => next(context) },
    });
  }
  return simulatedServer(world, Work, {
    host: `layer-${setting.layers}`, registers: false, work: exponential(serviceMs), ...policy.station, ...admission,
  });
}

/** How whoever stands above `layer + 1` calls it. */
function caller(
  world: SimulatedWorld, policy: Policy, { retries }: Setting,
  { layer, extra }: { readonly layer: number; readonly extra: { count: number } },
): (context: Context | undefined) => Promise<unknown> {
  const host = `caller-${layer + 1}`;
  const base: ClientOptions = { address: `layer-${layer + 1}:7000`, timeoutMs };
  if (policy.isOurs === true) {
    // One retry fewer than attempts; 2 is the default.
    const client = simulatedClient(world, Work, {
      host, ...base, retry: { maxAttempts: retries + 1 },
      observer: { event: (name) => void (name === "retry.attempt" || name === "hedge.sent" ? extra.count++ : 0) },
    });
    return (context) => client.plain({}, context === undefined ? {} : { context });
  }
  const stack = policy.throttle === undefined ? {} : { stack: throttled(world, policy.throttle) };
  const client = simulatedClient(world, Work, { host, ...base, ...stack, retry: false });
  let tokens = policy.budget?.most ?? 0;
  // The deadline of whoever asked is not passed on, and each attempt has a second of its own: as in the paper.
  return async () => {
    const { budget } = policy;
    if (budget !== undefined) tokens = Math.min(budget.most, tokens + budget.ratio);
    for (let retry = 0; ; retry++) {
      try {
        return await client.plain({});
      } catch (error) {
        if (retry >= retries) throw error;
        if (budget !== undefined && tokens < 1) throw error;
        tokens--;
        extra.count++;
      }
    }
  };
}

/** Rejects with probability (requests - K accepts) / (requests + 1), over two minutes (SRE book). */
function throttled(world: SimulatedWorld, k: number): ClientOptions["stack"] {
  const spans: { atMs: number; requests: number; accepts: number }[] = [];
  const random = world.chance("throttle");
  const layer: Layer = (next) => (request, context) => {
    const nowMs = world.nowMs;
    let span = spans.at(-1);
    if (span === undefined || nowMs - span.atMs > 1_000) {
      spans.push(span = { atMs: nowMs, requests: 0, accepts: 0 });
      while ((spans[0] as typeof span).atMs < nowMs - 120_000) spans.shift();
    }
    const requests = spans.reduce((sum, one) => sum + one.requests, 0);
    const accepts = spans.reduce((sum, one) => sum + one.accepts, 0);
    const its = span;
    its.requests++;
    if (random.next() < (requests - k * accepts) / (requests + 1)) throw expected("unavailable", "throttled here");
    return (next(request, context) as Promise<unknown>).then((answer) => {
      its.accepts++;
      return answer;
    });
  };
  return (defaults) => ({ throttle: layer, ...defaults });
}

/** What is held against each other, for tests. */
export const policies = { naive, ours };

const published = "never recovers; 560 a second, goodput 0";

export const experiment: Experiment = {
  about: "HotOS'21: a blip that retries keep alive, and what ends it: budgets, dropped work, LIFO, ours",
  seeds: 5,
  async *run(options) {
    const { seeds } = options;
    for (const setting of settings()) {
      for (const policy of setting.policies) {
        const outcomes: Outcome[] = [];
        for (const seed of seeds) outcomes.push(await play(policy, { ...setting, seed }));
        yield* rows(setting, policy, outcomes);
        options.progress(`${nameOf(setting)}, ${policy.name}: ${outcomes.map((one) => one.recoveryS).join(", ")} s`);
      }
    }
  },
  plots: (rows) => ({
    "": curve(rows, {
      title: "Attempts for each call after a blip", x: { label: "retries allowed for each call" },
      y: { label: "attempts per call, worst second" },
      at: ({ case: of, unit }) =>
        (unit === "amplification, worst second" && /^\d retr(?:y|ies)$/.test(of) ? numberAfter("^", of) : undefined),
    }),
    "recovery": curve(rows, {
      title: "How long until 97 % of the calls are answered again", x: { label: "retries allowed for each call" },
      y: { label: "seconds after the blip" },
      at: ({ case: of, unit }) =>
        (unit === "s until 97 % goodput" && /^\d retr(?:y|ies)$/.test(of) ? numberAfter("^", of) : undefined),
    }),
  }),
};

type Case = Omit<Setting, "seed"> & { readonly policies: readonly Policy[] };

function settings(): readonly Case[] {
  return [
    { retries: 1, layers: 1, blip: "work", policies: [...ports, ours] },
    { retries: 2, layers: 1, blip: "work", policies: [naive, ours] },
    { retries: 3, layers: 1, blip: "work", policies: [naive, ours] },
    { retries: 2, layers: 1, blip: "program", policies: [ours] },
    { retries: 3, layers: 3, blip: "work", policies: [naive, ours] },
  ];
}

function nameOf({ retries, layers, blip: kind }: Omit<Setting, "seed">): string {
  const times = retries === 1 ? "1 retry" : `${retries} retries`;
  return [times, layers === 1 ? "" : `${layers} layers`, kind === "work" ? "" : "the program stands still"]
    .filter((part) => part !== "").join(", ");
}

function* rows(setting: Case, policy: Policy, outcomes: readonly Outcome[]): Generator<Row> {
  const row = rowsOf("metastable", outcomes, { case: nameOf(setting), policy: policy.name });
  const judged = policy.isOurs === true;
  const most = (bound: number, text = `at most ${bound}`) =>
    (judged ? { goal: text, meets: (value: number) => value <= bound } : {});
  yield row("s until 97 % goodput", (one) => one.recoveryS,
    { ...most(5), ...(policy === naive && setting.retries === 1 ? { published } : {}) });
  const layered = setting.layers > 1;
  yield row("amplification, average", (one) => one.amplification,
    { ...most(layered ? 1.3 : 1.1), ...(policy === naive && layered ? { published: "64" } : {}) });
  // While the program stands still its connection ends, and what is repeated then is not sent, but waits.
  yield row("amplification, worst second", (one) => one.worstSecond,
    setting.blip === "program" ? {} : most(layered ? 1.3 : 1.2));
  yield row("% goodput before the blip", (one) => one.steady * 100);
  yield row("% of work for nobody", (one) => one.wasted * 100);
}
