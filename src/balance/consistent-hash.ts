/**
 * Consistent hashing sends equal keys to the same endpoint, and when endpoints change moves few keys.
 *
 * Keys go by a Maglev table; an endpoint that already has more than its bounded share of the attempts in flight
 * passes a key on along the table (Mirrokni et al., "Consistent Hashing with Bounded Loads").
 */
import type { Candidate, Context, Picker } from "../core/index.ts";
import { derived } from "./derived.ts";
import { hash32 } from "./hash.ts";
import { maglevTable } from "./maglev.ts";

export interface ConsistentHashOptions {
  /** The key of a call. Default: its route key. */
  readonly key?: (context: Context) => string | undefined;
  /** Most attempts in flight on one endpoint, relative to its fair share. Default 1.25; Infinity for no bound. */
  readonly balance?: number;
  /** Slots of the table, a prime. Default 131,071. */
  readonly tableSize?: number;
}

/** Slots tried before the least busy of those seen is taken. */
const maxSteps = 128;
/** Endpoints whose attempts in flight are counted anew by each pick. */
const recounted = 16;

interface Ring {
  readonly table: Int32Array;
  readonly totalWeight: number;
  readonly flight: InFlight;
}

/** The picker. A call without a key takes the next slot of the table, so turns go by weight. */
export function consistentHash(options: ConsistentHashOptions = {}): Picker {
  const keyOf = options.key ?? ((context: Context) => context.routeKey);
  const balance = options.balance ?? 1.25;
  const rings = derived((candidates): Ring => ({
    table: maglevTable(
      candidates.map((candidate) => candidate.address.id),
      candidates.map((candidate) => candidate.address.weight),
      options.tableSize,
    ),
    totalWeight: candidates.reduce((sum, candidate) => sum + candidate.address.weight, 0),
    flight: new InFlight(candidates),
  }));
  let turn = 0;
  return <C extends Candidate>(candidates: readonly C[], context: Context): C | undefined => {
    if (candidates.length < 2) return candidates[0];
    const { table, totalWeight, flight } = rings(candidates);
    const key = keyOf(context);
    const size = table.length;
    turn = (turn + 1) % size;
    const start = key === undefined ? turn : hash32(key) % size;
    const owner = candidates[table[start] as number];
    const { avoid } = context;
    if (balance === Infinity && avoid.length === 0) return owner;
    const perWeight = (balance * (flight.count(candidates) + 1)) / totalWeight;
    let least = owner;
    for (let step = 0; step < maxSteps; step++) {
      const index = table[(start + step) % size] as number;
      const candidate = candidates[index] as C;
      if (avoid.length > 0 && avoid.includes(candidate)) {
        if (least === candidate) least = undefined;
        continue;
      }
      const { inFlight } = candidate.load;
      if (inFlight < Math.ceil(perWeight * candidate.address.weight)) {
        flight.add(index);
        return candidate;
      }
      if (least === undefined || inFlight < least.load.inFlight) least = candidate;
    }
    return least ?? owner;
  };
}

/** The attempts in flight on all candidates, kept by counting a few of them at each pick. */
class InFlight {
  readonly #seen: Int32Array;
  #total = 0;
  #next = 0;

  constructor(candidates: Iterable<Candidate>) {
    this.#seen = Int32Array.from(candidates, (candidate) => candidate.load.inFlight);
    for (const seen of this.#seen) this.#total += seen;
  }

  count(candidates: readonly Candidate[]): number {
    const seen = this.#seen;
    const n = seen.length;
    let at = this.#next;
    for (let i = Math.min(recounted, n); i > 0; i--) {
      const { inFlight } = (candidates[at] as Candidate).load;
      this.#total += inFlight - (seen[at] as number);
      seen[at] = inFlight;
      if (++at === n) at = 0;
    }
    this.#next = at;
    return this.#total;
  }

  /** The attempt that follows from a pick, which its endpoint will count. */
  add(index: number): void {
    this.#seen[index] = (this.#seen[index] as number) + 1;
    this.#total++;
  }
}
