/**
 * `scan` proves that bytes are one MessagePack value within limits before the library builds anything of them.
 *
 * `@msgpack/msgpack` decodes strictly in most respects, but not in all that bytes from a peer need: it takes
 * malformed UTF-8, nests without bound, makes room for an array of four thousand million at its word, and
 * hands out views of its input. So the structure is walked first; errors name the offset.
 */
import { RpcError } from "../../../src/core/error.ts";
import { readText } from "../../../src/wire/text.ts";
import { maxBigintBits, maxDepth } from "../../../src/codec/rewrite.ts";

/** The extension types of this codec; the standard's own timestamp is -1. */
export const extensions = { timestamp: -1, map: 1, set: 2, undefined: 3, negativeZero: 4, bigint: 5, text: 6 } as const;

/** The library loses the byte order mark that begins text longer than this many bytes. */
export const longTextBytes = 200;

class Scan {
  readonly #bytes: Uint8Array;
  readonly #start: number;
  #at: number;
  #end = 0;
  #holdsBytes = false;

  constructor(bytes: Uint8Array, start: number) {
    this.#bytes = bytes;
    this.#start = start;
    this.#at = start;
  }

  all(end: number): boolean {
    this.#end = end;
    this.#value(0);
    if (this.#at !== end) throw this.#malformed(`${end - this.#at} bytes follow the value`, this.#at);
    return this.#holdsBytes;
  }

  #value(depth: number): void {
    const head = this.#byte();
    if (head <= 0x7f || head >= 0xe0) return;
    if (head <= 0x8f) return this.#pairs(head & 0x0f, depth);
    if (head <= 0x9f) return this.#items(head & 0x0f, depth);
    if (head <= 0xbf) return this.#text(head & 0x1f);
    switch (head) {
      case 0xc0: case 0xc2: case 0xc3: return;
      case 0xc4: return this.#binary(this.#number(1));
      case 0xc5: return this.#binary(this.#number(2));
      case 0xc6: return this.#binary(this.#number(4));
      case 0xc7: return this.#extension(this.#number(1), depth);
      case 0xc8: return this.#extension(this.#number(2), depth);
      case 0xc9: return this.#extension(this.#number(4), depth);
      case 0xcc: case 0xd0: return this.#skip(1);
      case 0xcd: case 0xd1: return this.#skip(2);
      case 0xca: case 0xce: case 0xd2: return this.#skip(4);
      case 0xcb: case 0xcf: case 0xd3: return this.#skip(8);
      case 0xd4: case 0xd5: case 0xd6: case 0xd7: case 0xd8: return this.#extension(1 << (head - 0xd4), depth);
      case 0xd9: case 0xda: case 0xdb: return this.#text(this.#number(1 << (head - 0xd9)));
      case 0xdc: return this.#items(this.#number(2), depth);
      case 0xdd: return this.#items(this.#number(4), depth);
      case 0xde: return this.#pairs(this.#number(2), depth);
      case 0xdf: return this.#pairs(this.#number(4), depth);
      default: throw this.#malformed(`byte 0x${head.toString(16)} begins no value`, this.#at - 1);
    }
  }

  #items(count: number, depth: number): void {
    this.#room(count, 1, depth);
    for (let i = 0; i < count; i++) this.#value(depth + 1);
  }

  #pairs(count: number, depth: number): void {
    this.#room(count, 2, depth);
    for (let i = 0; i < count; i++) {
      this.#key();
      this.#value(depth + 1);
    }
  }

  /** Every element takes a byte at least, so a count beyond what is left is a lie. */
  #room(count: number, bytesEach: number, depth: number): void {
    if (count * bytesEach > this.#end - this.#at) {
      throw this.#malformed(`${count} elements are announced, ${this.#end - this.#at} bytes are left`, this.#at);
    }
    if (depth >= maxDepth) throw this.#malformed(`nested deeper than ${maxDepth}`, this.#at);
  }

  /** Text, or an integer as some peers write it. */
  #key(): void {
    const at = this.#at;
    const head = this.#byte();
    const length = this.#textLength(head);
    if (length === undefined) {
      if (!isSmallInteger(head)) {
        throw this.#malformed("an object's key must be text or an integer of at most 32 bits", at);
      }
      this.#at = at;
      return this.#value(0);
    }
    const start = this.#at;
    this.#text(length);
    if (length === protoKey.length && protoKey.every((unit, i) => this.#bytes[start + i] === unit)) {
      throw this.#malformed('a key named "__proto__" is refused', at);
    }
  }

  #textLength(head: number): number | undefined {
    if (head >= 0xa0 && head <= 0xbf) return head & 0x1f;
    return head >= 0xd9 && head <= 0xdb ? this.#number(1 << (head - 0xd9)) : undefined;
  }

  #text(length: number): void {
    const start = this.#at;
    this.#skip(length);
    const bytes = this.#bytes;
    for (let i = start; i < this.#at; i++) {
      if ((bytes[i] as number) > 0x7f) return this.#checkText(start);
    }
  }

  #checkText(start: number): void {
    const bytes = this.#bytes;
    const hasMark = bytes[start] === 0xef && bytes[start + 1] === 0xbb && bytes[start + 2] === 0xbf;
    if (hasMark && this.#at - start > longTextBytes) {
      throw this.#malformed("long text begins with a byte order mark, which would be lost; leave it out", start);
    }
    try {
      readText(bytes, start, this.#at);
    } catch {
      throw this.#malformed("text is not valid UTF-8", start);
    }
  }

  #binary(length: number): void {
    this.#skip(length);
    this.#holdsBytes = true;
  }

  #extension(length: number, depth: number): void {
    const type = (this.#byte() << 24) >> 24;
    const at = this.#at;
    this.#skip(length);
    if (type === extensions.map || type === extensions.set) {
      const inner = new Scan(this.#bytes, this.#start);
      inner.#at = at;
      inner.#end = this.#at;
      this.#holdsBytes = inner.#list(depth) || this.#holdsBytes;
    } else if (!isExtension(type, length)) {
      throw this.#malformed(`extension type ${type} of ${length} bytes is not known`, at);
    }
  }

  /** What a Map or a Set is made of: one list and nothing behind it. */
  #list(depth: number): boolean {
    const head = this.#bytes[this.#at] ?? 0;
    if ((head & 0xf0) !== 0x90 && head !== 0xdc && head !== 0xdd) {
      throw this.#malformed("a Map or Set must hold a list", this.#at);
    }
    this.#value(depth);
    if (this.#at !== this.#end) throw this.#malformed("bytes follow the list of a Map or Set", this.#at);
    return this.#holdsBytes;
  }

  #number(size: number): number {
    let value = 0;
    for (let i = 0; i < size; i++) value = value * 256 + this.#byte();
    return value;
  }

  #byte(): number {
    if (this.#at >= this.#end) throw this.#malformed("expected a value, found the end", this.#at);
    return this.#bytes[this.#at++] as number;
  }

  #skip(count: number): void {
    if (count > this.#end - this.#at) {
      throw this.#malformed(`expected ${count} bytes, found ${this.#end - this.#at}`, this.#at);
    }
    this.#at += count;
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

/** Walks all of `bytes[start, end)`. Returns whether it holds bytes, of which the library makes views. */
export function scan(bytes: Uint8Array, start: number, end: number): boolean {
  return new Scan(bytes, start).all(end);
}

const protoKey = Array.from("__proto__", (character) => character.charCodeAt(0));

/** Most bytes of a bigint: what `maxBigintBits` comes to. */
const maxBigintBytes = Math.floor(maxBigintBits / 8) + 1;

function isExtension(type: number, length: number): boolean {
  switch (type) {
    case extensions.timestamp: return length === 4 || length === 8 || length === 12;
    case extensions.undefined: case extensions.negativeZero: return length === 1;
    case extensions.bigint: return length >= 1 && length <= maxBigintBytes;
    case extensions.text: return length % 2 === 0;
    default: return false;
  }
}

function isSmallInteger(head: number): boolean {
  return head <= 0x7f || head >= 0xe0 || (head >= 0xcc && head <= 0xce) || (head >= 0xd0 && head <= 0xd2);
}

/** What is wrong with MessagePack bytes, as an error. */
export function malformed(why: string, cause?: unknown): RpcError {
  return new RpcError("invalid_argument", `MessagePack ${why}`, { phase: "decode", cause });
}
