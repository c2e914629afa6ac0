/** Writes a request as a path, a query and a body: what {@link joinBody} puts together again. */
import type { BoundPath } from "../../contract/http/bindings.ts";
import { jsonNameOf, memberNamed } from "../../contract/http/fields.ts";
import type { FieldModel, Model } from "../../contract/model.ts";
import { RpcError } from "../../core/error.ts";

type Json = Record<string, unknown>;

const maxUrlChars = 8_192;

/** `json`, the request in JSON, is taken apart. Throws `invalid_argument` for what a path or a query cannot say. */
export function writePath(bound: BoundPath, json: object): { readonly path: string; readonly body: string } {
  const rest = json as Json;
  const { template, fields, body, method } = bound;
  const values = fields.map(({ keys, kind }, i) =>
    valueText(take(rest, keys), kind, template.variables[i]?.field.join(".") ?? "", bound));
  const path = fill(bound, values);
  if (body === "*") return { path, body: JSON.stringify(rest) };
  let text = "";
  if (body !== undefined) {
    const key = jsonNameOf(memberNamed(method.input.model as Model, body) as FieldModel);
    const value = rest[key];
    delete rest[key];
    text = value === undefined ? "" : JSON.stringify(value);
  }
  const query: string[] = [];
  flatten(rest, "", query, bound);
  const url = query.length === 0 ? path : `${path}?${query.join("&")}`;
  if (url.length > maxUrlChars) {
    throw refused(bound, `the request makes a path of ${url.length} characters; at most ${maxUrlChars} are sent`);
  }
  return { path: url, body: text };
}

/** Takes a value out of an object within the object. */
function take(json: Json, keys: readonly string[]): unknown {
  let object = json;
  for (const key of keys.slice(0, -1)) {
    const inner = object[key];
    if (typeof inner !== "object" || inner === null) return undefined;
    object = inner as Json;
  }
  const last = keys.at(-1) as string;
  const value = object[last];
  delete object[last];
  return value;
}

/** JSON leaves out what is zero, so an absent value is the zero of its kind. */
function valueText(value: unknown, kind: string, name: string, bound: BoundPath): string {
  if (value !== undefined && value !== null && typeof value !== "object") return `${value as string | number}`;
  const index = bound.template.variables.findIndex(({ field }) => field.join(".") === name);
  const model = bound.fields[index]?.model;
  if (kind === "bool") return "false";
  if (model?.kind === "scalar" && !["string", "bytes", "timestamp"].includes(model.scalar)) return "0";
  if (model?.kind === "enum") {
    const zero = model.values.find(({ number }) => number === 0)?.name;
    if (zero !== undefined) return zero;
  }
  throw refused(bound, `${name} is empty, but stands in the path`);
}

function fill(bound: BoundPath, values: readonly string[]): string {
  const { template } = bound;
  const parts: string[] = [];
  for (let at = 0; at < template.segments.length;) {
    const index = template.variables.findIndex(({ from }) => from === at);
    const variable = template.variables[index];
    if (variable === undefined) {
      const segment = template.segments[at] as (typeof template.segments)[number];
      parts.push(segment.kind === "literal" ? encodeURIComponent(segment.text) : "-");
      at++;
      continue;
    }
    const text = values[index] as string;
    if (text === "") throw refused(bound, `${variable.field.join(".")} is empty, but stands in the path`);
    if (variable.isMany) checkPattern(bound, template, variable, text);
    parts.push(variable.isMany ? text.split("/").map(encodeURIComponent).join("/") : encodeURIComponent(text));
    at = variable.to;
  }
  return `/${parts.join("/")}${template.verb === undefined ? "" : `:${template.verb}`}`;
}

function checkPattern(
  bound: BoundPath, { segments }: BoundPath["template"], variable: BoundPath["template"]["variables"][number],
  text: string,
): void {
  const parts = text.split("/");
  const pattern = segments.slice(variable.from, variable.to);
  const fits = pattern.every((one, i) => one.kind === "rest" ||
    (one.kind === "literal" ? parts[i] === one.text : parts[i] !== undefined && parts[i] !== "")) &&
    (pattern.at(-1)?.kind === "rest" || parts.length === pattern.length);
  if (fits) return;
  const shown = pattern.map((one) => (one.kind === "literal" ? one.text : one.kind === "one" ? "*" : "**")).join("/");
  throw refused(bound, `${variable.field.join(".")} is ${JSON.stringify(text.slice(0, 64))}, expected ${shown}`);
}

function flatten(json: Json, prefix: string, query: string[], bound: BoundPath): void {
  for (const key of Object.keys(json)) {
    const value = json[key];
    const name = prefix === "" ? key : `${prefix}.${key}`;
    if (value === null || value === undefined) continue;
    if (Array.isArray(value)) {
      for (const item of value as unknown[]) query.push(pair(name, item, bound));
    } else if (typeof value !== "object") query.push(pair(name, value, bound));
    else if (isMap(bound, name)) {
      for (const entry of Object.keys(value)) query.push(pair(`${name}[${entry}]`, (value as Json)[entry], bound));
    } else flatten(value as Json, name, query, bound);
  }
}

function isMap({ method }: BoundPath, name: string): boolean {
  let model: Model | undefined = method.input.model;
  for (const part of name.split(".")) model = model === undefined ? undefined : memberNamed(model, part)?.model;
  while (model?.kind === "nullable") model = model.of;
  return model?.kind === "map";
}

function pair(name: string, value: unknown, bound: BoundPath): string {
  if (typeof value === "object") throw refused(bound, `${name} is an object in a list or map, which no query can say`);
  return `${encodeURIComponent(name)}=${encodeURIComponent(`${value as string | number | boolean}`)}`;
}

function refused(bound: Pick<BoundPath, "method">, why: string): RpcError {
  return new RpcError("invalid_argument", `${bound.method.path}: ${why}`, { phase: "encode" });
}
