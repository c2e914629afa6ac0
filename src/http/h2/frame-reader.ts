/**
 * An Http2FrameReader cuts a byte stream, however it was split, into the frames of RFC 9113, section 4.1.
 *
 * Whole frames are handed over in place; only a frame that straddles two reads is copied together.
 */
import { ErrorCode, frameHeaderBytes } from "./constants.ts";
import { fault } from "./failure.ts";

export interface Http2FrameSink {
  /** One frame, whose payload is `bytes[start, end)`. Returning false stops the reader for good. */
  frame(type: number, flags: number, id: number, bytes: Uint8Array, start: number, end: number): boolean;
}

export class Http2FrameReader {
  readonly #sink: Http2FrameSink;
  readonly #maxFrameBytes: number;
  /** The beginning of a frame whose end has not come, and how much of it is there. */
  #held: Uint8Array | undefined = undefined;
  #heldBytes = 0;
  #stopped = false;
  /** Whole frames so far, by which progress shows. */
  frames = 0;

  constructor(sink: Http2FrameSink, maxFrameBytes: number) {
    this.#sink = sink;
    this.#maxFrameBytes = maxFrameBytes;
  }

  /** Whether a frame has begun and not ended: a peer must not leave it so for long. */
  get midFrame(): boolean {
    return this.#held !== undefined;
  }

  /** Throws a ConnectionFault on a frame above the limit: the connection is then beyond repair. */
  push(bytes: Uint8Array, from: number): void {
    let offset = from;
    while (this.#held !== undefined) {
      offset = this.#fill(this.#held, bytes, offset);
      if (offset < 0) return;
    }
    const end = bytes.length;
    while (!this.#stopped && offset + frameHeaderBytes <= end) {
      const next = offset + frameHeaderBytes + this.#lengthAt(bytes, offset);
      if (next > end) break;
      this.#deliver(bytes, offset, next);
      offset = next;
    }
    if (offset < end && !this.#stopped) this.#hold(bytes, offset);
  }

  #deliver(bytes: Uint8Array, at: number, end: number): void {
    this.frames++;
    const id = ((bytes[at + 5] as number) & 0x7f) << 24 | (bytes[at + 6] as number) << 16 |
      (bytes[at + 7] as number) << 8 | (bytes[at + 8] as number);
    if (!this.#sink.frame(bytes[at + 3] as number, bytes[at + 4] as number, id, bytes, at + frameHeaderBytes, end)) {
      this.#stopped = true;
    }
  }

  #hold(bytes: Uint8Array, offset: number): void {
    const available = bytes.length - offset;
    const size = available < frameHeaderBytes
      ? frameHeaderBytes
      : frameHeaderBytes + this.#lengthAt(bytes, offset);
    this.#held = new Uint8Array(size);
    this.#held.set(bytes.subarray(offset));
    this.#heldBytes = available;
  }

  /** Completes the held frame from `bytes`; returns the offset of what follows it, or -1 if more is needed. */
  #fill(held: Uint8Array, bytes: Uint8Array, offset: number): number {
    const taken = Math.min(held.length - this.#heldBytes, bytes.length - offset);
    held.set(bytes.subarray(offset, offset + taken), this.#heldBytes);
    this.#heldBytes += taken;
    if (this.#heldBytes < held.length) return -1;
    const size = frameHeaderBytes + this.#lengthAt(held, 0);
    if (size > held.length) {
      const larger = new Uint8Array(size);
      larger.set(held);
      this.#held = larger;
      return offset + taken;
    }
    this.#held = undefined;
    this.#deliver(held, 0, held.length);
    return this.#stopped ? bytes.length : offset + taken;
  }

  #lengthAt(bytes: Uint8Array, at: number): number {
    const length = (bytes[at] as number) << 16 | (bytes[at + 1] as number) << 8 | (bytes[at + 2] as number);
    if (length > this.#maxFrameBytes) {
      if (this.frames === 0) throw fault(ErrorCode.frameSize, strangeOpening(bytes, at));
      throw fault(ErrorCode.frameSize, `a frame of ${length} bytes exceeds maxFrameBytes ${this.#maxFrameBytes}`);
    }
    return length;
  }
}

/** A first frame that cannot be one mostly is none: what usually is wrong is a port number, a scheme or a version. */
function strangeOpening(bytes: Uint8Array, at: number): string {
  const first = bytes.subarray(at, at + frameHeaderBytes);
  const text = String.fromCharCode(...first);
  const guess = text.startsWith("HTTP/1") ? ": that is HTTP/1.1"
    : text.startsWith("MRDN") ? ": that is Meridian's own wire"
      : first[0] === 0x15 && first[1] === 0x03 ? ": that is TLS" : "";
  const shown = Array.from(first, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return `the peer does not speak HTTP/2; it opened with ${shown}${guess}`;
}
