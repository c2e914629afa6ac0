/** Jute is ZooKeeper's encoding of records: big-endian integers; text, bytes and lists after a length of 32 bits. */
import { RpcError } from "../../core/error.ts";
import { readText, writeText } from "../../wire/text.ts";
import { Writer } from "../../wire/writer.ts";

/** Reads one record. What is cut short, or claims a length that cannot be, throws `invalid_argument`. */
export class JuteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get atEnd(): boolean {
    return this.#position >= this.#bytes.length;
  }

  int(): number {
    return this.#view.getInt32(this.#take(4));
  }

  /** 64 bits, which identities of sessions use up to the last. */
  long(): bigint {
    return this.#view.getBigInt64(this.#take(8));
  }

  boolean(): boolean {
    return this.#bytes[this.#take(1)] !== 0;
  }

  /** A view, not a copy; a length of -1 stands for none, which is told as empty. */
  buffer(): Uint8Array {
    const length = this.#length();
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  text(): string {
    const length = this.#length();
    const start = this.#take(length);
    return readText(this.#bytes, start, start + length);
  }

  /** A list of text. */
  texts(): string[] {
    const count = this.#length();
    // Each takes four bytes at least: a count beyond that is a lie, and never becomes an allocation.
    if (count * 4 > this.#bytes.length - this.#position) throw broken(`a list of ${count} in too few bytes`);
    const texts: string[] = [];
    for (let i = 0; i < count; i++) texts.push(this.text());
    return texts;
  }

  #length(): number {
    const length = this.int();
    if (length < -1) throw broken(`a length of ${length}`);
    return length === -1 ? 0 : length;
  }

  #take(count: number): number {
    const start = this.#position;
    const left = this.#bytes.length - start;
    if (count > left) throw broken(`${count} bytes expected, ${left} there`);
    this.#position = start + count;
    return start;
  }
}

function broken(what: string): RpcError {
  return new RpcError("invalid_argument", `broken jute: ${what}`, { phase: "decode" });
}

/** Writes one record into a frame, whose length comes first. */
export class JuteWriter {
  readonly #writer = new Writer(256);

  constructor() {
    this.int(0);
  }

  int(value: number): this {
    const { bytes, position } = this.#room(4);
    bytes[position] = value >>> 24;
    bytes[position + 1] = value >>> 16;
    bytes[position + 2] = value >>> 8;
    bytes[position + 3] = value;
    this.#writer.position += 4;
    return this;
  }

  long(value: bigint): this {
    const bits = BigInt.asUintN(64, value);
    return this.int(Number(bits >> 32n) | 0).int(Number(bits & 0xffff_ffffn) | 0);
  }

  boolean(value: boolean): this {
    this.#writer.writeByte(value ? 1 : 0);
    return this;
  }

  buffer(value: Uint8Array): this {
    this.int(value.length);
    this.#writer.writeBytes(value);
    return this;
  }

  text(value: string): this {
    const lengthAt = this.#writer.position;
    this.int(0);
    const { bytes, position } = this.#room(3 * value.length);
    const length = writeText(bytes, position, value);
    this.#writer.position = lengthAt;
    this.int(length);
    this.#writer.position += length;
    return this;
  }

  /** The whole frame. */
  frame(): Uint8Array {
    const end = this.#writer.position;
    this.#writer.position = 0;
    this.int(end - 4);
    this.#writer.position = end;
    return this.#writer.finish();
  }

  #room(count: number): Writer {
    this.#writer.ensure(count);
    return this.#writer;
  }
}
