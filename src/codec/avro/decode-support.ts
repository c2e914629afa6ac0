/**
 * What generated decoders of Avro call. They throw `gaveUp` where bytes are malformed; the interpreter then says why. A
 * function that passes over a number of bytes that its caller cannot know leaves the position in `after.position`.
 */
import type { AvroSchema } from "../../contract/avro/schema.ts";
import { readText } from "../../wire/text.ts";
import { after, decodeSupport as protobufSupport } from "../protobuf/decode-support.ts";
import { fitsJson } from "./json-form.ts";
import { gaveUp } from "../protobuf/gave-up.ts";
import { parseJson } from "../protobuf/json.ts";
import { high, low, scratchInts, scratchLong } from "../protobuf/scalars.ts";
import { leastBytes } from "./resolve.ts";
import { maxDepth } from "./walk.ts";

/** Most items of an array whose items may take no bytes: nothing else bounds their number. */
export const maxEmptyItems = 100_000;

let lastLow = 0;
let lastHigh = 0;

/** Reads a varint of 64 bits into `lastLow` and `lastHigh`, and undoes the zigzag. */
function halves(bytes: Uint8Array, position: number, end: number): void {
  let lo = 0;
  let hi = 0;
  for (let shift = 0; ; shift += 7) {
    if (position >= end || shift > 63) throw gaveUp;
    const byte = bytes[position++] as number;
    if (shift === 63 && byte > 1) throw gaveUp;
    const part = byte & 0x7f;
    if (shift < 28) lo |= part << shift;
    else if (shift === 28) {
      lo |= part << 28;
      hi = part >>> 4;
    } else hi |= part << (shift - 32);
    if (byte < 0x80) break;
  }
  after.position = position;
  const sign = -(lo & 1);
  lastLow = ((lo >>> 1) | (hi << 31)) ^ sign;
  lastHigh = (hi >>> 1) ^ sign;
}

/** An int: 32 bits. */
function int(bytes: Uint8Array, position: number, end: number): number {
  let value = 0;
  for (let shift = 0; shift < 35; shift += 7) {
    if (position >= end) throw gaveUp;
    const byte = bytes[position++] as number;
    if (shift === 28 && byte > 15) throw gaveUp;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      after.position = position;
      return (value >>> 1) ^ -(value & 1);
    }
  }
  throw gaveUp;
}

function long(bytes: Uint8Array, position: number, end: number): bigint {
  halves(bytes, position, end);
  // Most are small.
  if (lastHigh === lastLow >> 31) return BigInt(lastLow);
  scratchInts[low] = lastLow;
  scratchInts[high] = lastHigh;
  return scratchLong[0] as bigint;
}

/** A long as a number: rounded beyond 2^53. */
function whole(bytes: Uint8Array, position: number, end: number): number {
  halves(bytes, position, end);
  return lastHigh * 0x1_0000_0000 + (lastLow >>> 0);
}

/** A length or a branch's number: not negative, below 2^31. */
function length(bytes: Uint8Array, position: number, end: number): number {
  halves(bytes, position, end);
  if (lastHigh !== 0 || lastLow < 0) throw gaveUp;
  return lastLow;
}

/** The count of a block, whose items take `least` bytes each; `had` items came before it. 0 ends the blocks. */
function count(bytes: Uint8Array, position: number, end: number, least: number, had: number): number {
  let n = whole(bytes, position, end);
  if (n < 0) {
    n = -n;
    const size = length(bytes, after.position, end);
    if (size > end - after.position) throw gaveUp;
  }
  if (n * least > end - after.position || (least === 0 && n + had > maxEmptyItems)) throw gaveUp;
  return n;
}

function date(bytes: Uint8Array, position: number, end: number): Date {
  const made = new Date(whole(bytes, position, end));
  if (Number.isNaN(made.getTime())) throw gaveUp;
  return made;
}

/** What was written as text, as its bytes, and the other way. */
function textOf(bytes: Uint8Array, position: number, end: number): string {
  return readText(bytes, position, end);
}

function json(bytes: Uint8Array, position: number, end: number, form: "any" | "struct" | "list"): unknown {
  const value = parseJson(readText(bytes, position, end));
  if (!fitsJson(value, form)) throw gaveUp;
  return value;
}

/** Passes over a value that only the writer has; returns the position after it. */
export function skip(bytes: Uint8Array, position: number, end: number, schema: AvroSchema, depth = 0): number {
  if (depth > maxDepth * 2) throw gaveUp;
  switch (schema.type) {
    case "null": return position;
    case "boolean": position += 1; break;
    case "int": case "long": case "enum":
      halves(bytes, position, end);
      return after.position;
    case "float": position += 4; break;
    case "double": position += 8; break;
    case "fixed": position += schema.size; break;
    case "bytes": case "string":
      position = length(bytes, position, end) + after.position;
      break;
    case "array": case "map": return skipBlocks(bytes, position, end, schema, depth);
    case "union": {
      const branch = schema.branches[length(bytes, position, end)];
      if (branch === undefined) throw gaveUp;
      return skip(bytes, after.position, end, branch, depth + 1);
    }
    case "record":
      for (const field of schema.fields) position = skip(bytes, position, end, field.type, depth + 1);
      return position;
    default: schema satisfies never;
  }
  if (position > end) throw gaveUp;
  return position;
}

function skipBlocks(
  bytes: Uint8Array, position: number, end: number, schema: AvroSchema & { type: "array" | "map" }, depth: number,
): number {
  const of = schema.type === "array" ? schema.items : schema.values;
  const isMap = schema.type === "map";
  const least = leastBytes(of) + (isMap ? 1 : 0);
  for (let had = 0; ;) {
    const n = count(bytes, position, end, least, had);
    position = after.position;
    if (n === 0) return position;
    had += n;
    for (let i = 0; i < n; i++) {
      if (isMap) position = skip(bytes, position, end, { type: "string" }, depth + 1);
      position = skip(bytes, position, end, of, depth + 1);
    }
  }
}

const { text, key, copy, windowOf, setProperty, bits, float, double } = protobufSupport;

/** By the names that generated code uses. */
export const decodeSupport = {
  gaveUp, after, int, long, whole, length, count, date, textOf, json, skip, text, key, copy, windowOf, setProperty,
  bits, float, double, maxEmptyItems,
} as const;
