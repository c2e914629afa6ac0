/** An Http2Outbox is the Outbox of an HTTP/2 connection: its frames have the header of RFC 9113, section 4.1. */
import type { ByteStream, Clock } from "../../core/runtime.ts";
import { Outbox } from "../../wire/outbox.ts";
import { Flag, frameHeaderBytes, FrameType } from "./constants.ts";

/** Up to so many bytes a loop copies faster than a call. */
const shortCopy = 40;

export class Http2Outbox extends Outbox {
  constructor(stream: ByteStream, clock: Clock) {
    super(stream, clock, frameHeaderBytes);
  }

  /** Completes the frame and plans its departure. */
  end(type: number, flags: number, id: number): void {
    if (this.isClosed) {
      this.abort();
      return;
    }
    const bytes = this.bytes;
    const at = this.frameStart;
    const length = this.position - at - frameHeaderBytes;
    bytes[at] = length >> 16;
    bytes[at + 1] = length >> 8;
    bytes[at + 2] = length;
    bytes[at + 3] = type;
    bytes[at + 4] = flags;
    bytes[at + 5] = id >> 24;
    bytes[at + 6] = id >> 16;
    bytes[at + 7] = id >> 8;
    bytes[at + 8] = id;
    this.completed(length);
  }

  writeUint16(value: number): void {
    this.writeByte(value >> 8);
    this.writeByte(value);
  }

  writeUint32(value: number): void {
    this.writeUint16(value >>> 16);
    this.writeUint16(value);
  }

  /** A header block, over as many frames as it takes. */
  headers(block: Uint8Array, isLast: boolean, id: number, maxFrameBytes: number): void {
    const { length } = block;
    const first = isLast ? Flag.endStream : 0;
    if (length <= maxFrameBytes) {
      this.begin();
      if (length <= shortCopy) {
        // `begin` has made room for this much.
        const { bytes, position } = this;
        for (let i = 0; i < length; i++) bytes[position + i] = block[i] as number;
        this.position = position + length;
      } else {
        this.writeBytes(block);
      }
      this.end(FrameType.headers, first | Flag.endHeaders, id);
      return;
    }
    for (let offset = 0; offset < length; offset += maxFrameBytes) {
      const end = Math.min(offset + maxFrameBytes, length);
      this.begin();
      this.writeBytes(block.subarray(offset, end));
      const flags = (offset === 0 ? first : 0) | (end === length ? Flag.endHeaders : 0);
      this.end(offset === 0 ? FrameType.headers : FrameType.continuation, flags, id);
    }
  }

  reset(id: number, errorCode: number): void {
    this.begin();
    this.writeUint32(errorCode);
    this.end(FrameType.reset, 0, id);
  }

  windowUpdate(id: number, bytes: number): void {
    this.begin();
    this.writeUint32(bytes);
    this.end(FrameType.windowUpdate, 0, id);
  }

  settings(entries: readonly (readonly [number, number])[]): void {
    this.begin();
    for (const [name, value] of entries) {
      this.writeUint16(name);
      this.writeUint32(value);
    }
    this.end(FrameType.settings, 0, 0);
  }

  goAway(lastId: number, errorCode: number, text: string): void {
    this.begin();
    this.writeUint32(lastId);
    this.writeUint32(errorCode);
    this.writeBytes(new TextEncoder().encode(text.slice(0, 256)));
    this.end(FrameType.goAway, 0, 0);
  }
}
