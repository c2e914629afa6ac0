/**
 * The workload of one region's clients: which calls its users make, and whether the answers are right.
 *
 * The users of a region live near it, so coordinates, names and countries are those of cities nearer to this region
 * than to another, drawn from a seed. Every answer is compared with the data: a wrong one is a failed call.
 */
import type { CallOptions, Client } from "../../src/contract/index.ts";
import type { Acknowledged } from "./checker.ts";
import { type City, foldName } from "./cities.ts";
import type { Cities } from "./contract.ts";
import { regionNear } from "./geography.ts";

export type CitiesClient = Client<typeof Cities>;

/** One call to make: resolves when it was answered rightly, rejects otherwise. */
export interface PlannedCall {
  readonly method: keyof CitiesClient;
  readonly run: (client: CitiesClient, options: CallOptions) => Promise<void>;
}

export interface WorkloadOptions {
  readonly region: string;
  readonly seed: number;
  /** Called with each write that was acknowledged. */
  readonly onAcknowledged: (write: Acknowledged) => void;
  /** After so many writes only reads follow, so that a demonstration left alone fills no disk. Default 200 000. */
  readonly maxWrites?: number;
}

/** An answer that does not fit the data. */
export class WrongAnswer extends Error {
  readonly code = "wrong_answer";
}

/** How often each method is called, of 100 calls. */
const mix: readonly (readonly [keyof CitiesClient, number])[] = [
  ["nearest", 40], ["search", 30], ["saveFavourite", 15], ["favourites", 10], ["byCountry", 3], ["countByCountry", 2],
];

/** Returns a function that plans the next call. */
export function createWorkload(cities: readonly City[], options: WorkloadOptions): () => PlannedCall {
  const random = createRandom(options.seed);
  const local = cities.filter((city) => regionNear(city.lat, city.lon) === options.region);
  const sizes = new Map<string, number>();
  for (const { country } of cities) sizes.set(country, (sizes.get(country) ?? 0) + 1);
  // Countries of a size that one would list; the largest have 17 000 cities.
  const listed = [...new Set(local.map((city) => city.country))].filter((code) => {
    const size = sizes.get(code) as number;
    return size >= 20 && size <= 300;
  });
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const planners: Record<keyof CitiesClient, () => PlannedCall["run"]> = {
    nearest: () => nearest(pick(local)),
    search: () => search(pick(local), 3 + Math.floor(random() * 3)),
    byCountry: () => listCountry(pick(listed), sizes),
    countByCountry: () => count(Array.from({ length: 20 }, () => pick(local))),
    ...planWrites(local, options),
  };
  return () => {
    const method = weighted(random() * 100);
    return { method, run: planners[method]() };
  };
}

function weighted(roll: number): keyof CitiesClient {
  for (const [method, share] of mix) {
    roll -= share;
    if (roll < 0) return method;
  }
  return "nearest";
}

/** Users of one region: a number without a common factor with the count of cities, so that no pair repeats. */
const userCount = 1_009;

/** Writes walk through users and cities in step, so that each pair is asked for once in a run. */
function planWrites(
  local: readonly City[], { region, onAcknowledged, maxWrites = 200_000 }: WorkloadOptions,
): Record<"saveFavourite" | "favourites", () => PlannedCall["run"]> {
  let planned = 0;
  const favourites = (): PlannedCall["run"] => async (client, options) => {
    await client.favourites({ user: `${region}-${planned % userCount}`, limit: 10 }, options);
  };
  const saveFavourite = (): PlannedCall["run"] => {
    if (planned >= maxWrites) return favourites();
    const user = `${region}-${planned % userCount}`;
    const cityId = (local[planned % local.length] as City).id;
    planned++;
    return async (client, options) => {
      const { favouriteId } = await client.saveFavourite({ user, cityId }, options);
      onAcknowledged({ user, cityId, favouriteId });
    };
  };
  return { saveFavourite, favourites };
}

function nearest(city: City): PlannedCall["run"] {
  return async (client, options) => {
    const { neighbours } = await client.nearest({ lat: city.lat, lon: city.lon, count: 5 }, options);
    const first = neighbours[0];
    // A metre, since two cities can have the same coordinates, and either may come first.
    if (neighbours.length !== 5 || first === undefined || first.distanceKm > 0.001) {
      throw new WrongAnswer(`nearest to ${city.name} is ${first?.city.name} at ${first?.distanceKm} km`);
    }
  };
}

function search(city: City, length: number): PlannedCall["run"] {
  const prefix = city.name.slice(0, length);
  return async (client, options) => {
    const { cities } = await client.search({ prefix, limit: 10 }, options);
    const folded = foldName(prefix);
    if (cities.length === 0 || !cities.every(({ name }) => foldName(name).startsWith(folded))) {
      throw new WrongAnswer(`"${prefix}" found ${cities.map(({ name }) => name).join(", ") || "nothing"}`);
    }
  };
}

function listCountry(country: string, sizes: ReadonlyMap<string, number>): PlannedCall["run"] {
  return async (client, options) => {
    let listed = 0;
    for await (const city of client.byCountry({ country }, options)) {
      if (city.country !== country) throw new WrongAnswer(`${city.name} is listed under ${country}`);
      listed++;
    }
    if (listed !== sizes.get(country)) {
      throw new WrongAnswer(`${country} has ${sizes.get(country)} cities; ${listed} were listed`);
    }
  };
}

function count(cities: readonly City[]): PlannedCall["run"] {
  return async (client, options) => {
    const { counts, total } = await client.countByCountry(cities.map(({ lat, lon }) => ({ lat, lon })), options);
    const sum = Object.values(counts).reduce((a, b) => a + b, 0);
    if (total !== cities.length || sum !== total) {
      throw new WrongAnswer(`${cities.length} coordinates were counted as ${total}, by country as ${sum}`);
    }
  };
}

/** Mulberry32: a small generator whose sequence a seed fixes. */
function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
