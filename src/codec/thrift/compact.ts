/** Thrift's compact protocol, value by value: zigzag varints, and fields told by how far their numbers grow. */
import { compactTypeOf, int32At, skipCompact, skipVarint, ThriftType, typeOfCompact } from "../../wire/thrift.ts";
import { readText } from "../../wire/text.ts";
import type { Writer } from "../../wire/writer.ts";
import { putText } from "../protobuf/lengths.ts";
import { high, low, putHalves, scratchDouble, scratchInts, scratchLong, writeScalar } from "../protobuf/scalars.ts";
import { putHead, putZigzagSigned } from "./encode-support.ts";
import { type Input, Malformed, type Output } from "./format.ts";
import { putUuid, uuidAt } from "./uuid.ts";

export class CompactOutput implements Output {
  readonly #writer: Writer;
  /** The number of the field before, of this struct and of those around it. */
  #last = 0;
  readonly #outer: number[] = [];
  /** A boolean field's head holds its value, so it is written with that. */
  #boolField = 0;

  constructor(writer: Writer) {
    this.#writer = writer;
  }

  structBegin(): void {
    this.#outer.push(this.#last);
    this.#last = 0;
  }

  structEnd(): void {
    this.#writer.writeByte(0);
    this.#last = this.#outer.pop() ?? 0;
  }

  field(type: ThriftType, number: number): void {
    if (type === ThriftType.bool) this.#boolField = number;
    else this.#head(compactTypeOf(type), number);
  }

  #head(type: number, number: number): void {
    const writer = this.#writer;
    writer.ensure(4);
    writer.position = putHead(writer.bytes, writer.position, type, number, this.#last);
    this.#last = number;
  }

  fieldEnd(): void {
    this.#boolField = 0;
  }

  bool(value: boolean): void {
    if (this.#boolField !== 0) this.#head(value ? 1 : 2, this.#boolField);
    else this.#writer.writeByte(value ? 1 : 2);
  }

  int(value: number, type: ThriftType): void {
    if (type === ThriftType.i8) {
      this.#writer.writeByte(value & 0xff);
      return;
    }
    this.#writer.ensure(5);
    const zigzag = (value << 1 ^ value >> 31) >>> 0;
    this.#writer.position = putHalves(this.#writer.bytes, this.#writer.position, zigzag, 0);
  }

  long(value: bigint): void {
    this.#writer.ensure(10);
    this.#writer.position = putZigzagSigned(this.#writer.bytes, this.#writer.position, value);
  }

  double(value: number): void {
    writeScalar(this.#writer, "double", value);
  }

  text(value: string): void {
    this.#writer.ensure(5 + 3 * value.length);
    this.#writer.position = putText(this.#writer.bytes, this.#writer.position, value);
  }

  bytes(value: Uint8Array): void {
    writeScalar(this.#writer, "bytes", value);
  }

  uuid(value: string): void {
    this.#writer.ensure(16);
    this.#writer.position = putUuid(this.#writer.bytes, this.#writer.position, value);
  }

  listBegin(of: ThriftType, count: number): void {
    const type = compactTypeOf(of);
    if (count < 15) {
      this.#writer.writeByte(count << 4 | type);
    } else {
      this.#writer.writeByte(0xf0 | type);
      this.#writer.writeVarint(count);
    }
  }

  listEnd(): void {
    // Its count said where it ends.
  }

  mapBegin(key: ThriftType, value: ThriftType, count: number): void {
    this.#writer.writeVarint(count);
    if (count > 0) this.#writer.writeByte(compactTypeOf(key) << 4 | compactTypeOf(value));
  }

  mapEnd(): void {
    // Its count said where it ends.
  }
}

export class CompactInput implements Input {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  position: number;
  number = 0;
  keys = 0;
  elements = 0;
  readonly #outer: number[] = [];
  /** Of a boolean field, its value, which its head held. */
  #bool: boolean | undefined = undefined;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#end = end;
    this.position = start;
  }

  #take(count: number): number {
    const start = this.position;
    if (count > this.#end - start) throw new Malformed(`${count} bytes are announced, ${this.#end - start} are left`);
    this.position = start + count;
    return start;
  }

  #byte(): number {
    return this.#bytes[this.#take(1)] as number;
  }

  /** Leaves a varint's 64 bits in the scratch memory, unsigned. */
  #varint(): void {
    const start = this.position;
    const stop = skipVarint(this.#bytes, start, this.#end);
    if (stop < 0) throw new Malformed("a varint that is cut off, or longer than 10 bytes");
    let value = 0n;
    for (let at = stop - 1; at >= start; at--) value = value << 7n | BigInt((this.#bytes[at] as number) & 0x7f);
    scratchLong[0] = BigInt.asIntN(64, value);
    this.position = stop;
  }

  /** A length, a count or a number of 32 bits. */
  #size(): number {
    this.#varint();
    if (scratchInts[high] !== 0) throw new Malformed("a varint of more than 32 bits");
    return (scratchInts[low] as number) >>> 0;
  }

  #zigzag(): number {
    const value = this.#size();
    return value >>> 1 ^ -(value & 1);
  }

  #type(number: number): number {
    return typeOfCompact(number) ?? 255;
  }

  structBegin(): void {
    this.#outer.push(this.number);
    this.number = 0;
  }

  field(): number {
    const head = this.#byte();
    if (head === 0) return 0;
    this.number = head > 15 ? this.number + (head >> 4) : this.#zigzag();
    const type = head & 15;
    if (type === 0) throw new Malformed("a field of type 0");
    this.#bool = type === 1 ? true : type === 2 ? false : undefined;
    return this.#type(type);
  }

  fieldEnd(): void {
    this.#bool = undefined;
  }

  structEnd(): void {
    this.number = this.#outer.pop() ?? 0;
  }

  bool(): boolean {
    return this.#bool ?? this.#byte() === 1;
  }

  int(type: number): number {
    if (type === ThriftType.i8) return this.#byte() << 24 >> 24;
    return this.#zigzag();
  }

  long(): bigint {
    this.#varint();
    const value = scratchLong[0] as bigint;
    return BigInt.asIntN(64, BigInt.asUintN(64, value) >> 1n ^ -(value & 1n));
  }

  double(): number {
    const at = this.#take(8);
    const reversed = Uint8Array.from({ length: 8 }, (_, i) => this.#bytes[at + 7 - i] as number);
    scratchInts[high] = int32At(reversed, 0);
    scratchInts[low] = int32At(reversed, 4);
    return scratchDouble[0] as number;
  }

  text(): string {
    const start = this.#take(this.#size());
    return readText(this.#bytes, start, this.position);
  }

  bytes(): Uint8Array {
    const start = this.#take(this.#size());
    return new Uint8Array(this.#bytes.subarray(start, this.position));
  }

  uuid(): string {
    return uuidAt(this.#bytes, this.#take(16));
  }

  #counted(count: number, least: number): number {
    this.#bool = undefined;
    if (count * least <= this.#end - this.position) return count;
    throw new Malformed(`${count} elements are announced, ${this.#end - this.position} bytes are left`);
  }

  listBegin(): number {
    const head = this.#byte();
    this.elements = this.#type(head & 15);
    return this.#counted(head >> 4 === 15 ? this.#size() : head >> 4, 1);
  }

  listEnd(): void {
    // Its count said where it ends.
  }

  mapBegin(): number {
    const count = this.#size();
    const types = count === 0 ? 0 : this.#byte();
    this.keys = this.#type(types >> 4);
    this.elements = this.#type(types & 15);
    return this.#counted(count, 2);
  }

  mapEnd(): void {
    // Its count said where it ends.
  }

  skip(type: number): void {
    const isField = this.#bool !== undefined;
    const compact = type === 255 ? 15 : compactTypeOf(type as ThriftType);
    const next = skipCompact(this.#bytes, this.position, this.#end, compact, isField);
    if (next < 0) throw new Malformed(`a field of type ${type} that is cut off, malformed or nested too deep`);
    this.position = next;
  }

  end(): void {
    if (this.position !== this.#end) throw new Malformed(`${this.#end - this.position} bytes follow the struct's end`);
  }
}
