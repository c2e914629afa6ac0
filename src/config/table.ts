/** The tables of keys in docs/configuration.md, made of the same data as the checker. */
import { expectation } from "./check.ts";
import { configSchema } from "./config.ts";
import { variableOf } from "./environment.ts";
import type { GroupSchema, Schema } from "./schema.ts";

/** Markdown: a table for each section, and one for each group that is used in several places. */
export function configTables(): string {
  const sections = Object.entries((configSchema as GroupSchema).fields);
  const single = sections.filter(([, schema]) => mappingOf(schema) === undefined);
  const lines = ["#### Top keys", "", ...head, ...single.map(([key, schema]) => row(key, schema, false)), ""];
  const seen = new Set<Schema>();
  for (const [key, schema] of sections) {
    const group = mappingOf(schema);
    if (group === undefined) continue;
    const path = schema.kind === "map" ? `${key}.NAME` : schema.kind === "list" ? `${key}[]` : key;
    const restart = schema.restart === true || group.restart === true;
    lines.push(`#### \`${key}\``, "", schema.doc, "", ...head, ...rows(group, path, restart, seen), "");
  }
  return lines.join("\n");
}

const head = ["| key | what may stand there | what it is for | reload |", "|---|---|---|---|"];

/** The group that stands at a place, or in each entry of it. */
function mappingOf(schema: Schema): GroupSchema | undefined {
  switch (schema.kind) {
    case "group": return schema;
    case "map": return mappingOf(schema.value);
    case "list": return mappingOf(schema.item);
    case "either": return schema.of.map(mappingOf).find((one) => one !== undefined);
    default: return undefined;
  }
}

function rows(group: GroupSchema, path: string, restart: boolean, seen: Set<Schema>): string[] {
  return Object.entries(group.fields).flatMap(([key, schema]) => {
    const here = `${path}.${key}`;
    const needs = restart || schema.restart === true;
    const inner = mappingOf(schema);
    const line = row(here, schema, needs);
    if (inner === undefined || Object.keys(inner.fields).length === 0) return [line];
    if (seen.has(inner)) return [line];
    seen.add(inner);
    const beneath = schema.kind === "map" ? `${here}.NAME` : schema.kind === "list" ? `${here}[]` : here;
    return [line, ...rows(inner, beneath, needs || inner.restart === true, seen)];
  });
}

function row(path: string, schema: Schema, restart: boolean): string {
  const isWord = schema.kind === "either" && schema.of.some(({ kind }) => kind === "choice");
  const what = mappingOf(schema) === undefined || isWord
    ? shortly(schema) : schema.kind === "either" ? "`false`, or the keys below" : kindOf(schema);
  const cells = [`\`${path}\``, what, schema.doc, restart || schema.restart === true ? "restart" : "live"];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ")} |`;
}

function kindOf(schema: Schema): string {
  if (schema.kind === "map") return "a mapping from names";
  if (schema.kind === "list") return "a list";
  return schema.kind === "group" && schema.one ? "exactly one of the keys below" : "the keys below";
}

function shortly(schema: Schema): string {
  if (schema.kind === "foreign") return "see docs/gateway.md";
  if (schema.kind === "map") return `a mapping from names to ${expectation(schema.value)}`;
  if (schema.kind === "list") return `a list of ${schema.least} to ${schema.most}: ${expectation(schema.item)}`;
  return expectation(schema);
}

/** The variable that sets a key, for the documents. */
export { variableOf };
