// The supermarket model: how long jobs take when each joins the shortest of d queues, beside the exact theory.
//
// 1,000 servers of exponential work (4,000 where jobs have no choice), one dispatcher, the simulator's own stations and
// clock, the production picker (`leastRequests` with d choices). Then the production client over the modelled wire,
// which knows queues only by what replies bring along and by what it has sent since.
import * as z from "zod";
import { leastRequests, powerOfChoices } from "../src/balance/index.ts";
import { rpc, service } from "../src/contract/index.ts";
import {
  type Candidate, Context, createLoad, endpointAddress, type MethodInfo, type Picker,
} from "../src/core/index.ts";
import { programOf } from "../src/runtime/sim/inside.ts";
import {
  createWorld, exponential, openLoop, simulatedClient, simulatedServer, Station,
} from "../src/sim/index.ts";
import { curve, numberAfter } from "./frame/curves.ts";
import { type Experiment, meanOf, type Row } from "./frame/rows.ts";

/** The theory is of infinitely many; and without a choice they do not interact, so that more are more samples. */
const serversOf = (d: number): number => (d === 1 ? 4_000 : 1_000);
const clientServers = 500;
const loads = [0.5, 0.7, 0.9, 0.95, 0.99];
const choices = [1, 2, 3];
/** Jobs measured in one run; at the highest load times are correlated for longest. */
const jobsOf = (load: number): number => (load > 0.98 ? 400_000 : 150_000);

/** Mean time in the system for work of mean 1 (Mitzenmacher 1996; Vvedenskaya, Dobrushin and Karpelevich 1996). */
export function expectedTime(load: number, d: number): number {
  if (d === 1) return 1 / (1 - load);
  let sum = 0;
  for (let i = 1; i < 64; i++) sum += load ** ((d ** i - d) / (d - 1));
  return sum;
}

/** Share of queues of at least k jobs. */
const tail = (load: number, d: number, k: number): number => load ** (d === 1 ? k : (d ** k - 1) / (d - 1));

const method: MethodInfo = {
  service: "supermarket", name: "join", wireName: "Join", path: "supermarket/join", kind: "unary", idempotent: true,
  criticality: "default", timeoutMs: undefined, routeKey: undefined, ordinal: 0,
};

interface Queue extends Candidate {
  readonly station: Station;
}

/** Mean time in the system of `jobs` jobs, in units of their mean work, and the trace's digest. */
export async function joinShortest(
  one: { readonly seed: number; readonly load: number; readonly d: number; readonly jobs: number },
): Promise<{ readonly mean: number; readonly digest: string; readonly events: number }> {
  const { seed, load: lambda, d, jobs } = one;
  const world = createWorld({ seed, maxEvents: 1e9 });
  const program = programOf(world.host("servers"));
  const random = world.chance("supermarket");
  const work = exponential(1);
  const servers = serversOf(d);
  const queues: Queue[] = Array.from({ length: servers }, (_, i) => {
    const station = new Station(program);
    // Begins in equilibrium, as far as it is known: from empty queues it would take long at high loads.
    const level = random.next();
    for (let k = 1; level < tail(lambda, d, k); k++) void station.serve(work.sample(random));
    const endpoint = { address: endpointAddress({ address: `s${i}:1` }), status: "ready" as const };
    // One dispatcher knows how many it has sent that have not come back: as many as are there.
    const load = Object.defineProperty(createLoad(), "inFlight", { get: () => station.inside });
    return { ...endpoint, station, load };
  });
  const context = new Context(method, 0);
  const pick = leastRequests(random, { choices: d });
  const perMs = lambda * servers;
  const warmMs = Math.max(20, 0.1 * jobs / perMs);
  const { figures } = openLoop(world, {
    rate: perMs * 1_000, untilMs: warmMs + jobs / perMs, fromMs: warmMs, bucketMs: 1_000,
    call: () => {
      const { station } = pick(queues, context) as Queue;
      return station.serve(work.sample(random));
    },
  });
  await world.run(warmMs + jobs / perMs + 1_000);
  return { mean: figures.latency.mean, digest: world.digest, events: world.events };
}

const Shop = service("supermarket.v1.Shop", {
  join: rpc({ input: z.object({}), output: z.object({}), idempotent: true }),
});

/** Mean work; a server at load 0.9 then answers, and so reports, about every 11 ms. */
const workMs = 10;

/** What the dispatcher goes by. */
export type Knowledge = "fresh" | "piggy-back" | "own in flight";

/** Mean time in the system through the production client, in units of the mean work. */
export async function throughClient(
  one: { readonly seed: number; readonly load: number; readonly jobs: number; readonly knows: Knowledge },
): Promise<{ readonly mean: number; readonly digest: string }> {
  const { seed, load, jobs, knows } = one;
  const world = createWorld({ seed, link: { latencyMs: 0.05 } });
  const all = Array.from({ length: clientServers }, (_, i) => simulatedServer(world, Shop, {
    host: `s${i}`, work: exponential(workMs), admission: false,
  }));
  const stationOf = new Map(all.map((server) => [server.address, server.station]));
  const random = world.chance("picker");
  const seen: Readonly<Record<Knowledge, (candidate: Candidate) => number>> = {
    fresh: ({ address }) => stationOf.get(address.address)?.inside ?? 0,
    // What the server said last, and what has been sent there since.
    "piggy-back": ({ load: known }) => (known.report?.inFlight ?? 0) + known.sinceReport,
    "own in flight": ({ load: known }) => known.inFlight,
  };
  const queue = seen[knows];
  const picker: Picker = powerOfChoices(random, {}, (other, best) => queue(other) < queue(best));
  const client = simulatedClient(world, Shop, {
    picker, retry: false, outliers: false, loadThresholds: false, eagerConnections: clientServers, timeoutMs: 60_000,
  });
  // First everybody is connected to and called once.
  await world.run(1_000);
  const perMs = load * clientServers / workMs;
  const warmMs = 2_000;
  const { figures } = openLoop(world, {
    rate: perMs * 1_000, beginMs: 1_000, fromMs: warmMs, untilMs: warmMs + jobs / perMs, call: () => client.join({}),
  });
  await world.run(warmMs + jobs / perMs + 2_000);
  // Without the way there and back.
  return { mean: (figures.latency.mean - 0.1) / workMs, digest: world.digest };
}

export const experiment: Experiment = {
  about: "the supermarket model: d choices beside exact theory, and with knowledge that replies bring along",
  seeds: 5,
  async *run(options) {
    const { seeds } = options;
    const progress = (text: string): void => options.progress(text);
    for (const d of choices) {
      for (const load of loads) {
        const means: number[] = [];
        for (const seed of seeds) {
          const { mean, digest, events } = await joinShortest({ seed, load, d, jobs: jobsOf(load) });
          progress(`lambda ${load}, d ${d}, seed ${seed}: ${mean.toFixed(3)}, ${events} events, digest ${digest}`);
          means.push(mean);
        }
        yield theoryRow(load, d, means);
      }
    }
    yield* staleRows(seeds, progress);
  },
  plots: (rows) => ({
    "": curve(rows, {
      title: "Mean time in the system by load", published: "exact",
      x: { label: "load of the servers (lambda)" }, y: { label: "mean time, in service times", isLog: true },
      at: ({ case: of, unit }) => (of.startsWith("client") || unit !== "mean time in the system"
        ? undefined
        : numberAfter("lambda", of)),
    }),
  }),
};

function theoryRow(load: number, d: number, means: readonly number[]): Row {
  const expected = expectedTime(load, d);
  const allowed = load > 0.98 ? 5 : 2;
  const { value, ci95 } = meanOf(means);
  return {
    experiment: "supermarket", case: `lambda ${load}`, policy: d === 1 ? "random" : `leastRequests, d ${d}`,
    seeds: means.length, value, ci95, unit: "mean time in the system", published: expected.toFixed(3),
    goal: `within ${allowed} % of ${expected.toFixed(3)}`, met: Math.abs(value / expected - 1) <= allowed / 100,
  };
}

async function* staleRows(seeds: readonly number[], progress: (text: string) => void): AsyncGenerator<Row> {
  const load = 0.9;
  const means = new Map<Knowledge, number[]>();
  for (const knows of ["fresh", "piggy-back", "own in flight"] as const) {
    const its: number[] = [];
    for (const seed of seeds) {
      const { mean, digest } = await throughClient({ seed, load, jobs: 100_000, knows });
      progress(`client, ${knows}, seed ${seed}: ${mean.toFixed(3)}, digest ${digest}`);
      its.push(mean);
    }
    means.set(knows, its);
    const fresh = means.get("fresh") as number[];
    const base = { experiment: "supermarket", case: "client, lambda 0.9, d 2", policy: knows, seeds: its.length };
    yield {
      ...base, ...meanOf(its), unit: "mean time in the system", published: expectedTime(load, 2).toFixed(3), goal: null,
      met: null,
    };
    const ratio = meanOf(its.map((mean, i) => mean / (fresh[i] as number)));
    const isJudged = knows === "piggy-back";
    yield {
      ...base, ...ratio, unit: "of fresh knowledge", published: null, goal: isJudged ? "at most 1.3" : null,
      met: isJudged ? ratio.value <= 1.3 : null,
    };
  }
}

