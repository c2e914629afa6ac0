/** Readers check what a file says, value by value: complaints name the place, what was expected and what was found. */
import { RpcError } from "../core/error.ts";
import { didYouMean } from "../discovery/nearest.ts";
import { describe, type Place, type Refuse } from "../discovery/services.ts";

export type Reader<T> = (value: unknown, place: Place, refuse: Refuse) => T;

/** What a mapping of readers reads. */
export type ReadOf<Readers extends Readonly<Record<string, Reader<unknown>>>> = {
  readonly [K in keyof Readers]?: Readers[K] extends Reader<infer T> ? T : never;
};

/** Most entries of any list or mapping. */
const maxEntries = 1_000;
const maxTextChars = 256;

export function number(least: number, most: number, { whole = false } = {}): Reader<number> {
  return (value, place, refuse) => {
    const fits = typeof value === "number" && value >= least && value <= most && (!whole || Number.isInteger(value));
    if (fits) return value;
    const kind = whole ? "a whole number" : "a number";
    return refuse(place, `expected ${kind} from ${least} to ${most}, found ${describe(value)}`);
  };
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, min: 60_000, h: 3_600_000 };

/** A duration with its unit, in milliseconds: `250ms`, `1.5s`, `2min`, `1h`; 0 needs none. */
export function duration(leastMs = 0, mostMs = 86_400_000): Reader<number> {
  return (value, place, refuse) => {
    if (value === 0 && leastMs === 0) return 0;
    const match = typeof value === "string" ? /^(\d+(?:\.\d+)?)\s*(ms|s|min|h)$/.exec(value.trim()) : null;
    if (match === null) {
      const hint = typeof value === "number" ? `; write the unit: ${value}s or ${value}ms` : "";
      const expected = "expected a duration such as 20s or 250ms (units ms, s, min, h)";
      return refuse(place, `${expected}, found ${describe(value)}${hint}`);
    }
    const ms = Number(match[1]) * (units[match[2] as string] as number);
    if (ms >= leastMs && ms <= mostMs) return ms;
    return refuse(place, `expected a duration of ${leastMs} to ${mostMs} ms, found ${ms} ms`);
  };
}

export const text: Reader<string> = (value, place, refuse) => {
  if (typeof value === "string" && value !== "" && value.length <= maxTextChars) return value;
  const quote = typeof value === "number" || typeof value === "boolean" ? "; write it in quotes" : "";
  return refuse(place, `expected text of 1 to ${maxTextChars} characters, found ${describe(value)}${quote}`);
};

/** A name that hosts may have. */
export const nameText: Reader<string> = (value, place, refuse) => {
  const name = text(value, place, refuse);
  if (/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/.test(name)) return name;
  return refuse(place, `expected a name of letters, digits, "-", "_" and "." (at most 63), found ${describe(name)}`);
};

export const flag: Reader<boolean> = (value, place, refuse) =>
  (typeof value === "boolean" ? value : refuse(place, `expected true or false, found ${describe(value)}`));

export function oneOf<T extends string>(words: readonly T[]): Reader<T> {
  return (value, place, refuse) => {
    if (words.includes(value as T)) return value as T;
    const meant = typeof value === "string" ? didYouMean(value, words) : "";
    return refuse(place, `expected one of ${words.join(", ")}; found ${describe(value)}${meant}`);
  };
}

/** `false` for without, or what `reader` reads. */
export function orFalse<T>(reader: Reader<T>): Reader<T | false> {
  return (value, place, refuse) => (value === false ? false : reader(value, place, refuse));
}

export function listOf<T>(reader: Reader<T>, what: string, least = 0): Reader<T[]> {
  return (value, place, refuse) => {
    if (!Array.isArray(value)) return refuse(place, `expected a list of ${what}, found ${describe(value)}`);
    if (value.length < least || value.length > maxEntries) {
      refuse(place, `expected ${least} to ${maxEntries} ${what}, found ${value.length}`);
    }
    return value.map((one: unknown, index) => reader(one, [...place, index], refuse));
  };
}

/** A mapping from names of the file's own to what `reader` reads. */
export function mapOf<T>(reader: Reader<T>, what: string, least = 0): Reader<Map<string, T>> {
  return (value, place, refuse) => {
    const entries = members(value, place, what, refuse);
    if (entries.length < least || entries.length > maxEntries) {
      refuse(place, `expected ${least} to ${maxEntries} entries, found ${entries.length}`);
    }
    return new Map(entries.map(([name, one]) => {
      nameText(name, [...place, name], (at, complaint) => refuse(at, complaint, "key"));
      return [name, reader(one, [...place, name], refuse)];
    }));
  };
}

/** A mapping with known keys. `required` ones must be there. */
export function shape<Readers extends Readonly<Record<string, Reader<unknown>>>>(
  what: string, readers: Readers, required: readonly (keyof Readers & string)[] = [],
): Reader<ReadOf<Readers>> {
  const known = Object.keys(readers);
  return (value, place, refuse) => {
    const read: Record<string, unknown> = {};
    for (const [key, one] of members(value, place, `${what} ({ ${known.slice(0, 4).join(", ")}… })`, refuse)) {
      const reader = Object.hasOwn(readers, key) ? readers[key] : undefined;
      if (reader === undefined) {
        const meant = didYouMean(key, known) || `; ${what} has ${known.join(", ")}`;
        refuse([...place, key], `unknown key ${JSON.stringify(key.slice(0, 64))}${meant}`, "key");
      }
      // TypeScript's undefined is absence; an empty value in a file is null, and a mistake.
      if (one !== undefined) read[key] = (reader as Reader<unknown>)(one, [...place, key], refuse);
    }
    for (const key of required) if (read[key] === undefined) refuse(place, `${what} needs ${JSON.stringify(key)}`);
    return read as ReadOf<Readers>;
  };
}

/** Names that must be among those known, with the nearest one where they are not. */
export function mustKnow(name: string, known: Iterable<string>, what: string, place: Place, refuse: Refuse): string {
  const names = [...known];
  if (names.includes(name)) return name;
  const meant = didYouMean(name, names) || `; there are ${names.slice(0, 20).join(", ") || "none"}`;
  return refuse(place, `there is no ${what} ${JSON.stringify(name)}${meant}`);
}

export function members(
  value: unknown, place: Place, expected: string, refuse: Refuse,
): (readonly [string, unknown])[] {
  if (value instanceof Map) {
    return [...(value as Map<unknown, unknown>)].map(([key, one]) =>
      (typeof key === "string" ? [key, one] as const : refuse(place, `the key ${describe(key)} is not text`)));
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return refuse(place, `expected ${expected}, found ${describe(value)}`);
  }
  return Object.entries(value);
}

/** Makes what options ask for; an option that is refused by its maker is refused at its place. */
export function made<T>(make: () => T, place: Place, refuse: Refuse): T {
  try {
    return make();
  } catch (error) {
    if (RpcError.is(error) && error.code === "invalid_argument") return refuse(place, error.message);
    throw error;
  }
}
