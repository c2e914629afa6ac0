/**
 * What generated readers of JSON call: each reads the value that begins at a position, and leaves in `at.position`
 * where it ends. They throw {@link gaveUp} at whatever is not written as our own writers write it, which is no error
 * yet: whoever reads all of JSON then has the word.
 *
 * A reader may look past the end of its text before it gives up: whoever called it must check where it ended.
 */
import { fromAnyBase64 } from "../../wire/base64.ts";
import { latin1Text, readText } from "../../wire/text.ts";
import { gaveUp } from "../protobuf/gave-up.ts";
import { maxDepth } from "../protobuf/plan.ts";
import { largestFloat } from "../protobuf/scalars.ts";
import type { Read } from "./any.ts";
import { plain } from "./encode-support.ts";
import { inspect } from "./inspect.ts";

/** Where what was just read ends, and where all of the text does. */
export const at = { position: 0, end: 0 };

/** Whether the platform can show bytes as text, each a character. */
export const hasLatin1 = latin1Text(Uint8Array.of(0x41), 0, 1) === "A";

/** Up to so many characters of the whole text are copied by `slice`; a longer slice would keep the whole text alive. */
export const shortSlice = 12;

/** A string from its opening quote. `text` is all bytes from `origin` on, each a character. */
function string(b: Uint8Array, text: string, origin: number, position: number): string {
  if (b[position] !== 0x22) throw gaveUp;
  const start = position + 1;
  let p = start;
  while (plain[b[p] as number] === 1) p++;
  if (b[p] !== 0x22) return otherString(b, start, p);
  at.position = p + 1;
  return p - start <= shortSlice ? text.slice(start - origin, p - origin) : latin1Text(b, start, p);
}

/** A string that is not all ASCII; escapes are not for here. */
function otherString(b: Uint8Array, start: number, from: number): string {
  const { end } = at;
  for (let p = from; p < end; p++) {
    const byte = b[p] as number;
    if (byte === 0x22) {
      const text = readText(b, start, p);
      at.position = p + 1;
      return text;
    }
    if (byte < 0x20 || byte === 0x5c) break;
  }
  throw gaveUp;
}

/** Names that objects were read with, each at its hash: the engine knows them, and finds its way by them at once. */
const names: (string | undefined)[] = Array.from({ length: 512 }, () => undefined);
const longestName = 32;

/** A string that becomes the name of a property. */
function name(b: Uint8Array, text: string, origin: number, position: number): string {
  if (b[position] !== 0x22) throw gaveUp;
  const start = position + 1;
  let p = start;
  let hash = 0;
  for (;;) {
    const byte = b[p] as number;
    if (plain[byte] !== 1) break;
    hash = (Math.imul(hash, 31) + byte) | 0;
    p++;
  }
  if (b[p] !== 0x22 || p - start > longestName) return string(b, text, origin, position);
  at.position = p + 1;
  const slot = (hash ^ (hash >>> 9)) & 511;
  const known = names[slot];
  return known !== undefined && isText(b, start, p, known) ? known : newName(b, start, p, slot);
}

function isText(b: Uint8Array, start: number, end: number, text: string): boolean {
  if (end - start !== text.length) return false;
  for (let i = 0; i < text.length; i++) if (b[start + i] !== text.charCodeAt(i)) return false;
  return true;
}

function newName(b: Uint8Array, start: number, end: number, slot: number): string {
  // As an object's key it is the engine's own copy.
  for (const own in { [latin1Text(b, start, end)]: true }) return names[slot] = own;
  throw gaveUp;
}

/** How many properties an object has that was made here. */
function sizeOf(record: object): number {
  let size = 0;
  for (const _ in record) size++;
  return size;
}

/** Digits up to the first other byte: no sign, no leading zero. Too many of them give a number that is too large. */
function digits(b: Uint8Array, position: number): number {
  let p = position;
  let value = (b[p] as number) - 0x30;
  if (!(value >= 0 && value <= 9)) throw gaveUp;
  p++;
  if (value !== 0) {
    for (;;) {
      const digit = (b[p] as number) - 0x30;
      if (!(digit >= 0 && digit <= 9)) break;
      value = value * 10 + digit;
      p++;
    }
  }
  at.position = p;
  return value;
}

function int32(b: Uint8Array, position: number): number {
  if (b[position] !== 0x2d) {
    const value = digits(b, position);
    if ((value | 0) !== value) throw gaveUp;
    return value;
  }
  const value = -digits(b, position + 1);
  // Negative zero is for others to judge.
  if ((value | 0) !== value || value === 0) throw gaveUp;
  return value;
}

function uint32(b: Uint8Array, position: number): number {
  const value = digits(b, position);
  if ((value >>> 0) !== value) throw gaveUp;
  return value;
}

const powers = Float64Array.from({ length: 23 }, (_, i) => 10 ** i);
/** Integers below are exact, and so is their quotient by a power of ten up to 10^22 rounded once. */
const exact = 9_007_199_254_740_992;

function double(b: Uint8Array, text: string, origin: number, position: number): number {
  const isNegative = b[position] === 0x2d;
  let value = digits(b, isNegative ? position + 1 : position);
  let p = at.position;
  let places = 0;
  if (b[p] === 0x2e) {
    const first = ++p;
    for (;;) {
      const digit = (b[p] as number) - 0x30;
      if (!(digit >= 0 && digit <= 9)) break;
      value = value * 10 + digit;
      p++;
    }
    places = p - first;
    if (places === 0) throw gaveUp;
  }
  if (b[p] === 0x65 || b[p] === 0x45 || value >= exact || places > 22) return farDouble(b, text, origin, position, p);
  at.position = p;
  value /= powers[places] as number;
  return isNegative ? -value : value;
}

/** What is beyond exact arithmetic is the engine's; `from` is behind the digits. */
function farDouble(b: Uint8Array, text: string, origin: number, start: number, from: number): number {
  let p = from;
  if (b[p] === 0x65 || b[p] === 0x45) {
    p++;
    if (b[p] === 0x2b || b[p] === 0x2d) p++;
    const first = p;
    while ((b[p] as number) >= 0x30 && (b[p] as number) <= 0x39) p++;
    if (p === first) throw gaveUp;
  }
  at.position = p;
  const value = Number(text.slice(start - origin, p - origin));
  if (value - value !== 0) throw gaveUp;
  return value;
}

function float(b: Uint8Array, text: string, origin: number, position: number): number {
  const value = double(b, text, origin, position);
  if (Math.abs(value) > largestFloat) throw gaveUp;
  return value;
}

/** A 64-bit integer: digits, as text or not, few enough to be exact. */
function long(b: Uint8Array, text: string, origin: number, position: number, isSigned: boolean): bigint {
  const isText = b[position] === 0x22;
  const start = isText ? position + 1 : position;
  const isNegative = isSigned && b[start] === 0x2d;
  const number = digits(b, isNegative ? start + 1 : start);
  const p = at.position;
  if (isText) {
    if (b[p] !== 0x22) throw gaveUp;
    at.position = p + 1;
  }
  if (isNegative && number === 0) throw gaveUp;
  if (number < exact) return BigInt(isNegative ? -number : number);
  const value = isText && p - start <= 20 ? BigInt(text.slice(start - origin, p - origin)) : undefined;
  if (value === undefined || (isSigned ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value)) !== value) throw gaveUp;
  return value;
}

function bool(b: Uint8Array, p: number): boolean {
  if (b[p] === 0x74 && b[p + 1] === 0x72 && b[p + 2] === 0x75 && b[p + 3] === 0x65) {
    at.position = p + 4;
    return true;
  }
  if (b[p] === 0x66 && b[p + 1] === 0x61 && b[p + 2] === 0x6c && b[p + 3] === 0x73 && b[p + 4] === 0x65) {
    at.position = p + 5;
    return false;
  }
  throw gaveUp;
}

/** Whether it is null. */
function isNull(b: Uint8Array, p: number): boolean {
  if (b[p] !== 0x6e || b[p + 1] !== 0x75 || b[p + 2] !== 0x6c || b[p + 3] !== 0x6c) return false;
  at.position = p + 4;
  return true;
}

function bytes(b: Uint8Array, text: string, origin: number, position: number): Uint8Array {
  const value = fromAnyBase64(string(b, text, origin, position));
  if (value === undefined) throw gaveUp;
  return value;
}

/** Two digits; far out of any range where they are none. */
function two(b: Uint8Array, p: number): number {
  const tens = (b[p] as number) - 0x30;
  const ones = (b[p + 1] as number) - 0x30;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : 1_000_000;
}

function daysOf(year: number, month: number): number {
  if (month !== 2) return 30 + ((month + (month >> 3)) & 1);
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
}

/** A time in UTC without a fraction, or with milliseconds. */
function date(b: Uint8Array, position: number): Date {
  const p = position;
  if (b[p] !== 0x22 || b[p + 5] !== 0x2d || b[p + 8] !== 0x2d || b[p + 11] !== 0x54 || b[p + 14] !== 0x3a ||
    b[p + 17] !== 0x3a) throw gaveUp;
  const year = two(b, p + 1) * 100 + two(b, p + 3);
  const month = two(b, p + 6);
  const day = two(b, p + 9);
  const hour = two(b, p + 12);
  const minute = two(b, p + 15);
  const second = two(b, p + 18);
  if (year < 1900 || year > 9999 || month < 1 || month > 12 || day < 1 || day > daysOf(year, month) || hour > 23 ||
    minute > 59 || second > 59) throw gaveUp;
  let end = p + 20;
  let milli = 0;
  if (b[end] === 0x2e) {
    milli = ((b[end + 1] as number) - 0x30) * 100 + two(b, end + 2);
    if (!(milli >= 0 && milli <= 999)) throw gaveUp;
    end += 4;
  }
  if (b[end] !== 0x5a || b[end + 1] !== 0x22) throw gaveUp;
  at.position = end + 2;
  // Days since 1970 by counting years from March: Howard Hinnant's `days_from_civil`.
  const shifted = month > 2 ? year : year - 1;
  const era = (shifted / 400) | 0;
  const yearOfEra = shifted - era * 400;
  const dayOfYear = ((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 | 0) + day - 1;
  const days = era * 146_097 + yearOfEra * 365 + (yearOfEra >> 2) - (yearOfEra / 100 | 0) + dayOfYear - 719_468;
  return new Date(days * 86_400_000 + hour * 3_600_000 + minute * 60_000 + second * 1000 + milli);
}

/** A value in depth `depth` by the reader of parsed JSON. */
function parsed(b: Uint8Array, position: number, depth: number, read: Read): unknown {
  const end = skipped(b, position);
  const json: unknown = JSON.parse(readText(b, position, end));
  inspect(json, b, position, end, maxDepth - depth + 1);
  const value = read(json, undefined);
  at.position = end;
  return value;
}

/** Behind a value, of which the brackets and texts are looked at. */
function skipped(b: Uint8Array, from: number): number {
  const { end } = at;
  let depth = 0;
  for (let p = from; p < end; p++) {
    const byte = b[p];
    if (byte === 0x22) {
      while (++p < end && b[p] !== 0x22) if (b[p] === 0x5c) p++;
      if (depth === 0) return Math.min(p + 1, end);
    } else if (byte === 0x7b || byte === 0x5b) {
      depth++;
    } else if (byte === 0x7d || byte === 0x5d) {
      if (depth === 0) return p;
      if (--depth === 0) return p + 1;
    } else if (byte === 0x2c && depth === 0) {
      return p;
    }
  }
  return end;
}

/** What generated readers find around them. */
export const decodeSupport = {
  gaveUp, at, plain, latin1Text, otherString, string, int32, uint32, double, float, long, bool, isNull, bytes, date,
  parsed, name, sizeOf,
};
