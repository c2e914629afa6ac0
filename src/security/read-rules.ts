/** Checks rules by hand, wherever they come from, so that every complaint names the rule, the key and the remedy. */
import { RpcError } from "../core/index.ts";
import { didYouMean } from "../discovery/nearest.ts";
import { describe, describePlace, type Place, type Refuse } from "../discovery/services.ts";
import { maxStars } from "./patterns.ts";
import type { AuthorisationRule } from "./rules.ts";

/** What a set of rules may hold. */
export const authorisationLimits = { maxRules: 1_000, maxPatterns: 256, maxTextChars: 2_048, maxEntries: 64 } as const;

/** Refuses what comes from a program. */
export const refuseOption: Refuse = (place, what, at = "value") => {
  throw new RpcError("invalid_argument", `${describePlace(at === "key" ? place.slice(0, -1) : place)}: ${what}`);
};

export type Reader = (value: unknown, place: Place, refuse: Refuse) => unknown;
export type Readers = Readonly<Record<string, Reader>>;

/** Reads the list of rules at `place`. Mappings may be objects or Maps. */
export function readAuthorisationRules(value: unknown, place: Place, refuse: Refuse): AuthorisationRule[] {
  if (!Array.isArray(value)) return refuse(place, `expected a list of rules, found ${describe(value)}`);
  const { maxRules } = authorisationLimits;
  if (value.length > maxRules) refuse(place, `there are ${value.length} rules, more than the ${maxRules} allowed`);
  const names = new Map<string, number>();
  return value.map((one: unknown, index) => {
    const here = [...place, index];
    const rule = readGroup(one, here, refuse, { what: "a rule", readers: ruleReaders, required: ["name"] });
    const { name } = rule as unknown as AuthorisationRule;
    const first = names.get(name);
    if (first !== undefined) {
      refuse([...here, "name"], `${JSON.stringify(name)} is the name of rule number ${first + 1} already`);
    }
    names.set(name, index);
    return rule as unknown as AuthorisationRule;
  });
}

export const callerReaders: Readers = {
  kind: readPatterns, name: readPatterns, spiffe: readSpiffePatterns, trustDomain: readPatterns, via: readPatterns,
};

const ruleReaders: Readers = {
  name: readText,
  effect: (value, place, refuse) => readChoice(value, place, refuse, ["allow", "deny"]),
  who: readWho,
  region: readPatterns,
  claims: (value, place, refuse) => readNamed(value, place, refuse, (entry, at) =>
    (typeof entry === "number" || typeof entry === "boolean" ? entry : readPatterns(entry, at, refuse))),
  service: readPatterns,
  method: readPatterns,
  metadata: (value, place, refuse) => readNamed(value, place, refuse, (entry, at, name) => {
    if (!/^[0-9a-z_.-]{1,128}$/.test(name)) refuse(at, "a name of metadata is 1 to 128 of a-z 0-9 _ . -", "key");
    if (name.startsWith("meridian-")) refuse(at, "what gateways say is no condition: see `trust`", "key");
    return readPatterns(entry, at, refuse);
  }),
};

function readWho(value: unknown, place: Place, refuse: Refuse): unknown {
  if (typeof value === "string") return readChoice(value, place, refuse, ["anyone", "identified"]);
  if (!Array.isArray(value)) return readCaller(value, place, refuse);
  if (value.length === 0 || value.length > authorisationLimits.maxPatterns) {
    refuse(place, `expected 1 to ${authorisationLimits.maxPatterns} callers, found ${value.length}`);
  }
  return value.map((one: unknown, index) => readCaller(one, [...place, index], refuse));
}

/** Reads conditions on an identity; none would be everybody, by mistake. */
export function readCaller(value: unknown, place: Place, refuse: Refuse): unknown {
  const what = "a caller ({ kind, name, spiffe, trustDomain, via }), \"anyone\" or \"identified\"";
  const caller = readGroup(value, place, refuse, { what, readers: callerReaders, required: [] });
  if (Object.keys(caller).length === 0) refuse(place, 'it says nothing: write "identified" for whoever is known');
  return caller;
}

/** Reads a mapping with known keys. */
export function readGroup(value: unknown, place: Place, refuse: Refuse,
  { what, readers, required }: { what: string; readers: Readers; required: readonly string[] },
): Record<string, unknown> {
  const read: Record<string, unknown> = {};
  for (const [key, entry] of members(value, place, what, refuse)) {
    const reader = Object.hasOwn(readers, key) ? readers[key] : undefined;
    if (reader === undefined) {
      const known = Object.keys(readers);
      refuse([...place, key], `unknown key ${JSON.stringify(key.slice(0, 64))}` +
        (didYouMean(key, known) || `; ${what} has ${known.join(", ")}`), "key");
    } else if (entry !== undefined) {
      read[key] = reader(entry, [...place, key], refuse);
    }
  }
  for (const key of required) if (read[key] === undefined) refuse(place, `${what} needs "${key}"`);
  return read;
}

/** Reads a mapping whose keys are the user's own. */
export function readNamed(value: unknown, place: Place, refuse: Refuse,
  read: (entry: unknown, place: Place, name: string) => unknown): Record<string, unknown> {
  const entries = members(value, place, "a mapping from names to what they must be", refuse);
  const { maxEntries } = authorisationLimits;
  if (entries.length > maxEntries) refuse(place, `there are ${entries.length} names, more than ${maxEntries}`);
  return Object.fromEntries(entries.map(([name, entry]) => [name, read(entry, [...place, name], name)]));
}

export function readChoice(value: unknown, place: Place, refuse: Refuse, words: readonly string[]): string {
  if (typeof value === "string" && words.includes(value)) return value;
  return refuse(place, `expected ${words.map((word) => JSON.stringify(word)).join(" or ")}, found ${describe(value)}` +
    (typeof value === "string" ? didYouMean(value, words) : ""));
}

export function readText(value: unknown, place: Place, refuse: Refuse): string {
  const { maxTextChars } = authorisationLimits;
  if (typeof value === "string" && value !== "" && value.length <= maxTextChars) return value;
  return refuse(place, `expected a text of 1 to ${maxTextChars} characters, found ${describe(value)}`);
}

export function readTexts(value: unknown, place: Place, refuse: Refuse): string[] {
  const all = Array.isArray(value) ? value as unknown[] : [value];
  const { maxPatterns } = authorisationLimits;
  if (all.length === 0 || all.length > maxPatterns) refuse(place, `expected 1 to ${maxPatterns} texts`);
  return all.map((one, index) => readText(one, Array.isArray(value) ? [...place, index] : place, refuse));
}

export function readPatterns(value: unknown, place: Place, refuse: Refuse): string | string[] {
  const all = readTexts(value, place, refuse);
  for (const one of all) {
    if (one.split("*").length - 1 > maxStars) refuse(place, `${JSON.stringify(one)} has more than ${maxStars} "*"`);
  }
  return Array.isArray(value) ? all : all[0] as string;
}

function readSpiffePatterns(value: unknown, place: Place, refuse: Refuse): string | string[] {
  const read = readPatterns(value, place, refuse);
  for (const one of typeof read === "string" ? [read] : read) {
    // A star in the trust domain would trust whoever names itself so.
    if (!/^spiffe:\/\/[a-z0-9._-]+\//.test(one)) {
      refuse(place, `${JSON.stringify(one)} is no pattern of SPIFFE ids: spiffe://trust-domain/path, ` +
        "with * in the path alone");
    }
  }
  return read;
}

function members(value: unknown, place: Place, expected: string, refuse: Refuse): (readonly [string, unknown])[] {
  if (value instanceof Map) {
    return [...(value as Map<unknown, unknown>)].map(([key, member]) =>
      (typeof key === "string" ? [key, member] as const : refuse(place, `the key ${describe(key)} is not text`)));
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return refuse(place, `expected ${expected}, found ${describe(value)}`);
  }
  return Object.entries(value);
}
