/**
 * What generated decoders call: everything that is too long to repeat in each of them.
 *
 * They throw {@link gaveUp} where bytes are malformed; the interpreter then says why. A function that passes
 * over a number of bytes that its caller cannot know leaves the position after them in `after.position`.
 */
import { keptUnknownFields, unknownFields } from "../../contract/unknown-fields.ts";
import { latin1Text, readText } from "../../wire/text.ts";
import { gaveUp } from "./gave-up.ts";
import { parseJson } from "./json.ts";
import { setProperty } from "./keys.ts";
import { maxDepth } from "./plan.ts";
import { high, low, scratchDouble, scratchFloat, scratchInts, scratchLong, scratchUlong } from "./scalars.ts";
import { timestampDate } from "./timestamp.ts";

/** Where what was just read ends. */
export const after = { position: 0 };
let lastLow = 0;
let lastHigh = 0;

/** Reads a varint of 64 bits into `lastLow` and `lastHigh`. */
function halves(bytes: Uint8Array, position: number, end: number): void {
  let lo = 0;
  let shift = 0;
  let byte = 0x80;
  const stop = end - position < 10 ? end : position + 10;
  for (; shift < 28 && byte > 0x7f; shift += 7) {
    if (position >= stop) throw gaveUp;
    byte = bytes[position++] as number;
    lo |= (byte & 0x7f) << shift;
  }
  let hi = 0;
  if (byte > 0x7f) {
    if (position >= stop) throw gaveUp;
    byte = bytes[position++] as number;
    lo |= (byte & 0x7f) << 28;
    hi = (byte & 0x7f) >>> 4;
    for (shift = 3; byte > 0x7f; shift += 7) {
      if (position >= stop) throw gaveUp;
      byte = bytes[position++] as number;
      if (shift < 32) hi |= (byte & 0x7f) << shift;
    }
  }
  lastLow = lo;
  lastHigh = hi;
  after.position = position;
}

/** The low 32 bits of a varint, signed. */
function int(bytes: Uint8Array, start: number, end: number): number {
  let position = start;
  let value = 0;
  for (let shift = 0; shift < 28 && position < end; shift += 7) {
    const byte = bytes[position++] as number;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      after.position = position;
      return value;
    }
  }
  halves(bytes, start, end);
  return lastLow;
}

/** A length or a tag: 32 bits, unsigned. */
export function size(bytes: Uint8Array, position: number, end: number): number {
  const value = int(bytes, position, end);
  if (value < 0 || after.position - position > 4) {
    halves(bytes, position, end);
    if (lastHigh !== 0) throw gaveUp;
  }
  return value >>> 0;
}

function bool(bytes: Uint8Array, position: number, end: number): boolean {
  halves(bytes, position, end);
  return (lastLow | lastHigh) !== 0;
}

function bigint(lo: number, hi: number): bigint {
  scratchInts[low] = lo;
  scratchInts[high] = hi;
  return scratchLong[0] as bigint;
}

function int64(bytes: Uint8Array, position: number, end: number): bigint {
  halves(bytes, position, end);
  return bigint(lastLow, lastHigh);
}

function uint64(bytes: Uint8Array, position: number, end: number): bigint {
  halves(bytes, position, end);
  return ubigint(lastLow, lastHigh);
}

function ubigint(lo: number, hi: number): bigint {
  scratchInts[low] = lo;
  scratchInts[high] = hi;
  return scratchUlong[0] as bigint;
}

function sint64(bytes: Uint8Array, position: number, end: number): bigint {
  halves(bytes, position, end);
  const sign = -(lastLow & 1);
  return bigint(((lastLow >>> 1) | (lastHigh << 31)) ^ sign, (lastHigh >>> 1) ^ sign);
}

/** Four bytes, which the caller knows to be there. */
function bits(bytes: Uint8Array, position: number): number {
  return (bytes[position] as number) | ((bytes[position + 1] as number) << 8) |
    ((bytes[position + 2] as number) << 16) | ((bytes[position + 3] as number) << 24);
}

function fixed64(bytes: Uint8Array, position: number): bigint {
  return ubigint(bits(bytes, position), bits(bytes, position + 4));
}

function sfixed64(bytes: Uint8Array, position: number): bigint {
  return bigint(bits(bytes, position), bits(bytes, position + 4));
}

function float(bytes: Uint8Array, position: number): number {
  scratchInts[0] = bits(bytes, position);
  return scratchFloat[0] as number;
}

export function double(bytes: Uint8Array, position: number): number {
  scratchInts[low] = bits(bytes, position);
  scratchInts[high] = bits(bytes, position + 4);
  return scratchDouble[0] as number;
}

/** Texts longer than this are read natively, one by one. */
const longText = 64;
/** At least so many bytes must be left for a window to be worth it; more than that it never holds. */
const shortestWindow = 24;
const longestWindow = 4096;

/**
 * A window is a stretch of the input as Latin-1, where every byte is a character, so that a short ASCII text is
 * a slice of it: a fifth of what a native call for each costs. A slice keeps its window alive, hence the bound.
 *
 * Inputs that fit into one window are handed it as they begin; others move theirs along, kept here.
 */
let windowText = "";
let windowStart = 0;
let windowEnd = 0;
let inputEnd = 0;

/** The window of an input that fits into one; empty otherwise, and where a window is not worth it. */
function windowOf(bytes: Uint8Array, start: number, end: number): string {
  const size = end - start;
  return size < shortestWindow || size > longestWindow ? "" : latin1Text(bytes, start, end);
}

/** Announces an input that ends there; returns what to announce when it has been read. */
export function beginInput(end: number): number {
  const outer = inputEnd;
  inputEnd = end;
  windowEnd = 0;
  return outer;
}

/** A text in `bytes[position, end)`, where `whole` is the window of the input, from `origin`, if it has one. */
function text(bytes: Uint8Array, position: number, end: number, whole: string, origin: number): string {
  if (whole === "" || end - position > longText) return textElsewhere(bytes, position, end);
  for (let i = position; i < end; i++) {
    if ((bytes[i] as number) > 0x7f) return readText(bytes, position, end);
  }
  return whole.substring(position - origin, end - origin);
}

/** A text of an input without a window of its own. Texts are read forwards, so none lies before the window. */
function textElsewhere(bytes: Uint8Array, position: number, end: number): string {
  if (end - position > longText || inputEnd - position < shortestWindow) return readText(bytes, position, end);
  if (end > windowEnd) {
    windowStart = position;
    windowEnd = Math.min(position + longestWindow, inputEnd);
    windowText = latin1Text(bytes, windowStart, windowEnd);
  }
  if (windowText === "") return readText(bytes, position, end);
  return text(bytes, position, end, windowText, windowStart);
}

const longKey = 24;
const keyCacheSize = 256;

/**
 * Keys of maps come again and again. A cache of their last ones, by their bytes, saves making the string and
 * looking it up among all property names. Its keys hold no window.
 */
function key(bytes: Uint8Array, position: number, end: number, cache: string[]): string {
  const length = end - position;
  if (length > longKey || length === 0) return readText(bytes, position, end);
  const hash = (bytes[position] as number) * 31 + (bytes[end - 1] as number) * 7 +
    (bytes[position + (length >> 1)] as number) + length;
  const cached = cache[hash & (keyCacheSize - 1)] as string;
  if (cached.length === length) {
    let i = 0;
    while (i < length && cached.charCodeAt(i) === bytes[position + i] && (bytes[position + i] as number) < 0x80) i++;
    if (i === length) return cached;
  }
  return cache[hash & (keyCacheSize - 1)] = readText(bytes, position, end);
}

/** An empty cache for {@link key}. */
export function createKeyCache(): string[] {
  return Array.from({ length: keyCacheSize }, () => "");
}

function copy(bytes: Uint8Array, position: number, end: number): Uint8Array {
  const copied = new Uint8Array(end - position);
  copied.set(bytes.subarray(position, end));
  return copied;
}

function json(bytes: Uint8Array, position: number, end: number): unknown {
  return position === end ? null : parseJson(readText(bytes, position, end));
}

function timestamp(bytes: Uint8Array, position: number, end: number): Date {
  let seconds = 0;
  let nanos = 0;
  while (position < end) {
    let tag = bytes[position++] as number;
    if (tag > 0x7f) {
      tag = size(bytes, position - 1, end);
      position = after.position;
    }
    if (tag === 0x08) {
      halves(bytes, position, end);
      seconds = (lastHigh | 0) * 0x1_0000_0000 + (lastLow >>> 0);
      position = after.position;
    } else if (tag === 0x10) {
      nanos = int(bytes, position, end);
      position = after.position;
    } else {
      after.position = position;
      position = skip(bytes, tag, end);
    }
  }
  const date = timestampDate(seconds, nanos);
  if (date === undefined) throw gaveUp;
  return date;
}

/** Passes over the field of unknown `tag` that begins at `after.position`. */
export function skip(bytes: Uint8Array, tag: number, end: number): number {
  let position = after.position;
  if (tag < 8) throw gaveUp;
  switch (tag & 7) {
    case 0:
      halves(bytes, position, end);
      return after.position;
    case 1: position += 8; break;
    case 2: {
      const length = size(bytes, position, end);
      position = after.position + length;
      break;
    }
    case 5: position += 4; break;
    default: throw gaveUp;
  }
  if (position > end) throw gaveUp;
  return position;
}

/** Notes that `bytes[start, end)` is an unknown field; one right behind another extends it. */
function keep(kept: number[] | undefined, start: number, end: number): number[] {
  if (kept === undefined) return [start, end];
  if (kept.at(-1) === start) kept[kept.length - 1] = end;
  else kept.push(start, end);
  return kept;
}

/** The bytes of the unknown fields of a struct, whose beginnings and ends stand in `kept` by turns. */
export function gather(bytes: Uint8Array, kept: readonly number[]): Uint8Array {
  let length = 0;
  for (let i = 0; i < kept.length; i += 2) length += (kept[i + 1] as number) - (kept[i] as number);
  const gathered = new Uint8Array(length);
  let position = 0;
  for (let i = 0; i < kept.length; i += 2) {
    const part = bytes.subarray(kept[i], kept[i + 1]);
    gathered.set(part, position);
    position += part.length;
  }
  keptUnknownFields.structs++;
  return gathered;
}

/** By the names that generated code uses. */
export const decodeSupport = {
  gaveUp, after, int, size, bool, int64, uint64, sint64, bits, fixed64, sfixed64, float, double, text, key, copy, json,
  windowOf, timestamp, skip, setProperty, keep, gather, maxDepth, unknownFields,
} as const;
