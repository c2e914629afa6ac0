/**
 * `check` holds a value against a schema: it tells all faults at once, and returns what is right as plain data.
 *
 * It never throws, whatever the value is, and never repeats a value that may be a secret.
 */
import { nearest } from "../discovery/nearest.ts";
import { describe, type Place } from "../discovery/services.ts";
import type { Faults } from "./fault.ts";
import {
  type EitherSchema, type ForeignSchema, type GroupSchema, type ListSchema, type MapSchema, namePattern,
  type NumberSchema, type Schema, secretPattern, type TextSchema,
} from "./schema.ts";

/** Most faults of one mapping or list that are looked for: what is wrong a thousand times is wrong once. */
const maxUnknown = 20;

const names = new RegExp(`^${namePattern}$`);
const secrets = new RegExp(`^${secretPattern}$`);
const patterns = new Map<string, RegExp>();

/** The value, cleaned: undefined where nothing of it is right. Faults say whether it may be used. */
export function check(schema: Schema, value: unknown, place: Place, faults: Faults): unknown {
  switch (schema.kind) {
    case "number": return checkNumber(schema, value, place, faults);
    case "text": return checkText(schema, value, place, faults);
    case "flag":
      if (typeof value === "boolean" && (schema.only === undefined || value === schema.only)) return value;
      return wrong(schema, value, place, faults);
    case "choice":
      if (typeof value === "string" && schema.words.includes(value)) return value;
      return wrong(schema, value, place, faults, isText(value) ? nearest(cut(value), schema.words) : undefined);
    case "secret": return checkSecret(value, place, faults);
    case "list": return checkList(schema, value, place, faults);
    case "map": return checkMap(schema, value, place, faults);
    case "group": return checkGroup(schema, value, place, faults);
    case "either": return checkEither(schema, value, place, faults);
    case "foreign": return checkForeign(schema, value, place, faults);
  }
}

/** What may stand there, for people. */
export function expectation(schema: Schema): string {
  switch (schema.kind) {
    case "number": {
      const kind = schema.whole ? "a whole number" : "a number";
      const unit = schema.unit === "" ? "" : ` of ${schema.unit}`;
      return `${kind}${unit} from ${schema.least} to ${schema.most}`;
    }
    case "text": return schema.pattern?.say ?? `text of 1 to ${schema.maxChars} characters`;
    case "flag": return schema.only === undefined ? "true or false" : String(schema.only);
    case "choice": return `one of ${schema.words.join(", ")}`;
    case "secret": return "${env:NAME}, the name of an environment variable";
    case "list": return `a list of ${schema.least} to ${schema.most}`;
    case "map": return "a mapping from names";
    case "group": return `${schema.what} ({ ${Object.keys(schema.fields).slice(0, 4).join(", ")}${
      Object.keys(schema.fields).length > 4 ? "…" : ""} })`;
    case "either": return schema.of.map(expectation).join("; or ");
    case "foreign": return "what docs/configuration.md says";
  }
}

function wrong(schema: Schema, value: unknown, place: Place, faults: Faults, meant?: string): undefined {
  const [expected, found] = [expectation(schema), describe(value)];
  const hint = meant === undefined ? hintFor(schema, value) : `; did you mean ${JSON.stringify(meant)}?`;
  faults.add(place, { why: `expected ${expected}, found ${found}${hint}`, expected, found, meant });
  return undefined;
}

function hintFor(schema: Schema, value: unknown): string {
  if (value === null || value === undefined) return "; write a value, or leave the key out";
  const isWord = typeof value === "number" || typeof value === "boolean";
  if (schema.kind === "text" && isWord) return "; write it in quotes";
  const text = schema.kind === "number" && isText(value) ? duration.exec(value) : null;
  if (text === null) return "";
  const ms = Number(text[1]) * ({ ms: 1, s: 1_000, min: 60_000, h: 3_600_000 }[text[2] ?? "ms"] ?? 1);
  return `; write ${ms}, without quotes or unit`;
}

/** What people write where milliseconds are expected. */
const duration = /^\s*(\d+(?:\.\d+)?)\s*(ms|s|min|h)?\s*$/;

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function checkNumber(schema: NumberSchema, value: unknown, place: Place, faults: Faults): number | undefined {
  const fits = typeof value === "number" && value >= schema.least && value <= schema.most &&
    (!schema.whole || Number.isInteger(value));
  return fits ? value : wrong(schema, value, place, faults);
}

function checkText(schema: TextSchema, value: unknown, place: Place, faults: Faults): string | undefined {
  if (typeof value !== "string") return wrong(schema, value, place, faults);
  // Characters as the JSON Schema counts them.
  const chars = value.length > schema.maxChars ? Array.from(value).length : value.length;
  if (chars === 0 || chars > schema.maxChars) {
    const expected = `1 to ${schema.maxChars} characters`;
    faults.add(place, { why: `expected ${expected}, found ${chars}`, expected, found: `${chars} characters` });
    return undefined;
  }
  if (schema.pattern === undefined || patternOf(schema.pattern.source).test(value)) return value;
  // A text that was expected to have no password in it may have one.
  const expected = schema.pattern.say;
  const found = /:[^/@\s]*@/.test(value) ? "one that seems to hold a password" : describe(value);
  faults.add(place, { why: `expected ${expected}, found ${found}`, expected, found });
  return undefined;
}

function patternOf(source: string): RegExp {
  let pattern = patterns.get(source);
  if (pattern === undefined) patterns.set(source, pattern = new RegExp(`^(?:${source})$`));
  return pattern;
}

function checkSecret(value: unknown, place: Place, faults: Faults): string | undefined {
  if (typeof value === "string" && secrets.test(value)) return value;
  faults.add(place, secretFault(String(place.at(-1))));
  return undefined;
}

function secretFault(key: string): { why: string; expected: string; found: string } {
  const expected = `\`${key}: \${env:NAME}\`, or \`${key}File: PATH\``;
  return { why: `a secret does not belong in this file: write ${expected}`, expected, found: "a value" };
}

function checkList(schema: ListSchema, value: unknown, place: Place, faults: Faults): unknown[] | undefined {
  if (!Array.isArray(value)) return wrong(schema, value, place, faults);
  if (value.length < schema.least || value.length > schema.most) {
    const expected = `${schema.least} to ${schema.most} entries`;
    faults.add(place, { why: `expected ${expected}, found ${value.length}`, expected, found: String(value.length) });
    return undefined;
  }
  return value.map((one: unknown, index) => check(schema.item, one, [...place, index], faults));
}

function checkMap(schema: MapSchema, value: unknown, place: Place, faults: Faults): unknown {
  const entries = entriesOf(value);
  if (entries === undefined) return wrong(schema, value, place, faults);
  if (entries.length > schema.most) {
    const expected = `at most ${schema.most} entries`;
    const found = String(entries.length);
    faults.add(place, { why: `expected ${expected}, found ${found}`, expected, found });
    return undefined;
  }
  const read: Record<string, unknown> = {};
  for (const [key, one] of entries) {
    if (!names.test(key)) {
      const expected = 'a name of letters, digits, "-", "_" and "." (at most 128)';
      faults.add([...place, cut(key)], { why: `expected ${expected}`, expected, found: describe(key), at: "key" });
      continue;
    }
    read[key] = check(schema.value, one, [...place, key], faults);
  }
  return read;
}

function checkGroup(schema: GroupSchema, value: unknown, place: Place, faults: Faults): unknown {
  const entries = entriesOf(value);
  if (entries === undefined) return wrong(schema, value, place, faults);
  const read: Record<string, unknown> = {};
  const given = new Set<string>();
  let unknown = 0;
  for (const [key, one] of entries) {
    const field = Object.hasOwn(schema.fields, key) ? schema.fields[key] : undefined;
    if (field === undefined) {
      if (++unknown <= maxUnknown) unknownKey(schema, key, place, faults);
      else faults.count++;
      given.add(key);
      continue;
    }
    // TypeScript's undefined is absence; an empty value in a file is null, and a mistake.
    if (one === undefined) continue;
    given.add(key);
    read[key] = check(field, one, [...place, key], faults);
  }
  for (const key of schema.required) {
    if (given.has(key)) continue;
    faults.add(place, { why: `${schema.what} needs ${JSON.stringify(key)}`, expected: key, found: "nothing" });
  }
  if (schema.one && given.size !== 1) {
    const expected = `exactly one of ${Object.keys(schema.fields).join(", ")}`;
    const found = given.size === 0 ? "none" : [...given].slice(0, 4).map(cut).join(", ");
    faults.add(place, { why: `expected ${expected}, found ${found}`, expected, found });
  }
  return read;
}

function unknownKey(schema: GroupSchema, key: string, place: Place, faults: Faults): void {
  const known = Object.keys(schema.fields);
  const shown = JSON.stringify(cut(key));
  const inFile = `${key}File`;
  if (Object.hasOwn(schema.fields, inFile)) {
    faults.add([...place, cut(key)], {
      why: `unknown key ${shown}: what it holds stands in a file of its own; write \`${inFile}: PATH\``,
      expected: inFile, found: shown, meant: inFile, at: "key",
    });
    return;
  }
  const meant = nearest(cut(key), known) ?? withUnit(key, known);
  const hint = meant === undefined ? `; ${schema.what} has ${known.join(", ") || "no keys"}`
    : `; did you mean ${JSON.stringify(meant)}?`;
  faults.add([...place, cut(key)], {
    why: `unknown key ${shown}${hint}`, expected: `a key of ${schema.what}`, found: shown, meant, at: "key",
  });
}

/** `timeout` is nearer to `timeoutMs` than letters say. */
function withUnit(key: string, known: readonly string[]): string | undefined {
  const bare = key.toLowerCase();
  return known.find((one) => bare.length > 2 && one.toLowerCase().startsWith(bare));
}

function checkEither(schema: EitherSchema, value: unknown, place: Place, faults: Faults): unknown {
  const fitting = schema.of.find((one) => isOfKind(one, value));
  return fitting === undefined ? wrong(schema, value, place, faults) : check(fitting, value, place, faults);
}

/** Whether a value is of the kind that a schema takes, right or not. */
export function isOfKind(schema: Schema, value: unknown): boolean {
  switch (schema.kind) {
    case "number": return typeof value === "number";
    case "text": case "choice": case "secret": return typeof value === "string";
    case "flag": return typeof value === "boolean" && (schema.only === undefined || value === schema.only);
    case "list": return Array.isArray(value);
    case "map": case "group": return entriesOf(value) !== undefined;
    case "either": return schema.of.some((one) => isOfKind(one, value));
    case "foreign": return true;
  }
}

function checkForeign(schema: ForeignSchema, value: unknown, place: Place, faults: Faults): unknown {
  const before = faults.count;
  let read: unknown;
  try {
    read = schema.check(value, (beneath, why, at = "value") => faults.add([...place, ...beneath], { why, at }));
  } catch (error) {
    if (faults.count > before) return undefined;
    faults.add(place, { why: error instanceof Error ? error.message : "it cannot be read" });
  }
  return read ?? plain(value);
}

/** Deeper than anything that is right. */
const maxDepth = 32;

/** Maps as objects, all the way down. */
function plain(value: unknown, depth = 0): unknown {
  if (depth > maxDepth) return undefined;
  if (Array.isArray(value)) return value.map((one) => plain(one, depth + 1));
  const entries = entriesOf(value);
  if (entries === undefined) return value;
  const read: Record<string, unknown> = {};
  for (const [key, one] of entries) if (key !== "__proto__") read[key] = plain(one, depth + 1);
  return read;
}

/** The entries of a mapping, as a file or a program has it; undefined for anything else. */
export function entriesOf(value: unknown): readonly (readonly [string, unknown])[] | undefined {
  if (value instanceof Map) {
    return [...(value as Map<unknown, unknown>)].map(([key, one]) => [String(key), one] as const);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return undefined;
  return Object.entries(value);
}

function cut(key: string): string {
  return key.slice(0, 64);
}
