/** A Cursor reads varints, text and byte runs out of `bytes[position, end)` and refuses to read past it. */
import { RpcError } from "../core/error.ts";
import { readText } from "./text.ts";

export class Cursor {
  bytes: Uint8Array = nothing;
  position = 0;
  end = 0;

  /** Points at another range; one cursor serves a connection for life. */
  over(bytes: Uint8Array, start: number, end: number): this {
    this.bytes = bytes;
    this.position = start;
    this.end = end;
    return this;
  }

  get atEnd(): boolean {
    return this.position >= this.end;
  }

  byte(): number {
    if (this.position >= this.end) throw truncated("a byte");
    return this.bytes[this.position++] as number;
  }

  /** An unsigned integer below 2^53. */
  varint(): number {
    let byte = this.byte();
    if (byte < 0x80) return byte;
    let value = byte & 0x7f;
    let scale = 128;
    for (let count = 1; count < 8; count++) {
      byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
      scale *= 128;
    }
    throw new RpcError("invalid_argument", "a varint exceeds 2^53", { phase: "decode" });
  }

  /** A varint length and so many bytes of UTF-8, at most `maxBytes`. */
  text(maxBytes: number): string {
    const start = this.skip(this.length(maxBytes));
    return readText(this.bytes, start, this.position);
  }

  /** A varint length and so many bytes: a view, not a copy. */
  run(maxBytes: number): Uint8Array {
    const start = this.skip(this.length(maxBytes));
    return this.bytes.subarray(start, this.position);
  }

  /** Everything up to the end, as UTF-8. */
  restText(): string {
    const start = this.skip(this.end - this.position);
    return readText(this.bytes, start, this.position);
  }

  private length(maxBytes: number): number {
    const length = this.varint();
    if (length > maxBytes) {
      throw new RpcError("invalid_argument", `a length of ${length} bytes exceeds the ${maxBytes} allowed here`,
        { phase: "decode" });
    }
    return length;
  }

  private skip(count: number): number {
    const start = this.position;
    if (count > this.end - start) throw truncated(`${count} bytes`);
    this.position = start + count;
    return start;
  }
}

const nothing = new Uint8Array(0);

function truncated(what: string): RpcError {
  return new RpcError("invalid_argument", `expected ${what}, found the end`, { phase: "decode" });
}
