/**
 * What generated encoders call: everything that is too long to repeat in each of them.
 *
 * The functions store into `bytes` at a position, where the caller made room, and return the position after.
 * They throw {@link gaveUp} where a value does not fit; the interpreter then says why.
 */
import { unknownFields } from "../../contract/unknown-fields.ts";
import type { Writer } from "../../wire/writer.ts";
import { fits, isInt32, isRecord } from "./fits.ts";
import { freeBytes } from "./free.ts";
import { gaveUp } from "./gave-up.ts";
import { keyOfProperty } from "./keys.ts";
import { closeAt, putText, varintWidth } from "./lengths.ts";
import { type FreeForm, maxDepth } from "./plan.ts";
import {
  high, isBytes, low, putHalves, scratchDouble, scratchFloat, scratchInts, scratchLong, scratchUlong,
} from "./scalars.ts";
import { timestampMs } from "./timestamp.ts";

/**
 * Where the message that is being encoded begins. Growing may move it (a connection's writer hands over the
 * frames before it), so that generated code keeps positions relative to it while it writes nested messages.
 */
export const origin = { position: 0 };

/** Makes room; the caller goes on with the writer's array and position, both of which may be others. */
export function grow(writer: Writer, position: number, count: number): Uint8Array {
  writer.position = position;
  writer.ensure(count);
  origin.position += writer.position - position;
  return writer.bytes;
}

/** Stores the length of what was written from `start` (relative) to `end`; the caller goes on as after growing. */
function close(writer: Writer, start: number, end: number, width: number): void {
  if (end + 4 > writer.bytes.length) {
    grow(writer, end, 4);
    end = writer.position;
  }
  writer.position = closeAt(writer.bytes, origin.position + start, end, width);
}

/** An int32, which as a negative takes ten bytes. */
function putInt32(bytes: Uint8Array, position: number, value: number): number {
  return value < 0 ? putHalves(bytes, position, value, -1) : putUint32(bytes, position, value);
}

function putUint32(bytes: Uint8Array, position: number, value: number): number {
  while (value > 0x7f) {
    bytes[position++] = (value & 0x7f) | 0x80;
    value >>>= 7;
  }
  bytes[position++] = value;
  return position;
}

function putInt64(bytes: Uint8Array, position: number, value: unknown): number {
  scratchLong[0] = value as bigint;
  if (scratchLong[0] !== value) throw gaveUp;
  return putHalves(bytes, position, scratchInts[low] as number, scratchInts[high] as number);
}

function putUint64(bytes: Uint8Array, position: number, value: unknown): number {
  scratchUlong[0] = value as bigint;
  if (scratchUlong[0] !== value) throw gaveUp;
  return putHalves(bytes, position, scratchInts[low] as number, scratchInts[high] as number);
}

export function putSint64(bytes: Uint8Array, position: number, value: unknown): number {
  scratchLong[0] = value as bigint;
  if (scratchLong[0] !== value) throw gaveUp;
  const lo = scratchInts[low] as number;
  const hi = scratchInts[high] as number;
  const sign = hi >> 31;
  return putHalves(bytes, position, (lo << 1) ^ sign, ((hi << 1) | (lo >>> 31)) ^ sign);
}

function putFixed32(bytes: Uint8Array, position: number, bits: number): number {
  bytes[position] = bits;
  bytes[position + 1] = bits >>> 8;
  bytes[position + 2] = bits >>> 16;
  bytes[position + 3] = bits >>> 24;
  return position + 4;
}

function putFixed64(bytes: Uint8Array, position: number, value: unknown): number {
  scratchUlong[0] = value as bigint;
  if (scratchUlong[0] !== value) throw gaveUp;
  return putScratch(bytes, position);
}

function putSfixed64(bytes: Uint8Array, position: number, value: unknown): number {
  scratchLong[0] = value as bigint;
  if (scratchLong[0] !== value) throw gaveUp;
  return putScratch(bytes, position);
}

export function putFloat(bytes: Uint8Array, position: number, value: number): number {
  scratchFloat[0] = value;
  return putFixed32(bytes, position, scratchInts[0] as number);
}

export function putDouble(bytes: Uint8Array, position: number, value: number): number {
  scratchDouble[0] = value;
  return putScratch(bytes, position);
}

function putScratch(bytes: Uint8Array, position: number): number {
  const lo = scratchInts[low] as number;
  const hi = scratchInts[high] as number;
  bytes[position] = lo;
  bytes[position + 1] = lo >>> 8;
  bytes[position + 2] = lo >>> 16;
  bytes[position + 3] = lo >>> 24;
  bytes[position + 4] = hi;
  bytes[position + 5] = hi >>> 8;
  bytes[position + 6] = hi >>> 16;
  bytes[position + 7] = hi >>> 24;
  return position + 8;
}

/** Bytes with their length; there is room for five bytes and all of them. */
function putBytes(bytes: Uint8Array, position: number, value: Uint8Array): number {
  position = putUint32(bytes, position, value.length);
  bytes.set(value, position);
  return position + value.length;
}

/** A Timestamp with its length: at most 19 bytes. */
function putTimestamp(bytes: Uint8Array, position: number, value: unknown): number {
  const end = putBareTimestamp(bytes, position + 1, value);
  bytes[position] = end - position - 1;
  return end;
}

/** A Timestamp: at most 18 bytes. */
function putBareTimestamp(bytes: Uint8Array, position: number, value: unknown): number {
  const ms = timestampMs(value);
  if (ms !== ms) throw gaveUp;
  const seconds = Math.floor(ms / 1000);
  const nanos = (ms - seconds * 1000) * 1_000_000;
  let end = position;
  if (seconds !== 0) {
    bytes[end] = 0x08;
    end = putHalves(bytes, end + 1, seconds | 0, Math.floor(seconds / 0x1_0000_0000));
  }
  if (nanos !== 0) {
    bytes[end] = 0x10;
    end = putUint32(bytes, end + 1, nanos);
  }
  return end;
}

function json(value: unknown): string {
  const text: string | undefined = JSON.stringify(value);
  if (text === undefined) throw gaveUp;
  return text;
}

/** A message of free structure, without its length; the caller goes on as after growing. */
function putFree(writer: Writer, position: number, value: unknown, form: FreeForm): number {
  putUnknown(writer, position, freeBytes(value, form));
  return writer.position;
}

/** Unknown fields, as they came; the caller goes on as after growing. */
function putUnknown(writer: Writer, position: number, kept: unknown): void {
  if (!isBytes(kept)) throw gaveUp;
  writer.position = position;
  if (position + kept.length > writer.bytes.length) grow(writer, position, kept.length);
  writer.bytes.set(kept, writer.position);
  writer.position += kept.length;
}

/** By the names that generated code uses. */
export const encodeSupport = {
  gaveUp, grow, origin, close, varintWidth, putInt32, putUint32, putInt64, putUint64, putSint64, putFixed32,
  putFixed64, putSfixed64, putFloat, putDouble, putBytes, putText, putTimestamp, putBareTimestamp, json,
  isRecord, isBytes, isInt32, fits, keyOfProperty, hasOwn: Object.hasOwn, maxDepth, freeBytes,
  putFree, putUnknown, unknownFields,
} as const;
