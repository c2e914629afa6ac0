/**
 * Tagged JSON: plain JSON for plain values, and tagged objects for what JSON has no word for.
 *
 * Values describe themselves, so it works for schemas whose structure is unknown. `{"$":[type, …]}` stands for a
 * Date, bytes, a bigint, a Map, a Set, a number that JSON lacks or undefined; an object that has a key `$` itself
 * is wrapped in `{"$":["Object", …]}`. docs/encoding-json-msgpack.md has the table.
 */
import { RpcError } from "../core/error.ts";
import type { Coder } from "../contract/codec.ts";
import { readText, writeText } from "../wire/text.ts";
import type { Writer } from "../wire/writer.ts";
import { excerpt, findFault } from "./json-fault.ts";
import { hasTags, revive, tagging } from "./json-tags.ts";
import { isPlainObject, maxDepth, rewrite } from "./rewrite.ts";

/** What the JSON codec does for schemas without a model. */
export const taggedJson: Coder = {
  encode(value, writer) {
    appendText(writer, JSON.stringify(isPlain(value, 0) ? value : rewrite(value, tagging)));
  },

  decode(bytes, start, end) {
    const text = decodeText(bytes, start, end);
    const value = parse(text);
    if (hasTags(text)) return revive(value);
    // After the parse, which does not recurse in V8 and elsewhere refuses of itself: that is five times cheaper
    // than counting brackets before it.
    if (isDeeperThan(maxDepth, value)) throw malformed(`is nested deeper than ${maxDepth}`);
    return value;
  },
};

/** Whether lists and objects stand in one another more than so many times. Looks no further than that. */
function isDeeperThan(levels: number, value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (levels === 0) return true;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (isDeeperThan(levels - 1, value[i])) return true;
    return false;
  }
  for (const key in value) if (isDeeperThan(levels - 1, (value as Record<string, unknown>)[key])) return true;
  return false;
}

/** Whether `JSON.stringify` alone writes the value faithfully. Anything unusual is for the slow walk to judge. */
function isPlain(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case "string": case "boolean": return true;
    // NaN and the infinities make NaN, and only -0 has a negative reciprocal among zeros.
    case "number": return value - value === 0 && (value !== 0 || 1 / value > 0);
    case "object": return value === null || isPlainTree(value, depth);
    case "bigint": case "undefined": case "function": case "symbol": default: return false;
  }
}

function isPlainTree(value: object, depth: number): boolean {
  if (depth >= maxDepth) return false;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (!isPlain(value[i], depth + 1)) return false;
    return true;
  }
  if (!isPlainObject(value)) return false;
  for (const key in value) {
    if (key === "$" || key === "__proto__") return false;
    const member: unknown = (value as Record<string, unknown>)[key];
    if (member !== undefined && !isPlain(member, depth + 1)) return false;
  }
  return true;
}

/** Longer text is written in pieces, so that room is made for what it takes rather than for the worst case. */
const pieceLength = 8192;

/** Appends text as UTF-8. */
export function appendText(writer: Writer, text: string): void {
  const length = text.length;
  for (let from = 0; from < length;) {
    let to = Math.min(length, from + pieceLength);
    // A surrogate pair stays together.
    if (to < length && (text.charCodeAt(to - 1) & 0xfc00) === 0xd800) to++;
    const piece = from === 0 && to === length ? text : text.slice(from, to);
    writer.ensure(3 * piece.length);
    writer.position += writeText(writer.bytes, writer.position, piece);
    from = to;
  }
}

/** The text of bytes; throws `invalid_argument` where they are not UTF-8. */
export function decodeText(bytes: Uint8Array, start: number, end: number): string {
  try {
    return readText(bytes, start, end);
  } catch (cause) {
    throw malformed("is not valid UTF-8", cause);
  }
}

/** What JSON text says; throws `invalid_argument` naming where it is malformed. */
export function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw notJson(text, cause);
  }
}

function notJson(text: string, cause: unknown): RpcError {
  const fault = findFault(text);
  if (fault === undefined) return malformed("cannot be parsed", cause);
  const found = fault.position >= text.length ? "the end" : excerpt(text, fault.position);
  return malformed(`is malformed at character ${fault.position}: expected ${fault.expected}, found ${found}`, cause);
}

/** The error of text that is no JSON, or none that is taken. */
export function malformed(what: string, cause?: unknown): RpcError {
  return new RpcError("invalid_argument", `JSON ${what}`, { phase: "decode", cause });
}
