/**
 * What writes MessagePack: values that describe themselves, and the parts that generated encoders are made of.
 *
 * Functions named `put…` store into `bytes` at a position, where the caller made room, and return the position after.
 * All throw `gaveUp` at what cannot be written; `rewrite` then says why.
 */
import { writeLongText } from "../../wire/text.ts";
import type { Writer } from "../../wire/writer.ts";
import { grow, origin } from "../protobuf/encode-support.ts";
import { isRecord } from "../protobuf/fits.ts";
import { gaveUp } from "../protobuf/gave-up.ts";
import { high, low, scratchDouble, scratchInts, scratchLong, scratchUlong } from "../protobuf/scalars.ts";
import { isPlainObject, maxBigintBits, maxDepth } from "../rewrite.ts";
import { bigintBytes, extensions, isPlainText, protoKey, takesKey } from "./format.ts";

/** Up to this many characters a loop beats the native call. */
const shortText = 20;

/** A text, where there is room for `5 + 3 * text.length` bytes. */
export function putText(bytes: Uint8Array, position: number, text: string): number {
  const length = text.length;
  if (length > shortText) return putLongText(bytes, position, text);
  bytes[position] = 0xa0 | length;
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
  const width = textWidth(text.length);
  const written = writeLongText(bytes, position + width, text);
  // What is not ASCII throughout may be no text of UTF-8 at all.
  if (written !== text.length && !isPlainText(text)) return putUnits(bytes, position, text);
  return putTextHead(bytes, position, width, written);
}

/** The header of a text that was written behind `width` bytes; it moves where its header has another size. */
function putTextHead(bytes: Uint8Array, position: number, width: number, size: number): number {
  const needed = textWidth(size);
  if (needed !== width) bytes.copyWithin(position + needed, position + width, position + width + size);
  if (needed === 1) bytes[position] = 0xa0 | size;
  else if (needed === 2) {
    bytes[position] = 0xd9;
    bytes[position + 1] = size;
  } else if (needed === 3) {
    bytes[position] = 0xda;
    bytes[position + 1] = size >> 8;
    bytes[position + 2] = size;
  } else {
    bytes[position] = 0xdb;
    put32(bytes, position + 1, size);
  }
  return position + needed + size;
}

function textWidth(size: number): number {
  if (size < 32) return 1;
  if (size < 256) return 2;
  return size < 65_536 ? 3 : 5;
}

/** A text that UTF-8 cannot carry, as its UTF-16 units. */
function putUnits(bytes: Uint8Array, position: number, text: string): number {
  position = putExtension(bytes, position, extensions.text, 2 * text.length);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    bytes[position++] = unit >> 8;
    bytes[position++] = unit;
  }
  return position;
}

/** An object's key, where there is room as for a text. */
function putKey(bytes: Uint8Array, position: number, key: string): number {
  if (key.length === protoKey.length && key === protoKey) throw gaveUp;
  const end = putText(bytes, position, key);
  const head = bytes[position] as number;
  if (end - position === key.length + 1 || end - position === key.length + textWidth(key.length)) return end;
  if (!takesKey(key)) throw gaveUp;
  if (head >= 0xa0 && head <= 0xbf || head >= 0xd9 && head <= 0xdb) return end;
  // A short key that begins with a byte order mark, which text as a value would not.
  const width = textWidth(key.length);
  return putTextHead(bytes, position, width, writeLongText(bytes, position + width, key));
}

function put32(bytes: Uint8Array, position: number, value: number): number {
  bytes[position] = value >>> 24;
  bytes[position + 1] = value >>> 16;
  bytes[position + 2] = value >>> 8;
  bytes[position + 3] = value;
  return position + 4;
}

/** A number: at most nine bytes. */
export function putNumber(bytes: Uint8Array, position: number, value: number): number {
  if ((value | 0) === value) {
    if (value >= 0) {
      if (value < 0x80) {
        if (value === 0 && 1 / value < 0) return putByteExtension(bytes, position, extensions.negativeZero);
        bytes[position] = value;
        return position + 1;
      }
      return putUnsigned(bytes, position, value);
    }
    return putNegative(bytes, position, value);
  }
  if (value > 0x7fff_ffff && value <= 0xffff_ffff && value >>> 0 === value) return putUnsigned(bytes, position, value);
  return putDouble(bytes, position, value);
}

function putUnsigned(bytes: Uint8Array, position: number, value: number): number {
  if (value < 0x100) {
    bytes[position] = 0xcc;
    bytes[position + 1] = value;
    return position + 2;
  }
  if (value < 0x1_0000) {
    bytes[position] = 0xcd;
    bytes[position + 1] = value >> 8;
    bytes[position + 2] = value;
    return position + 3;
  }
  bytes[position] = 0xce;
  return put32(bytes, position + 1, value);
}

function putNegative(bytes: Uint8Array, position: number, value: number): number {
  if (value >= -0x20) {
    bytes[position] = value;
    return position + 1;
  }
  if (value >= -0x80) {
    bytes[position] = 0xd0;
    bytes[position + 1] = value;
    return position + 2;
  }
  if (value >= -0x8000) {
    bytes[position] = 0xd1;
    bytes[position + 1] = value >> 8;
    bytes[position + 2] = value;
    return position + 3;
  }
  bytes[position] = 0xd2;
  return put32(bytes, position + 1, value);
}

function putDouble(bytes: Uint8Array, position: number, value: number): number {
  scratchDouble[0] = value;
  const hi = scratchInts[high] as number;
  const lo = scratchInts[low] as number;
  bytes[position] = 0xcb;
  bytes[position + 1] = hi >>> 24;
  bytes[position + 2] = hi >>> 16;
  bytes[position + 3] = hi >>> 8;
  bytes[position + 4] = hi;
  bytes[position + 5] = lo >>> 24;
  bytes[position + 6] = lo >>> 16;
  bytes[position + 7] = lo >>> 8;
  bytes[position + 8] = lo;
  return position + 9;
}

/** A bigint of 64 bits: nine bytes. */
function putBigint(bytes: Uint8Array, position: number, value: bigint): number {
  if (value >= 0n) {
    scratchUlong[0] = value;
    if (scratchUlong[0] !== value) throw gaveUp;
    bytes[position] = 0xcf;
  } else {
    scratchLong[0] = value;
    if (scratchLong[0] !== value) throw gaveUp;
    bytes[position] = 0xd3;
  }
  const hi = scratchInts[high] as number;
  put32(bytes, position + 5, scratchInts[low] as number);
  put32(bytes, position + 1, hi);
  return position + 9;
}

/** A date: at most 15 bytes. */
function putDate(bytes: Uint8Array, position: number, value: Date): number {
  const ms = value.getTime();
  if (ms !== ms) throw gaveUp;
  const seconds = Math.floor(ms / 1000);
  const nanos = (ms - seconds * 1000) * 1_000_000;
  if (seconds < 0 || seconds > 0x3_ffff_ffff) {
    position = putExtension(bytes, position, extensions.timestamp, 12);
    position = put32(bytes, position, nanos);
    position = put32(bytes, position, Math.floor(seconds / 0x1_0000_0000));
    return put32(bytes, position, seconds);
  }
  if (nanos === 0 && seconds <= 0xffff_ffff) {
    bytes[position] = 0xd6;
    bytes[position + 1] = 0xff;
    return put32(bytes, position + 2, seconds);
  }
  bytes[position] = 0xd7;
  bytes[position + 1] = 0xff;
  put32(bytes, position + 2, (nanos << 2) | (seconds / 0x1_0000_0000));
  return put32(bytes, position + 6, seconds);
}

/** Bytes, where there is room for five more. */
function putBytes(bytes: Uint8Array, position: number, value: Uint8Array): number {
  const size = value.length;
  if (size < 0x100) {
    bytes[position++] = 0xc4;
    bytes[position++] = size;
  } else if (size < 0x1_0000) {
    bytes[position++] = 0xc5;
    bytes[position++] = size >> 8;
    bytes[position++] = size;
  } else {
    bytes[position] = 0xc6;
    position = put32(bytes, position + 1, size);
  }
  bytes.set(value, position);
  return position + size;
}

/** The header of a list or a map, whose short form begins at `short`: at most five bytes. */
function putCount(bytes: Uint8Array, position: number, count: number, short: 0x80 | 0x90): number {
  if (count < 16) {
    bytes[position] = short | count;
    return position + 1;
  }
  const isShort = count < 0x1_0000;
  bytes[position] = (short === 0x90 ? 0xdc : 0xde) + (isShort ? 0 : 1);
  if (!isShort) return put32(bytes, position + 1, count);
  bytes[position + 1] = count >> 8;
  bytes[position + 2] = count;
  return position + 3;
}

/** The header of an extension: at most six bytes. */
function putExtension(bytes: Uint8Array, position: number, type: number, size: number): number {
  const width = extensionWidth(size);
  if (width === 2) bytes[position] = 0xd4 + Math.log2(size);
  else if (width === 3) {
    bytes[position] = 0xc7;
    bytes[position + 1] = size;
  } else if (width === 4) {
    bytes[position] = 0xc8;
    bytes[position + 1] = size >> 8;
    bytes[position + 2] = size;
  } else {
    bytes[position] = 0xc9;
    put32(bytes, position + 1, size);
  }
  bytes[position + width - 1] = type;
  return position + width;
}

function extensionWidth(size: number): number {
  if (size === 1 || size === 2 || size === 4 || size === 8 || size === 16) return 2;
  if (size < 0x100) return 3;
  return size < 0x1_0000 ? 4 : 6;
}

function putByteExtension(bytes: Uint8Array, position: number, type: number): number {
  bytes[position] = 0xd4;
  bytes[position + 1] = type;
  bytes[position + 2] = 0;
  return position + 3;
}

/**
 * Puts the header of an extension before what was written from `start` (relative to {@link origin}, like all that
 * must outlive growing) to `end`, behind `width` bytes. Returns the width that it has; the caller goes on at the
 * writer's position.
 */
export function closeExtension(writer: Writer, start: number, end: number, width: number, type: number): number {
  const from = start + origin.position;
  const size = end - from;
  const needed = extensionWidth(size);
  if (needed > width) {
    writer.position = end;
    if (end + needed - width > writer.bytes.length) {
      grow(writer, end, needed - width);
      return closeExtension(writer, start, writer.position, width, type);
    }
  }
  if (needed !== width) writer.bytes.copyWithin(from + needed - width, from, end);
  putExtension(writer.bytes, from - width, type, size);
  writer.position = end + needed - width;
  return needed;
}

/** Appends a value that describes itself, at `depth`, from `position`; the caller goes on at the writer's position. */
export function putFree(writer: Writer, position: number, value: unknown, depth: number): number {
  writer.position = position;
  writeFree(writer, value, depth);
  return writer.position;
}

function room(writer: Writer, count: number): Uint8Array {
  return writer.position + count > writer.bytes.length ? grow(writer, writer.position, count) : writer.bytes;
}

/** Appends a value that describes itself. */
export function writeFree(writer: Writer, value: unknown, depth: number): void {
  switch (typeof value) {
    case "string": {
      const bytes = room(writer, 5 + 3 * value.length);
      writer.position = putText(bytes, writer.position, value);
      return;
    }
    case "number": {
      const bytes = room(writer, 9);
      writer.position = putNumber(bytes, writer.position, value);
      return;
    }
    case "boolean": {
      const bytes = room(writer, 1);
      bytes[writer.position++] = value ? 0xc3 : 0xc2;
      return;
    }
    case "bigint": return writeBigint(writer, value);
    case "undefined": {
      const bytes = room(writer, 3);
      writer.position = putByteExtension(bytes, writer.position, extensions.undefined);
      return;
    }
    case "object":
      if (value === null) {
        const bytes = room(writer, 1);
        bytes[writer.position++] = 0xc0;
      } else writeObject(writer, value, depth);
      return;
    case "function": case "symbol": default: throw gaveUp;
  }
}

function writeBigint(writer: Writer, value: bigint): void {
  if (value >= 0n ? BigInt.asUintN(64, value) === value : BigInt.asIntN(64, value) === value) {
    const bytes = room(writer, 9);
    writer.position = putBigint(bytes, writer.position, value);
    return;
  }
  if (BigInt.asIntN(maxBigintBits, value) !== value) throw gaveUp;
  const digits = bigintBytes(value);
  const bytes = room(writer, 6 + digits.length);
  const position = putExtension(bytes, writer.position, extensions.bigint, digits.length);
  bytes.set(digits, position);
  writer.position = position + digits.length;
}

function writeObject(writer: Writer, value: object, depth: number): void {
  if (depth >= maxDepth) throw gaveUp;
  if (Array.isArray(value)) {
    const count = value.length;
    writer.position = putCount(room(writer, 5), writer.position, count, 0x90);
    for (let i = 0; i < count; i++) writeFree(writer, value[i], depth + 1);
    return;
  }
  if (isPlainObject(value)) return writeMembers(writer, value as Record<string, unknown>, depth);
  if (value instanceof Date) writer.position = putDate(room(writer, 15), writer.position, value);
  else if (value instanceof Uint8Array) {
    writer.position = putBytes(room(writer, 5 + value.length), writer.position, value);
  } else if (value instanceof Map) {
    writeItems(writer, [...value].flat(), extensions.map, depth);
  } else if (value instanceof Set) writeItems(writer, [...value], extensions.set, depth);
  else {
    const tag = Object.prototype.toString.call(value);
    if (tag !== "[object Object]" || Object.keys(value).length === 0) throw gaveUp;
    writeMembers(writer, value as Record<string, unknown>, depth);
  }
}

function writeMembers(writer: Writer, value: Record<string, unknown>, depth: number): void {
  const keys = Object.keys(value);
  let count = 0;
  for (const key of keys) if (value[key] !== undefined) count++;
  writer.position = putCount(room(writer, 5), writer.position, count, 0x80);
  for (const key of keys) {
    const member = value[key];
    if (member === undefined) continue;
    count--;
    const bytes = room(writer, 5 + 3 * key.length);
    writer.position = putKey(bytes, writer.position, key);
    writeFree(writer, member, depth + 1);
  }
  // A getter changed its mind.
  if (count !== 0) throw gaveUp;
}

/** A list in an extension: what a Map or a Set goes as. */
function writeItems(writer: Writer, items: readonly unknown[], type: number, depth: number): void {
  room(writer, 8);
  writer.position += 3;
  const start = writer.position - origin.position;
  writer.position = putCount(writer.bytes, writer.position, items.length, 0x90);
  for (const item of items) writeFree(writer, item, depth + 1);
  closeExtension(writer, start, writer.position, 3, type);
}

/** By the names that generated code uses. */
export const encodeSupport = {
  gaveUp, grow, origin, putText, putKey, putNumber, putBigint, putDate, putBytes, putCount, closeExtension, putFree,
  isRecord, hasOwn: Object.hasOwn, maxDepth,
} as const;
