/**
 * C3 ranks servers by what they tell with their replies, and lets a queue count by its cube: a long queue at a fast
 * machine is worse than a short one at a slow one, since it says less and lasts longer.
 *
 * Suresh, Canini, Schmid, Feldmann, "C3: Cutting Tail Latency in Cloud Data Stores via Adaptive Replica Selection"
 * (NSDI 2015): `score = R - S + q^3 x S`, `q = 1 + outstanding x clients + queue`, where R is the response time that
 * this client sees, S the server's time and queue its calls in flight, all moving averages.
 *
 * Its rate control, which holds calls back while every replica is over its rate, is no choice among servers and is not
 * here: adaptive limits at the server and hedges at the client do that work.
 */
import { type Candidate, type Context, numberOption, type Picker, type Runtime } from "../core/index.ts";
import { type AliasTable, aliasTable, draw } from "./alias.ts";
import { derived } from "./derived.ts";

export interface C3Options {
  /**
   * How many clients like this one there are: each attempt of ours in flight counts for so many, since the others send
   * as much meanwhile (concurrency compensation). Default 1.
   */
  readonly clients?: number;
  /** Power of the queue in the score. Default 3. */
  readonly power?: number;
  /** Weight of the newest figure in the averages, above 0 to 1. Default 0.9, as published. */
  readonly newest?: number;
  /**
   * An endpoint of which nothing was heard for so long is tried again, in milliseconds. Default 1,000. (Cassandra's
   * copies of reads to all replicas, by which the original hears of those that it does not choose, are not made.)
   */
  readonly retryAfterMs?: number;
  /** Most endpoints compared; of more, so many are drawn by weight. Default 16: replica groups are smaller. */
  readonly choices?: number;
}

/** The picker. Servers that tell nothing are ranked by our own attempts alone. */
export function c3(runtime: Pick<Runtime, "random">, options: C3Options = {}): Picker {
  const { random } = runtime;
  const settings = {
    clients: numberOption("clients", options.clients ?? 1, { least: 1, most: 1_000_000 }),
    power: numberOption("power", options.power ?? 3, { least: 1, most: 10 }),
    newest: numberOption("newest", options.newest ?? 0.9, { least: 0.001, most: 1 }),
    retryAfterMs: numberOption("retryAfterMs", options.retryAfterMs ?? 1_000, { least: 1, unit: "milliseconds" }),
  };
  const choices = numberOption("choices", options.choices ?? 16, { least: 2, most: 10_000, whole: true });
  const rankings = derived((candidates) => new Ranking(candidates, settings));
  return <C extends Candidate>(candidates: readonly C[], { avoid, startedMs }: Context): C | undefined => {
    const n = candidates.length;
    if (n < 2) return candidates[0];
    const ranking = rankings(candidates);
    // A random beginning, so that equals share alike.
    const first = draw(ranking.table, n, random);
    let best = first;
    let least = Infinity;
    for (let i = 0; i < Math.min(n, choices); i++) {
      const at = n <= choices ? (first + i) % n : i === 0 ? first : draw(ranking.table, n, random);
      const candidate = candidates[at] as C;
      if (candidate.address.weight <= 0 && at !== first) continue;
      const score = ranking.score(at, candidate, startedMs);
      if (score >= least || avoid.length > 0 && avoid.includes(candidate)) continue;
      best = at;
      least = score;
    }
    return candidates[best];
  };
}

type Candidates = readonly Candidate[];
type Settings = Readonly<Required<Omit<C3Options, "choices">>>;

/** The moving averages of what one set of candidates told. */
class Ranking {
  readonly table: AliasTable;
  readonly #settings: Settings;
  readonly #seenAtMs: Float64Array;
  readonly #queue: Float64Array;
  readonly #serverMs: Float64Array;

  constructor(candidates: Candidates, settings: Settings) {
    this.table = aliasTable(candidates);
    this.#settings = settings;
    this.#seenAtMs = new Float64Array(candidates.length);
    this.#queue = new Float64Array(candidates.length);
    this.#serverMs = new Float64Array(candidates.length);
  }

  score(at: number, { address, load }: Candidate, nowMs: number): number {
    const { clients, power, newest, retryAfterMs } = this.#settings;
    const { report } = load;
    if (report !== undefined && load.reportAtMs !== this.#seenAtMs[at]) {
      const weight = this.#seenAtMs[at] === 0 ? 1 : newest;
      this.#seenAtMs[at] = load.reportAtMs;
      this.#queue[at]! += weight * (report.inFlight - (this.#queue[at] as number));
      this.#serverMs[at]! += weight * ((report.latencyMs ?? 0) - (this.#serverMs[at] as number));
    }
    const heardAtMs = Math.max(load.reportAtMs, load.peakEwmaAtMs);
    if (load.inFlight === 0 && nowMs - heardAtMs >= retryAfterMs) return 0;
    const serverMs = (this.#serverMs[at] as number) || load.latencyMs || 1;
    const perWeight = this.table.meanWeight / address.weight;
    const queue = 1 + (load.inFlight * clients + (this.#queue[at] as number)) * perWeight;
    // Who fails fast gains nothing: what failed is divided out by the cube of the success rate, as elsewhere.
    const success = Math.max(0.01, 1 - load.failureRate);
    return (Math.max(0, load.latencyMs - serverMs) + queue ** power * serverMs) / success ** 3;
  }
}
