/** A cursor walks over the bytes of one message and checks every step, for the interpreting decoder. */
import { readText } from "../../wire/text.ts";
import { high, low, scratchDouble, scratchFloat, scratchInts, scratchLong, scratchUlong } from "./scalars.ts";
import { maxDepth, type Scalar } from "./plan.ts";
import type { Trail } from "./trail.ts";

export class Cursor {
  readonly bytes: Uint8Array;
  position: number;
  readonly trail: Trail;
  /** What errors count their offset from. */
  readonly #origin: number;
  /** The halves of the last varint. */
  #lo = 0;
  #hi = 0;

  constructor(bytes: Uint8Array, position: number, origin: number, trail: Trail) {
    this.bytes = bytes;
    this.position = position;
    this.#origin = origin;
    this.trail = trail;
  }

  malformed(what: string, position = this.position): Error {
    return this.trail.malformed(position - this.#origin, what);
  }

  /** A cursor over other bytes whose errors point to where this one is. */
  over(bytes: Uint8Array, position: number): Cursor {
    return new Cursor(bytes, 0, this.#origin - position, this.trail);
  }

  /** The field's number and wire type. */
  tag(end: number): number {
    const start = this.position;
    this.#varint(end);
    const tag = this.#lo >>> 0;
    if (this.#hi !== 0 || tag < 8) throw this.malformed("field number outside 1 to 536870911", start);
    return tag;
  }

  /** Reads a length and returns the end of what it measures. */
  length(end: number): number {
    const start = this.position;
    this.#varint(end);
    const length = this.#lo >>> 0;
    if (this.#hi !== 0 || length > end - this.position) {
      const shown = this.#hi === 0 ? String(length) : "of more than 32 bits";
      throw this.malformed(`length ${shown} runs past the end`, start);
    }
    return this.position + length;
  }

  /** Passes over the value of an unknown field. Groups, which proto2 had, nest in one another. */
  skip(tag: number, end: number, depth = 0): void {
    const start = this.position;
    switch (tag & 7) {
      case 0: this.#varint(end); break;
      case 1: this.#fixed(8, end); break;
      case 2: this.position = this.length(end); break;
      case 3: {
        if (depth >= maxDepth) throw this.malformed(`groups are nested deeper than ${maxDepth}`, start);
        for (;;) {
          const inner = this.tag(end);
          if ((inner & 7) !== 4) this.skip(inner, end, depth + 1);
          else if (inner >>> 3 === tag >>> 3) break;
          else throw this.malformed(`group ${tag >>> 3} ends as ${inner >>> 3}`, start);
        }
        break;
      }
      case 5: this.#fixed(4, end); break;
      default: throw this.malformed(`wire type ${tag & 7} is not supported`, start);
    }
  }

  /** The low 32 bits of a varint, signed. */
  int(end: number): number {
    this.#varint(end);
    return this.#lo | 0;
  }

  /** A varint of 64 bits as a number, exact to 2^53. */
  long(end: number): number {
    this.#varint(end);
    return (this.#hi | 0) * 0x1_0000_0000 + (this.#lo >>> 0);
  }

  text(end: number): string {
    const stop = this.length(end);
    try {
      const text = readText(this.bytes, this.position, stop);
      this.position = stop;
      return text;
    } catch {
      throw this.malformed("text is not valid UTF-8");
    }
  }

  scalar(scalar: Scalar, end: number): unknown {
    switch (scalar) {
      case "bool":
        this.#varint(end);
        return (this.#lo | this.#hi) !== 0;
      case "int32": return this.int(end);
      case "uint32": return this.int(end) >>> 0;
      case "sint32": {
        const bits = this.int(end);
        return (bits >>> 1) ^ -(bits & 1);
      }
      case "int64": case "uint64":
        this.#varint(end);
        return this.#bigint(this.#lo, this.#hi, scalar === "uint64");
      case "sint64": {
        this.#varint(end);
        const sign = -(this.#lo & 1);
        return this.#bigint(((this.#lo >>> 1) | (this.#hi << 31)) ^ sign, (this.#hi >>> 1) ^ sign, false);
      }
      case "fixed32": return this.#bits32(end) >>> 0;
      case "sfixed32": return this.#bits32(end);
      case "float":
        scratchInts[0] = this.#bits32(end);
        return scratchFloat[0];
      case "fixed64": case "sfixed64": {
        const at = this.#fixed(8, end);
        return this.#bigint(this.#int32At(at), this.#int32At(at + 4), scalar === "fixed64");
      }
      case "double": {
        const at = this.#fixed(8, end);
        scratchInts[low] = this.#int32At(at);
        scratchInts[high] = this.#int32At(at + 4);
        return scratchDouble[0];
      }
      case "string": return this.text(end);
      case "bytes": {
        const stop = this.length(end);
        const copy = new Uint8Array(stop - this.position);
        copy.set(this.bytes.subarray(this.position, stop));
        this.position = stop;
        return copy;
      }
      default: return scalar satisfies never;
    }
  }

  #varint(end: number): void {
    const { bytes, position: start } = this;
    this.#lo = this.#hi = 0;
    for (let i = 0; i < 10; i++) {
      if (start + i >= end) throw this.malformed("varint is cut off", start);
      const byte = bytes[start + i] as number;
      const part = byte & 0x7f;
      if (i < 4) this.#lo |= part << (7 * i);
      else if (i === 4) {
        this.#lo |= part << 28;
        this.#hi = part >>> 4;
      } else this.#hi |= part << (7 * i - 32);
      if (byte < 0x80) {
        this.position = start + i + 1;
        return;
      }
    }
    throw this.malformed("varint is longer than 10 bytes", start);
  }

  /** Passes `count` bytes and returns where they began. */
  #fixed(count: number, end: number): number {
    const start = this.position;
    if (end - start < count) throw this.malformed(`value of ${count} bytes is cut off`);
    this.position = start + count;
    return start;
  }

  #bits32(end: number): number {
    return this.#int32At(this.#fixed(4, end));
  }

  #int32At(at: number): number {
    const bytes = this.bytes;
    return (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24);
  }

  #bigint(lo: number, hi: number, unsigned: boolean): bigint {
    scratchInts[low] = lo;
    scratchInts[high] = hi;
    return (unsigned ? scratchUlong[0] : scratchLong[0]) as bigint;
  }
}
