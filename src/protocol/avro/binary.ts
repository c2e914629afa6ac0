/**
 * What Avro's own messages are made of, by hand: longs, texts, bytes and maps of bytes (Avro 1.12, "Binary
 * Encoding").
 */
import { RpcError } from "../../core/error.ts";
import { readText, writeText } from "../../wire/text.ts";
import type { Writer } from "../../wire/writer.ts";

/** Walks over one message, and refuses to read past its end. */
export class AvroCursor {
  bytes: Uint8Array = nothing;
  position = 0;
  end = 0;

  over(bytes: Uint8Array, start: number, end: number): this {
    this.bytes = bytes;
    this.position = start;
    this.end = end;
    return this;
  }

  byte(): number {
    if (this.position >= this.end) throw malformed("a byte is missing at the end");
    return this.bytes[this.position++] as number;
  }

  /** A long as a number; refused beyond 2^53. */
  long(): number {
    const first = this.byte();
    if (first < 0x80) return (first & 1) === 0 ? first >>> 1 : -(first >>> 1) - 1;
    let value = first & 0x7f;
    let scale = 128;
    for (let count = 1; count < 8; count++) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      scale *= 128;
    }
    throw malformed("a number exceeds 2^53");
  }

  /** A length and so many bytes, at most `most`: where they begin; the position is their end. */
  stretch(most: number, what: string): number {
    const length = this.long();
    if (length < 0) throw malformed(`the length of ${what} is negative (${length})`);
    if (length > most) throw malformed(`${what} has ${length} bytes; at most ${most} are allowed`);
    return this.skip(length, what);
  }

  skip(length: number, what: string): number {
    if (length > this.end - this.position) throw malformed(`${what} runs past the end`);
    const start = this.position;
    this.position += length;
    return start;
  }

  text(most: number, what: string): string {
    const start = this.stretch(most, what);
    return readText(this.bytes, start, this.position);
  }

  /** The number of a union's branch. */
  branch(count: number, what: string): number {
    const branch = this.long();
    if (branch < 0 || branch >= count) throw malformed(`${what} has the branch ${branch} of ${count}`);
    return branch;
  }

  /** A map of bytes: at most `maxEntries`, and so many bytes of names and values. */
  map(maxEntries: number, maxBytes: number, entry: (name: string, start: number, end: number) => void): void {
    // Most are empty.
    if (this.position < this.end && this.bytes[this.position] === 0) {
      this.position++;
      return;
    }
    let entries = 0;
    const from = this.position;
    for (;;) {
      let count = this.long();
      if (count === 0) return;
      if (count < 0) {
        count = -count;
        this.long();
      }
      entries += count;
      if (entries > maxEntries) throw malformed(`metadata has more than ${maxEntries} entries`);
      for (; count > 0; count--) {
        const name = this.text(1_024, "a name of metadata");
        const start = this.stretch(maxBytes, "a value of metadata");
        if (this.position - from > maxBytes) throw malformed(`metadata has more than ${maxBytes} bytes`);
        entry(name, start, this.position);
      }
    }
  }
}

const nothing = new Uint8Array(0);

export function malformed(what: string): RpcError {
  return new RpcError("invalid_argument", `malformed Avro message: ${what}`, { phase: "decode", retryable: false });
}

/** Writes a long that is a whole number within 2^53. */
export function writeLong(writer: Writer, value: number): void {
  writer.writeVarint(value >= 0 ? value * 2 : -value * 2 - 1);
}

export function writeBytes(writer: Writer, bytes: Uint8Array): void {
  writeLong(writer, bytes.length);
  writer.writeBytes(bytes);
}

export function writeString(writer: Writer, text: string): void {
  if (text.length <= 20) {
    // At most 60 bytes, whose number is one.
    writer.ensure(64);
    const length = writeText(writer.bytes, writer.position + 1, text);
    writer.bytes[writer.position] = length << 1;
    writer.position += length + 1;
    return;
  }
  const bytes = new Uint8Array(text.length * 3);
  const length = writeText(bytes, 0, text);
  writeBytes(writer, bytes.subarray(0, length));
}

/** Writes a map of bytes whose values are texts. */
export function writeMap(writer: Writer, entries: Readonly<Record<string, string>>): void {
  const names = Object.keys(entries);
  if (names.length > 0) {
    writeLong(writer, names.length);
    for (const name of names) {
      writeString(writer, name);
      writeString(writer, entries[name] as string);
    }
  }
  writer.writeByte(0);
}
