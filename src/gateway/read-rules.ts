/** `readRules` checks rules by hand, wherever they come from, so that every complaint names rule, key and remedy. */
import { codeFromNumber } from "../core/code.ts";
import { RpcError } from "../core/error.ts";
import { didYouMean } from "../discovery/nearest.ts";
import { describe, describePlace, type Place, type Refuse } from "../discovery/services.ts";
import type { Rule } from "./rules.ts";

/** What a set of rules may hold. */
export const rulesLimits = {
  maxRules: 1_000, maxPatterns: 10_000, maxTextChars: 256, maxMessageChars: 1_024, maxEntries: 64,
} as const;

/** Refuses rules that come from a program. */
export const refuseRules: Refuse = (place, what, at = "value") => {
  throw new RpcError("invalid_argument", `${describePlace(at === "key" ? place.slice(0, -1) : place)}: ${what}`);
};

type Reader = (value: unknown, place: Place, refuse: Refuse) => unknown;
type Readers = Readonly<Record<string, Reader>>;

/** Reads the list of rules at `place` into plain objects. Mappings may be objects or Maps. */
export function readRules(value: unknown, place: Place, refuse: Refuse): Rule[] {
  if (!Array.isArray(value)) return refuse(place, `expected a list of rules, found ${describe(value)}`);
  const { maxRules } = rulesLimits;
  if (value.length > maxRules) refuse(place, `there are ${value.length} rules, more than the ${maxRules} allowed`);
  const places = new Map<string, number>();
  return value.map((rule: unknown, index) => {
    const read = readRule(rule, [...place, index], refuse);
    const first = places.get(read.name);
    if (first !== undefined) {
      refuse([...place, index, "name"], `${JSON.stringify(read.name)} is the name of rule number ${first + 1} already`);
    }
    places.set(read.name, index);
    return read;
  });
}

function readRule(value: unknown, place: Place, refuse: Refuse): Rule {
  const entries = members(value, place, "a rule ({ name, match, to })", refuse);
  const name = entries.find(([key]) => key === "name")?.[1];
  // Whatever is wrong, people look for the rule by its name.
  const named: Refuse = typeof name !== "string" ? refuse : (at, what, which) =>
    refuse(at, `${what} (rule ${JSON.stringify(name.slice(0, 64))})`, which);
  const rule = readKeys(entries, ruleReaders, place, "a rule", named);
  if (rule["name"] === undefined) refuse(place, 'a rule needs a "name"');
  if (rule["to"] === undefined) {
    named(place, 'a rule needs "to": { regions, attributes, service } or { reject: { code, message } }');
  }
  return rule as unknown as Rule;
}

const ruleReaders: Readers = {
  name: readText,
  match: (value, place, refuse) =>
    readKeys(members(value, place, "a mapping of conditions", refuse), matchReaders, place, "match", refuse),
  to: readTarget,
};

const matchReaders: Readers = {
  service: readPatterns,
  method: readPatterns,
  metadata: (value, place, refuse) => readNamed(value, place, "a mapping from names to texts", refuse,
    (name, entry, at) => {
      if (!/^[0-9a-z_.-]{1,128}$/.test(name)) refuse(at, "a name of metadata is 1 to 128 of a-z 0-9 _ . -", "key");
      return readPatterns(entry, at, refuse);
    }),
  routeKey: readPatterns,
  hashPercent: (value, place, refuse) => (typeof value === "number" && value >= 0 && value <= 100
    ? value
    : refuse(place, `expected a number from 0 to 100, found ${describe(value)}`)),
};

const targetReaders: Readers = {
  regions: readRegions,
  attributes: (value, place, refuse) => readNamed(value, place, "a mapping from names to texts", refuse,
    (_name, entry, at) => readText(entry, at, refuse)),
  service: readText,
  fallback: (value, place, refuse) => (typeof value === "boolean"
    ? value
    : refuse(place, `expected true or false, found ${describe(value)}`)),
  reject: (value, place, refuse) => {
    const error = readKeys(members(value, place, "{ code, message }", refuse), rejectReaders, place, "reject", refuse);
    for (const key of ["code", "message"]) if (error[key] === undefined) refuse(place, `reject needs a "${key}"`);
    return error;
  },
};

const codes: readonly string[] = Array.from({ length: 16 }, (_, index) => codeFromNumber(index + 1));

const rejectReaders: Readers = {
  code: (value, place, refuse) => (typeof value === "string" && codes.includes(value)
    ? value
    : refuse(place, `expected one of ${codes.join(", ")}; found ${describe(value)}` +
      (typeof value === "string" ? didYouMean(value, codes) : ""))),
  message: (value, place, refuse) => readText(value, place, refuse, rulesLimits.maxMessageChars),
};

function readTarget(value: unknown, place: Place, refuse: Refuse): unknown {
  const entries = members(value, place, "where to ({ regions, attributes, service } or { reject })", refuse);
  const target = readKeys(entries, targetReaders, place, "to", refuse);
  const others = Object.keys(target).filter((key) => key !== "reject");
  if (target["reject"] !== undefined && others.length > 0) {
    refuse(place, `a rule that rejects sends nowhere: remove either reject or ${others.join(", ")}`);
  }
  return target;
}

function readRegions(value: unknown, place: Place, refuse: Refuse): string[] {
  const { maxEntries } = rulesLimits;
  if (!Array.isArray(value) || value.length === 0 || value.length > maxEntries) {
    return refuse(place, `expected a list of 1 to ${maxEntries} regions, found ${describe(value)}`);
  }
  return value.map((region: unknown, index) => readText(region, [...place, index], refuse));
}

function readPatterns(value: unknown, place: Place, refuse: Refuse): string | string[] {
  if (!Array.isArray(value)) return readText(value, place, refuse);
  const { maxPatterns } = rulesLimits;
  if (value.length === 0 || value.length > maxPatterns) {
    refuse(place, `expected a text or a list of 1 to ${maxPatterns} texts, found ${describe(value)}`);
  }
  return value.map((pattern: unknown, index) => readText(pattern, [...place, index], refuse));
}

function readText(
  value: unknown, place: Place, refuse: Refuse, maxChars: number = rulesLimits.maxTextChars,
): string {
  if (typeof value !== "string") {
    const quote = typeof value === "number" || typeof value === "boolean" ? "; write it in quotes" : "";
    return refuse(place, `expected text, found ${describe(value)}${quote}`);
  }
  if (value === "" || value.length > maxChars) {
    refuse(place, `expected 1 to ${maxChars} characters, found ${value.length}`);
  }
  return value;
}

function readNamed<T>(
  value: unknown, place: Place, expected: string, refuse: Refuse, read: (name: string, entry: unknown, at: Place) => T,
): Record<string, T> {
  const entries = members(value, place, expected, refuse);
  const { maxEntries } = rulesLimits;
  if (entries.length > maxEntries) refuse(place, `there are ${entries.length} entries, more than ${maxEntries}`);
  const named = Object.create(null) as Record<string, T>;
  for (const [name, entry] of entries) named[name] = read(name, entry, [...place, name]);
  return named;
}

function readKeys(
  entries: readonly (readonly [string, unknown])[], readers: Readers, place: Place, what: string, refuse: Refuse,
): Record<string, unknown> {
  const read: Record<string, unknown> = {};
  for (const [key, value] of entries) {
    const reader = Object.hasOwn(readers, key) ? readers[key] : undefined;
    if (reader === undefined) {
      const known = Object.keys(readers);
      const meant = didYouMean(key, known) || `; ${what} has ${known.join(", ")}`;
      return refuse([...place, key], `unknown key ${JSON.stringify(key.slice(0, 64))}${meant}`, "key");
    }
    // TypeScript's undefined is absence; an empty value in a file is null, and a mistake.
    if (value !== undefined) read[key] = reader(value, [...place, key], refuse);
  }
  return read;
}

function members(value: unknown, place: Place, expected: string, refuse: Refuse): (readonly [string, unknown])[] {
  if (value instanceof Map) {
    return [...(value as Map<unknown, unknown>)].map(([key, member]) =>
      typeof key === "string" ? [key, member] as const : refuse(place, `the key ${describe(key)} is not text`));
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return refuse(place, `expected ${expected}, found ${describe(value)}`);
  }
  return Object.entries(value);
}
