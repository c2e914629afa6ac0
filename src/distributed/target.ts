/**
 * A Target is a place that can be called by itself: an endpoint, a region, a shard; lists of them follow discovery.
 *
 * A target calls with the stack, connections and figures of the client it is made of. Where it has several endpoints,
 * the less loaded of two that are fit is chosen.
 */
import { avoidTried, derived, leastRequests } from "../balance/index.ts";
import type { ClientControl } from "../client/create-client.ts";
import type { AnyContract, Client } from "../contract/index.ts";
import {
  badOption, type Candidate, type Context, describeEndpoint, type EndpointAddress, type EndpointStatus, numberOption,
  type Picker, type Runtime,
} from "../core/index.ts";

/** What a target is called: by programs, by people, and where it lies. */
export interface Place {
  /** Unique in its list: an endpoint's id, a region, a shard. */
  readonly id: string;
  /** For messages: `eu-west/a 10.0.0.1:7001`, `region eu-west`, `shard 3`. */
  readonly name: string;
  /** Empty where it spans several, or none is known. */
  readonly region: string;
}

export interface Target<S extends AnyContract> extends Place {
  /** The contract's methods, called here alone. */
  readonly call: Client<S>;
  /** Endpoints behind it that could take a call now. */
  readonly size: number;
  /** The endpoint that the last call begun here was given. */
  readonly picked?: unknown;
  /** The same methods at another endpoint than `picked` while there is another; for a call begun at once. */
  avoiding?(picked: unknown): Client<S>;
}

/** Targets that follow discovery. */
export interface Targets<S extends AnyContract> {
  readonly contract: S;
  readonly runtime: Runtime;
  /** The targets as they are now. A target that stays is the same object. */
  list(): readonly Target<S>[];
}

/** Any client, by what governs it. */
export interface Governed<S extends AnyContract> {
  readonly $: Pick<ClientControl<Client<S>, S>, "by" | "contract" | "endpoints" | "runtime">;
}

export interface ReplicaOptions {
  /** How many: the nearest that are fit, by measured round trip. Default: all. */
  readonly count?: number;
  /** What replicas differ in: each by itself (default), one for each zone or region, or each value of a function. */
  readonly by?: "endpoint" | "zone" | "region" | ((endpoint: EndpointAddress) => string);
  /** Chooses among the endpoints of a target. Default: the less loaded of two. */
  readonly picker?: Picker;
}

export interface ShardTargetOptions {
  /** The attribute of endpoints that names their shard. Endpoints without it are no shard's. Default `shard`. */
  readonly attribute?: string;
  readonly picker?: Picker;
}

/** The servers that hold the same: nearest and fit first. */
export function replicas<S extends AnyContract>(client: Governed<S>, options: ReplicaOptions = {}): Targets<S> {
  const { by = "endpoint", count } = options;
  if (count !== undefined) numberOption("count", count, { least: 1, whole: true, unit: "replicas" });
  const groups = new Groups(client, { keyOf: keyOf(by), single: by === "endpoint", kind: kindOf(by), ...options });
  return {
    contract: client.$.contract, runtime: client.$.runtime,
    list: () => {
      const sorted = groups.list().toSorted((a, b) => a.rank - b.rank || a.distanceMs - b.distanceMs || byId(a, b));
      return count === undefined ? sorted : sorted.slice(0, count);
    },
  };
}

/** Every endpoint that discovery knows, whatever its status, in the order of ids. */
export function eachEndpoint<S extends AnyContract>(client: Governed<S>): Targets<S> {
  return sortedGroups(client, { keyOf: ({ id }) => id, single: true, kind: "" });
}

/** Every region that has endpoints, in the order of names; the less loaded of two endpoints answers for a region. */
export function eachRegion<S extends AnyContract>(
  client: Governed<S>, options: Pick<ReplicaOptions, "picker"> = {},
): Targets<S> {
  return sortedGroups(client, { keyOf: ({ region }) => region, single: false, kind: "region", ...options });
}

/** Every shard that endpoints name in an attribute, in the order of names; replicas of a shard stand in for another. */
export function eachShard<S extends AnyContract>(client: Governed<S>, options: ShardTargetOptions = {}): Targets<S> {
  const { attribute = "shard", picker } = options;
  if (attribute === "") throw badOption("attribute", attribute, "expected the name of an attribute of endpoints");
  return sortedGroups(client, {
    keyOf: ({ attributes }) => attributes[attribute], single: false, kind: "shard", picker,
  });
}

/** A fixed list of places that each have a client of their own (or anything with the contract's methods). */
export function fixedTargets<S extends AnyContract>(
  runtime: Runtime, contract: S, places: Readonly<Record<string, Client<S>>>,
): Targets<S> {
  const list = Object.entries(places).map(([id, call]): Target<S> => ({ id, name: id, region: "", call, size: 1 }));
  if (list.length === 0) throw badOption("places", "{}", "name at least one");
  return { contract, runtime, list: () => list };
}

function sortedGroups<S extends AnyContract>(client: Governed<S>, options: GroupOptions): Targets<S> {
  const groups = new Groups(client, options);
  return {
    contract: client.$.contract, runtime: client.$.runtime, list: () => groups.list().toSorted(byId),
  };
}

function keyOf(by: NonNullable<ReplicaOptions["by"]>): GroupOptions["keyOf"] {
  if (typeof by === "function") return by;
  switch (by) {
    case "endpoint": return ({ id }) => id;
    case "zone": return ({ region, zone }) => `${region}/${zone}`;
    case "region": return ({ region }) => region;
    default: throw badOption("by", by, "expected endpoint, zone, region or a function of an endpoint");
  }
}

function kindOf(by: NonNullable<ReplicaOptions["by"]>): string {
  return typeof by === "function" ? "replica" : by === "endpoint" ? "" : by;
}

function byId(a: Place, b: Place): number {
  return a.id.localeCompare(b.id, "en", { numeric: true });
}

interface GroupOptions {
  /** Which target an endpoint belongs to; undefined for none. */
  readonly keyOf: (endpoint: EndpointAddress) => string | undefined;
  /** Whether each endpoint is a target of its own. */
  readonly single: boolean;
  /** What targets are called before their id. */
  readonly kind: string;
  readonly picker?: Picker | undefined;
}

/** The endpoints of a client by key; a group lives as long as an endpoint has its key. */
class Groups<S extends AnyContract> {
  readonly #client: Governed<S>;
  readonly #options: GroupOptions;
  readonly #groups = new Map<string, Group<S>>();

  constructor(client: Governed<S>, options: GroupOptions) {
    this.#client = client;
    this.#options = options;
  }

  list(): Group<S>[] {
    for (const group of this.#groups.values()) group.begin();
    for (const endpoint of this.#client.$.endpoints()) {
      const key = this.#options.keyOf(endpoint.address);
      if (key === undefined || endpoint.status === "closed") continue;
      let group = this.#groups.get(key);
      if (group === undefined) this.#groups.set(key, group = new Group(this.#client, this.#options, key));
      group.add(endpoint);
    }
    for (const [key, { members }] of this.#groups) if (members === 0) this.#groups.delete(key);
    return [...this.#groups.values()];
  }
}

/** Fittest first: panic (`ejected`, `suspect`) before refusing, and what wants no calls last of all. */
const ranks: Readonly<Record<EndpointStatus, number>> = {
  ready: 0, busy: 1, idle: 2, connecting: 2, ejected: 3, suspect: 3, draining: 4, closed: 5,
};

class Group<S extends AnyContract> implements Target<S> {
  readonly id: string;
  name: string;
  region = "";
  members = 0;
  size = 0;
  /** Of its fittest member. */
  rank = 5;
  distanceMs = Infinity;
  picked: unknown = undefined;
  readonly call: Client<S>;
  readonly #client: Governed<S>;
  readonly #kind: string;
  readonly #pick: Picker;
  #elsewhere: Client<S> | undefined = undefined;
  #avoided: unknown = undefined;

  constructor(client: Governed<S>, options: GroupOptions, id: string) {
    this.id = id;
    this.name = id;
    this.#client = client;
    this.#kind = options.kind;
    const { keyOf: key } = options;
    const fitOf = derived((candidates): readonly Candidate[] => {
      const own = candidates.filter(({ address }) => key(address) === id);
      const best = own.reduce((least, { status }) => Math.min(least, ranks[status]), 5);
      return own.filter(({ status }) => ranks[status] === best);
    });
    const inner = avoidTried(options.picker ?? leastRequests(client.$.runtime.random));
    // All, since a target whose endpoints are not ready must still be found, tried and named in its failure.
    this.#pick = <C extends Candidate>(candidates: readonly C[], context: Context): C | undefined => {
      const fit = fitOf(candidates) as readonly C[];
      return fit.length < 2 ? fit[0] : inner(fit, context);
    };
    this.call = client.$.by(Object.assign(<C extends Candidate>(candidates: readonly C[], context: Context) => {
      const picked = this.#pick(candidates, context);
      this.picked = picked;
      return picked;
    }, { seesAll: true as const }));
  }

  avoiding(picked: unknown): Client<S> {
    this.#avoided = picked;
    return this.#elsewhere ??= this.#client.$.by(Object.assign(
      <C extends Candidate>(candidates: readonly C[], context: Context) =>
        this.#pick(candidates, this.#avoided === undefined
          ? context
          : context.with({ avoid: [...context.avoid, this.#avoided] })), { seesAll: true as const }));
  }

  begin(): void {
    this.members = this.size = 0;
    this.rank = 5;
    this.distanceMs = Infinity;
  }

  add({ address, status, load }: Candidate): void {
    const rank = ranks[status];
    if (rank <= 2) this.size++;
    if (rank < this.rank) this.rank = rank;
    if (load.leastRoundTripMs < this.distanceMs) this.distanceMs = load.leastRoundTripMs;
    if (this.members++ === 0) {
      this.region = address.region;
      this.name = this.#kind === "" ? describeEndpoint(address) : `${this.#kind} ${this.id}`;
    } else if (this.region !== address.region) {
      this.region = "";
    }
  }
}
