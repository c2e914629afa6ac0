// A fan-out of 100 over leaves that are slow now and then, in a world of production clients and servers.
import * as z from "zod";
import { rpc, service } from "../../src/contract/index.ts";
import type { ClientOptions } from "../../src/client/create-client.ts";
import { createWorld, exponential, mixture, openLoop, pareto, simulatedClient, simulatedServer, uniform }
  from "../../src/sim/index.ts";

const Leaf = service("tail.v1.Leaf", {
  // `slowMs` above 0 is a slowness of the key itself, which every replica of it shares.
  get: rpc({ input: z.object({ slowMs: z.number() }), output: z.object({}), idempotent: true }),
});

export type Hedging = "none" | "after 10 ms" | "ours";

export interface FanOutCase {
  readonly hedging: Hedging;
  /** Share of the slow leaves that are as slow wherever they are asked. */
  readonly correlated: number;
  /** Share of leaves that are slow. */
  readonly slow: number;
  readonly seed: number;
  /** Requests of 100 leaves each that are counted. */
  readonly requests: number;
}

export interface FanOut {
  /** Of each request: the time of its slowest leaf. */
  readonly requestMs: readonly number[];
  /** Leaf calls made, and attempts they took. */
  readonly calls: number;
  readonly attempts: number;
  /** Work begun for nobody, of all work, as the servers' time. */
  readonly wastedShare: number;
  readonly digest: string;
}

const width = 100;
const servers = 20;
const requestsPerSecond = 25;
/** Requests that come before: the time in which statistics fill. */
const warmUpRequests = 200;
/** The leaf of the published figure: 2 % above 10 ms, 1,800 ms at 1 in 100,000. */
const slowness = pareto(10, Math.log(0.02 / 1e-5) / Math.log(180));
const deadlineMs = 60_000;

const settings: Readonly<Record<Hedging, Partial<ClientOptions>>> = {
  none: { hedge: false },
  // The published policy: one further attempt after 10 ms, whatever it costs.
  "after 10 ms": { hedge: { delayMs: 10, maxAttempts: 2, ratio: 4, hangsAfter: Infinity, maxLoad: 1_000 } },
  ours: {},
};

export async function runFanOut(one: FanOutCase): Promise<FanOut> {
  const { hedging, correlated, slow, seed, requests } = one;
  const world = createWorld({ seed: `tail ${seed}`, link: { latencyMs: 0.05 } });
  const independent = slow * (1 - correlated);
  const work = mixture([[1 - independent, uniform(2, 8)], [independent, slowness]]);
  const made = Array.from({ length: servers }, (_, i) => simulatedServer(world, Leaf, {
    host: `leaf-${i}`, workers: 10_000, abandoned: "stop", maxInFlight: 100_000,
    handlers: {
      get: async ({ slowMs }: { slowMs: number }, context, place) => {
        if (slowMs > 0) await place.station.serve(slowMs, context);
        else await place.station.serve(work.sample(place.random), context);
        return {};
      },
    },
  }));
  let attempts = 0;
  const client = simulatedClient(world, Leaf, {
    ...settings[hedging], timeoutMs: deadlineMs, outliers: false,
    observer: { attemptEnded: () => void attempts++ },
  });
  const chance = world.chance("keys");
  const requestMs: number[] = [];
  let counting = 0;
  const leaf = (): Promise<unknown> =>
    client.get({ slowMs: chance.next() < slow * correlated ? slowness.sample(chance) : 0 });
  const untilMs = 1_000 + ((warmUpRequests + requests) * 1_000) / requestsPerSecond;
  openLoop(world, {
    rate: requestsPerSecond, arrivals: "paced", beginMs: 1_000, untilMs,
    call: async (index) => {
      if (index === warmUpRequests) counting = attempts;
      await Promise.all(Array.from({ length: width }, leaf));
    },
    ended: (index, dueMs, endedMs) => void (index >= warmUpRequests && requestMs.push(endedMs - dueMs)),
  });
  await world.run(untilMs + deadlineMs + 1_000);
  const total = made.reduce((sum, { figures }) => sum + figures.begun, 0);
  const finished = made.reduce((sum, { figures }) => sum + figures.finished, 0);
  client.$.close();
  return {
    requestMs, calls: requestMs.length * width, attempts: attempts - counting, digest: world.digest,
    wastedShare: (total - finished) / total,
  };
}

export interface LoadedCase {
  readonly hedging: Hedging;
  readonly utilisation: number;
  readonly seed: number;
  readonly seconds: number;
}

export interface Loaded {
  readonly extra: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly succeeded: number;
}

/** Servers that queue, at a given utilisation: where hedges would only add to what is waited for. */
export async function runLoaded({ hedging, utilisation, seed, seconds }: LoadedCase): Promise<Loaded> {
  const world = createWorld({ seed: `tail loaded ${seed}`, link: { latencyMs: 0.05 } });
  const [workers, meanMs] = [4, 5];
  const hosts = 10;
  for (let i = 0; i < hosts; i++) {
    simulatedServer(world, Leaf, { host: `leaf-${i}`, workers, work: exponential(meanMs) });
  }
  const fromMs = 10_000;
  let [attempts, before] = [0, 0];
  const client = simulatedClient(world, Leaf, {
    ...settings[hedging], timeoutMs: 5_000, observer: { attemptEnded: () => void attempts++ },
  });
  const untilMs = fromMs + seconds * 1_000;
  world.at(fromMs, () => void (before = attempts));
  const load = openLoop(world, {
    rate: (hosts * workers * 1_000 * utilisation) / meanMs, beginMs: 1_000, untilMs, fromMs,
    deadlineMs: 5_000, call: () => client.get({ slowMs: 0 }),
  });
  await world.run(untilMs + 6_000);
  client.$.close();
  const { offered, succeeded, latency } = load.figures;
  return {
    extra: (attempts - before) / offered - 1, succeeded: succeeded / offered,
    p50Ms: latency.quantile(0.5), p99Ms: latency.quantile(0.99),
  };
}
