/**
 * What generated decoders call beside that of Protobuf's. They throw {@link gaveUp} where bytes are malformed; the
 * interpreter then says why.
 */
import { int32At, skipBinary, skipCompact } from "../../wire/thrift.ts";
import { decodeSupport as common } from "../protobuf/decode-support.ts";
import { gaveUp } from "../protobuf/gave-up.ts";
import { isRecord } from "../protobuf/fits.ts";
import { parseJson } from "../protobuf/json.ts";
import {
  high, largestFloat, low, scratchDouble, scratchInts, scratchLong, scratchUlong,
} from "../protobuf/scalars.ts";
import { firstMs, lastMs } from "../protobuf/timestamp.ts";
import type { JsonPlan } from "./plan.ts";
import { readText } from "../../wire/text.ts";
import { uuidAt } from "./uuid.ts";

/** Eight bytes into the scratch memory, the highest first. */
function hold(bytes: Uint8Array, position: number): void {
  scratchInts[high] = int32At(bytes, position);
  scratchInts[low] = int32At(bytes, position + 4);
}

function long(bytes: Uint8Array, position: number): bigint {
  hold(bytes, position);
  return scratchLong[0] as bigint;
}

function ulong(bytes: Uint8Array, position: number): bigint {
  hold(bytes, position);
  return scratchUlong[0] as bigint;
}

function bigDouble(bytes: Uint8Array, position: number): number {
  hold(bytes, position);
  return scratchDouble[0] as number;
}

/** Eight bytes as a number that need not be exact: what is out of range is refused anyway. */
function number(bytes: Uint8Array, position: number): number {
  return int32At(bytes, position) * 0x1_0000_0000 + (int32At(bytes, position + 4) >>> 0);
}

/** The same of a zigzag varint, whose end is in `after.position`. */
function zigzagNumber(bytes: Uint8Array, position: number, end: number): number {
  // Leaves the value in the scratch memory.
  common.sint64(bytes, position, end);
  return (scratchInts[high] as number) * 0x1_0000_0000 + ((scratchInts[low] as number) >>> 0);
}

function zigzagUnsigned(bytes: Uint8Array, position: number, end: number): bigint {
  common.sint64(bytes, position, end);
  return scratchUlong[0] as bigint;
}

/** A zigzag varint of 32 bits, whose end is in `after.position`. */
function zigzag(bytes: Uint8Array, position: number, end: number): number {
  const value = common.size(bytes, position, end);
  return value >>> 1 ^ -(value & 1);
}

/** The Date of milliseconds since 1970. */
export function dateOf(ms: number): Date {
  if (!(ms >= firstMs && ms <= lastMs)) throw gaveUp;
  return new Date(ms);
}

/** A float has the precision and the range of 32 bits, though Thrift sends it in 64. */
export function floatOf(value: number): number {
  const float = Math.fround(value);
  if (Math.abs(float) > largestFloat && Math.abs(value) !== Infinity && value === value) throw gaveUp;
  return float;
}

/** A value of free structure from its JSON text. */
export function jsonOfText(text: string, form: JsonPlan["form"]): unknown {
  const value = parseJson(text);
  if (form === "struct" && !isRecord(value) || form === "list" && !Array.isArray(value)) throw gaveUp;
  return value;
}

function json(bytes: Uint8Array, position: number, end: number, form: JsonPlan["form"]): unknown {
  return jsonOfText(readText(bytes, position, end), form);
}

function skipLong(bytes: Uint8Array, position: number, end: number, type: number, depth: number): number {
  const next = skipBinary(bytes, position, end, type, depth);
  if (next < 0) throw gaveUp;
  return next;
}

function skipShort(bytes: Uint8Array, position: number, end: number, type: number, depth: number): number {
  const next = skipCompact(bytes, position, end, type, true, depth);
  if (next < 0) throw gaveUp;
  return next;
}

/** A struct without fields, in both protocols. */
const nothing = Uint8Array.of(0);

/** By the names that generated code uses. */
export const decodeSupport = {
  long, ulong, bigDouble, number, zigzagNumber, zigzagUnsigned, zigzag, dateOf, floatOf, readJson: json, skipLong,
  skipShort, nothing, uuidAt,
} as const;
