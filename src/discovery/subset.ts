/**
 * `subsetDiscovery` gives each client a part of a large set, so that 1,000 clients of 10,000 servers do not keep ten
 * million connections.
 *
 * Which part is decided by weighted rendezvous hashing (highest random weight: Thaler and Ravishankar 1998; with
 * weights as in Mosko's and Schindelhauer and Schomaker's logarithmic method; used so by ServiceRouter, OSDI 2023).
 * Each client draws, for each server, an exponential variate of the server's weight from a hash of both names, and
 * keeps the `size` smallest. So a server that comes or goes changes at most one member of any client's part, where the
 * deterministic subsets of the SRE book break a third of all connections when 300 servers become 301.
 */
import type { Discovery } from "../core/discovery.ts";
import type { EndpointAddress } from "../core/endpoint.ts";
import { RpcError } from "../core/error.ts";
import { type Follow, relay } from "./relay.ts";
import { inclusionWeights } from "./subset-weights.ts";

export interface SubsetOptions {
  /**
   * Who this client is: the same text gives the same part in every process and after every restart, different texts
   * give parts that are independent of each other. The name of the host or pod, say.
   */
  readonly clientId: string;
  /** Endpoints kept of each group. Groups of no more than that are kept whole. Default 20. */
  readonly size?: number | undefined;
  /**
   * What a group is, beside its priority and whether it is a backup: `region` (the default), or `zone` for that many
   * of each zone. So whatever traffic may turn to when something fails has members.
   */
  readonly per?: "region" | "zone" | undefined;
}

/** Wraps `discovery`. Throws `invalid_argument` for a size below 1 or a client without a name. */
export function subsetDiscovery(discovery: Discovery, options: SubsetOptions): Discovery {
  const follow: Follow = (name, tell) => {
    const choose = subsetOf(options);
    return discovery.watch(name, {
      snapshot: (endpoints) => tell({ state: "known", endpoints: choose(endpoints) }),
      failed: (error) => tell({ state: "failed", error }),
    });
  };
  subsetOf(options);
  return { ...relay(follow), deliberate: discovery.deliberate };
}

/**
 * Makes the choice of one client. What is hashed is remembered from one set to the next, so that a set of n endpoints
 * costs O(n) and a hash for each that is new. The order of the set is kept.
 */
export function subsetOf(options: SubsetOptions): (all: readonly EndpointAddress[]) => readonly EndpointAddress[] {
  const { clientId, size = 20, per = "region" } = options;
  if (!(Number.isInteger(size) && size >= 1)) {
    throw new RpcError("invalid_argument", `the subset's size is ${size}, expected a whole number of 1 or more`);
  }
  if (typeof clientId !== "string" || clientId === "") {
    throw new RpcError("invalid_argument", "a subset needs a clientId, such as the name of this host: " +
      "clients of one name would all choose the same servers");
  }
  const draws = new Map<string, number>();
  return (all) => {
    if (all.length <= size) return all;
    if (draws.size > 2 * all.length + 1_000) draws.clear();
    const groups = new Groups(size, per);
    for (const [index, endpoint] of all.entries()) {
      let draw = draws.get(endpoint.id);
      if (draw === undefined) draws.set(endpoint.id, draw = exponential(clientId, endpoint.id));
      groups.of(endpoint).add(endpoint, draw, index);
    }
    return groups.members();
  };
}

/** The groups of one set, by priority, backup and place. */
class Groups {
  readonly #size: number;
  readonly #per: "region" | "zone";
  readonly #byKey = new Map<string, Group>();
  /** Neighbours are mostly of one group: the key need not be written for each. */
  #last: { readonly like: EndpointAddress; readonly group: Group } | undefined = undefined;

  constructor(size: number, per: "region" | "zone") {
    this.#size = size;
    this.#per = per;
  }

  of(endpoint: EndpointAddress): Group {
    const { region, zone, priority, backup } = endpoint;
    const like = this.#last?.like;
    if (this.#last !== undefined && like?.region === region && like.priority === priority && like.backup === backup &&
      (this.#per === "region" || like.zone === zone)) return this.#last.group;
    const key = `${priority} ${backup} ${this.#per === "zone" ? `${region}\n${zone}` : region}`;
    let group = this.#byKey.get(key);
    if (group === undefined) this.#byKey.set(key, group = new Group(this.#size));
    this.#last = { like: endpoint, group };
    return group;
  }

  /** Those chosen of each group, in the order of the set. */
  members(): readonly EndpointAddress[] {
    const chosen = [...this.#byKey.values()].flatMap((group) => group.members());
    return chosen.sort((a, b) => a.index - b.index).map(({ endpoint }) => endpoint);
  }
}

interface Drawn {
  readonly endpoint: EndpointAddress;
  readonly index: number;
  readonly at: number;
}

/** The `size` endpoints of the smallest draws: a heap with the largest of them on top. */
class Group {
  readonly #size: number;
  readonly #all: EndpointAddress[] = [];
  readonly #heap: Drawn[] = [];

  constructor(size: number) {
    this.#size = size;
  }

  add(endpoint: EndpointAddress, draw: number, index: number): void {
    this.#all.push(endpoint);
    // Of weight 0 is whoever shall get nothing: last, and left out while there are others.
    const at = endpoint.weight > 0 ? draw / endpoint.weight : Infinity;
    const heap = this.#heap;
    if (heap.length < this.#size) this.#rise({ endpoint, index, at });
    else if (at < (heap[0]?.at ?? 0)) this.#replaceTop({ endpoint, index, at });
  }

  #rise(entry: Drawn): void {
    const heap = this.#heap;
    let index = heap.push(entry) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent] as Drawn;
      if (above.at >= entry.at) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = entry;
  }

  #replaceTop(entry: Drawn): void {
    const heap = this.#heap;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if ((heap[child + 1]?.at ?? -1) > (heap[child] as Drawn).at) child++;
      const below = heap[child] as Drawn;
      if (below.at <= entry.at) break;
      heap[index] = below;
      index = child;
    }
    heap[index] = entry;
  }

  members(): readonly Pick<Drawn, "endpoint" | "index">[] {
    const members = inclusionWeights(this.#all, this.#heap.map(({ endpoint }) => endpoint));
    return members.map((endpoint, i) => ({ endpoint, index: (this.#heap[i] as Drawn).index }));
  }
}

/** An exponential variate of mean 1 that follows from the two names alone. */
function exponential(clientId: string, id: string): number {
  let high = 0x811c9dc5;
  let low = 0x9747b28c;
  const mix = (code: number): void => {
    high = Math.imul(high ^ code, 0x01000193);
    low = Math.imul(low ^ code, 0x5bd1e995);
    low ^= low >>> 15;
  };
  for (let i = 0; i < clientId.length; i++) mix(clientId.charCodeAt(i));
  // No code unit: "a" and "bc" are not "ab" and "c".
  mix(0x10000);
  for (let i = 0; i < id.length; i++) mix(id.charCodeAt(i));
  const uniform = (finish(high ^ low) * 0x200000 + (finish(low + high) >>> 11) + 0.5) / 2 ** 53;
  return -Math.log(uniform);
}

/** Spreads every bit over all others: the finisher of MurmurHash3. */
function finish(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
