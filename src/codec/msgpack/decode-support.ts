/**
 * What decoders that know their plan are made of. They throw `gaveUp` at what is not of the plan; the value is then
 * read as it describes itself. A function that passes over bytes leaves the position after them in `after.position`.
 */
import { after, decodeSupport as protobufSupport } from "../protobuf/decode-support.ts";
import { gaveUp } from "../protobuf/gave-up.ts";
import { maxDepth } from "../rewrite.ts";
import { bigint, bits, dateAt, double, float, readFree } from "./decode-free.ts";
import { extensions } from "./format.ts";

const { text, key, copy, windowOf, setProperty } = protobufSupport;

/** Whether a part of what was read last was read as it describes itself, so that its structure is not known. */
export const loose = { is: false };

/** Reads a value as it describes itself. */
export function any(bytes: Uint8Array, position: number, end: number, depth: number): unknown {
  loose.is = true;
  return readFree(bytes, position, end, depth);
}

/** Passes over the value of a property that the plan does not have. */
export function skip(bytes: Uint8Array, position: number, end: number, depth: number): number {
  readFree(bytes, position, end, depth);
  return after.position;
}

/** `size` bytes, big-endian, behind a header. */
function unsigned(bytes: Uint8Array, position: number, end: number, size: number): number {
  after.position = position + size;
  if (after.position > end) throw gaveUp;
  if (size === 1) return bytes[position] as number;
  if (size === 2) return (bytes[position] as number) << 8 | (bytes[position + 1] as number);
  return bits(bytes, position) >>> 0;
}

/** The length of a text whose header is there. */
export function textLength(bytes: Uint8Array, position: number, end: number): number {
  const head = bytes[position] as number;
  if (head < 0xd9 || head > 0xdb) {
    if ((head & 0xe0) !== 0xa0) throw gaveUp;
    after.position = position + 1;
    return head & 0x1f;
  }
  return unsigned(bytes, position + 1, end, 1 << (head - 0xd9));
}

export function bytesLength(bytes: Uint8Array, position: number, end: number): number {
  const head = bytes[position] as number;
  if (head < 0xc4 || head > 0xc6) throw gaveUp;
  return unsigned(bytes, position + 1, end, 1 << (head - 0xc4));
}

/** The count of a list (`short` 0x90) or a map (0x80); each element takes `least` bytes. */
export function count(
  bytes: Uint8Array, position: number, end: number, short: 0x80 | 0x90, depth: number,
): number {
  const head = bytes[position] as number;
  let n: number;
  if ((head & 0xf0) === short) {
    n = head & 0x0f;
    after.position = position + 1;
  } else {
    const long = short === 0x90 ? 0xdc : 0xde;
    if (head !== long && head !== long + 1) throw gaveUp;
    n = unsigned(bytes, position + 1, end, 2 << (head - long));
  }
  if (n * (short === 0x90 ? 1 : 2) > end - after.position || depth >= maxDepth) throw gaveUp;
  return n;
}

/** The end of the extension that a Map goes as; its list begins at `after.position`. */
export function mapEnd(bytes: Uint8Array, position: number, end: number): number {
  const head = bytes[position] as number;
  let size: number;
  if (head >= 0xc7 && head <= 0xc9) size = unsigned(bytes, position + 1, end, 1 << (head - 0xc7));
  else if (head >= 0xd4 && head <= 0xd8) {
    size = 1 << (head - 0xd4);
    after.position = position + 1;
  } else throw gaveUp;
  if (bytes[after.position++] !== extensions.map || after.position + size > end) throw gaveUp;
  return after.position + size;
}

/** A number in any of its forms; of 64 bits only where it is exact. */
export function number(bytes: Uint8Array, position: number, end: number): number {
  const head = bytes[position++] as number;
  if (head <= 0x7f || head >= 0xe0) {
    after.position = position;
    if (position > end) throw gaveUp;
    return head <= 0x7f ? head : head - 256;
  }
  switch (head) {
    case 0xca: return float(bytes, room(position, end, 4));
    case 0xcb: return double(bytes, room(position, end, 8));
    case 0xcc: case 0xcd: case 0xce: return unsigned(bytes, position, end, 1 << (head - 0xcc));
    case 0xd0: return unsigned(bytes, position, end, 1) << 24 >> 24;
    case 0xd1: return unsigned(bytes, position, end, 2) << 16 >> 16;
    case 0xd2: return bits(bytes, room(position, end, 4));
    case 0xcf: case 0xd3: {
      const value = Number(bigint(bytes, room(position, end, 8), head === 0xd3));
      if (!Number.isSafeInteger(value)) throw gaveUp;
      return value;
    }
    case 0xd4:
      if (bytes[position] === extensions.negativeZero) {
        room(position, end, 2);
        return -0;
      }
      throw gaveUp;
    default: throw gaveUp;
  }
}

function room(position: number, end: number, size: number): number {
  after.position = position + size;
  if (after.position > end) throw gaveUp;
  return position;
}

/** An integer as a bigint, from any of its forms. */
export function big(bytes: Uint8Array, position: number, end: number, isSigned: boolean): bigint {
  const head = bytes[position] as number;
  if (head === 0xcf || head === 0xd3) {
    const value = bigint(bytes, room(position + 1, end, 8), head === 0xd3);
    if (isSigned ? head === 0xcf && value > 0x7fff_ffff_ffff_ffffn : value < 0n) throw gaveUp;
    return value;
  }
  // A float stands for no bigint, whatever its value.
  if (head === 0xca || head === 0xcb || head === 0xd4) throw gaveUp;
  const value = number(bytes, position, end);
  if (value < 0 && !isSigned) throw gaveUp;
  return BigInt(value);
}

export function date(bytes: Uint8Array, position: number, end: number): Date {
  const head = bytes[position] as number;
  let size: number;
  if (head === 0xd6 || head === 0xd7) {
    size = head === 0xd6 ? 4 : 8;
    position++;
  } else {
    if (head !== 0xc7) throw gaveUp;
    size = bytes[position + 1] as number;
    position += 2;
    if (size !== 12) throw gaveUp;
  }
  if (bytes[position++] !== 0xff) throw gaveUp;
  const made = dateAt(bytes, room(position, end, size), size);
  if (made === undefined) throw gaveUp;
  return made;
}

/** The fields of a struct by the bytes of their names. */
export interface Names {
  readonly slots: readonly (readonly number[] | undefined)[];
  readonly names: readonly Uint8Array[];
}

const slotCount = 64;

function slotOf(bytes: Uint8Array, start: number, length: number): number {
  if (length === 0) return 0;
  return ((bytes[start] as number) * 31 + (bytes[start + length - 1] as number) * 7 +
    (bytes[start + (length >> 1)] as number) + length) & (slotCount - 1);
}

export function createNames(fields: readonly string[]): Names {
  const names = fields.map((name) => new TextEncoder().encode(name));
  const slots: (number[] | undefined)[] = Array.from({ length: slotCount }, () => undefined);
  for (const [i, name] of names.entries()) (slots[slotOf(name, 0, name.length)] ??= []).push(i);
  return { slots, names };
}

/** Which field the key at `position` names; -1 for none. */
export function fieldOf(bytes: Uint8Array, position: number, end: number, { slots, names }: Names): number {
  const head = bytes[position] as number;
  if ((head & 0xe0) !== 0xa0 && (head < 0xd9 || head > 0xdb)) {
    // A number: no field's name that we write, but it may be one.
    throw gaveUp;
  }
  const length = textLength(bytes, position, end);
  const start = after.position;
  after.position = start + length;
  if (after.position > end) throw gaveUp;
  const found = slots[slotOf(bytes, start, length)];
  if (found !== undefined) {
    for (const field of found) if (isAt(bytes, start, length, names[field] as Uint8Array)) return field;
  }
  if (length === protoName.length && isAt(bytes, start, length, protoName)) throw gaveUp;
  for (let i = start; i < after.position; i++) {
    if ((bytes[i] as number) > 0x7f) {
      // It must be text all the same.
      text(bytes, start, start + length, "", 0);
      break;
    }
  }
  return -1;
}

const protoName = new TextEncoder().encode("__proto__");

function isAt(bytes: Uint8Array, start: number, length: number, name: Uint8Array): boolean {
  if (name.length !== length) return false;
  for (let i = 0; i < length; i++) if (bytes[start + i] !== name[i]) return false;
  return true;
}

/** How many properties are looked at for the one that tells a union's variants apart. */
const maxTagLook = 8;

/** The value of the property that tells the variants apart; undefined when it is not among the first. */
export function tagOf(bytes: Uint8Array, position: number, end: number, name: Names, depth: number): unknown {
  const all = count(bytes, position, end, 0x80, depth);
  position = after.position;
  for (let i = 0; i < all && i < maxTagLook; i++) {
    const field = fieldOf(bytes, position, end, name);
    position = after.position;
    const head = bytes[position] as number;
    // What holds other values is not looked through: it could hold such unions again.
    if (head >= 0x80 && head <= 0x9f || head >= 0xdc && head <= 0xdf || head >= 0xc7 && head <= 0xc9) return undefined;
    const value = readFree(bytes, position, end, depth + 1);
    if (field === 0) return value;
    position = after.position;
  }
  return undefined;
}

/** A map's key, kept for the next time; the key that changes prototypes is refused. */
export function mapKey(bytes: Uint8Array, position: number, end: number, cache: string[]): string {
  const name = key(bytes, position, end, cache);
  if (name.length === 9 && name === "__proto__") throw gaveUp;
  return name;
}

/** By the names that generated code uses. */
export const decodeSupport = {
  gaveUp, after, any, skip, textLength, bytesLength, count, mapEnd, number, big, date, double, fieldOf, tagOf, mapKey,
  text, key, copy, windowOf, setProperty,
} as const;
