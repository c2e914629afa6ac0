/**
 * Messages of JSON-RPC 2.0 (https://www.jsonrpc.org/specification), cut into their members without being parsed: the
 * codec reads and writes what is within `params` and `result`, so that 64-bit integers and bytes keep their meaning.
 */
import { RpcError } from "../../core/error.ts";
import { readText } from "../../wire/text.ts";

/** Where the text of a value lies. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** The members that mean something here; `meridian` is our own, which others pass over. */
export type MemberName = "jsonrpc" | "id" | "method" | "params" | "result" | "error" | "meridian";
export type Members = { [Name in MemberName]: Span | undefined };

/** Deepest nesting of a message, as of the JSON codec; it counts its own. */
const maxDepth = 110;

/** What is no JSON at all, to which the answer has a code of its own. */
export class NoJson extends Error {}

/** Whether a message is a batch. */
export function isBatch(bytes: Uint8Array, start: number, end: number): boolean {
  return bytes[skipSpace(bytes, start, end)] === 0x5b;
}

/** The elements of an array that is the whole text. Throws {@link NoJson}. */
export function elements(bytes: Uint8Array, start: number, end: number, most: number): Span[] {
  let at = skipSpace(bytes, start, end);
  if (bytes[at] !== 0x5b) throw new NoJson("an array was expected");
  at = skipSpace(bytes, at + 1, end);
  const found: Span[] = [];
  if (bytes[at] === 0x5d) return atEnd(bytes, at + 1, end, found);
  for (;;) {
    if (found.length >= most) {
      throw new RpcError("resource_exhausted", `more than ${most} messages in a batch (maxBatch)`, { phase: "decode" });
    }
    const stop = skipValue(bytes, at, end);
    found.push({ start: at, end: stop });
    at = skipSpace(bytes, stop, end);
    if (bytes[at] === 0x5d && at < end) return atEnd(bytes, at + 1, end, found);
    at = skipComma(bytes, at, end);
  }
}

/** The members of an object that is the whole text; undefined for another value. Throws {@link NoJson}. */
export function members(bytes: Uint8Array, start: number, end: number): Members | undefined {
  let at = skipSpace(bytes, start, end);
  if (bytes[at] !== 0x7b) {
    atEnd(bytes, skipValue(bytes, at, end), end, undefined);
    return undefined;
  }
  const found: Members = {
    jsonrpc: undefined, id: undefined, method: undefined, params: undefined, result: undefined, error: undefined,
    meridian: undefined,
  };
  at = skipSpace(bytes, at + 1, end);
  if (bytes[at] === 0x7d) return atEnd(bytes, at + 1, end, found);
  for (;;) {
    if (bytes[at] !== 0x22) throw new NoJson("a member without a name");
    const nameEnd = skipString(bytes, at, end);
    const name = nameOf(bytes, at + 1, nameEnd - 1);
    at = skipSpace(bytes, nameEnd, end);
    if (bytes[at] !== 0x3a) throw new NoJson("no colon behind a name");
    at = skipSpace(bytes, at + 1, end);
    const stop = skipValue(bytes, at, end);
    if (name !== undefined) {
      // Two readers could take two different ones.
      if (found[name] !== undefined) {
        throw new RpcError("invalid_argument", `the member "${name}" comes twice`, { phase: "decode" });
      }
      found[name] = { start: at, end: stop };
    }
    at = skipSpace(bytes, stop, end);
    if (bytes[at] === 0x7d && at < end) return atEnd(bytes, at + 1, end, found);
    at = skipComma(bytes, at, end);
  }
}

/** A member as a value; undefined where it is absent. Throws {@link NoJson}. */
export function memberValue(bytes: Uint8Array, span: Span | undefined): unknown {
  if (span === undefined) return undefined;
  const { start, end } = span;
  // Most are small integers and plain words.
  const small = smallNumber(bytes, start, end);
  if (small >= 0) return small;
  if (isPlainText(bytes, start, end)) return readText(bytes, start + 1, end - 1);
  try {
    return JSON.parse(readText(bytes, span.start, span.end)) as unknown;
  } catch (error) {
    throw new NoJson(error instanceof Error ? error.message : String(error));
  }
}

/** Digits that are an integer of at most nine; -1 for anything else. */
export function smallNumber(bytes: Uint8Array, start: number, end: number): number {
  if (end - start > 9 || end === start || (bytes[start] === 0x30 && end - start > 1)) return -1;
  let value = 0;
  for (let at = start; at < end; at++) {
    const digit = (bytes[at] as number) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** Whether it is a string of ASCII without escapes. */
function isPlainText(bytes: Uint8Array, start: number, end: number): boolean {
  if (bytes[start] !== 0x22) return false;
  for (let at = start + 1; at < end - 1; at++) {
    const byte = bytes[at] as number;
    if (byte < 0x20 || byte > 0x7e || byte === 0x5c) return false;
  }
  return true;
}

/** The name that stands in `bytes[start, end)`, without its quotes. */
function nameOf(bytes: Uint8Array, start: number, end: number): MemberName | undefined {
  const known = nameOfLength(end - start, bytes[start] as number);
  return known !== undefined && isName(bytes, start, end, known) ? known : undefined;
}

function nameOfLength(length: number, first: number): MemberName | undefined {
  switch (length) {
    case 2: return "id";
    case 5: return "error";
    case 6: return first === 0x6d ? "method" : first === 0x70 ? "params" : "result";
    case 7: return "jsonrpc";
    case 8: return "meridian";
    default: return undefined;
  }
}

/** Whether a member is this string, which has no escapes. */
export function isString(bytes: Uint8Array, span: Span | undefined, text: string): boolean {
  return span !== undefined && bytes[span.start] === 0x22 && isName(bytes, span.start + 1, span.end - 1, text);
}

function isName(bytes: Uint8Array, start: number, end: number, name: string): boolean {
  if (end - start !== name.length) return false;
  for (let i = 0; i < name.length; i++) if (bytes[start + i] !== name.charCodeAt(i)) return false;
  return true;
}

function atEnd<T>(bytes: Uint8Array, at: number, end: number, value: T): T {
  if (skipSpace(bytes, at, end) !== end) throw new NoJson("something follows the message");
  return value;
}

function skipComma(bytes: Uint8Array, at: number, end: number): number {
  if (at >= end || bytes[at] !== 0x2c) throw new NoJson("no comma between two values");
  return skipSpace(bytes, at + 1, end);
}

function skipSpace(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && (bytes[at] === 0x20 || bytes[at] === 0x0a || bytes[at] === 0x0d || bytes[at] === 0x09)) at++;
  return at;
}

/** Behind the closing quote. */
function skipString(bytes: Uint8Array, from: number, end: number): number {
  for (let at = from + 1; at < end; at++) {
    const byte = bytes[at];
    if (byte === 0x22) return at + 1;
    if (byte === 0x5c) at++;
  }
  throw new NoJson("a string without end");
}

/** Behind the value: its strings and brackets are looked at, the rest is its reader's. */
function skipValue(bytes: Uint8Array, from: number, end: number): number {
  const first = bytes[from];
  if (first === 0x22) return skipString(bytes, from, end);
  if (first === 0x7b || first === 0x5b) return skipNested(bytes, from, end);
  let at = from;
  while (at < end && !endsScalar(bytes[at] as number)) at++;
  if (at === from) throw new NoJson("a value without end, or none");
  return at;
}

function endsScalar(byte: number): boolean {
  return byte === 0x2c || byte === 0x7d || byte === 0x5d || byte === 0x20 || byte === 0x0a || byte === 0x0d ||
    byte === 0x09;
}

/** Behind an object or a list. */
function skipNested(bytes: Uint8Array, from: number, end: number): number {
  let depth = 0;
  let at = from;
  while (at < end) {
    const byte = bytes[at++] as number;
    if (byte === 0x22) {
      // In place: most of a message is text.
      for (let unit = bytes[at++]; unit !== 0x22; unit = bytes[at++]) {
        if (unit === 0x5c) at++;
        if (at >= end) throw new NoJson("a string without end");
      }
    } else if ((byte | 0x20) === 0x7b) {
      if (++depth > maxDepth) {
        throw new RpcError("invalid_argument", `nested deeper than ${maxDepth} levels`, { phase: "decode" });
      }
    } else if ((byte | 0x20) === 0x7d && --depth === 0) {
      return at;
    }
  }
  throw new NoJson("a value without end, or none");
}
