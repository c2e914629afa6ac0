/**
 * Reads values that describe themselves, strictly: whatever bytes come, nothing is made of a count that they do not
 * back, text is UTF-8, nesting is bounded, and what is made keeps none of the input. Errors name the offset.
 */
import type { RpcError } from "../../core/error.ts";
import { after, createKeyCache, decodeSupport as protobufSupport } from "../protobuf/decode-support.ts";
import { high, low, scratchDouble, scratchFloat, scratchInts, scratchLong, scratchUlong } from "../protobuf/scalars.ts";
import { maxDepth } from "../rewrite.ts";
import { bigintOf, extensions, isExtension, malformed, protoKey, textOfUnits } from "./format.ts";

const { text, key: cachedKey, copy } = protobufSupport;
const keys = createKeyCache();

/** Four bytes, big-endian, signed. */
export function bits(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) << 24 | (bytes[at + 1] as number) << 16 | (bytes[at + 2] as number) << 8 |
    (bytes[at + 3] as number);
}

export function double(bytes: Uint8Array, at: number): number {
  scratchInts[high] = bits(bytes, at);
  scratchInts[low] = bits(bytes, at + 4);
  return scratchDouble[0] as number;
}

export function float(bytes: Uint8Array, at: number): number {
  scratchInts[0] = bits(bytes, at);
  return scratchFloat[0] as number;
}

export function bigint(bytes: Uint8Array, at: number, isSigned: boolean): bigint {
  scratchInts[high] = bits(bytes, at);
  scratchInts[low] = bits(bytes, at + 4);
  return (isSigned ? scratchLong[0] : scratchUlong[0]) as bigint;
}

/** The date of a timestamp of 4, 8 or 12 bytes, to the millisecond; undefined when it is out of range. */
export function dateAt(bytes: Uint8Array, at: number, size: number): Date | undefined {
  let seconds: number;
  let nanos = 0;
  if (size === 4) seconds = bits(bytes, at) >>> 0;
  else if (size === 8) {
    nanos = bits(bytes, at) >>> 2;
    seconds = (bits(bytes, at) & 3) * 0x1_0000_0000 + (bits(bytes, at + 4) >>> 0);
  } else {
    nanos = bits(bytes, at) >>> 0;
    seconds = bits(bytes, at + 4) * 0x1_0000_0000 + (bits(bytes, at + 8) >>> 0);
  }
  if (nanos > 999_999_999) return undefined;
  const date = new Date(seconds * 1000 + nanos / 1_000_000);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

class Reader {
  readonly #bytes: Uint8Array;
  /** What errors count from. */
  readonly #start: number;
  #end: number;
  at: number;

  constructor(bytes: Uint8Array, start: number, end: number, at: number) {
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
    this.at = at;
  }

  value(depth: number): unknown {
    const head = this.#byte();
    if (head <= 0x7f) return head;
    if (head >= 0xe0) return head - 256;
    if (head <= 0x8f) return this.#members(head & 0x0f, depth);
    if (head <= 0x9f) return this.#items(head & 0x0f, depth);
    if (head <= 0xbf) return this.#text(head & 0x1f);
    switch (head) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: case 0xc5: case 0xc6: return this.#binary(this.#number(1 << (head - 0xc4)));
      case 0xc7: case 0xc8: case 0xc9: return this.#extension(this.#number(1 << (head - 0xc7)), depth);
      case 0xca: return float(this.#bytes, this.#skip(4));
      case 0xcb: return double(this.#bytes, this.#skip(8));
      case 0xcc: case 0xcd: case 0xce: return this.#number(1 << (head - 0xcc));
      case 0xcf: case 0xd3: return bigint(this.#bytes, this.#skip(8), head === 0xd3);
      case 0xd0: return this.#number(1) << 24 >> 24;
      case 0xd1: return this.#number(2) << 16 >> 16;
      case 0xd2: return bits(this.#bytes, this.#skip(4));
      case 0xd4: case 0xd5: case 0xd6: case 0xd7: case 0xd8: return this.#extension(1 << (head - 0xd4), depth);
      case 0xd9: case 0xda: case 0xdb: return this.#text(this.#number(1 << (head - 0xd9)));
      case 0xdc: case 0xdd: return this.#items(this.#number(2 << (head - 0xdc)), depth);
      case 0xde: case 0xdf: return this.#members(this.#number(2 << (head - 0xde)), depth);
      default: throw this.#malformed(`byte 0x${head.toString(16)} begins no value`, this.at - 1);
    }
  }

  done(): void {
    if (this.at !== this.#end) throw this.#malformed(`${this.#end - this.at} bytes follow the value`, this.at);
  }

  #items(count: number, depth: number): unknown[] {
    this.#room(count, 1, depth);
    const list: unknown[] = [];
    for (let i = 0; i < count; i++) list.push(this.value(depth + 1));
    return list;
  }

  #members(count: number, depth: number): Record<string, unknown> {
    this.#room(count, 2, depth);
    const members: Record<string, unknown> = {};
    for (let i = 0; i < count; i++) {
      const key = this.#key();
      members[key] = this.value(depth + 1);
    }
    return members;
  }

  /** Every element takes a byte at least, so a count beyond what is left is a lie. */
  #room(count: number, bytesEach: number, depth: number): void {
    if (count * bytesEach > this.#end - this.at) {
      throw this.#malformed(`${count} elements are announced, ${this.#end - this.at} bytes are left`, this.at);
    }
    if (depth >= maxDepth) throw this.#malformed(`nested deeper than ${maxDepth}`, this.at);
  }

  /** Text, or an integer as some peers write it. */
  #key(): string {
    const at = this.at;
    const head = this.#byte();
    if (head >= 0xa0 && head <= 0xbf) return this.#keyText(head & 0x1f, at);
    if (head >= 0xd9 && head <= 0xdb) return this.#keyText(this.#number(1 << (head - 0xd9)), at);
    if (isSmallInteger(head)) {
      this.at = at;
      return String(this.value(0));
    }
    throw this.#malformed("an object's key must be text or an integer of at most 32 bits", at);
  }

  #keyText(length: number, at: number): string {
    const start = this.#skip(length);
    let key: string;
    try {
      key = cachedKey(this.#bytes, start, this.at, keys);
    } catch {
      throw this.#malformed("text is not valid UTF-8", start);
    }
    if (key.length === protoKey.length && key === protoKey) {
      throw this.#malformed('a key named "__proto__" is refused', at);
    }
    return key;
  }

  #text(length: number): string {
    const start = this.#skip(length);
    try {
      return text(this.#bytes, start, this.at, "", 0);
    } catch {
      throw this.#malformed("text is not valid UTF-8", start);
    }
  }

  #binary(length: number): Uint8Array {
    const start = this.#skip(length);
    return copy(this.#bytes, start, this.at);
  }

  #extension(length: number, depth: number): unknown {
    const type = (this.#byte() << 24) >> 24;
    const at = this.#skip(length);
    if (type === extensions.map || type === extensions.set) {
      const end = this.at;
      const outer = this.#end;
      this.at = at;
      this.#end = end;
      const list = this.#list(depth);
      this.#end = outer;
      return type === extensions.set ? new Set(list) : this.#map(list, at);
    }
    if (!isExtension(type, length)) {
      throw this.#malformed(`extension type ${type} of ${length} bytes is not known`, at);
    }
    if (type === extensions.undefined) return undefined;
    if (type === extensions.negativeZero) return -0;
    if (type === extensions.timestamp) {
      const date = dateAt(this.#bytes, at, length);
      if (date === undefined) throw this.#malformed("holds a timestamp out of range", at);
      return date;
    }
    const data = this.#bytes.subarray(at, this.at);
    return type === extensions.bigint ? bigintOf(data) : textOfUnits(data);
  }

  #map(list: readonly unknown[], at: number): Map<unknown, unknown> {
    if (list.length % 2 !== 0) throw this.#malformed("a Map has a key without a value", at);
    const map = new Map<unknown, unknown>();
    for (let i = 0; i < list.length; i += 2) map.set(list[i], list[i + 1]);
    return map;
  }

  /** What a Map or a Set is made of: one list and nothing behind it. */
  #list(depth: number): unknown[] {
    const head = this.#bytes[this.at] ?? 0;
    if (this.at >= this.#end || ((head & 0xf0) !== 0x90 && head !== 0xdc && head !== 0xdd)) {
      throw this.#malformed("a Map or Set must hold a list", this.at);
    }
    const list = this.value(depth) as unknown[];
    if (this.at !== this.#end) throw this.#malformed("bytes follow the list of a Map or Set", this.at);
    return list;
  }

  #number(size: number): number {
    const at = this.#skip(size);
    const bytes = this.#bytes;
    if (size === 1) return bytes[at] as number;
    if (size === 2) return (bytes[at] as number) << 8 | (bytes[at + 1] as number);
    return bits(bytes, at) >>> 0;
  }

  #byte(): number {
    if (this.at >= this.#end) throw this.#malformed("expected a value, found the end", this.at);
    return this.#bytes[this.at++] as number;
  }

  /** Passes over so many bytes; returns where they begin. */
  #skip(count: number): number {
    const { at } = this;
    if (count > this.#end - at) {
      throw this.#malformed(`expected ${count} bytes, found ${this.#end - at}`, at);
    }
    this.at = at + count;
    return at;
  }

  #malformed(why: string, at: number): RpcError {
    return malformed(`at byte ${at - this.#start}: ${why}${this.#excerpt(at)}`);
  }

  /** The bytes around the place, in hexadecimal. */
  #excerpt(at: number): string {
    const near = this.#bytes.subarray(Math.max(this.#start, at - 4), Math.min(this.#end, at + 8));
    const digits = Array.from(near, (byte) => byte.toString(16).padStart(2, "0"));
    return near.length === 0 ? "" : ` (near ${digits.join(" ")})`;
  }
}

function isSmallInteger(head: number): boolean {
  return head <= 0x7f || head >= 0xe0 || (head >= 0xcc && head <= 0xce) || (head >= 0xd0 && head <= 0xd2);
}

/** Reads all of `bytes[start, end)` as one value. Throws `invalid_argument` naming the offset. */
export function decodeFree(bytes: Uint8Array, start: number, end: number): unknown {
  const reader = new Reader(bytes, start, end, start);
  const value = reader.value(0);
  reader.done();
  return value;
}

/** Reads the value at `position`, `depth` deep; leaves where it ends in `after.position`. */
export function readFree(bytes: Uint8Array, position: number, end: number, depth: number): unknown {
  const reader = new Reader(bytes, position, end, position);
  const value = reader.value(depth);
  after.position = reader.at;
  return value;
}
