/**
 * A ShardMap says who owns which virtual shard: keys hash to shards for ever, shards have owners for a time.
 *
 * Owners get shards in proportion to their weights, to within one; a change of owners moves as few shards as that
 * allows. Each change of the map has the next epoch, by which an old one is told from a new one.
 */
import { hash32 } from "../balance/index.ts";
import { badOption, numberOption, RpcError } from "../core/index.ts";

export interface ShardMap {
  readonly epoch: number;
  readonly owners: readonly string[];
  /** The owner of each shard, as an index of `owners`. */
  readonly shards: readonly number[];
}

/** Owners by name with their weights, or with equal weights. */
export type ShardOwners = readonly string[] | Readonly<Record<string, number>>;

export interface ShardMove {
  readonly shard: number;
  readonly from: string;
  readonly to: string;
}

/** More would not fit a message; fewer than ten for each owner balance badly. */
export const maxShards = 16_384;
const maxOwners = 4_096;
const defaultShards = 256;
/** Another seed than that of balancing by key, so that shards and tables have nothing in common. */
const keySeed = 0x51ed270b;

/** The first map: `shards` virtual shards (default 256; fixed from then on) over the owners, of epoch 1. */
export function shardMap(owners: ShardOwners, shards: number = defaultShards): ShardMap {
  numberOption("shards", shards, { least: 1, most: maxShards, whole: true, unit: "virtual shards" });
  const weights = weightsOf(owners);
  const names = [...weights.keys()];
  const assigned = assign(weights, Array.from({ length: shards }, () => undefined));
  return { epoch: 1, owners: names, shards: assigned.map((owner) => names.indexOf(owner)) };
}

/** The shard of a key; the same for ever. */
export function shardOf(map: ShardMap, key: string): number {
  return hash32(key, keySeed) % map.shards.length;
}

/** Who owns a shard. Throws `invalid_argument` for a shard that the map does not have. */
export function ownerOf(map: ShardMap, shard: number): string {
  const owner = map.owners[map.shards[shard] ?? -1];
  if (owner !== undefined) return owner;
  throw badOption("shard", shard, `expected a whole number from 0 to ${map.shards.length - 1}`);
}

/** The moves that balance the map over these owners: as few as balance allows. Nothing has moved by them yet. */
export function planMoves(map: ShardMap, owners: ShardOwners): readonly ShardMove[] {
  const weights = weightsOf(owners);
  const present = map.shards.map((_, shard) => ownerOf(map, shard));
  const wanted = assign(weights, present.map((owner) => (weights.has(owner) ? owner : undefined)));
  return wanted.flatMap((to, shard) => {
    const from = present[shard] as string;
    return to === from ? [] : [{ shard, from, to }];
  });
}

/** The next map: the same but for the owner of one shard. */
export function withOwner(map: ShardMap, shard: number, owner: string): ShardMap {
  ownerOf(map, shard);
  const owners = map.owners.includes(owner) ? map.owners : [...map.owners, owner];
  const index = owners.indexOf(owner);
  const shards = map.shards.with(shard, index);
  return compacted({ epoch: map.epoch + 1, owners, shards });
}

/** Owners without a shard are left out. */
function compacted(map: ShardMap): ShardMap {
  const used = new Set(map.shards);
  if (used.size === map.owners.length) return map;
  const owners = map.owners.filter((_, index) => used.has(index));
  const index = new Map(owners.map((owner, i) => [owner, i]));
  return { ...map, owners, shards: map.shards.map((old) => index.get(map.owners[old] as string) as number) };
}

function weightsOf(owners: ShardOwners): Map<string, number> {
  const entries: [string, number][] = Array.isArray(owners)
    ? (owners as readonly string[]).map((owner) => [owner, 1])
    : Object.entries(owners as Readonly<Record<string, number>>);
  const weights = new Map(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
  if (weights.size !== entries.length) {
    throw badOption("owners", entries.map(([owner]) => owner).join(), "one is twice");
  }
  if (weights.size === 0 || weights.size > maxOwners) {
    throw badOption("owners", `${weights.size} names`, `expected 1 to ${maxOwners}`);
  }
  for (const [owner, weight] of weights) {
    if (owner === "" || owner.length > 128) throw badOption("owners", owner, "expected names of 1 to 128 characters");
    numberOption(`owners.${owner}`, weight, { least: Number.MIN_VALUE });
  }
  return weights;
}

/** Fills the gaps, and takes from those who have more than their share. */
function assign(weights: ReadonlyMap<string, number>, present: readonly (string | undefined)[]): string[] {
  const held = new Map<string, number[]>([...weights.keys()].map((owner) => [owner, []]));
  present.forEach((owner, shard) => owner !== undefined && held.get(owner)?.push(shard));
  const quotas = quotasOf(weights, present.length, (owner) => (held.get(owner) as number[]).length);
  const next = present.slice();
  const free: number[] = [];
  present.forEach((owner, shard) => owner === undefined && free.push(shard));
  for (const [owner, shards] of held) {
    // Who has too many gives those for which its own hash speaks least.
    const excess = shards.length - (quotas.get(owner) as number);
    if (excess <= 0) continue;
    free.push(...shards.toSorted((a, b) => affinity(owner, a) - affinity(owner, b)).slice(0, excess));
    held.set(owner, shards.slice(excess));
  }
  const room = new Map([...quotas].map(([owner, quota]) => [owner, quota - (held.get(owner) as number[]).length]));
  for (const shard of free.toSorted((a, b) => a - b)) {
    let best: string | undefined;
    for (const [owner, left] of room) {
      if (left > 0 && (best === undefined || affinity(owner, shard) > affinity(best, shard))) best = owner;
    }
    next[shard] = best as string;
    room.set(best as string, (room.get(best as string) as number) - 1);
  }
  return next as string[];
}

/** How much an owner is a shard's: rendezvous hashing (Thaler and Ravishankar, 1998). */
function affinity(owner: string, shard: number): number {
  return hash32(owner, Math.imul(shard + 1, 0x9e3779b1));
}

/** Whole shares that sum up: rounded down, and what is left to those who hold more already, then by remainder. */
function quotasOf(
  weights: ReadonlyMap<string, number>, total: number, holds: (owner: string) => number,
): Map<string, number> {
  const sum = [...weights.values()].reduce((all, weight) => all + weight, 0);
  const shares = [...weights].map(([owner, weight]) => {
    const exact = (total * weight) / sum;
    // What rounding of the division itself may have cost is not owed.
    const whole = Math.floor(exact + 1e-9);
    return { owner, whole, rest: Math.max(0, exact - whole) };
  });
  let left = total - shares.reduce((all, { whole }) => all + whole, 0);
  const quotas = new Map(shares.map(({ owner, whole }) => [owner, whole]));
  const wants = ({ owner, whole }: (typeof shares)[number]): number => (holds(owner) > whole ? 1 : 0);
  const inOrder = shares.toSorted((a, b) => wants(b) - wants(a) || b.rest - a.rest || (a.owner < b.owner ? -1 : 1));
  for (const share of inOrder) {
    if (left === 0) break;
    // A share that came out whole is exact: what is left belongs to the others.
    if (share.rest <= 1e-9) continue;
    quotas.set(share.owner, share.whole + 1);
    left--;
  }
  return quotas;
}

/** As short text, for messages and metadata: epoch, owners, runs of shards. */
export function writeShardMap({ epoch, owners, shards }: ShardMap): string {
  const runs: string[] = [];
  for (let i = 0; i < shards.length;) {
    let end = i + 1;
    while (end < shards.length && shards[end] === shards[i]) end++;
    runs.push(end - i === 1 ? (shards[i] as number).toString(36) : `${(shards[i] as number).toString(36)}*${end - i}`);
    i = end;
  }
  return `${epoch};${owners.map((owner) => encodeURIComponent(owner)).join(",")};${runs.join(",")}`;
}

/** Reads what {@link writeShardMap} wrote. Throws `invalid_argument` for anything else. */
export function readShardMap(text: string): ShardMap {
  const [epochText = "", ownersText = "", runsText = "", ...more] = text.split(";");
  const epoch = Number(epochText);
  const shards: number[] = [];
  try {
    const owners = ownersText.split(",").map((owner) => decodeURIComponent(owner));
    for (const run of runsText.split(",")) {
      const [indexText = "", countText = "1"] = run.split("*");
      const [index, count] = [Number.parseInt(indexText, 36), Number(countText)];
      if (!(index >= 0 && index < owners.length && Number.isInteger(count) && count > 0) ||
        shards.length + count > maxShards) throw new RangeError(run);
      for (let i = 0; i < count; i++) shards.push(index);
    }
    const known = new Set(owners).size === owners.length && owners.length <= maxOwners && !owners.includes("");
    if (known && more.length === 0 && Number.isSafeInteger(epoch) && epoch > 0) return { epoch, owners, shards };
  } catch {
    // Told below.
  }
  throw new RpcError("invalid_argument", `${JSON.stringify(text.slice(0, 80))} is no shard map`);
}
