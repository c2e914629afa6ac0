/**
 * Scalars are the numbers, booleans, texts and bytes of Protocol Buffers: their checks, and how each is laid
 * out.
 *
 * The halves of 64-bit values pass through two views of one scratch memory, which costs a fifth of shifting
 * a bigint.
 */
import type { Writer } from "../../wire/writer.ts";
import { putText } from "./lengths.ts";
import type { Scalar } from "./plan.ts";

const scratch = new ArrayBuffer(8);
export const scratchDouble = new Float64Array(scratch);
export const scratchFloat = new Float32Array(scratch);
export const scratchInts = new Int32Array(scratch);
export const scratchLong = new BigInt64Array(scratch);
export const scratchUlong = new BigUint64Array(scratch);

const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
/** Where the low and the high half of eight bytes of scratch memory are. */
export const low = isLittleEndian ? 0 : 1;
export const high = 1 - low;

/** The largest finite value of 32 bits: anything beyond would become an infinity on the way. */
export const largestFloat = 3.4028234663852886e38;

/** Whether `value` is of the scalar's JavaScript type and in its range. */
export function fitsScalar(scalar: Scalar, value: unknown, finite = false): boolean {
  switch (scalar) {
    case "bool": return typeof value === "boolean";
    case "string": return typeof value === "string";
    case "bytes": return isBytes(value);
    case "int32": case "sint32": case "sfixed32": return typeof value === "number" && (value | 0) === value;
    case "uint32": case "fixed32": return typeof value === "number" && (value >>> 0) === value;
    case "int64": case "sint64": case "sfixed64":
      return typeof value === "bigint" && BigInt.asIntN(64, value) === value;
    case "uint64": case "fixed64": return typeof value === "bigint" && BigInt.asUintN(64, value) === value;
    case "double": return typeof value === "number" && (!finite || Number.isFinite(value));
    case "float":
      if (typeof value !== "number") return false;
      return Math.abs(value) <= largestFloat || (!finite && !Number.isFinite(value));
    default: return scalar satisfies never;
  }
}

/** Also true for bytes of another realm, which `instanceof` denies. */
export function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array || Object.prototype.toString.call(value) === "[object Uint8Array]";
}

/** Also true for dates of another realm. */
export function isDate(value: unknown): value is Date {
  return value instanceof Date || Object.prototype.toString.call(value) === "[object Date]";
}

/** Whether implicit presence leaves the value out. Negative zero is not zero: its bits are not. */
export function isZero(scalar: Scalar, value: unknown): boolean {
  if (scalar === "bytes") return (value as Uint8Array).length === 0;
  return Object.is(value, zeroOf(scalar)) || (Object.is(value, -0) && scalar !== "double" && scalar !== "float");
}

/** What an absent scalar reads as. */
export function zeroOf(scalar: Scalar): unknown {
  switch (scalar) {
    case "bool": return false;
    case "string": return "";
    case "bytes": return new Uint8Array(0);
    case "int64": case "uint64": case "sint64": case "fixed64": case "sfixed64": return 0n;
    case "int32": case "uint32": case "sint32": case "fixed32": case "sfixed32": case "float": case "double":
      return 0;
    default: return scalar satisfies never;
  }
}

/** Writes a scalar that fits, without tag. */
export function writeScalar(writer: Writer, scalar: Scalar, value: unknown): void {
  switch (scalar) {
    case "bool": writer.writeByte(value === true ? 1 : 0); break;
    case "int32": writeHalves(writer, value as number, (value as number) >> 31); break;
    case "uint32": writeHalves(writer, value as number, 0); break;
    case "sint32": writeHalves(writer, ((value as number) << 1) ^ ((value as number) >> 31), 0); break;
    case "int64":
      scratchLong[0] = value as bigint;
      writeHalves(writer, scratchInts[low] as number, scratchInts[high] as number);
      break;
    case "uint64":
      scratchUlong[0] = value as bigint;
      writeHalves(writer, scratchInts[low] as number, scratchInts[high] as number);
      break;
    case "sint64": {
      scratchLong[0] = value as bigint;
      const [lo, hi] = [scratchInts[low] as number, scratchInts[high] as number];
      const sign = hi >> 31;
      writeHalves(writer, (lo << 1) ^ sign, ((hi << 1) | (lo >>> 31)) ^ sign);
      break;
    }
    case "fixed32": case "sfixed32": writeFixed(writer, value as number); break;
    case "float":
      scratchFloat[0] = value as number;
      writeFixed(writer, scratchInts[0] as number);
      break;
    case "fixed64": case "sfixed64":
      scratchUlong[0] = value as bigint;
      writeFixed(writer, scratchInts[low] as number);
      writeFixed(writer, scratchInts[high] as number);
      break;
    case "double": {
      scratchDouble[0] = value as number;
      const upper = scratchInts[high] as number;
      writeFixed(writer, scratchInts[low] as number);
      writeFixed(writer, upper);
      break;
    }
    case "string": writeTextField(writer, value as string); break;
    case "bytes":
      writer.writeVarint((value as Uint8Array).length);
      writer.writeBytes(value as Uint8Array);
      break;
  }
}

/** A varint of 64 bits from its halves. */
export function writeHalves(writer: Writer, lo: number, hi: number): void {
  writer.ensure(10);
  writer.position = putHalves(writer.bytes, writer.position, lo, hi);
}

/** Stores a varint of 64 bits where there is room for ten bytes; returns the position after it. */
export function putHalves(bytes: Uint8Array, position: number, lo: number, hi: number): number {
  while (hi !== 0) {
    bytes[position++] = (lo & 0x7f) | 0x80;
    lo = (lo >>> 7) | (hi << 25);
    hi >>>= 7;
  }
  lo >>>= 0;
  while (lo > 0x7f) {
    bytes[position++] = (lo & 0x7f) | 0x80;
    lo >>>= 7;
  }
  bytes[position++] = lo;
  return position;
}

function writeFixed(writer: Writer, bits: number): void {
  writer.ensure(4);
  const bytes = writer.bytes;
  const position = writer.position;
  bytes[position] = bits;
  bytes[position + 1] = bits >>> 8;
  bytes[position + 2] = bits >>> 16;
  bytes[position + 3] = bits >>> 24;
  writer.position = position + 4;
}

function writeTextField(writer: Writer, text: string): void {
  writer.ensure(5 + 3 * text.length);
  writer.position = putText(writer.bytes, writer.position, text);
}
