/**
 * A Writer is a growing byte buffer that encoders write straight into.
 *
 * Encoders call {@link Writer.ensure} once for a bounded group of fields and then store through `bytes` and
 * `position` themselves: a method call per byte would cost more than the byte. A connection's outbox is a
 * Writer that hands finished frames over instead of growing.
 */
import { allocateBytes } from "./text.ts";

export class Writer {
  bytes: Uint8Array;
  position = 0;

  constructor(initialBytes = 1024) {
    this.bytes = allocateBytes(initialBytes);
  }

  /** Makes room for `count` more bytes. Both `bytes` and `position` may be others afterwards: keep neither. */
  ensure(count: number): void {
    if (this.position + count > this.bytes.length) this.grow(count);
  }

  /** Called when there is no room: keeps what belongs to the value being written. */
  protected grow(count: number): void {
    const larger = allocateBytes(Math.max(this.bytes.length * 2, this.position + count));
    larger.set(this.bytes.subarray(0, this.position));
    this.bytes = larger;
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    // A Buffer's own slice would be a view of memory that is written to again.
    return Uint8Array.prototype.slice.call(this.bytes, 0, this.position);
  }

  writeByte(value: number): void {
    this.ensure(1);
    this.bytes[this.position++] = value;
  }

  writeBytes(bytes: Uint8Array): void {
    this.ensure(bytes.length);
    this.bytes.set(bytes, this.position);
    this.position += bytes.length;
  }

  /** An unsigned integer below 2^53, seven bits a byte, least significant first (LEB128, as in Protobuf). */
  writeVarint(value: number): void {
    this.ensure(8);
    const bytes = this.bytes;
    let position = this.position;
    while (value > 0x7fff_ffff) {
      bytes[position++] = (value % 128) | 0x80;
      value = Math.floor(value / 128);
    }
    while (value > 0x7f) {
      bytes[position++] = (value & 0x7f) | 0x80;
      value >>>= 7;
    }
    bytes[position++] = value;
    this.position = position;
  }
}
