/**
 * Consistent hashing sends equal keys to the same endpoint, and when endpoints change moves few keys.
 *
 * Keys go by sparse spaces (probe-space.ts), or by a Maglev table where a size is given; an endpoint that already has
 * more than its bounded share of the attempts in flight passes a key on along the way (Mirrokni et al., "Consistent
 * Hashing with Bounded Loads").
 */
import type { Candidate, Context, Picker } from "../core/index.ts";
import { derived } from "./derived.ts";
import { hash32 } from "./hash.ts";
import { maglevTable } from "./maglev.ts";
import { probeSpaces, type ProbeSpaces } from "./probe-space.ts";

export interface ConsistentHashOptions {
  /** The key of a call. Default: its route key. */
  readonly key?: (context: Context) => string | undefined;
  /** Most attempts in flight on one endpoint, relative to its fair share. Default 1.25; Infinity for no bound. */
  readonly balance?: number;
  /**
   * Slots of a Maglev table, a prime, e.g. 131,071: where others choose by such a table too, and keys shall go where
   * theirs go. Default: no table, whose moves are several times the least for many endpoints.
   */
  readonly tableSize?: number;
}

/** Endpoints tried before the least busy of those seen is taken. */
const maxSteps = 128;
/** Endpoints whose attempts in flight are counted anew by each pick. */
const recounted = 16;

interface Ring {
  readonly walk: ProbeSpaces["walk"];
  readonly totalWeight: number;
  readonly flight: InFlight;
}

/** The picker. A call without a key goes anywhere, by weight. */
export function consistentHash(options: ConsistentHashOptions = {}): Picker {
  const keyOf = options.key ?? ((context: Context) => context.routeKey);
  const { balance = 1.25, tableSize } = options;
  const rings = derived((candidates): Ring => {
    const ids = candidates.map((candidate) => candidate.address.id);
    const weights = candidates.map((candidate) => candidate.address.weight);
    return {
      walk: tableSize === undefined ? probeSpaces(ids, weights).walk : along(maglevTable(ids, weights, tableSize)),
      totalWeight: weights.reduce((sum, weight) => sum + weight, 0),
      flight: new InFlight(candidates),
    };
  });
  let turn = 0;
  return <C extends Candidate>(candidates: readonly C[], context: Context): C | undefined => {
    if (candidates.length < 2) return candidates[0];
    const { walk, totalWeight, flight } = rings(candidates);
    const key = keyOf(context);
    turn = (turn + 0x9e37_79b9) >>> 0;
    const { avoid } = context;
    const perWeight = balance === Infinity ? Infinity : (balance * (flight.count(candidates) + 1)) / totalWeight;
    let owner: C | undefined;
    let least: C | undefined;
    let chosen: C | undefined;
    walk(key === undefined ? turn : hash32(key), maxSteps, (index) => {
      const candidate = candidates[index] as C;
      owner ??= candidate;
      if (avoid.length > 0 && avoid.includes(candidate)) return false;
      const { inFlight } = candidate.load;
      if (perWeight === Infinity || inFlight < roomOf(perWeight * candidate.address.weight)) {
        if (perWeight !== Infinity) flight.add(index);
        chosen = candidate;
        return true;
      }
      if (least === undefined || inFlight < least.load.inFlight) least = candidate;
      return false;
    });
    return chosen ?? least ?? owner;
  };
}

/**
 * A bounded share in whole attempts. Rounded up while that is needed for all to fit (the paper always does); from 5 on,
 * where the shares rounded down hold all attempts too, down, so that the bound is one.
 */
function roomOf(share: number): number {
  return share < 5 ? Math.ceil(share) : Math.floor(share);
}

/** From a key's slot of a table onwards. */
function along(table: Int32Array): ProbeSpaces["walk"] {
  const size = table.length;
  return (key, most, visit) => {
    for (let step = 0, slot = key % size; step < most; step++) {
      const node = table[slot] as number;
      if (node < 0 || visit(node)) return;
      if (++slot === size) slot = 0;
    }
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
