/**
 * What generated encoders of Avro call. The functions store into `bytes` at a position, where the caller made room, and
 * return the position after; they throw `gaveUp` where a value does not fit.
 */
import { writeLongText } from "../../wire/text.ts";
import { grow, putDouble, putFloat, putSint64 as putLong } from "../protobuf/encode-support.ts";
import { fits, isInt32, isRecord } from "../protobuf/fits.ts";
import { gaveUp } from "../protobuf/gave-up.ts";
import { keyOfProperty } from "../protobuf/keys.ts";
import { varintWidth } from "../protobuf/lengths.ts";
import { isBytes, isDate, putHalves } from "../protobuf/scalars.ts";

export { putDouble, putFloat, putLong };

/** Up to this many characters a loop beats the native call; their doubled number is one byte. */
const shortText = 20;

/** A text with its length; there is room for `5 + 3 * text.length` bytes. */
export function putText(bytes: Uint8Array, position: number, text: string): number {
  const length = text.length;
  if (length > shortText) return putLongText(bytes, position, text);
  bytes[position] = length << 1;
  let at = position + 1;
  let i = 0;
  for (; i + 4 <= length; i += 4) {
    const first = text.charCodeAt(i);
    const second = text.charCodeAt(i + 1);
    const third = text.charCodeAt(i + 2);
    const fourth = text.charCodeAt(i + 3);
    if ((first | second | third | fourth) > 0x7f) return putLongText(bytes, position, text);
    bytes[at] = first;
    bytes[at + 1] = second;
    bytes[at + 2] = third;
    bytes[at + 3] = fourth;
    at += 4;
  }
  for (; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) return putLongText(bytes, position, text);
    bytes[at++] = unit;
  }
  return at;
}

function putLongText(bytes: Uint8Array, position: number, text: string): number {
  const width = varintWidth(text.length * 2);
  const start = position + width;
  const length = writeLongText(bytes, start, text);
  const needed = varintWidth(length * 2);
  if (needed !== width) bytes.copyWithin(position + needed, start, start + length);
  return putLength(bytes, position, length) + length;
}

/** A count or a length, which is no negative number and below 2^30. */
export function putLength(bytes: Uint8Array, position: number, length: number): number {
  let value = length * 2;
  while (value > 0x7f) {
    bytes[position++] = (value & 0x7f) | 0x80;
    value >>>= 7;
  }
  bytes[position++] = value;
  return position;
}

/** A 32-bit integer, zigzag. */
export function putInt(bytes: Uint8Array, position: number, value: number): number {
  let bits = (value << 1) ^ (value >> 31);
  while ((bits & ~0x7f) !== 0) {
    bytes[position++] = (bits & 0x7f) | 0x80;
    bits >>>= 7;
  }
  bytes[position++] = bits;
  return position;
}

/** A whole number that a double holds exactly, as a long. */
export function putWhole(bytes: Uint8Array, position: number, value: number): number {
  if ((value | 0) === value) return putInt(bytes, position, value);
  const hi = Math.floor(value / 0x1_0000_0000);
  const lo = value - hi * 0x1_0000_0000 | 0;
  const sign = hi >> 31;
  return putHalves(bytes, position, (lo << 1) ^ sign, ((hi << 1) | (lo >>> 31)) ^ sign);
}

/** A long that is never negative; Avro has no bit for 2^63 and more. */
export function putUnsignedLong(bytes: Uint8Array, position: number, value: unknown): number {
  if (typeof value !== "bigint" || value < 0n) throw gaveUp;
  return putLong(bytes, position, value);
}

export function putBytes(bytes: Uint8Array, position: number, value: Uint8Array): number {
  position = putLength(bytes, position, value.length);
  bytes.set(value, position);
  return position + value.length;
}

/** A Date in milliseconds since 1970. */
export function putDate(bytes: Uint8Array, position: number, value: unknown): number {
  if (!isDate(value)) throw gaveUp;
  const ms = value.getTime();
  if (ms !== ms) throw gaveUp;
  return putWhole(bytes, position, ms);
}

/** The JSON of a value of free structure. */
export function jsonText(value: unknown, form: "any" | "struct" | "list"): string {
  if (form === "struct" ? !isRecord(value) : form === "list" && !Array.isArray(value)) throw gaveUp;
  const text: string | undefined = JSON.stringify(value);
  if (text === undefined) throw gaveUp;
  return text;
}

/** By the names that generated code uses. */
export const encodeSupport = {
  gaveUp, grow, putText, putLength, putInt, putWhole, putLong, putUnsignedLong, putFloat,
  putDouble, putBytes, putDate, jsonText, isRecord, isBytes, isInt32, fits, keyOfProperty, hasOwn: Object.hasOwn,
} as const;
