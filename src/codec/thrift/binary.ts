/** Thrift's binary protocol, value by value: big-endian, and every length and count in four bytes. */
import { fixedSizeOf, int32At, leastSizeOf, skipBinary, ThriftType } from "../../wire/thrift.ts";
import { readText } from "../../wire/text.ts";
import type { Writer } from "../../wire/writer.ts";
import { high, low, scratchDouble, scratchInts, scratchLong } from "../protobuf/scalars.ts";
import { putBigDouble, putInt, putLongBytes, putLongText, putSigned } from "./encode-support.ts";
import { type Input, Malformed, type Output } from "./format.ts";
import { putUuid, uuidAt } from "./uuid.ts";

export class BinaryOutput implements Output {
  readonly #writer: Writer;

  constructor(writer: Writer) {
    this.#writer = writer;
  }

  structBegin(): void {
    // Nothing stands before its fields.
  }

  structEnd(): void {
    this.#writer.writeByte(0);
  }

  field(type: ThriftType, number: number): void {
    this.#writer.writeByte(type);
    this.#writer.writeByte(number >> 8);
    this.#writer.writeByte(number);
  }

  fieldEnd(): void {
    // Nothing stands behind it.
  }

  bool(value: boolean): void {
    this.#writer.writeByte(value ? 1 : 0);
  }

  int(value: number, type: ThriftType): void {
    if (type === ThriftType.i8) {
      this.#writer.writeByte(value & 0xff);
      return;
    }
    this.#writer.ensure(4);
    if (type === ThriftType.i16) {
      const { bytes, position } = this.#writer;
      bytes[position] = value >> 8;
      bytes[position + 1] = value;
      this.#writer.position = position + 2;
      return;
    }
    this.#writer.position = putInt(this.#writer.bytes, this.#writer.position, value);
  }

  long(value: bigint): void {
    this.#writer.ensure(8);
    this.#writer.position = putSigned(this.#writer.bytes, this.#writer.position, value);
  }

  double(value: number): void {
    this.#writer.ensure(8);
    this.#writer.position = putBigDouble(this.#writer.bytes, this.#writer.position, value);
  }

  text(value: string): void {
    this.#writer.ensure(4 + 3 * value.length);
    this.#writer.position = putLongText(this.#writer.bytes, this.#writer.position, value);
  }

  bytes(value: Uint8Array): void {
    this.#writer.ensure(4 + value.length);
    this.#writer.position = putLongBytes(this.#writer.bytes, this.#writer.position, value);
  }

  uuid(value: string): void {
    this.#writer.ensure(16);
    this.#writer.position = putUuid(this.#writer.bytes, this.#writer.position, value);
  }

  listBegin(of: ThriftType, count: number): void {
    this.#writer.writeByte(of);
    this.int(count, ThriftType.i32);
  }

  listEnd(): void {
    // Its count said where it ends.
  }

  mapBegin(key: ThriftType, value: ThriftType, count: number): void {
    this.#writer.writeByte(key);
    this.listBegin(value, count);
  }

  mapEnd(): void {
    // Its count said where it ends.
  }
}

export class BinaryInput implements Input {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  position: number;
  number = 0;
  keys = 0;
  elements = 0;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#end = end;
    this.position = start;
  }

  /** Passes `count` bytes and returns where they began. */
  #take(count: number): number {
    const start = this.position;
    if (count < 0) throw new Malformed(`a length of ${count}`);
    if (count > this.#end - start) throw new Malformed(`${count} bytes are announced, ${this.#end - start} are left`);
    this.position = start + count;
    return start;
  }

  #byte(): number {
    return this.#bytes[this.#take(1)] as number;
  }

  structBegin(): void {
    // Nothing stands before its fields.
  }

  field(): number {
    const type = this.#byte();
    if (type === 0) return 0;
    const at = this.#take(2);
    this.number = (this.#bytes[at] as number) << 8 | (this.#bytes[at + 1] as number);
    return type;
  }

  fieldEnd(): void {
    // Nothing stands behind it.
  }

  structEnd(): void {
    // Its stop was read.
  }

  bool(): boolean {
    return this.#byte() === 1;
  }

  int(type: number): number {
    const at = this.#take(fixedSizeOf(type));
    if (type === ThriftType.i8) return (this.#bytes[at] as number) << 24 >> 24;
    if (type === ThriftType.i16) return (this.#bytes[at] as number) << 24 >> 16 | (this.#bytes[at + 1] as number);
    return int32At(this.#bytes, at);
  }

  #hold(): void {
    const at = this.#take(8);
    scratchInts[high] = int32At(this.#bytes, at);
    scratchInts[low] = int32At(this.#bytes, at + 4);
  }

  long(): bigint {
    this.#hold();
    return scratchLong[0] as bigint;
  }

  double(): number {
    this.#hold();
    return scratchDouble[0] as number;
  }

  text(): string {
    const start = this.#take(this.int(ThriftType.i32));
    return readText(this.#bytes, start, this.position);
  }

  bytes(): Uint8Array {
    const start = this.#take(this.int(ThriftType.i32));
    return new Uint8Array(this.#bytes.subarray(start, this.position));
  }

  uuid(): string {
    return uuidAt(this.#bytes, this.#take(16));
  }

  #count(least: number): number {
    const count = this.int(ThriftType.i32);
    if (count < 0) throw new Malformed(`a count of ${count}`);
    if (count * least > this.#end - this.position) {
      throw new Malformed(`${count} elements are announced, ${this.#end - this.position} bytes are left`);
    }
    return count;
  }

  listBegin(): number {
    this.elements = this.#byte();
    return this.#count(Math.max(1, leastSizeOf(this.elements)));
  }

  listEnd(): void {
    // Its count said where it ends.
  }

  mapBegin(): number {
    this.keys = this.#byte();
    this.elements = this.#byte();
    return this.#count(Math.max(2, leastSizeOf(this.keys) + leastSizeOf(this.elements)));
  }

  mapEnd(): void {
    // Its count said where it ends.
  }

  skip(type: number): void {
    const next = skipBinary(this.#bytes, this.position, this.#end, type);
    if (next < 0) throw new Malformed(`a field of type ${type} that is cut off, malformed or nested too deep`);
    this.position = next;
  }

  end(): void {
    if (this.position !== this.#end) throw new Malformed(`${this.#end - this.position} bytes follow the struct's end`);
  }
}
