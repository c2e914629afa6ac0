/**
 * Sparse spaces give every key a node without a table of keys: a key looks at pseudo-random places until one of them
 * is a node's. Every node's place is as likely as another's, so shares are exact, and when a node goes, only its own
 * keys look further.
 *
 * The idea is DxHash's (Dong and Wang, "DxHash: A Scalable Consistent Hash Based on the Pseudo-Random Sequence", 2021),
 * which needs a space some times larger than the set, and moves everything when that has to grow. Here there is one
 * space for each power of 16, and as a set grows from one power to the next, more and more keys go by the larger of the
 * two: an evenly spread 1 / ln 16 = 0.36 of the least possible moves on top, at any size. Nobody remembers anything, so
 * clients that know the same set agree.
 */
import { hash32 } from "./hash.ts";

/** Doublings from one space to the next. */
const doublings = 4;
/** Places for each node, as doublings, when a space begins to be used. */
const leastSpare = 5;
/** A look that finds nobody so often, relative to what is expected, has e^-40 of a chance. */
const patience = 40;

/** Keys remembered, a power of two. */
const remembered = 4_096;

export interface ProbeSpaces {
  /** The nodes that a key may go to, best first: calls `visit` for each until it answers true, at most `most` times. */
  readonly walk: (key: number, most: number, visit: (node: number) => boolean) => void;
  /** The node of a key, by its index; -1 if there is none. */
  readonly owner: (key: number) => number;
}

/** Places the nodes. A node of weight 0 gets no key unless all have none. The order of the nodes means nothing. */
export function probeSpaces(ids: readonly string[], weights: readonly number[]): ProbeSpaces {
  const heaviest = weights.reduce((max, weight) => Math.max(max, weight), 0);
  // A power of two, so that it stays the same while the heaviest changes a little.
  const cap = heaviest === 0 ? 1 : 2 ** Math.ceil(Math.log2(heaviest));
  const nodes: number[] = [];
  ids.forEach((_, node) => {
    if (heaviest === 0 || (weights[node] as number) > 0) nodes.push(node);
  });
  const total = nodes.reduce((sum, node) => sum + (heaviest === 0 ? 1 : (weights[node] as number) / cap), 0);
  const level = Math.log2(Math.max(1, nodes.length)) / doublings;
  const lower = Math.floor(level);
  const spaces = [lower, lower + 1].map((number) => new Space(number * doublings + leastSpare, { nodes, ids }));
  const [small, large] = spaces as [Space, Space];
  const largeKeys = (level - lower) * 2 ** 32;
  // Whom a place takes: equal weights that are a power of two are never asked.
  const accepts = heaviest === 0 || nodes.every((node) => weights[node] === cap)
    ? undefined
    : Float64Array.from(weights, (weight) => weight / cap * 2 ** 32);

  // Keys that come often need not look again: the first node of each of the last keys, by their low bits.
  const knownKeys = new Uint32Array(remembered);
  const knownNodes = new Int32Array(remembered).fill(-1);

  const walk: ProbeSpaces["walk"] = (key, most, visit) => {
    if (total === 0) return;
    const slot = key & (remembered - 1);
    const known = knownKeys[slot] === key >>> 0 ? knownNodes[slot] as number : -1;
    if (known >= 0 && (visit(known) || most <= 1)) return;
    const space = mix(key ^ 0x5bd1_e995) < largeKeys ? large : small;
    const looks = Math.ceil(patience * most * space.places / total);
    let found = 0;
    for (let look = 0, at = key; look < looks; look++) {
      at = (at + 0x9e37_79b9) | 0;
      // Half of a finaliser: its upper bits are all that is looked at.
      const drawn = Math.imul(at ^ space.salt, 0x85eb_ca6b);
      const node = space.at(Math.imul(drawn ^ (drawn >>> 15), 0xc2b2_ae35) >>> space.shift);
      if (node < 0 || (accepts !== undefined && mix(at ^ 0x2545_f491) >= (accepts[node] as number))) continue;
      if (found++ === 0) {
        if (known >= 0) continue;
        knownKeys[slot] = key;
        knownNodes[slot] = node;
      }
      if (visit(node) || found >= most) return;
    }
  };
  return {
    walk,
    owner(key) {
      let owner = -1;
      walk(key, 1, (node) => {
        owner = node;
        return true;
      });
      return owner;
    },
  };
}

/** Which of `ids` have a place. */
interface Members {
  readonly nodes: readonly number[];
  readonly ids: readonly string[];
}

/** Places, a power of two of them, of which few are nodes'. A bit each says where to look closer. */
class Space {
  readonly places: number;
  readonly shift: number;
  readonly salt: number;
  readonly #bits: Uint32Array;
  /** The nodes by their places, in a small open table. */
  readonly #keys: Int32Array;
  readonly #nodes: Int32Array;
  readonly #mask: number;

  constructor(power: number, { nodes, ids }: Members) {
    this.places = 2 ** power;
    this.shift = 32 - power;
    this.salt = mix(power);
    this.#bits = new Uint32Array(Math.max(1, this.places >>> 5));
    const room = 2 ** Math.ceil(Math.log2(Math.max(2, nodes.length * 2)));
    this.#mask = room - 1;
    this.#keys = new Int32Array(room).fill(-1);
    this.#nodes = new Int32Array(room);
    const placed = this.#settle(nodes, ids);
    for (const [place, node] of placed) {
      (this.#bits[place >>> 5] as number) |= 1 << (place & 31);
      let at = mix(place) & this.#mask;
      while ((this.#keys[at] as number) >= 0) at = (at + 1) & this.#mask;
      this.#keys[at] = place;
      this.#nodes[at] = node;
    }
  }

  /** The node at a place; -1 for nobody. */
  at(place: number): number {
    if (((this.#bits[place >>> 5] as number) >>> (place & 31) & 1) === 0) return -1;
    let at = mix(place) & this.#mask;
    while (this.#keys[at] !== place) at = (at + 1) & this.#mask;
    return this.#nodes[at] as number;
  }

  /**
   * Finds each node a place. Of two that want the same, the one of the lower rank has it, and the other takes its next
   * choice: a stable matching, which is the same whatever the order in which they come.
   */
  #settle(nodes: readonly number[], ids: readonly string[]): Map<number, number> {
    const holders = new Map<number, { node: number; rank: number; choice: number }>();
    for (const node of nodes) {
      let one = { node, rank: hash32(ids[node] as string), choice: 0 };
      for (;;) {
        const place = mix(one.rank + Math.imul(one.choice, 0x85eb_ca6b) ^ this.salt) >>> this.shift;
        const other = holders.get(place);
        if (other === undefined || precedes(one, other, ids)) {
          holders.set(place, one);
          if (other === undefined) break;
          one = other;
        }
        one.choice++;
      }
    }
    return new Map([...holders].map(([place, { node }]) => [place, node]));
  }
}

interface Ranked {
  readonly node: number;
  readonly rank: number;
}

function precedes(one: Ranked, other: Ranked, ids: readonly string[]): boolean {
  if (one.rank !== other.rank) return one.rank < other.rank;
  return (ids[one.node] as string) < (ids[other.node] as string);
}

/** 32 bits out of 32, each of which depends on all: murmur3's finaliser. */
function mix(word: number): number {
  let x = word | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85eb_ca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2_ae35);
  return (x ^ (x >>> 16)) >>> 0;
}
