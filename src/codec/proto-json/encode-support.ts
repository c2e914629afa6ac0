/**
 * What generated writers of JSON call: each stores a value as JSON at a position, where the caller made room, and
 * returns the position after it. They throw {@link gaveUp} where a value does not fit; the interpreter then says why.
 */
import { writeLongText, writeText } from "../../wire/text.ts";
import type { Writer } from "../../wire/writer.ts";
import { grow } from "../protobuf/encode-support.ts";
import { fits, isRecord } from "../protobuf/fits.ts";
import { gaveUp } from "../protobuf/gave-up.ts";
import { keyOfProperty } from "../protobuf/keys.ts";
import { isBytes } from "../protobuf/scalars.ts";
import { timestampMs } from "../protobuf/timestamp.ts";
import { toBase64 } from "../../wire/base64.ts";
import { nesting } from "./nesting.ts";

/** Bytes that stand for themselves within a JSON string: ASCII but for controls, the quote and the backslash. */
export const plain = Uint8Array.from({ length: 256 }, (_, byte) => (
  byte >= 0x20 && byte < 0x80 && byte !== 0x22 && byte !== 0x5c ? 1 : 0));

/** The longest that a number is as text: `-1.2345678901234567e-300`. */
export const longestNumber = 26;
/** Up to so many characters a loop beats the native call. */
const shortText = 24;

/** A text, where there is room for `2 + 3 * text.length`; -1 for one that needs escapes. */
function putString(bytes: Uint8Array, position: number, text: string): number {
  const { length } = text;
  if (length > shortText) return putLongString(bytes, position, text);
  bytes[position] = 0x22;
  let at = position + 1;
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) return putLongString(bytes, position, text);
    if (plain[unit] === 0) return -1;
    bytes[at++] = unit;
  }
  bytes[at] = 0x22;
  return at + 1;
}

function putLongString(bytes: Uint8Array, position: number, text: string): number {
  bytes[position] = 0x22;
  const end = position + 1 + writeLongText(bytes, position + 1, text);
  if (end - position - 1 === text.length) {
    for (let i = position + 1; i < end; i++) if (plain[bytes[i] as number] === 0) return -1;
  } else {
    // What is no ASCII stands for itself, but for half a pair.
    if (!text.isWellFormed()) return -1;
    for (let i = position + 1; i < end; i++) {
      const byte = bytes[i] as number;
      if (byte < 0x20 || byte === 0x22 || byte === 0x5c) return -1;
    }
  }
  bytes[end] = 0x22;
  return end + 1;
}

/** A text with escapes; leaves room for `room` bytes. The caller goes on with the writer's array. */
function putEscaped(writer: Writer, position: number, text: string, room: number): number {
  return putWhole(writer, position, JSON.stringify(text), room);
}

/** Text that is JSON already; leaves room for `room` bytes. The caller goes on with the writer's array. */
function putWhole(writer: Writer, position: number, json: string, room: number): number {
  const bytes = grow(writer, position, 3 * json.length + room);
  return writer.position + writeText(bytes, writer.position, json);
}

/** An integer of at most 53 bits. */
function putInteger(bytes: Uint8Array, position: number, value: number): number {
  let at = position;
  let rest = value;
  if (rest < 0) {
    bytes[at++] = 0x2d;
    rest = -rest;
  }
  if (rest < 10) {
    bytes[at] = 0x30 + rest;
    return at + 1;
  }
  let digits = 2;
  for (let limit = 100; rest >= limit; limit *= 10) digits++;
  let i = at + digits;
  while (rest > 0x3fff_ffff) {
    const tenth = Math.floor(rest / 10);
    bytes[--i] = 0x30 + (rest - tenth * 10);
    rest = tenth;
  }
  let small = rest | 0;
  while (i > at) {
    const tenth = (small / 10) | 0;
    bytes[--i] = 0x30 + (small - tenth * 10);
    small = tenth;
  }
  return at + digits;
}

function putNumber(bytes: Uint8Array, position: number, value: number): number {
  if ((value | 0) === value && (value !== 0 || 1 / value > 0)) return putInteger(bytes, position, value);
  if (value - value !== 0) return putAscii(bytes, position, `"${value}"`);
  return putAscii(bytes, position, value === 0 ? "-0" : `${value}`);
}

function putAscii(bytes: Uint8Array, position: number, text: string): number {
  for (let i = 0; i < text.length; i++) bytes[position + i] = text.charCodeAt(i);
  return position + text.length;
}

/** A bigint of 64 bits, as text. */
function putLong(bytes: Uint8Array, position: number, value: unknown, isSigned: boolean): number {
  if (typeof value !== "bigint") throw gaveUp;
  bytes[position] = 0x22;
  const number = Number(value);
  let end: number;
  if (Number.isSafeInteger(number)) {
    if (number < 0 && !isSigned) throw gaveUp;
    end = putInteger(bytes, position + 1, number);
  } else {
    if ((isSigned ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value)) !== value) throw gaveUp;
    end = putAscii(bytes, position + 1, `${value}`);
  }
  bytes[end] = 0x22;
  return end + 1;
}

/** Two digits. */
function putTwo(bytes: Uint8Array, position: number, value: number): void {
  const tens = (value / 10) | 0;
  bytes[position] = 0x30 + tens;
  bytes[position + 1] = 0x30 + (value - 10 * tens);
}

/** A date as `dateText` has it, without the detour: days become a date by counting years from March. */
function putDate(bytes: Uint8Array, position: number, value: unknown): number {
  const ms = timestampMs(value);
  if (ms !== ms) throw gaveUp;
  const day = Math.floor(ms / 86_400_000);
  const rest = ms - day * 86_400_000;
  const shifted = day + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = ((dayOfEra - (dayOfEra / 1460 | 0) + (dayOfEra / 36_524 | 0) - (dayOfEra / 146_096 | 0)) / 365) | 0;
  const dayOfYear = dayOfEra - (365 * yearOfEra + (yearOfEra >> 2) - (yearOfEra / 100 | 0));
  const march = (5 * dayOfYear + 2) / 153 | 0;
  const year = yearOfEra + era * 400 + (march < 10 ? 0 : 1);
  const second = rest / 1000 | 0;
  const hundreds = year / 100 | 0;
  bytes[position] = 0x22;
  putTwo(bytes, position + 1, hundreds);
  putTwo(bytes, position + 3, year - 100 * hundreds);
  bytes[position + 5] = 0x2d;
  putTwo(bytes, position + 6, march < 10 ? march + 3 : march - 9);
  bytes[position + 8] = 0x2d;
  putTwo(bytes, position + 9, dayOfYear - ((153 * march + 2) / 5 | 0) + 1);
  bytes[position + 11] = 0x54;
  putTwo(bytes, position + 12, second / 3600 | 0);
  bytes[position + 14] = 0x3a;
  putTwo(bytes, position + 15, (second / 60 | 0) % 60);
  bytes[position + 17] = 0x3a;
  putTwo(bytes, position + 18, second % 60);
  const milli = rest - second * 1000;
  let at = position + 20;
  if (milli !== 0) {
    bytes[at] = 0x2e;
    bytes[at + 1] = 0x30 + (milli / 100 | 0);
    putTwo(bytes, at + 2, milli % 100);
    at += 4;
  }
  bytes[at] = 0x5a;
  bytes[at + 1] = 0x22;
  return at + 2;
}

/** What generated writers find around them. */
export const encodeSupport = {
  gaveUp, grow, putString, putEscaped, putWhole, putInteger, putNumber, putAscii, putLong, putDate, isRecord, isBytes,
  fits, keyOfProperty, nesting, toBase64, writeText, hasOwn: Object.hasOwn, isArray: Array.isArray,
};
