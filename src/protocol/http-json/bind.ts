/** Binding is how a path, a query and a body become one request: all of it is put together as JSON. */
import type { Coder } from "../../contract/codec.ts";
import {
  findField, type FoundField, jsonNameOf, memberNamed, queryNames, type TextKind,
} from "../../contract/http/fields.ts";
import type { BoundPath } from "../../contract/http/bindings.ts";
import type { FieldModel, Model } from "../../contract/model.ts";
import { expected, type RpcError } from "../../core/error.ts";
import { allocateBytes, readText, writeText } from "../../wire/text.ts";

type Json = Record<string, unknown>;

const maxParameters = 1_024;
const utf8 = new TextEncoder();

/** What path and query say, as members of the request's JSON; undefined for nothing. */
export function readParameters(path: BoundPath, values: readonly string[], query: string): Json | undefined {
  const { fields, body, template } = path;
  if (fields.length === 0 && query === "") return undefined;
  const json: Json = {};
  // The query first: what the path says holds.
  if (query !== "") {
    if (body === "*") throw refused(`the query ${JSON.stringify(query.slice(0, 64))} says nothing here: the request ` +
      "is the body");
    readQuery(path, query, json);
  }
  fields.forEach((field, i) => {
    const name = template.variables[i]?.field.join(".") ?? "";
    const text = values[i] as string;
    place(json, field.keys, valueOf(field.kind, text, name, field.model), name);
  });
  return json;
}

function readQuery({ method, body, fields }: BoundPath, query: string, json: Json): void {
  const { model } = method.input;
  if (model === undefined) throw refused("the query says nothing here: the structure of the request is not known");
  const lists = new Set<string>();
  let count = 0;
  for (const pair of query.split("&")) {
    if (pair === "") continue;
    if (++count > maxParameters) throw refused(`the query has more than ${maxParameters} parameters`);
    const equals = pair.indexOf("=");
    const name = unescaped(equals < 0 ? pair : pair.slice(0, equals));
    const text = unescaped(equals < 0 ? "" : pair.slice(equals + 1));
    const bracket = name.endsWith("]") ? name.indexOf("[") : -1;
    const parts = (bracket < 0 ? name : name.slice(0, bracket)).split(".");
    const found = findField(model, parts);
    if (found === undefined || (body !== undefined && memberNamed(model, parts[0] as string) ===
      memberNamed(model, body))) throw unknownName(name, model);
    const key = found.keys.join(".");
    if (fields.some((one) => one.keys.join(".") === key)) {
      throw refused(`${name} is in the path and in the query`);
    }
    if (bracket >= 0) {
      readEntry(found, name, name.slice(bracket + 1, -1), text, json);
    } else if (found.isList) {
      const item = valueOf(found.kind, text, name, (found.model as Extract<Model, { kind: "list" }>).of);
      if (lists.has(key)) (at(json, found.keys) as unknown[]).push(item);
      else place(json, found.keys, [item], name);
      lists.add(key);
    } else {
      place(json, found.keys, valueOf(found.kind, text, name, found.model), name);
    }
  }
}

/** `labels[key]=value`. */
function readEntry(found: FoundField, name: string, key: string, text: string, json: Json): void {
  if (found.mapOf === undefined || found.mapOf === "none") throw refused(`${name} is no map of scalars`);
  if (key === "__proto__") throw refused(`${name}: a key named "__proto__" is refused`);
  place(json, [...found.keys, key], valueOf(found.mapOf, text, name, (found.model as { value: Model }).value), name);
}

const integer = /^-?\d{1,10}$/;

function valueOf(kind: TextKind, text: string, name: string, model: Model): unknown {
  switch (kind) {
    case "text": return text;
    case "bool":
      if (text === "true" || text === "1") return true;
      if (text === "false" || text === "0") return false;
      throw refused(`${name} is ${JSON.stringify(text.slice(0, 32))}, expected true or false`);
    case "enum": return integer.test(text) ? Number(text) : text;
    case "none": throw refused(`${name} is a ${model.kind}, which a query cannot say: use a path with a body`);
    default: return kind satisfies never;
  }
}

/** Sets a member of a member, each made where it is not there. */
function place(json: Json, keys: readonly string[], value: unknown, name: string): void {
  let object = json;
  for (const key of keys.slice(0, -1)) {
    const inner = Object.hasOwn(object, key) ? object[key] : object[key] = {};
    if (typeof inner !== "object" || inner === null || Array.isArray(inner)) {
      throw refused(`${name}: ${key} is no object in the body`);
    }
    object = inner as Json;
  }
  const last = keys.at(-1) as string;
  if (Object.hasOwn(object, last) && !Array.isArray(value)) {
    const old = object[last];
    if (typeof old !== "object" && `${old as string | number}` === `${value as string | number}`) return;
    throw refused(`${name} is given twice: ${shown(old)} and ${shown(value)}`);
  }
  object[last] = value;
}

function at(json: Json, keys: readonly string[]): unknown {
  return keys.reduce<unknown>((value, key) => (value as Json)[key], json);
}

/**
 * The request's JSON: `parameters`, and the body (JSON in `bytes[start, end)`) as `path.body` has it. Text goes as it
 * came wherever nothing must be put into it.
 */
export function joinBody(
  path: BoundPath, parameters: Json | undefined, bytes: Uint8Array, start: number, end: number,
): Uint8Array {
  const { body, method } = path;
  if (body === undefined) {
    if (!isBlank(bytes, start, end)) {
      throw refused(`${path.verb} ${path.path} takes no body: what is not in the path goes into the query`);
    }
    return utf8.encode(JSON.stringify(parameters ?? {}));
  }
  if (body === "*") {
    if (isBlank(bytes, start, end)) return utf8.encode(JSON.stringify(parameters ?? {}));
    if (parameters === undefined) return bytes.subarray(start, end);
    const json = parsed(bytes, start, end);
    if (typeof json !== "object" || json === null || Array.isArray(json)) throw refused("the body is no JSON object");
    return withMembers(json as Json, parameters, bytes, start, end);
  }
  const field = memberNamed(method.input.model as Model, body);
  const text = isBlank(bytes, start, end) ? undefined : readText(bytes, start, end);
  if (text !== undefined) parsed(bytes, start, end);
  const rest = JSON.stringify(parameters ?? {});
  if (text === undefined) return utf8.encode(rest);
  const key = JSON.stringify(jsonNameOf(field as FieldModel));
  return textBytes(`{${key}:${text}${rest === "{}" ? "}" : `,${rest.slice(1)}`}`);
}

function withMembers(json: Json, parameters: Json, bytes: Uint8Array, start: number, end: number): Uint8Array {
  const keys = Object.keys(parameters);
  if (keys.some((key) => Object.hasOwn(json, key))) {
    merge(json, parameters, "");
    return utf8.encode(JSON.stringify(json));
  }
  const text = readText(bytes, start, end).trimStart();
  const rest = JSON.stringify(parameters);
  return textBytes(Object.keys(json).length === 0 ? rest : `${rest.slice(0, -1)},${text.slice(1)}`);
}

function merge(json: Json, more: Json, where: string): void {
  for (const key of Object.keys(more)) {
    const value = more[key];
    const name = where === "" ? key : `${where}.${key}`;
    if (typeof value === "object" && value !== null && !Array.isArray(value) && Object.hasOwn(json, key)) {
      const inner = json[key];
      if (typeof inner !== "object" || inner === null || Array.isArray(inner)) throw refused(`${name} is no object`);
      merge(inner as Json, value as Json, name);
    } else place(json, [key], value, name);
  }
}

function parsed(bytes: Uint8Array, start: number, end: number): unknown {
  try {
    return JSON.parse(readText(bytes, start, end));
  } catch (cause) {
    throw expected("invalid_argument", `the body is no JSON: ${cause instanceof Error ? cause.message : "malformed"}`,
      { phase: "decode", cause });
  }
}

function isBlank(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const byte = bytes[i];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return false;
  }
  return true;
}

/** The member of that name of a JSON object's text, as text; `empty` where it is left out. */
export function memberText(text: string, key: string, empty: string): string {
  const json = JSON.parse(text) as Json;
  return Object.hasOwn(json, key) ? JSON.stringify(json[key]) : empty;
}

/** What a field that JSON leaves out reads as. */
export function emptyText(model: Model): string {
  switch (model.kind) {
    case "list": return "[]";
    case "map": case "struct": case "union": case "oneof": return "{}";
    case "scalar":
      if (model.scalar === "bool") return "false";
      if (model.scalar === "string" || model.scalar === "bytes" || model.scalar === "timestamp") return '""';
      return model.scalar.endsWith("64") ? '"0"' : "0";
    case "enum": case "nullable": case "unknown": case "wellknown": return "null";
    default: return model satisfies never;
  }
}

/** A coder that reads what `join` makes of a body. */
export function joiningCoder(
  inner: Coder, join: (bytes: Uint8Array, start: number, end: number) => Uint8Array,
): Coder {
  return {
    encode: (value, writer) => inner.encode(value, writer),
    decode(bytes, start, end) {
      const whole = join(bytes, start, end);
      return inner.decode(whole, 0, whole.length);
    },
  };
}

function textBytes(text: string): Uint8Array {
  const bytes = allocateBytes(3 * text.length);
  return bytes.subarray(0, writeText(bytes, 0, text));
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", "%20"));
  } catch {
    throw refused(`the query has ${JSON.stringify(text.slice(0, 64))}, which is not percent-encoded UTF-8`);
  }
}

function unknownName(name: string, model: Model): RpcError {
  const names = queryNames(model).join(", ");
  return refused(`the query has ${JSON.stringify(name.slice(0, 64))}, which is no field here; fields are ${names}`);
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? "").slice(0, 64);
}

function refused(why: string): RpcError {
  return expected("invalid_argument", why, { phase: "decode" });
}
