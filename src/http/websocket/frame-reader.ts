/** A FrameReader cuts a byte stream, however it was split, into WebSocket frames, and refuses what breaks the rules. */
import { CloseCode, mask, maxControlBytes, Opcode } from "./frames.ts";

export interface FrameSink {
  /**
   * A piece of a message, unmasked: as it comes, so that nothing is kept of large messages. `first` and `last` mark the
   * message's first and last piece. The bytes may be kept.
   */
  piece(isText: boolean, bytes: Uint8Array, start: number, end: number, first: boolean, last: boolean): void;
  /** A whole control frame: close, ping or pong. */
  control(opcode: number, payload: Uint8Array): void;
}

/** What a peer did that ends the connection, and the code to say so with. */
export class FrameError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

const maxHeaderBytes = 14;

export class FrameReader {
  readonly #sink: FrameSink;
  /** Whether the peer is a client, which masks all its frames; a server masks none. */
  readonly #isMasked: boolean;
  readonly #header = new Uint8Array(maxHeaderBytes);
  #headerLength = 0;
  /** Of the frame being read. */
  #opcode = 0;
  #isFinal = false;
  #mask = 0;
  #length = 0;
  #rest = -1;
  /** Of a control frame that came in several pieces. */
  #control: Uint8Array | undefined = undefined;
  /** The message whose frames are being read; undefined between messages. */
  #message: "text" | "binary" | undefined = undefined;
  #begun = false;
  #stopped = false;

  constructor(sink: FrameSink, isMasked: boolean) {
    this.#sink = sink;
    this.#isMasked = isMasked;
  }

  /** Whether a frame or a message has begun and not ended. */
  get isMidway(): boolean {
    return this.#headerLength > 0 || this.#rest >= 0 || this.#message !== undefined;
  }

  /** Reads nothing more. */
  stop(): void {
    this.#stopped = true;
  }

  /**
   * Takes the bytes over: masked payloads are unmasked where they lie. Throws a {@link FrameError}; the connection is
   * then beyond repair.
   */
  push(bytes: Uint8Array): void {
    let at = 0;
    while (!this.#stopped) {
      if (this.#rest < 0) {
        at = this.#readHeader(bytes, at);
        if (this.#rest < 0) return;
        if (this.#rest > 0 && at === bytes.length) return;
      } else if (at === bytes.length) {
        return;
      }
      at = this.#readPayload(bytes, at);
    }
  }

  #readHeader(bytes: Uint8Array, from: number): number {
    const header = this.#header;
    let at = from;
    for (;;) {
      const needed = this.#headerLength < 2 ? 2 : headerBytes(header[1] as number);
      if (this.#headerLength === needed) break;
      if (at === bytes.length) return at;
      header[this.#headerLength++] = bytes[at++] as number;
      if (this.#headerLength === 2) this.#checkStart(header[0] as number, header[1] as number);
    }
    this.#headerLength = 0;
    this.#length = payloadLength(header);
    const maskAt = headerBytes(header[1] as number) - 4;
    if (this.#isMasked) {
      this.#mask = ((header[maskAt] as number) << 24 | (header[maskAt + 1] as number) << 16 |
        (header[maskAt + 2] as number) << 8 | (header[maskAt + 3] as number)) >>> 0;
    }
    this.#rest = this.#length;
    return at;
  }

  #checkStart(first: number, second: number): void {
    const opcode = this.#opcode = first & 0x0f;
    this.#isFinal = (first & 0x80) !== 0;
    if ((first & 0x70) !== 0) throw fault("a reserved bit is set, but no extension was agreed on");
    const isMasked = (second & 0x80) !== 0;
    if (isMasked !== this.#isMasked) {
      throw fault(this.#isMasked ? "a client's frame is not masked" : "a server's frame is masked");
    }
    if (opcode >= Opcode.close) {
      if (opcode > Opcode.pong) throw fault(`opcode ${opcode} means nothing`);
      if (!this.#isFinal) throw fault("a control frame is fragmented");
      if ((second & 0x7f) > maxControlBytes) throw fault(`a control frame of more than ${maxControlBytes} bytes`);
    } else if (opcode === Opcode.continuation) {
      if (this.#message === undefined) throw fault("a continuation of no message");
    } else {
      if (opcode > Opcode.binary) throw fault(`opcode ${opcode} means nothing`);
      if (this.#message !== undefined) throw fault("a message begins within another");
      this.#message = opcode === Opcode.text ? "text" : "binary";
      this.#begun = false;
    }
  }

  #readPayload(bytes: Uint8Array, from: number): number {
    const taken = Math.min(this.#rest, bytes.length - from);
    const phase = this.#length - this.#rest;
    this.#rest -= taken;
    const isEnd = this.#rest === 0;
    if (isEnd) this.#rest = -1;
    if (this.#isMasked) mask(bytes, from, from + taken, this.#mask, phase);
    if (this.#opcode >= Opcode.close) {
      const payload = this.#control ??= new Uint8Array(this.#length);
      payload.set(bytes.subarray(from, from + taken), phase);
      if (isEnd) {
        this.#control = undefined;
        this.#sink.control(this.#opcode, payload);
      }
      return from + taken;
    }
    const isText = this.#message === "text";
    const first = !this.#begun;
    const last = isEnd && this.#isFinal;
    this.#begun = true;
    if (last) this.#message = undefined;
    this.#sink.piece(isText, bytes, from, from + taken, first, last);
    return from + taken;
  }
}

/** How long a header is, by its second byte. */
function headerBytes(second: number): number {
  const length = second & 0x7f;
  return 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + ((second & 0x80) === 0 ? 0 : 4);
}

function payloadLength(header: Uint8Array): number {
  const length = (header[1] as number) & 0x7f;
  if (length < 126) return length;
  const view = new DataView(header.buffer);
  if (length === 126) {
    const value = view.getUint16(2);
    if (value < 126) throw fault("a length is not written in the shortest way");
    return value;
  }
  const high = view.getUint32(2);
  const value = high * 0x1_0000_0000 + view.getUint32(6);
  if (value <= 0xffff) throw fault("a length is not written in the shortest way");
  if (high > 0x1f_ffff) throw new FrameError(CloseCode.tooBig, "a frame of more than 2^53 bytes");
  return value;
}

function fault(message: string): FrameError {
  return new FrameError(CloseCode.protocolError, message);
}
