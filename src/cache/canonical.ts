/** The canonical text of a request: equal for equal values, whatever the order of their properties. */
import { toBase64 } from "../wire/base64.ts";

const maxDepth = 100;

/** Undefined for what has none: functions, symbols, and values nested too deep. */
export function canonicalText(value: unknown): string | undefined {
  try {
    return write(value, 0);
  } catch (error) {
    if (error === unwritable) return undefined;
    throw error;
  }
}

const unwritable = new Error("a value has no canonical text");

function write(value: unknown, depth: number): string {
  if (depth > maxDepth) throw unwritable;
  switch (typeof value) {
    case "string": return JSON.stringify(value);
    case "number": return Object.is(value, -0) ? "-0" : String(value);
    case "boolean": case "undefined": return String(value);
    case "bigint": return `${value}n`;
    case "object": return value === null ? "null" : object(value, depth + 1);
    case "function": case "symbol": default: throw unwritable;
  }
}

function object(value: object, depth: number): string {
  if (Array.isArray(value)) return `[${value.map((item) => write(item, depth)).join()}]`;
  if (value instanceof Uint8Array) return `b${toBase64(value)}`;
  if (value instanceof Date) return `d${value.getTime()}`;
  if (value instanceof Map) {
    const entries = [...value].map(([key, item]) => `${write(key, depth)}:${write(item, depth)}`);
    return `m{${entries.toSorted().join()}}`;
  }
  if (value instanceof Set) return `s{${[...value].map((item) => write(item, depth)).toSorted().join()}}`;
  let text = "";
  const members = value as Record<string, unknown>;
  for (const key of Object.keys(members).toSorted()) {
    const member = members[key];
    if (member !== undefined) text += `${text === "" ? "" : ","}${JSON.stringify(key)}:${write(member, depth)}`;
  }
  return `{${text}}`;
}
