// Affinity by hash: how evenly keys are spread, and how many move when a server goes; a ring with 160 virtual nodes,
// a Maglev table, and ours; then what a bound of 1.25 makes of a Zipf law in flight.
import { consistentHash, hash32, maglevTable, probeSpaces } from "../src/balance/index.ts";
import {
  type Candidate, Context, createLoad, endpointAddress, type MethodInfo, type Random,
} from "../src/core/index.ts";
import { createSeededRandom } from "../src/runtime/sim/index.ts";
import { curve, numberAfter } from "./frame/curves.ts";
import { type Experiment, meanOf, type Row } from "./frame/rows.ts";

const sizes = [100, 1_000];
const keyCount = 1_000_000;
const removals = 3;
/** Of the keys, so many are looked up again after each removal: one in four. */
const asked = 4;

export const policies = [
  "ring, 160 virtual nodes", "Maglev, 65,537 slots", "Maglev, 131,071 slots", "key modulo n", "ours",
] as const;
export type Policy = (typeof policies)[number];

const published: Readonly<Record<Policy, { readonly spread: string | null; readonly moves: string | null }>> = {
  "ring, 160 virtual nodes": { spread: "1.17 to 1.26", moves: "1" },
  "Maglev, 65,537 slots": { spread: "at most 1.01", moves: "1.5 % for n = 100" },
  "Maglev, 131,071 slots": { spread: null, moves: null },
  "key modulo n": { spread: null, moves: null },
  ours: { spread: null, moves: null },
};

/** Answers the index of a key's owner, and the exact share of all possible keys that each has, where that is known. */
interface Placement {
  owner(key: number): number;
  readonly shares: readonly number[];
}

export function place(policy: Policy, ids: readonly string[]): Placement {
  const weights = ids.map(() => 1);
  switch (policy) {
    case "ours":
      // Each place of a space is drawn as often as another, and each node has one.
      return { owner: probeSpaces(ids, weights).owner, shares: weights.map(() => 1 / ids.length) };
    case "Maglev, 65,537 slots": return tabled(maglevTable(ids, weights, 65_537), ids.length);
    case "Maglev, 131,071 slots": return tabled(maglevTable(ids, weights, 131_071), ids.length);
    case "ring, 160 virtual nodes": return ring(ids, 160);
    // As even as chance lets keys be, and as restless as can be: the bound to either side.
    case "key modulo n": return { owner: (key) => key % ids.length, shares: weights.map(() => 1 / ids.length) };
  }
}

function tabled(table: Int32Array, n: number): Placement {
  const shares = Array.from({ length: n }, () => 0);
  for (const node of table) shares[node] = (shares[node] as number) + 1 / table.length;
  return { owner: (key) => table[key % table.length] as number, shares };
}

function ring(ids: readonly string[], virtual: number): Placement {
  const points = ids.flatMap((id, node) =>
    Array.from({ length: virtual }, (_, i) => ({ at: hash32(`${id}#${i}`), node }))).sort((a, b) => a.at - b.at);
  const shares = ids.map(() => 0);
  points.forEach(({ at, node }, i) => {
    const before = i === 0 ? (points.at(-1) as { at: number }).at - 2 ** 32 : (points[i - 1] as { at: number }).at;
    shares[node] = (shares[node] as number) + (at - before) / 2 ** 32;
  });
  return {
    shares,
    owner(key) {
      let [low, high] = [0, points.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if ((points[middle] as { at: number }).at < key) low = middle + 1;
        else high = middle;
      }
      return (points[low] ?? points[0])?.node ?? -1;
    },
  };
}

export interface Spread {
  /** Of the space of keys, and of the keys drawn: the most a server has, relative to the mean. */
  readonly spread: number;
  readonly ofKeys: number;
  /** Keys that moved when one server went, relative to those that had to. */
  readonly moves: number;
  /** Milliseconds of processor time to work it out. */
  readonly buildMs: number;
}

export function measure(policy: Policy, n: number, seed: number, count = keyCount): Spread {
  const random = createSeededRandom(`affinity ${n} ${seed}`);
  const ids = Array.from({ length: n }, () => random.id());
  const keys = Uint32Array.from({ length: count }, (_, i) => hash32(`${seed}:${i}`));
  const cpu = process.cpuUsage();
  const placement = place(policy, ids);
  const { user } = process.cpuUsage(cpu);
  const owners = keys.map((key) => placement.owner(key));
  const counts = new Float64Array(n);
  for (const owner of owners) counts[owner] = (counts[owner] as number) + 1;
  let [moved, forced] = [0, 0];
  for (let removal = 0; removal < removals; removal++) {
    const gone = Math.floor(random.next() * n);
    const rest = ids.filter((_, i) => i !== gone);
    const after = place(policy, rest);
    for (let i = 0; i < count; i += asked) {
      const owner = owners[i] as number;
      if (owner === gone) forced++;
      const now = after.owner(keys[i] as number);
      if ((now >= gone ? now + 1 : now) !== owner) moved++;
    }
  }
  return {
    spread: Math.max(...placement.shares) * n, ofKeys: Math.max(...counts) / count * n, moves: moved / forced,
    buildMs: user / 1_000,
  };
}

const method: MethodInfo = {
  service: "affinity", name: "get", wireName: "Get", path: "affinity/get", kind: "unary", idempotent: true,
  criticality: "default", timeoutMs: undefined, routeKey: undefined, ordinal: 0,
};

/** Keys by Zipf's law of exponent 1.1 over 10,000 ranks, by inversion of its distribution. */
function zipf(random: Random): () => number {
  const cumulative: number[] = [];
  let sum = 0;
  for (let rank = 1; rank <= 10_000; rank++) cumulative.push(sum += rank ** -1.1);
  return () => {
    const drawn = random.next() * sum;
    let [low, high] = [0, cumulative.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((cumulative[middle] as number) < drawn) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

/** The most in flight at one of `n` servers, relative to the mean, with 20 a server in flight, under Zipf 1.1. */
export function inFlight(balance: number, n: number, seed: number, calls: number): number {
  const random = createSeededRandom(`in flight ${n} ${seed}`);
  const all: Candidate[] = Array.from({ length: n }, (_, i) =>
    ({ address: endpointAddress({ address: `s${i}:1` }), status: "ready", load: createLoad() }));
  const picker = consistentHash({ balance });
  const rank = zipf(random);
  const flying: Candidate[] = [];
  let worst = 0;
  for (let i = 0; i < calls; i++) {
    const picked = picker(all, new Context(method, 0, Infinity, { routeKey: `key ${rank()}` })) as Candidate;
    picked.load.inFlight++;
    flying.push(picked);
    if (flying.length <= 20 * n) continue;
    worst = Math.max(worst, picked.load.inFlight / 20);
    const at = Math.floor(random.next() * flying.length);
    (flying[at] as Candidate).load.inFlight--;
    flying[at] = flying.at(-1) as Candidate;
    flying.pop();
  }
  return worst;
}

export const experiment: Experiment = {
  about: "affinity by hash: how even, how many keys move when a server goes, and the bound under a Zipf law",
  seeds: 5,
  async *run(options) {
    const { seeds } = options;
    for (const n of sizes) {
      for (const policy of policies) {
        const all: Spread[] = [];
        for (const seed of seeds) {
          all.push(measure(policy, n, seed));
          options.progress(`${n} servers, ${policy}, seed ${seed}`);
          await new Promise(setImmediate);
        }
        yield* spreadRows(n, policy, all);
      }
    }
    for (const balance of [Infinity, 1.25]) {
      const worst = seeds.map((seed) => inFlight(balance, 100, seed, 100_000));
      const isBound = balance < Infinity;
      yield {
        experiment: "affinity-hash", case: "100 servers, Zipf 1.1", policy: isBound ? "ours" : "ours, no bound",
        seeds: seeds.length, ...meanOf(worst), unit: "of the mean in flight, most", published: null,
        goal: isBound ? "at most 1.25" : null, met: isBound ? Math.max(...worst) <= 1.25 + 1e-9 : null,
      };
    }
  },
  plots: (rows) => ({
    "": curve(rows, {
      title: "Keys that move when one of n servers goes, as a multiple of the fewest possible",
      x: { label: "servers", isLog: true }, y: { label: "keys moved, times the least", isLog: true },
      at: ({ case: of, unit }) => (unit === "of the least moves, one of n gone" ? numberAfter("^", of) : undefined),
    }),
  }),
};

function* spreadRows(n: number, policy: Policy, all: readonly Spread[]): Generator<Row> {
  const isJudged = policy === "ours";
  const row = (unit: string, pick: (one: Spread) => number, text: string | null, most?: number): Row => ({
    experiment: "affinity-hash", case: `${n} servers`, policy, seeds: all.length, ...meanOf(all.map(pick)), unit,
    published: text, goal: isJudged && most !== undefined ? `at most ${most}` : null,
    met: isJudged && most !== undefined ? meanOf(all.map(pick)).value <= most : null,
  });
  yield row("of the mean share of the space, most", ({ spread }) => spread, published[policy].spread, 1.01);
  yield row("of the mean of 10^6 keys, most", ({ ofKeys }) => ofKeys, null);
  yield row("of the least moves, one of n gone", ({ moves }) => moves, published[policy].moves, 1.6);
  yield row("ms of processor to build", ({ buildMs }) => buildMs, null);
}
