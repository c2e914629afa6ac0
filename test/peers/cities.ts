/** What every peer calls and serves: `geo.v1.Cities` of the main job, over eight cities. */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Cities } from "../../examples/main-job/contract.ts";
import type { ClientOf } from "../../src/client/index.ts";
import type { Handlers } from "../../src/contract/index.ts";
import { RpcError, codeNumber } from "../../src/core/index.ts";

export { Cities };
/** As paths and error details have it. */
export const serviceName = Cities.name;

interface City {
  readonly id: number;
  readonly name: string;
  readonly country: string;
  readonly lat: number;
  readonly lon: number;
  readonly population: number;
}

/** The file that the peers in other languages read too. */
export const citiesFile = fileURLToPath(new URL("cities.json", import.meta.url));
/** The most populous first. */
export const cities = (JSON.parse(readFileSync(citiesFile, "utf8")) as City[])
  .sort((a, b) => b.population - a.population);

function nearest(lat: number, lon: number): City {
  const distance = (city: City): number => (city.lat - lat) ** 2 + (city.lon - lon) ** 2;
  return cities.reduce((best, city) => distance(city) < distance(best) ? city : best);
}

interface Place {
  readonly lat: number;
  readonly lon: number;
}

/** The countries that places lie in, as near as eight cities can tell. */
export function counted(places: readonly Place[]): { counts: Record<string, number>; total: number } {
  const counts: Record<string, number> = {};
  for (const { lat, lon } of places) {
    const { country } = nearest(lat, lon);
    counts[country] = (counts[country] ?? 0) + 1;
  }
  return { counts, total: places.length };
}

export function namesOf(rows: readonly { readonly name: string }[]): string[] {
  return rows.map(({ name }) => name);
}

/** How long a search for "slow" takes, in milliseconds; the peers call it with `hurryMs`. */
export const slowMs = 2_000;
export const hurryMs = 200;

export function found(prefix: string, limit: number): City[] {
  return cities.filter(({ name }) => name.toLowerCase().startsWith(prefix.toLowerCase())).slice(0, limit);
}

export const handlers: Handlers<typeof Cities> = {
  async search({ prefix, limit }, context) {
    if (prefix === "slow") await sleep(slowMs, undefined, { signal: context.signal }).catch(() => undefined);
    context.setHeader("x-served-by", "meridian");
    return { cities: found(prefix, limit) };
  },
  nearest: ({ lat, lon }) => ({ neighbours: [{ city: nearest(lat, lon), distanceKm: 0 }] }),
  async *byCountry({ country }) {
    yield* cities.filter((city) => city.country === country);
  },
  async countByCountry(places) {
    const all: Place[] = [];
    for await (const place of places) all.push(place);
    return counted(all);
  },
  saveFavourite({ cityId }) {
    if (cities.every(({ id }) => id !== cityId)) {
      throw Cities.methods.saveFavourite.error("CityNotFound", { cityId }, `no city ${cityId}`);
    }
    return { favouriteId: 100 + cityId, replayed: false };
  },
  favourites: () => ({ cityIds: [] }),
};

/** What a caller was told: every peer makes the same calls and reports this. */
export interface Said {
  /** Three cities that begin with "b". */
  readonly search: readonly string[];
  /** Metadata that came before the reply. */
  readonly servedBy: string | undefined;
  /** The stream of the cities of Germany. */
  readonly byCountry: readonly string[];
  /** What became of a stream of all cities' coordinates. */
  readonly counts: Readonly<Record<string, number>>;
  readonly total: number;
  /** The favourite saved for city 3, and the error that city 99 gets, declared by the contract. */
  readonly favouriteId: number;
  readonly error: {
    readonly code: number; readonly message: string; readonly reason: string | undefined;
    readonly cityId: number | undefined;
  };
  /** The code of a search that is given less time than it takes. */
  readonly slow: number;
}

/** Which calls a peer makes: those that stream too, or those that every wire has. */
export type Kinds = "all" | "unary";

/** What all callers must be told by a server that says it is `servedBy`. */
export function expected(servedBy: string): Said {
  return {
    search: ["Berlin", "Barcelona", "Bremen"], servedBy,
    byCountry: ["Berlin", "Hamburg", "Bremen"],
    counts: { DE: 3, CH: 2, ES: 1, BR: 1, JP: 1 }, total: 8,
    favouriteId: 103,
    error: { code: 5, message: "no city 99", reason: "CityNotFound", cityId: 99 },
    slow: 4,
  };
}

/** Makes the calls with our own client. */
export async function converse(client: ClientOf<typeof Cities>, kinds?: "all"): Promise<Said>;
export async function converse(client: ClientOf<typeof Cities>, kinds: Kinds): Promise<Partial<Said>>;
export async function converse(client: ClientOf<typeof Cities>, kinds: Kinds = "all"): Promise<Partial<Said>> {
  let servedBy: string | undefined;
  const { cities: three } = await client.search({ prefix: "b", limit: 3 }, {
    onMetadata: (kind, metadata) => {
      if (kind === "header") servedBy = metadata["x-served-by"];
    },
  });
  const streamed = kinds === "all" ? await converseInStreams(client) : {};
  const { favouriteId } = await client.saveFavourite({ user: "ada", cityId: 3 });
  const missing = await failureOf(client.saveFavourite({ user: "ada", cityId: 99 }));
  const slow = await failureOf(client.search({ prefix: "slow", limit: 1 }, { timeoutMs: hurryMs }));
  return {
    search: namesOf(three), servedBy, ...streamed, favouriteId,
    error: {
      code: codeNumber(missing.code), message: missing.message, reason: missing.reason,
      cityId: (missing.data as { cityId: number } | undefined)?.cityId,
    },
    slow: codeNumber(slow.code),
  };
}

async function converseInStreams(
  client: ClientOf<typeof Cities>,
): Promise<Pick<Said, "byCountry" | "counts" | "total">> {
  const byCountry: string[] = [];
  for await (const { name } of client.byCountry({ country: "DE" })) byCountry.push(name);
  const { counts, total } = await client.countByCountry(coordinates());
  return { byCountry, counts: { ...counts }, total };
}

async function* coordinates(): AsyncGenerator<{ lat: number; lon: number }> {
  for (const { lat, lon } of cities) yield { lat, lon };
}

async function failureOf(call: Promise<unknown>): Promise<RpcError> {
  try {
    await call;
  } catch (error) {
    if (RpcError.is(error)) return error;
    throw error;
  }
  throw new Error("the call should have failed");
}
