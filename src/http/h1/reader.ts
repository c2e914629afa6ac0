/**
 * A MessageReader cuts a byte stream, however it was split, into HTTP/1.1 messages: head sections, bodies by length,
 * by chunks or until the close, trailers. No I/O: it is pushed bytes and tells its owner.
 *
 * It reads one message at a time. What follows is held until the owner says that it wants the next.
 */
import type { Head } from "../message.ts";
import { HeadCache } from "./head-cache.ts";
import { Body, type ReadHead, readTrailers } from "./read-head.ts";
import type { Http1Limits } from "./settings.ts";
import { refusal } from "./status.ts";
import { CR, hexValues, LF, SP, TAB, valueBytes } from "./syntax.ts";

export interface ReaderOwner {
  /** Reads a whole head section, `bytes[start, end)` with its empty line. */
  parseHead(bytes: Uint8Array, start: number, end: number): ReadHead;
  /**
   * A head; the answer says how the body is delimited (`Body`), or that another head follows instead (`again`). No
   * other call follows for a body of length 0 but `messageRead`.
   */
  headRead(read: ReadHead): number;
  /** A piece of the body, never empty unless `last`. */
  dataRead(bytes: Uint8Array, start: number, end: number, last: boolean): void;
  /** The body ended with trailers, instead of a last piece. */
  trailersRead(trailers: Head): void;
  /** The message is over. The next is read once `next` was called, which may be now. */
  messageRead(): void;
}

/** Answer of `ReaderOwner.headRead`: it was informational. */
export const again = -3;

/**
 * - `head`: before or in a head;
 * - `length`, `untilClose`: in such a body;
 * - `size`, `chunk`, `chunkEnd`, `trailers`: the parts of a chunked one;
 * - `ended`: behind a message, whose successor is not wanted yet;
 * - `stopped`: nothing is read any more.
 */
export type ReaderState =
  | "head" | "length" | "untilClose" | "size" | "chunk" | "chunkEnd" | "trailers" | "ended" | "stopped";

/** Empty lines that may precede a start line (RFC 9112, section 2.2, asks for at least one). */
const maxEmptyLines = 4;
/** Digits of a chunk's size, leading zeros included. */
const maxSizeDigits = 16;

export class MessageReader {
  readonly #owner: ReaderOwner;
  readonly #limits: Http1Limits;
  /** Status to refuse with where a fault has none of its own: 400 for requests, 502 for responses. */
  readonly #faultStatus: number;
  readonly #cache = new HeadCache<ReadHead>();
  readonly #readHead: (bytes: Uint8Array, start: number, end: number) => ReadHead;
  state: ReaderState = "head";
  /** What was read and not taken. `#held` may be longer: room for more. */
  #held: Uint8Array | undefined = undefined;
  #heldBytes = 0;
  /** Bytes of the present section that were searched for its end, and where in it the line begins. */
  #searched = 0;
  #lineAt = 0;
  #emptyLines = 0;
  /** Bytes to come of the body or of the chunk. */
  #rest = 0;
  #extensionBytes = 0;
  #pushing = false;
  /** Decoded data that are not told yet: the next chunk's size shows whether they are the last. */
  #dataStart = 0;
  #dataEnd = 0;
  /** Bodies' bytes so far, framing included, by which progress shows. */
  bodyBytes = 0;
  /** Messages that have ended. */
  messages = 0;

  constructor(owner: ReaderOwner, limits: Http1Limits, faultStatus: number) {
    this.#owner = owner;
    this.#limits = limits;
    this.#faultStatus = faultStatus;
    this.#readHead = (bytes, start, end) => owner.parseHead(bytes, start, end);
  }

  /** Bytes held back: of an unfinished section, or behind a message. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Whether a message has begun and not ended. */
  get midMessage(): boolean {
    return this.state === "head" ? this.#heldBytes > 0 || this.#emptyLines > 0 : this.state !== "ended";
  }

  /** Throws a refusal at what breaks the rules; the connection is then beyond repair. */
  push(bytes: Uint8Array): void {
    if (this.state === "stopped") return;
    if (this.#pushing) {
      this.#hold(bytes);
      return;
    }
    if (this.#held === undefined) {
      this.#run(bytes);
    } else {
      this.#hold(bytes);
      if (this.state !== "ended") this.#runHeld();
    }
  }

  /** Goes on with the next message, if the present one is over. */
  next(): void {
    if (this.state !== "ended") return;
    this.state = "head";
    this.#searched = this.#lineAt = this.#emptyLines = 0;
    if (this.#held !== undefined && !this.#pushing) this.#runHeld();
  }

  /** The stream has ended: returns whether that is an orderly place to end. */
  close(): boolean {
    if (this.state !== "untilClose") return !this.midMessage;
    this.#owner.dataRead(nothing, 0, 0, true);
    this.#ended();
    return true;
  }

  /** Whether what is being pushed is still read. */
  get isPushing(): boolean {
    return this.#pushing;
  }

  /** Takes what is held behind a message that was the last of this kind. */
  takeHeld(): Uint8Array | undefined {
    const held = this.#heldBytes === 0 ? undefined : this.#held?.subarray(0, this.#heldBytes);
    this.#held = undefined;
    this.#heldBytes = 0;
    return held;
  }

  /** Reads nothing more. */
  stop(): void {
    this.state = "stopped";
    this.#held = undefined;
    this.#heldBytes = this.#dataStart = this.#dataEnd = 0;
    this.#cache.clear();
  }

  #hold(bytes: Uint8Array): void {
    const length = this.#heldBytes + bytes.length;
    if (this.#held === undefined) {
      this.#held = bytes;
    } else {
      if (length > this.#held.length) {
        const larger = new Uint8Array(Math.max(length, Math.min(2 * this.#held.length, length + 65_536)));
        larger.set(this.#held.subarray(0, this.#heldBytes));
        this.#held = larger;
      }
      this.#held.set(bytes, this.#heldBytes);
    }
    this.#heldBytes = length;
  }

  #runHeld(): void {
    const held = this.#held as Uint8Array;
    const length = this.#heldBytes;
    this.#run(held.length === length ? held : held.subarray(0, length), held);
  }

  /** Takes what it can of `bytes`, which are the front of `held` if that is given. */
  #run(bytes: Uint8Array, held?: Uint8Array): void {
    this.#held = undefined;
    this.#heldBytes = 0;
    this.#pushing = true;
    let at = 0;
    try {
      while (at < bytes.length) {
        const next = this.#step(bytes, at);
        if (next < 0) break;
        at = next;
      }
      if (this.#dataEnd > 0) this.#tell(bytes, false);
    } finally {
      this.#pushing = false;
      this.#dataStart = this.#dataEnd = 0;
    }
    if (at === bytes.length || this.state === "stopped") return;
    const pushed = this.#heldBytes > 0 ? (this.#held as unknown as Uint8Array).subarray(0, this.#heldBytes) : undefined;
    // Untouched, the array still has its room behind; otherwise somebody may keep views of what was taken.
    this.#held = at === 0 && held !== undefined ? held : bytes.subarray(at);
    this.#heldBytes = bytes.length - at;
    if (pushed !== undefined) this.#hold(pushed);
  }

  /** One step of the machine: returns where to go on, or -1 when that needs more bytes or nothing is wanted. */
  #step(bytes: Uint8Array, at: number): number {
    switch (this.state) {
      case "head": return this.#head(bytes, at);
      case "length": return this.#lengthBody(bytes, at);
      case "untilClose": return this.#untilClose(bytes, at);
      case "size": return this.#chunkSize(bytes, at);
      case "chunk": return this.#chunk(bytes, at);
      case "chunkEnd": return this.#chunkEnd(bytes, at);
      case "trailers": return this.#trailers(bytes, at);
      case "ended": return -1;
      case "stopped": return bytes.length;
    }
  }

  #head(bytes: Uint8Array, at: number): number {
    const cache = this.#cache;
    const repeated = this.#searched === 0 ? cache.repeated(bytes, at) : 0;
    if (repeated > 0) return this.#begin(cache.last, at + repeated);
    if (this.#searched === 0 && (bytes[at] === CR || bytes[at] === LF)) return this.#emptyLine(bytes, at);
    const end = this.#sectionEnd(bytes, at, "head");
    return end < 0 ? -1 : this.#begin(cache.find(bytes, at, end, this.#readHead), end);
  }

  #emptyLine(bytes: Uint8Array, at: number): number {
    if (at + 1 === bytes.length && bytes[at] === CR) return -1;
    if (bytes[at] !== CR || bytes[at + 1] !== LF || ++this.#emptyLines > maxEmptyLines) {
      throw this.#fault("no message begins with this line");
    }
    return at + 2;
  }

  #begin(read: ReadHead, next: number): number {
    this.#searched = this.#lineAt = this.#emptyLines = this.#extensionBytes = 0;
    const body = this.#owner.headRead(read);
    // Whoever was told may have ended the connection.
    if (this.#isStopped()) return next;
    if (body === again) return next;
    if (body === 0) this.#ended();
    else if (body > 0) {
      this.state = "length";
      this.#rest = body;
    } else this.state = body === Body.chunked ? "size" : "untilClose";
    return next;
  }

  #isStopped(): boolean {
    return this.state === "stopped";
  }

  #ended(): void {
    if (this.#isStopped()) return;
    this.state = "ended";
    this.messages++;
    this.#owner.messageRead();
  }

  #untilClose(bytes: Uint8Array, at: number): number {
    this.bodyBytes += bytes.length - at;
    this.#owner.dataRead(bytes, at, bytes.length, false);
    return bytes.length;
  }

  #lengthBody(bytes: Uint8Array, at: number): number {
    const end = Math.min(bytes.length, at + this.#rest);
    this.#rest -= end - at;
    this.bodyBytes += end - at;
    const last = this.#rest === 0;
    this.#owner.dataRead(bytes, at, end, last);
    if (last) this.#ended();
    return end;
  }

  /** A chunk's size with its extensions, which are ignored (RFC 9112, section 7.1). */
  #chunkSize(bytes: Uint8Array, at: number): number {
    let size = 0;
    let i = at;
    for (let value = hexValues[bytes[i] as number] as number; i < bytes.length && value < 16;) {
      if (i - at >= maxSizeDigits) throw this.#fault(`a chunk's size of more than ${maxSizeDigits} digits`);
      size = size * 16 + value;
      value = hexValues[bytes[++i] as number] as number;
    }
    if (i === bytes.length) return -1;
    if (i === at || size > Number.MAX_SAFE_INTEGER) throw this.#fault("a chunk's size is no number");
    if (bytes[i] !== CR) {
      const extension = i;
      while (bytes[i] === SP || bytes[i] === TAB) i++;
      if (i < bytes.length && bytes[i] !== 0x3b) throw this.#fault("an invalid byte behind a chunk's size");
      while (i < bytes.length && valueBytes[bytes[i] as number] === 1) i++;
      if (this.#extensionBytes + i - extension > this.#limits.maxChunkExtensionBytes) {
        throw this.#fault(`chunk extensions exceed ${this.#limits.maxChunkExtensionBytes} bytes ` +
          "(maxChunkExtensionBytes)");
      }
      if (i < bytes.length && bytes[i] !== CR) throw this.#fault("an invalid byte in a chunk's extension");
      if (i + 1 < bytes.length) this.#extensionBytes += i - extension;
    }
    if (i + 1 >= bytes.length) return -1;
    if (bytes[i + 1] !== LF) throw this.#fault("a chunk's size is not ended by CR LF");
    this.bodyBytes += i + 2 - at;
    this.#rest = size;
    this.#searched = this.#lineAt = 0;
    this.state = size === 0 ? "trailers" : "chunk";
    return i + 2;
  }

  #chunk(bytes: Uint8Array, at: number): number {
    if (this.#dataEnd > 0) this.#tell(bytes, false);
    if (this.#isStopped()) return bytes.length;
    const end = Math.min(bytes.length, at + this.#rest);
    this.#rest -= end - at;
    this.bodyBytes += end - at;
    this.#dataStart = at;
    this.#dataEnd = end;
    if (this.#rest === 0) this.state = "chunkEnd";
    return end;
  }

  #chunkEnd(bytes: Uint8Array, at: number): number {
    if (bytes[at] !== CR) throw this.#fault("a chunk is longer than its size");
    if (at + 1 === bytes.length) return -1;
    if (bytes[at + 1] !== LF) throw this.#fault("a chunk is not ended by CR LF");
    this.state = "size";
    return at + 2;
  }

  #trailers(bytes: Uint8Array, at: number): number {
    const end = this.#sectionEnd(bytes, at, "trailers");
    if (end < 0) return -1;
    this.bodyBytes += end - at;
    const trailers = end - at === 2 ? undefined : readTrailers(bytes, at, end, this.#limits, this.#faultStatus);
    if (trailers === undefined) {
      this.#tell(bytes, true);
    } else {
      if (this.#dataEnd > 0) this.#tell(bytes, false);
      if (!this.#isStopped()) this.#owner.trailersRead(trailers);
    }
    this.#ended();
    return end;
  }

  #tell(bytes: Uint8Array, last: boolean): void {
    const start = this.#dataStart;
    const end = this.#dataEnd;
    this.#dataStart = this.#dataEnd = 0;
    this.#owner.dataRead(bytes, start, end, last);
  }

  /** Where the section that begins at `at` ends, its empty line included; -1 if that has not come. */
  #sectionEnd(bytes: Uint8Array, at: number, what: string): number {
    const { length } = bytes;
    const { maxHeadBytes } = this.#limits;
    let lineAt = at + this.#lineAt;
    for (let i = at + this.#searched; i < length; i++) {
      if (bytes[i] !== LF) continue;
      if (bytes[i - 1] !== CR || i === lineAt) throw this.#fault("a line is ended by a bare LF");
      if (i + 1 - at > maxHeadBytes) throw this.#tooLarge(what);
      if (i - lineAt === 1) return i + 1;
      lineAt = i + 1;
    }
    if (length - at > maxHeadBytes) throw this.#tooLarge(what);
    this.#searched = length - at;
    this.#lineAt = lineAt - at;
    return -1;
  }

  #fault(message: string): Error {
    return refusal(this.#faultStatus, message);
  }

  #tooLarge(what: string): Error {
    return refusal(this.#faultStatus === 400 ? 431 : this.#faultStatus,
      `a ${what} section of more than ${this.#limits.maxHeadBytes} bytes (maxHeadBytes)`);
  }
}

const nothing = new Uint8Array(0);
