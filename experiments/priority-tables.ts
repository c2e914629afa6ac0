// Envoy's tables of priority, panic, localities and zones, asked of our pickers; and whether a small change of health
// ever moves much load. Levels are regions in order of preference, 100 endpoints each, a call at a time.
import {
  type Candidate, Context, createLoad, endpointAddress, type EndpointStatus, type MethodInfo,
} from "../src/core/index.ts";
import { healthScore, localityShares, preferRegion, priorityLoads, zoneAwareShares } from "../src/region/index.ts";
import { createSeededRandom } from "../src/runtime/sim/index.ts";
import { roundRobin } from "../src/balance/index.ts";
import { curve, numberAfter } from "./frame/curves.ts";
import { type Experiment, meanOf, type Row } from "./frame/rows.ts";

const method: MethodInfo = {
  service: "tables", name: "call", wireName: "Call", path: "tables/call", kind: "unary", idempotent: true,
  criticality: "default", timeoutMs: undefined, routeKey: undefined, ordinal: 0,
};
const perLevel = 100;

interface Member extends Candidate {
  status: EndpointStatus;
}

/** Levels as regions `p0`, `p1`, … of which so many per cent are ready, the others ejected. */
function membersOf(healths: readonly number[]): Member[] {
  return healths.flatMap((health, level) => Array.from({ length: perLevel }, (_, i): Member => ({
    address: endpointAddress({ address: `p${level}-${i}:1`, region: `p${level}` }),
    status: i < health ? "ready" : "ejected", load: { ...createLoad(), readySinceMs: 1, leastRoundTripMs: 1 },
  })));
}

export interface Divided {
  /** Per cent of the calls that each level got. */
  readonly shares: readonly number[];
  /** Whether each level's ejected endpoints were called too. */
  readonly panic: readonly boolean[];
}

/** How the production region picker divides 10,000 calls over levels of such health, in per cent. */
export function divide(healths: readonly number[]): Divided {
  const clock = { now: () => 10_000 } as never;
  const order = healths.map((_, level) => `p${level}`);
  const picker = preferRegion({ clock }, { region: "p0", order })(roundRobin());
  const members = membersOf(healths);
  const context = new Context(method, 10_000);
  const calls = 10_000;
  const counts = healths.map(() => 0);
  const panic = healths.map(() => false);
  for (let i = 0; i < calls; i++) {
    const picked = picker(members, context);
    if (picked === undefined) continue;
    const level = order.indexOf(picked.address.region);
    counts[level] = (counts[level] as number) + 1;
    if (picked.status === "ejected") panic[level] = true;
  }
  return { shares: counts.map((count) => 100 * count / calls), panic };
}

interface TableRow {
  readonly case: string;
  readonly published: number;
  readonly ours: () => number;
}

const percentOf = (share: number | undefined): number => 100 * (share ?? NaN);
const flags = (panic: readonly boolean[]): number => panic.filter(Boolean).length;

/** MECHANISMS §2.1, read from Envoy's documentation. */
export const envoyTable: readonly TableRow[] = [
  ...([[72, 100], [71, 99], [50, 70], [25, 35], [0, 0]] as const).map(([health, published]): TableRow =>
    ({ case: `P0 ${health} %, P1 100 %: to P0`, published, ours: () => divide([health, 100]).shares[0] ?? NaN })),
  ...[50, 50].map((published, level): TableRow =>
    ({ case: `25, 25 %: to P${level}`, published, ours: () => divide([25, 25]).shares[level] ?? NaN })),
  { case: "25, 25 %: levels in panic", published: 2, ours: () => flags(divide([25, 25]).panic) },
  ...[7, 93].map((published, level): TableRow =>
    ({ case: `5, 65 %: to P${level}`, published, ours: () => divide([5, 65]).shares[level] ?? NaN })),
  { case: "5, 65 %: levels in panic", published: 1, ours: () => flags(divide([5, 65]).panic) },
  ...[36, 36, 28].map((published, level): TableRow =>
    ({ case: `25, 25, 20 %: to P${level}`, published, ours: () => divide([25, 25, 20]).shares[level] ?? NaN })),
  ...([[70, 33], [69, 32], [50, 26], [25, 15]] as const).map(([health, published]): TableRow => ({
    case: `localities 1:2, X ${health} %: to X`, published,
    ours: () => percentOf(localityShares([1, 2], [health / 100, 1])[0]),
  })),
  {
    case: "zone with its share of servers: stays", published: 100,
    ours: () => percentOf(zoneAwareShares(0, [0.5, 0.5], [0.5, 0.5])[0]),
  },
  {
    case: "zone with half its share: stays", published: 50,
    ours: () => percentOf(zoneAwareShares(0, [0.5, 0.5], [0.25, 0.75])[0]),
  },
];

/** The most that any level's load moves when one level's health moves by a point, in points a point. */
export function steepest(seed: number, pairs: number): { readonly able: number; readonly lacking: number } {
  const random = createSeededRandom(`steepest ${seed}`);
  const worst = { able: 0, lacking: 0 };
  for (let i = 0; i < pairs; i++) {
    const healths = Array.from({ length: 2 + Math.floor(random.next() * 3) }, () => random.next());
    const at = Math.floor(random.next() * healths.length);
    const moved = healths.map((health, level) => (level === at ? Math.min(1, health + 0.01) : health));
    const delta = (moved[at] as number) - (healths[at] as number);
    if (delta < 1e-6) continue;
    const [before, after] = [healths, moved].map((all) => all.map((health) => healthScore(health)));
    const loads = [before, after].map((scores) => priorityLoads(scores as number[]));
    const most = Math.max(...healths.map((_, level) =>
      Math.abs((loads[0]?.[level] ?? 0) - (loads[1]?.[level] ?? 0)))) / delta;
    const kind = (before as number[]).reduce((sum, score) => sum + score, 0) >= 1 ? "able" : "lacking";
    worst[kind] = Math.max(worst[kind], most);
  }
  return worst;
}

/** The same of spares within a region, asked of the production picker: the first tier's points a point of health. */
export function steepestOfTiers(): number {
  const shareOf = (ready: number): number => {
    const members = membersOf([ready, 100]).map((member, i): Member => ({
      ...member,
      address: endpointAddress({ address: `${i}:1`, region: "home", priority: i < perLevel ? 0 : 1 }),
    }));
    const picker = preferRegion({ clock: { now: () => 10_000 } as never }, { region: "home" })(roundRobin());
    const context = new Context(method, 10_000);
    const calls = 2_000;
    let first = 0;
    for (let i = 0; i < calls; i++) if (picker(members, context)?.address.priority === 0) first++;
    return first / calls;
  };
  let worst = 0;
  for (let ready = 1; ready <= 100; ready++) worst = Math.max(worst, Math.abs(shareOf(ready) - shareOf(ready - 1)));
  return worst * 100;
}

export const experiment: Experiment = {
  about: "Envoy's tables of priority, panic, localities and zones, and whether load ever jumps",
  seeds: 5,
  async *run({ seeds }) {
    const base = { experiment: "priority-tables", policy: "ours", ci95: 0 };
    for (const { case: name, published, ours } of envoyTable) {
      const value = ours();
      const unit = name.includes("panic") ? "levels" : "% of the calls";
      const within = unit === "levels" ? 0 : 1;
      yield {
        ...base, case: name, seeds: 1, value, unit, published: String(published),
        goal: within === 0 ? `${published}` : `${published} ± 1`, met: Math.abs(value - published) <= within,
      };
    }
    const all = seeds.map((seed) => steepest(seed, 100_000));
    const jump = (pick: (one: (typeof all)[number]) => number): Pick<Row, "seeds" | "value" | "ci95" | "unit"> => ({
      seeds: seeds.length, value: Math.max(...all.map(pick)), ci95: meanOf(all.map(pick)).ci95,
      unit: "points of load a point of health, most",
    });
    const most = { published: null, goal: "at most 2.5" };
    const able = jump((one) => one.able);
    yield { ...base, case: "levels that can carry all", ...able, ...most, met: able.value <= 2.5 };
    const lacking = jump((one) => one.lacking);
    yield { ...base, case: "levels that cannot", ...lacking, published: null, goal: null, met: null };
    const tiers = steepestOfTiers();
    yield {
      ...base, case: "spares within a region (tiers)", seeds: 1, value: tiers,
      unit: "points of load a point of health, most", ...most, met: tiers <= 2.5,
    };
  },
  plots: (rows) => ({
    "": curve(rows, {
      title: "How much of the load the first level keeps", published: "Envoy",
      x: { label: "health of the first level, % (the second is at 100 %)" }, y: { label: "load it keeps, %" },
      at: ({ case: of }) => (of.endsWith("P1 100 %: to P0") ? numberAfter("P0", of) : undefined),
    }),
  }),
};
