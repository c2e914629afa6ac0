/** A MessageReader cuts a byte stream, however it was split, into Thrift's messages: by frames, or by scanning. */
import { int32At } from "../../wire/thrift.ts";
import { malformed, type ThriftEncoding } from "./message.ts";
import type { Spoken } from "./opening.ts";
import { createScanner, type Scanner, tooLarge } from "./scanner.ts";

export interface MessageSink {
  /** One message, or the inside of a frame: `bytes[start, end)`. Returning false stops the reader for good. */
  message(bytes: Uint8Array, start: number, end: number): boolean;
}

const lengthBytes = 4;

export class MessageReader {
  readonly #sink: MessageSink;
  readonly #isFramed: boolean;
  readonly #encoding: ThriftEncoding;
  readonly #maxBytes: number;
  /** The beginning of a message whose end has not come, and how much of it is there. */
  #held: Uint8Array | undefined = undefined;
  #heldBytes = 0;
  #scanner: Scanner | undefined = undefined;
  #stopped = false;
  /** Whole messages so far, by which progress shows. */
  messages = 0;

  constructor(sink: MessageSink, { transport, encoding }: Spoken, maxBytes: number) {
    this.#sink = sink;
    this.#isFramed = transport !== "buffered";
    this.#encoding = encoding;
    this.#maxBytes = maxBytes;
  }

  /** Whether a message has begun and not ended: a peer must not leave it so for long. */
  get midMessage(): boolean {
    return this.#held !== undefined;
  }

  /** Throws for what can be no message: the connection is then beyond repair. */
  push(bytes: Uint8Array): void {
    if (this.#stopped) return;
    if (this.#held !== undefined) {
      bytes = this.#joined(bytes);
      this.#held = undefined;
    }
    let at = 0;
    const { length } = bytes;
    while (at < length) {
      const end = this.#isFramed ? this.#frameEnd(bytes, at) : this.#scannedEnd(bytes, at);
      if (end < 0 || end > length) break;
      this.#scanner = undefined;
      this.messages++;
      if (!this.#sink.message(bytes, this.#isFramed ? at + lengthBytes : at, end)) {
        this.#stopped = true;
        return;
      }
      at = end;
    }
    if (at < length) this.#keep(bytes, at);
  }

  #frameEnd(bytes: Uint8Array, at: number): number {
    if (at + lengthBytes > bytes.length) return -1;
    const length = int32At(bytes, at);
    if (length <= 0) throw malformed(`a frame of ${length} bytes`);
    if (length > this.#maxBytes) throw tooLarge(this.#maxBytes);
    return at + lengthBytes + length;
  }

  #scannedEnd(bytes: Uint8Array, at: number): number {
    this.#scanner ??= createScanner(this.#encoding, this.#maxBytes);
    const end = this.#scanner.scan(bytes, at, bytes.length);
    if ((end < 0 ? bytes.length : end) - at > this.#maxBytes) throw tooLarge(this.#maxBytes);
    return end;
  }

  /** Copies, as far as there is not room for more behind what is held: what comes in drops is copied log n times. */
  #joined(bytes: Uint8Array): Uint8Array {
    const total = this.#heldBytes + bytes.length;
    let held = this.#held as Uint8Array;
    if (total > held.length) {
      const larger = new Uint8Array(Math.max(total, 2 * held.length));
      larger.set(held.subarray(0, this.#heldBytes));
      held = larger;
    }
    held.set(bytes, this.#heldBytes);
    this.#heldBytes = total;
    return held.subarray(0, total);
  }

  #keep(bytes: Uint8Array, at: number): void {
    const rest = bytes.subarray(at);
    // What was joined before and is still not complete stays where it is, with the room behind it.
    this.#held = at === 0 && this.#heldBytes === bytes.length && bytes.buffer.byteLength > bytes.length
      ? new Uint8Array(bytes.buffer, bytes.byteOffset)
      : rest.slice();
    this.#heldBytes = rest.length;
  }
}
