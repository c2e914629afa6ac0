/**
 * Both ways in which messages lie in a stream. Framed, as the specification has it: buffers behind their lengths of
 * four bytes, and an empty one at a message's end; answers come in the order of requests. Serial, as Java's Netty
 * transport and avsc have it: a serial number, the number of buffers, and these; answers come in any order.
 */
import type { ByteStream, Clock } from "../../core/runtime.ts";
import { joined as joinedBytes } from "../../wire/joined.ts";
import { Outbox } from "../../wire/outbox.ts";
import type { Writer } from "../../wire/writer.ts";
import { malformed } from "./binary.ts";

export type Transport = "framed" | "serial";

/** A handshake's least bytes: two hashes, and two absent branches. Whatever begins a connection begins with one. */
const leastHandshake = 34;

/**
 * What a connection's first bytes are: undefined while they could be either or none. A serial transport's are a number,
 * a count of buffers below 256, and a length; a framed one's a length, 16 bytes of hash, and an optional protocol.
 */
export function transportOf(opening: Uint8Array): Transport | false | undefined {
  if (opening.length < 12) return couldBegin(opening) ? undefined : false;
  const isSerial = opening[4] === 0 && opening[5] === 0 && opening[6] === 0 && opening[7] !== 0;
  if (isSerial) return isFirstLength(opening, 8) ? "serial" : false;
  if (!isFirstLength(opening, 0) || isThrift(opening)) return false;
  if (opening.length < 21) return undefined;
  const branch = opening[20];
  return branch === 0 || branch === 2 ? "framed" : false;
}

/** Whether the first bytes, too few to be sure, might be Avro's. */
function couldBegin(opening: Uint8Array): boolean {
  if (opening.length < 5) return true;
  const isFramed = opening[0] === 0 && !isThrift(opening);
  const isSerial = opening.subarray(4, Math.min(7, opening.length)).every((byte) => byte === 0) &&
    (opening.length < 8 || opening[7] !== 0) && (opening.length < 9 || opening[8] === 0);
  return isFramed || isSerial;
}

/** Thrift's frames have a length too, and then their own signs: binary, compact, THeader, JSON, and a name's length. */
function isThrift(opening: Uint8Array): boolean {
  const [first, second] = [opening[4], opening[5]];
  return (first === 0x80 && (second === undefined || second === 0x01)) ||
    (first === 0x82 && (second === undefined || (second & 0x1f) === 1)) ||
    (first === 0x0f && (second === undefined || second === 0xff)) ||
      (first === 0x5b && (second === undefined || second === 0x31));
}

function isFirstLength(opening: Uint8Array, at: number): boolean {
  const length = int32(opening, at);
  return length >= leastHandshake && length < 0x100_0000;
}

function int32(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number);
}

/** What hears messages. Returns false to be told no more until `push` is called again. */
export type MessageSink = (serial: number, bytes: Uint8Array, start: number, end: number) => boolean;

/** Most buffers of one message of the serial transport: those of Java have 8 KiB each. */
const maxBuffers = 65_536;

/** Takes a stream apart into messages. */
export class MessageReader {
  readonly #transport: Transport;
  readonly #maxBytes: number;
  readonly #sink: MessageSink;
  /** What was received and not looked at, in pieces; looked at again once there are `#need` bytes. */
  #rest: Uint8Array[] = [];
  #restBytes = 0;
  #need = 0;
  /** How much of the message that has begun is looked at; its buffers so far, and how many bytes they have. */
  #parts: Uint8Array[] = [];
  #partBytes = 0;
  #serial = 0;
  /** Buffers of the message that has begun still to come; undefined between messages, or of a framed one. */
  #left: number | undefined = undefined;
  /** Messages that were complete. */
  messages = 0;

  constructor(transport: Transport, maxBytes: number, sink: MessageSink) {
    this.#transport = transport;
    this.#maxBytes = maxBytes;
    this.#sink = sink;
  }

  /** Whether a message has begun and is not complete. */
  get midMessage(): boolean {
    return this.#restBytes > 0 || this.#parts.length > 0 || this.#left !== undefined;
  }

  push(more: Uint8Array): void {
    let bytes = more;
    if (this.#restBytes > 0) {
      this.#rest.push(more);
      this.#restBytes += more.length;
      // Joined once: or bytes that come one by one would be copied over and over.
      if (this.#restBytes < this.#need) return;
      bytes = joined(this.#rest, this.#restBytes);
    }
    this.#need = 0;
    const position = this.#transport === "serial" ? this.#serialMessages(bytes) : this.#framedMessages(bytes);
    this.#rest = position === bytes.length ? [] : [bytes.subarray(position)];
    this.#restBytes = bytes.length - position;
  }

  #wait(position: number, need: number): number {
    this.#need = need;
    return position;
  }

  #serialMessages(bytes: Uint8Array): number {
    let position = 0;
    for (;;) {
      if (this.#left === undefined) {
        if (bytes.length - position < 8) return this.#wait(position, 8);
        this.#serial = int32(bytes, position);
        const count = int32(bytes, position + 4);
        if (count < 0 || count > maxBuffers) throw malformed(`a message of ${count} buffers; at most ${maxBuffers}`);
        this.#left = count;
        position += 8;
      }
      while (this.#left > 0) {
        if (bytes.length - position < 4) return this.#wait(position, 4);
        const length = this.#length(bytes, position);
        if (bytes.length - position - 4 < length) return this.#wait(position, length + 4);
        position += 4;
        // Most messages are one buffer, which is read where it lies.
        if (this.#left === 1 && this.#parts.length === 0) {
          this.#left = undefined;
          this.messages++;
          if (!this.#sink(this.#serial, bytes, position, position + length)) return position + length;
          position += length;
          break;
        }
        this.#part(bytes, position, length);
        position += length;
        this.#left--;
      }
      if (this.#left === undefined) continue;
      this.#left = undefined;
      if (!this.#complete()) return position;
    }
  }

  #framedMessages(bytes: Uint8Array): number {
    let position = 0;
    for (;;) {
      if (bytes.length - position < 4) return this.#wait(position, 4);
      const length = this.#length(bytes, position);
      if (length === 0) {
        position += 4;
        if (!this.#complete()) return position;
        continue;
      }
      if (bytes.length - position - 4 < length) return this.#wait(position, length + 4);
      const end = position + 4 + length;
      const isLast = this.#parts.length === 0 && bytes.length - end >= 4 && int32(bytes, end) === 0;
      if (isLast) {
        this.messages++;
        if (!this.#sink(0, bytes, position + 4, end)) return end + 4;
        position = end + 4;
        continue;
      }
      this.#part(bytes, position + 4, length);
      position = end;
    }
  }

  #length(bytes: Uint8Array, at: number): number {
    const length = int32(bytes, at);
    if (length < 0) throw malformed(`the length of a buffer is negative (${length})`);
    if (length + this.#partBytes > this.#maxBytes) {
      throw malformed(`a message has more than ${this.#maxBytes} bytes (maxMessageBytes)`);
    }
    return length;
  }

  #part(bytes: Uint8Array, start: number, length: number): void {
    if (this.#parts.length >= maxBuffers) throw malformed(`a message of more than ${maxBuffers} buffers`);
    if (length > 0) this.#parts.push(bytes.subarray(start, start + length));
    this.#partBytes += length;
  }

  #complete(): boolean {
    const whole = joined(this.#parts, this.#partBytes);
    this.#parts = [];
    this.#partBytes = 0;
    this.messages++;
    return this.#sink(this.#serial, whole, 0, whole.length);
  }
}

/** The parts in a row: the only one itself. */
function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  return parts.length === 1 ? parts[0] as Uint8Array : joinedBytes(parts, length);
}

/** The Outbox of a connection: each message is one buffer. */
export class AvroOutbox extends Outbox {
  readonly #transport: Transport;

  constructor(stream: ByteStream, clock: Clock, transport: Transport) {
    super(stream, clock, transport === "serial" ? 12 : 4);
    this.#transport = transport;
  }

  /** Completes the message, and plans its departure. */
  end(serial: number): void {
    if (this.isClosed) {
      this.abort();
      return;
    }
    const length = this.payloadBytes;
    if (this.#transport === "serial") {
      putInt32(this.bytes, this.frameStart, serial);
      putInt32(this.bytes, this.frameStart + 4, 1);
      putInt32(this.bytes, this.frameStart + 8, length);
    } else {
      this.ensure(4);
      putInt32(this.bytes, this.frameStart, length);
      putInt32(this.bytes, this.position, 0);
      this.position += 4;
    }
    this.completed(length);
  }
}

export function putInt32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 24;
  bytes[at + 1] = value >> 16;
  bytes[at + 2] = value >> 8;
  bytes[at + 3] = value;
}

/** Bytes of the length before a message that is the body of an HTTP request or response. */
export const bodyHeadBytes = 4;

/** What a body may have above its message, for the handshake. */
export const handshakeBytes = 65_536;

/** Frames the message that was written behind {@link bodyHeadBytes}; the body is what the writer then holds. */
export function endBody(writer: Writer): Uint8Array {
  writer.ensure(4);
  putInt32(writer.bytes, 0, writer.position - bodyHeadBytes);
  putInt32(writer.bytes, writer.position, 0);
  writer.position += 4;
  return writer.bytes.subarray(0, writer.position);
}

/** The other way: the message of a whole body. */
export function outOfFrames(body: Uint8Array, maxBytes: number): Uint8Array {
  const length = body.length < 8 ? 0 : int32(body, 0);
  // Most are one buffer.
  if (length > 0 && length === body.length - 8 && length <= maxBytes && int32(body, length + 4) === 0) {
    return body.subarray(4, length + 4);
  }
  let message: Uint8Array | undefined;
  const reader = new MessageReader("framed", maxBytes, (_, bytes, start, end) => {
    if (message !== undefined) throw malformed("a body has more than one message");
    message = bytes.subarray(start, end);
    return true;
  });
  reader.push(body);
  if (message === undefined || reader.midMessage) throw malformed("a body ends within a message");
  return message;
}
