// A region dies, or is cut off, or has servers that limp, or more callers than it has room for: who notices how soon,
// what is lost, where the load goes, and how it comes back.
//
// Three regions of ten servers, 10,000 calls a second at 60 % of what there is, three calls in ten being writes.
import { quantile, type Experiment, meanOf, type Row } from "./frame/rows.ts";
import { type Figures, type SimulatedClientOptions, steps } from "../src/sim/index.ts";
import { failoverByDns, slowToSuspect } from "./region-death/ports.ts";
import { bestSplit, latencyCurve } from "./region-death/queues.ts";
import {
  callersOf, createRegionWorld, damage, regionRate, type RegionName, regions, type RegionWorld, serversPerRegion,
  workers,
} from "./region-death/world.ts";

const dead: RegionName = "east";
const deathMs = 5_000;

export const experiment: Experiment = {
  about: "a region dies, is cut off, limps or is flooded: the shift, what is lost, where load goes, the way back",
  seeds: 5,
  async *run(options) {
    const { seeds } = options;
    const progress = (text: string): void => options.progress(text);
    for (const [name, policy] of Object.entries(policies)) {
      const found: DeathFigures[] = [];
      for (const seed of seeds) found.push(await death(name, policy, seed, progress));
      yield* deathRows(name, found);
    }
    for (const fault of ["partitioned", "limping"] as const) {
      const found: FaultFigures[] = [];
      for (const seed of seeds) found.push(await faulty(fault, seed, progress));
      yield* faultRows(fault, found);
    }
    const back: ReturnFigures[] = [];
    for (const seed of seeds) back.push(await returning(seed, progress));
    yield* returnRows(back);
    const best = bestSplit(surgeFactor, await latencyCurve(seeds[0] ?? 1));
    for (const [name, client] of Object.entries(spills)) {
      const found: SurgeFigures[] = [];
      for (const seed of seeds) found.push(await surge(name, client, seed, progress));
      yield* surgeRows(name, found, best.meanMs);
    }
  },
};

type Callers = (region: RegionName) => SimulatedClientOptions;

const policies: Readonly<Record<string, (seed: number) => Callers>> = {
  ours: () => () => ({}),
  "timeouts and outliers alone": () => slowToSuspect,
  "DNS (probes of 10 s, TTL 60 s)": (seed) => failoverByDns(seed, dead, deathMs, "west"),
};

interface DeathFigures {
  /** From the death until no more than one attempt in a hundred of its callers still went there; and until none did. */
  readonly shiftMs: number;
  readonly lastMs: number;
  readonly failed10sPercent: number;
  readonly failedAfter1s: number;
  readonly lost: number;
  readonly doubled: number;
  readonly amplification: number;
}

async function death(
  name: string, policy: (seed: number) => Callers, seed: number, progress: (text: string) => void,
): Promise<DeathFigures> {
  // DNS takes minutes to move: nobody needs 10,000 calls a second for that long.
  const isSlow = name.startsWith("DNS");
  const untilMs = isSlow ? 160_000 : deathMs + 10_000;
  const built = createRegionWorld({
    seed, client: policy(seed), untilMs, recordFromMs: deathMs, scale: isSlow ? 0.05 : 1,
  });
  const { world, serversOf } = built;
  const attemptsAt: [number, number][] = [];
  for (let atMs = deathMs - 1_000; atMs <= deathMs + 5_000; atMs += 100) {
    world.at(atMs, () => attemptsAt.push([atMs, built.attempts]));
  }
  world.at(deathMs, () => {
    for (const server of serversOf[dead]) server.crash({ isSilent: true });
  });
  await world.run(untilMs + 2_000);
  progress(`death, ${name}, seed ${seed}: digest ${world.digest}, ${world.events} events`);
  const all = Object.values(built.figures);
  const within10s = countOf(all, deathMs, deathMs + 10_000);
  return {
    ...shiftOf(built, untilMs), ...damage(built),
    failed10sPercent: 100 * within10s.failed / within10s.offered,
    failedAfter1s: countOf(all, deathMs + 1_000, untilMs).failed,
    amplification: mostPerSecond(attemptsAt) / (3 * regionRate),
  };
}

function shiftOf({ picks }: RegionWorld, untilMs: number): Pick<DeathFigures, "shiftMs" | "lastMs"> {
  const windowMs = untilMs - deathMs > 20_000 ? 1_000 : 20;
  const windows = new Map<number, { all: number; there: number }>();
  let lastMs = 0;
  for (const { atMs, from, to } of picks) {
    if (from !== dead) continue;
    const at = Math.floor((atMs - deathMs) / windowMs);
    let window = windows.get(at);
    if (window === undefined) windows.set(at, window = { all: 0, there: 0 });
    window.all++;
    if (to !== dead) continue;
    window.there++;
    lastMs = atMs - deathMs;
  }
  const late = [...windows].filter(([, { all, there }]) => there > all * 0.01).map(([at]) => at);
  return { shiftMs: (Math.max(-1, ...late) + 1) * windowMs, lastMs };
}

function countOf(figures: readonly Figures[], fromMs: number, untilMs: number): { offered: number; failed: number } {
  const buckets = figures.flatMap(({ buckets: all, bucketMs }) => all.slice(fromMs / bucketMs, untilMs / bucketMs));
  return {
    offered: buckets.reduce((sum, { offered }) => sum + offered, 0),
    failed: buckets.reduce((sum, { failed }) => sum + failed, 0),
  };
}

/** Most attempts within any second, by figures that were taken ten times a second. */
function mostPerSecond(attemptsAt: readonly (readonly [number, number])[]): number {
  return Math.max(...attemptsAt.slice(10).map(([, count], i) => count - (attemptsAt[i]?.[1] ?? 0)));
}

function* deathRows(policy: string, found: readonly DeathFigures[]): Generator<Row> {
  const isOurs = policy === "ours";
  const row = rowsOf("one region of three falls silent", policy, found);
  const most = (limit: number, pick: (one: DeathFigures) => number) =>
    isOurs ? { goal: `at most ${limit}`, met: found.every((one) => pick(one) <= limit) } : {};
  const shift = (one: DeathFigures): number => one.shiftMs;
  yield row("ms until 99 % of its callers' new attempts go elsewhere", shift, {
    published: "Route 53 90,000 to 150,000; ARC 60,000; Netflix 420,000", ...most(500, shift),
  });
  yield row("ms until all do", (one) => one.lastMs, most(1_000, (one) => one.lastMs));
  const failed = (one: DeathFigures): number => one.failed10sPercent;
  yield row("% of calls failed, first 10 s", failed, most(0.1, failed));
  yield row("calls failed that were due after the first second", (one) => one.failedAfter1s,
    most(0, (one) => one.failedAfter1s));
  yield row("acknowledged writes lost", (one) => one.lost, most(0, (one) => one.lost));
  yield row("writes doubled", (one) => one.doubled, most(0, (one) => one.doubled));
  yield row("attempts per call, worst second", (one) => one.amplification, most(1.2, (one) => one.amplification));
}

interface FaultFigures {
  readonly shiftMs: number;
  readonly failedPercent: number;
  readonly lost: number;
  readonly doubled: number;
}

/** How long the attempts of the region's callers go on going to hosts that ought to be left. */
async function faulty(
  fault: "partitioned" | "limping", seed: number, progress: (text: string) => void,
): Promise<FaultFigures> {
  const untilMs = deathMs + 10_000;
  const built = createRegionWorld({ seed, client: () => ({}), untilMs, recordFromMs: deathMs });
  const { world, serversOf } = built;
  const limping = serversOf[dead].slice(0, serversPerRegion / 10);
  world.at(deathMs, () => {
    if (fault === "limping") for (const server of limping) server.setSpeed(0.1);
    // What its callers send arrives, and nothing comes back: one way alone is cut.
    else world.partition(serversOf[dead].map(({ host }) => host), callersOf(dead), { isOneWay: true });
  });
  await world.run(untilMs + 2_000);
  progress(`${fault}, seed ${seed}: digest ${world.digest}, ${world.events} events`);
  const hosts = new Set(limping.map(({ address }) => address));
  const strays = (atMs: number): number => {
    const within = built.picks.filter((pick) => pick.from === dead && pick.atMs >= atMs && pick.atMs < atMs + 200);
    const there = within.filter((pick) => (fault === "limping" ? hosts.has(pick.host) : pick.to === dead));
    return there.length / Math.max(1, within.length);
  };
  let shiftMs = 0;
  for (let atMs = deathMs; atMs < untilMs; atMs += 200) if (strays(atMs) > 0.015) shiftMs = atMs + 200 - deathMs;
  const { offered, failed } = countOf(Object.values(built.figures), deathMs, untilMs);
  return { shiftMs, failedPercent: 100 * failed / offered, ...damage(built) };
}

function* faultRows(fault: "partitioned" | "limping", found: readonly FaultFigures[]): Generator<Row> {
  const row = rowsOf(fault === "limping"
    ? "one server in ten of a region ten times slower"
    : "a region's servers hear their callers, who do not hear them", "ours", found);
  const most = (limit: number, pick: (one: FaultFigures) => number) =>
    ({ goal: `at most ${limit}`, met: found.every((one) => pick(one) <= limit) });
  yield row("ms until at most 1.5 % of the attempts go there", (one) => one.shiftMs, most(3_000, (one) => one.shiftMs));
  yield row("% of calls failed, first 10 s", (one) => one.failedPercent, most(0.1, (one) => one.failedPercent));
  yield row("acknowledged writes lost", (one) => one.lost, most(0, (one) => one.lost));
  yield row("writes doubled", (one) => one.doubled, most(0, (one) => one.doubled));
}

interface ReturnFigures {
  readonly turns: number;
  readonly rampMs: number;
  readonly failed: number;
}

/** The region is back five seconds after its death: its callers' way home, looked at second by second. */
async function returning(seed: number, progress: (text: string) => void): Promise<ReturnFigures> {
  const untilMs = 75_000;
  const built = createRegionWorld({ seed, client: () => ({}), untilMs, recordFromMs: deathMs + 5_000, scale: 0.2 });
  const { world, serversOf } = built;
  world.at(deathMs, () => {
    for (const server of serversOf[dead]) server.crash({ isSilent: true });
  });
  world.at(deathMs + 5_000, () => {
    for (const server of serversOf[dead]) server.restart();
  });
  await world.run(untilMs + 2_000);
  progress(`return, seed ${seed}: digest ${world.digest}, ${world.events} events`);
  const shares: number[] = [];
  for (let atMs = deathMs + 5_000; atMs < untilMs; atMs += 1_000) {
    const own = built.picks.filter((pick) => pick.from === dead && pick.atMs >= atMs && pick.atMs < atMs + 1_000);
    shares.push(own.filter(({ to }) => to === dead).length / Math.max(1, own.length));
  }
  const first = shares.findIndex((share) => share > 0);
  const full = shares.findIndex((share) => share > 0.99);
  // What one second's few calls make by chance is no turn.
  let [turns, top] = [0, 0];
  for (const share of shares) {
    if (share < top - 0.05) {
      turns++;
      top = share;
    }
    top = Math.max(top, share);
  }
  const failed = countOf(Object.values(built.figures), deathMs + 6_000, untilMs).failed;
  return { turns, rampMs: full < 0 ? Infinity : (full - first) * 1_000, failed };
}

function* returnRows(found: readonly ReturnFigures[]): Generator<Row> {
  const row = rowsOf("the region is back after 5 s", "ours", found);
  yield row("turns of its share on the way back", (one) => one.turns, {
    goal: "none", met: found.every(({ turns }) => turns === 0),
  });
  yield row("s from the first calls to all of them", (one) => one.rampMs / 1_000, {
    goal: "30 to 60, to the second", met: found.every(({ rampMs }) => rampMs >= 29_000 && rampMs <= 60_000),
  });
  yield row("calls failed", (one) => one.failed, { goal: "none", met: found.every(({ failed }) => failed === 0) });
}

interface SurgeFigures {
  readonly meanMs: number;
  readonly most: number;
  readonly p99Ms: number;
  readonly failedPercent: number;
}

/** When regions send load away: at 75 % of what they can do, as ours; when they are full, as a waterfall; never. */
const spills: Readonly<Record<string, SimulatedClientOptions>> = {
  ours: {},
  "waterfall (spills when full)": { regions: { spillAtUtilisation: 0.98 } },
  "nearest alone": { regions: { spillAtUtilisation: Infinity } },
};

const surgeFactor = 1.6;

async function surge(
  name: string, client: SimulatedClientOptions, seed: number, progress: (text: string) => void,
): Promise<SurgeFigures> {
  const [fromMs, untilMs] = [24_000, 32_000];
  const built = createRegionWorld({
    seed, client: () => client, untilMs, recordFromMs: fromMs,
    rates: { [dead]: steps([[0, regionRate], [4_000, regionRate * surgeFactor]]) },
  });
  const { world, serversOf } = built;
  const busy = (): number[] => regions.map((region) =>
    serversOf[region].reduce((sum, { figures }) => sum + figures.busyMs, 0));
  let before: number[] = [];
  world.at(fromMs, () => {
    before = busy();
  });
  let after: number[] = [];
  world.at(untilMs, () => {
    after = busy();
  });
  await world.run(untilMs + 2_000);
  progress(`surge, ${name}, seed ${seed}: digest ${world.digest}, ${world.events} events`);
  const used = after.map((ms, i) => (ms - (before[i] ?? 0)) / (untilMs - fromMs) / serversPerRegion / workers);
  const latencies = Object.values(built.figures)
    .flatMap(({ buckets }) => buckets.slice(fromMs / 1_000, untilMs / 1_000)).map(({ latency }) => latency);
  const count = latencies.reduce((sum, one) => sum + one.count, 0);
  const { offered, failed } = countOf(Object.values(built.figures), fromMs, untilMs);
  return {
    meanMs: latencies.reduce((sum, one) => sum + one.mean * one.count, 0) / count, most: Math.max(...used),
    p99Ms: quantile(latencies.map((one) => one.quantile(0.99)), 0.5), failedPercent: 100 * failed / offered,
  };
}

function* surgeRows(policy: string, found: readonly SurgeFigures[], bestMs: number): Generator<Row> {
  const isOurs = policy === "ours";
  const row = rowsOf("1.6 times the callers in one region", policy, found);
  yield row("utilisation of the busiest region, %", (one) => 100 * one.most, isOurs
    ? { goal: "at most 78", met: found.every(({ most }) => most <= 0.78), published: "ServiceRouter spills at 75" }
    : {});
  const goal = `at most ${(1.15 * bestMs).toFixed(1)}, 1.15 of the best there is`;
  yield row("mean ms", (one) => one.meanMs, {
    published: "waterfall up to 3.5 times SLATE's",
    ...(isOurs ? { goal, met: found.every(({ meanMs }) => meanMs <= 1.15 * bestMs) } : {}),
  });
  yield row("% of calls failed", (one) => one.failedPercent, isOurs
    ? { goal: "none", met: found.every(({ failedPercent }) => failedPercent === 0) }
    : {});
  if (isOurs) {
    const best = { policy: "best split, none above 75 %", seeds: 1, ci95: 0, published: null };
    yield { ...row("mean ms", () => bestMs), ...best };
  }
}

function rowsOf<T>(name: string, policy: string, found: readonly T[]) {
  return (unit: string, pick: (one: T) => number, more: Partial<Row> = {}): Row => ({
    experiment: "region-death", case: name, policy, seeds: found.length, ...meanOf(found.map(pick)), unit,
    published: null, goal: null, met: null, ...more,
  });
}
