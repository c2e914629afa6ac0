/**
 * Environment variables over a configuration: `MERIDIAN_CLIENT__TIMEOUT_MS=500` is `client.timeoutMs: 500`.
 *
 * Two underscores stand between keys, one between the words of a key; names of the user's own are written in capitals
 * with `_` for whatever is no letter or digit. Texts are typed by the schema; for a list or a mapping, YAML is read.
 */
import { nearest } from "../discovery/nearest.ts";
import type { Place } from "../discovery/services.ts";
import { parseDocument } from "yaml";
import { check, expectation } from "./check.ts";
import type { Faults } from "./fault.ts";
import type { GroupSchema, Schema } from "./schema.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

const prefix = "MERIDIAN_";
/** Longest value that is read. */
const maxChars = 65_536;

type Tree = Record<string, unknown>;

/** `timeoutMs` and `calc.v1.Calculator` as variables call them. */
export function constantCase(key: string): string {
  return key.replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2").replaceAll(/[^A-Za-z0-9]+/g, "_").toUpperCase();
}

/** The variable that sets a place; names of the user's own stand as they are. */
export function variableOf(place: Place): string {
  return prefix + place.map((step) => constantCase(String(step))).join("__");
}

/**
 * Sets in `tree`, which is changed, what variables say. Those without two underscores are ours only where they are the
 * name of a section or of a top key: others may begin so for reasons of their own (`MERIDIAN_PORT` of Kubernetes).
 */
export function applyEnvironment(schema: GroupSchema, tree: Tree, environment: Environment, faults: Faults): void {
  const variables = Object.keys(environment).filter((name) => name.startsWith(prefix)).sort();
  for (const variable of variables) {
    const text = environment[variable];
    // An empty one is how containers and shells say that there is none.
    if (text === undefined || text === "") continue;
    const segments = variable.slice(prefix.length).split("__");
    const [first = ""] = segments;
    const isTop = Object.keys(schema.fields).some((key) => key !== "$schema" && constantCase(key) === first);
    if (segments.length === 1 && !isTop) continue;
    const setting: Setting = { variable, text, faults };
    set(schema, tree, segments, [], setting);
  }
}

interface Setting {
  readonly variable: string;
  readonly text: string;
  readonly faults: Faults;
}

/** Sets one key of a mapping, or something beneath it. */
function set(schema: Schema, tree: Tree, segments: readonly string[], place: Place, setting: Setting): void {
  const [segment = "", ...rest] = segments;
  if (schema.kind !== "group" && schema.kind !== "map") {
    refuse(setting, place, `there is nothing beneath it, but ${setting.variable} names ${JSON.stringify(segment)}`);
    return;
  }
  const known = Object.keys(schema.kind === "group" ? schema.fields : tree);
  const key = known.find((one) => constantCase(one) === segment);
  const field = key === undefined ? undefined : schema.kind === "group" ? schema.fields[key] : schema.value;
  if (key === undefined || field === undefined) {
    const meant = nearest(segment.slice(0, 64), known.map(constantCase));
    const hint = meant === undefined
      ? schema.kind === "map" ? "; a variable changes what the file names" : ""
      : `; did you mean ${variableOf(place)}${place.length === 0 ? "" : "__"}${meant}?`;
    refuse(setting, place, `${setting.variable} names no key that there is${hint}`, meant);
    return;
  }
  const here = [...place, key];
  if (rest.length === 0) {
    setting.faults.setBy(here, setting.variable);
    const value = valueOf(field, setting.text, here, setting);
    if (value !== undefined) tree[key] = check(field, value.value, here, setting.faults);
    return;
  }
  const inner = mappingIn(field);
  if (inner === undefined) {
    refuse(setting, here, `there is nothing beneath it: expected ${expectation(field)}`);
    return;
  }
  const below = tree[key];
  const next = typeof below === "object" && below !== null ? below as Tree : {};
  tree[key] = next;
  set(inner, next, rest, here, setting);
}

function mappingIn(schema: Schema): Schema | undefined {
  if (schema.kind === "group" || schema.kind === "map") return schema;
  return schema.kind === "either" ? schema.of.map(mappingIn).find((one) => one !== undefined) : undefined;
}

interface Value {
  readonly value: unknown;
}

/** The text typed as the schema says; undefined if it was refused. */
function valueOf(schema: Schema, text: string, place: Place, setting: Setting): Value | undefined {
  if (text.length > maxChars) {
    refuse(setting, place, `it has ${text.length} characters, more than ${maxChars}`);
    return undefined;
  }
  switch (schema.kind) {
    case "number": {
      const value = text.trim() === "" ? NaN : Number(text);
      // What is no number is told as the text that it is.
      return { value: Number.isNaN(value) ? text : value };
    }
    case "flag": {
      const word = text.trim().toLowerCase();
      const isTrue = ["true", "1", "yes", "on"].includes(word);
      return { value: isTrue ? true : ["false", "0", "no", "off"].includes(word) ? false : text };
    }
    case "text": case "choice": return { value: text };
    // Where the value itself may come from the environment, a variable that names another is one step too many.
    case "secret":
      refuse(setting, place, `write \`${String(place.at(-1))}: \${env:NAME}\` in the file, with the variable's name`);
      return undefined;
    case "either": case "list": case "map": case "group": case "foreign": return structured(text, place, setting);
  }
}

function structured(text: string, place: Place, setting: Setting): Value | undefined {
  try {
    const document = parseDocument(text, { stringKeys: true, prettyErrors: false, logLevel: "silent" });
    const [complaint] = document.errors;
    if (complaint === undefined) return { value: document.toJS({ mapAsMap: true, maxAliasCount: 100 }) };
  } catch {
    // What the parser says quotes the value.
  }
  refuse(setting, place, "its value is no YAML");
  return undefined;
}

function refuse({ variable, faults }: Setting, place: Place, why: string, meant?: string): void {
  faults.push({
    source: variable, line: undefined, column: undefined, path: place.map(String).join("."),
    expected: undefined, found: undefined, meant, why,
  });
}
