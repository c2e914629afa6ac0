/**
 * What generated encoders call beside that of Protobuf's. They store into `bytes` at a position, where the caller made
 * room, and return the position after; they throw {@link gaveUp} where a value does not fit.
 */
import { writeText } from "../../wire/text.ts";
import { gaveUp } from "../protobuf/gave-up.ts";
import { isRecord } from "../protobuf/fits.ts";
import {
  high, low, putHalves, scratchDouble, scratchInts, scratchLong, scratchUlong,
} from "../protobuf/scalars.ts";
import { timestampMs } from "../protobuf/timestamp.ts";
import type { JsonPlan } from "./plan.ts";
import { isUuid, putUuid } from "./uuid.ts";

export function putInt(bytes: Uint8Array, position: number, value: number): number {
  bytes[position] = value >> 24;
  bytes[position + 1] = value >> 16;
  bytes[position + 2] = value >> 8;
  bytes[position + 3] = value;
  return position + 4;
}

/** A text behind its length in four bytes; there is room for three bytes a character. */
export function putLongText(bytes: Uint8Array, position: number, text: string): number {
  const length = writeText(bytes, position + 4, text);
  putInt(bytes, position, length);
  return position + 4 + length;
}

export function putLongBytes(bytes: Uint8Array, position: number, value: Uint8Array): number {
  bytes.set(value, putInt(bytes, position, value.length));
  return position + 4 + value.length;
}

/** An integer below 2^53 in eight bytes. */
export function putLong(bytes: Uint8Array, position: number, value: number): number {
  putInt(bytes, position, Math.floor(value / 0x1_0000_0000));
  return putInt(bytes, position + 4, value | 0);
}

/** The scratch memory, the highest byte first. */
function putScratch(bytes: Uint8Array, position: number): number {
  putInt(bytes, position, scratchInts[high] as number);
  return putInt(bytes, position + 4, scratchInts[low] as number);
}

export function putBigDouble(bytes: Uint8Array, position: number, value: number): number {
  scratchDouble[0] = value;
  return putScratch(bytes, position);
}

function holdSigned(value: bigint): void {
  scratchLong[0] = value;
  if (scratchLong[0] !== value) throw gaveUp;
}

/** The bits of an unsigned integer, which Thrift's i64 shows as a negative one from 2^63 on. */
function holdUnsigned(value: bigint): void {
  scratchUlong[0] = value;
  if (scratchUlong[0] !== value) throw gaveUp;
}

export function putSigned(bytes: Uint8Array, position: number, value: bigint): number {
  holdSigned(value);
  return putScratch(bytes, position);
}

export function putUnsigned(bytes: Uint8Array, position: number, value: bigint): number {
  holdUnsigned(value);
  return putScratch(bytes, position);
}

function putZigzagHalves(bytes: Uint8Array, position: number, lo: number, hi: number): number {
  const sign = hi >> 31;
  return putHalves(bytes, position, lo << 1 ^ sign, (hi << 1 | lo >>> 31) ^ sign);
}

export function putZigzagSigned(bytes: Uint8Array, position: number, value: bigint): number {
  holdSigned(value);
  return putZigzagHalves(bytes, position, scratchInts[low] as number, scratchInts[high] as number);
}

export function putZigzagUnsigned(bytes: Uint8Array, position: number, value: bigint): number {
  holdUnsigned(value);
  return putZigzagHalves(bytes, position, scratchInts[low] as number, scratchInts[high] as number);
}

/** An integer below 2^53 as a zigzag varint. */
export function putZigzag(bytes: Uint8Array, position: number, value: number): number {
  return putZigzagHalves(bytes, position, value | 0, Math.floor(value / 0x1_0000_0000));
}

/** A field's head in the compact protocol, `last` being the number of the field before. */
export function putHead(bytes: Uint8Array, position: number, type: number, number: number, last: number): number {
  const step = number - last;
  if (step > 0 && step <= 15) {
    bytes[position] = step << 4 | type;
    return position + 1;
  }
  bytes[position] = type;
  return putHalves(bytes, position + 1, number << 1, 0);
}

/** The JSON text of a value of free structure. */
export function jsonText(value: unknown, form: JsonPlan["form"]): string {
  if (form === "struct" && !isRecord(value) || form === "list" && !Array.isArray(value)) throw gaveUp;
  const text: string | undefined = JSON.stringify(value);
  if (text === undefined) throw gaveUp;
  return text;
}

/** By the names that generated code uses. */
export const encodeSupport = {
  putLongText, putLongBytes, putLong, putBigDouble, putSigned, putUnsigned, putZigzagSigned, putZigzagUnsigned,
  putZigzag, putHead, jsonText, timestampMs, isUuid, putUuid,
} as const;
