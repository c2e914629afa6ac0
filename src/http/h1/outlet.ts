/**
 * An Outlet is the Writer of one connection: bodies are encoded straight into it, everything of a turn leaves in one
 * write, and only then is it decided how a body is delimited.
 *
 * What a message sends within one turn is a section: in front of it stays room for the head and a chunk's size, which
 * are put there last, from right to left. So a body that is complete in its first turn goes with its content-length,
 * and several pieces of a turn are one chunk. Memory comes in segments shared by all connections.
 */
import { RpcError } from "../../core/error.ts";
import type { ByteStream, Clock } from "../../core/runtime.ts";
import { allocateBytes } from "../../wire/text.ts";
import { Writer } from "../../wire/writer.ts";
import { latin1Bytes } from "./syntax.ts";
import type { SentHead } from "./write-head.ts";

const segmentBytes = 65_536;
/** Free segments kept for the whole process. */
const maxFreeSegments = 64;
/** So much of a turn's output leaves early: the peer then works while this side goes on. */
const flushEarlyBytes = 16_384;
/** Room in front of a section for what delimits it, and behind it for the end of a chunked body. */
const frontBytes = 96;
const behindBytes = 8;

const freeSegments: Segment[] = [];

/** A stretch of memory and the writes from it that the stream has not finished. */
class Segment {
  readonly bytes = allocateBytes(segmentBytes);
  pendingWrites = 0;
  isRetired = false;
  /** One closure for the life of the segment, not one a write. */
  readonly written = (): void => {
    if (--this.pendingWrites === 0 && this.isRetired) this.free();
  };

  free(): void {
    this.isRetired = false;
    if (freeSegments.length < maxFreeSegments) freeSegments.push(this);
  }
}

/**
 * How the present message's body is delimited:
 * - `undecided`: by its length if it ends in its first turn, otherwise `otherwise`;
 * - `chunked`; `plain`: by a length that the head names, or by the close; `none`: it has none, whatever is written.
 */
type Framing = "undecided" | "chunked" | "plain" | "none";

const nothing: Uint8Array = new Uint8Array(0);
const chunkedLine = latin1Bytes("transfer-encoding: chunked\r\n");
const lengthName = latin1Bytes("content-length: ");
const closeLine = latin1Bytes("connection: close\r\n");
const keepAliveLine = latin1Bytes("connection: keep-alive\r\n");
const lastChunk = latin1Bytes("0\r\n");

/** What the head says of the connection: nothing, that it ends here, or (to HTTP/1.0) that it does not. */
export type ConnectionLine = "none" | "close" | "keep-alive";

export class Outlet extends Writer {
  readonly #stream: ByteStream;
  readonly #clock: Clock;
  #segment: Segment | undefined = undefined;
  #flushedTo = 0;
  #isFlushPlanned = false;
  #isClosed = false;
  #lead: SentHead | undefined = undefined;
  #framing: Framing = "none";
  /** The front of the section's room, and of its bytes; -1 while there is no section. */
  #sectionAt = -1;
  #bodyAt = 0;
  /** Where the open piece begins; -1 while there is none. */
  #pieceAt = -1;
  /** Of a body whose length the head names: bytes to come. */
  #promised = Infinity;
  /** Asked as a head leaves. */
  connectionLine: ConnectionLine = "none";
  /** Whether bodies of unknown length end with the connection, since the peer knows no chunks. */
  endsWithClose = false;
  /** Whether such a body has begun. */
  mustClose = false;
  /** Whether nothing may leave yet: the stream is not open, or its peer's identity not proven. */
  isHeld = false;
  /** Whether the stream has asked us to wait. */
  full = false;
  /** Bytes given to the stream so far. */
  writtenBytes = 0;

  constructor(stream: ByteStream, clock: Clock) {
    super(0);
    this.#stream = stream;
    this.#clock = clock;
  }

  /** Bytes of complete pieces that have not left this process. */
  get queuedBytes(): number {
    const upTo = this.#pieceAt < 0 ? this.position : this.#pieceAt;
    return this.#stream.bufferedBytes + upTo - this.#flushedTo;
  }

  /**
   * Begins a message. `isWhole`: its body is empty. `isMute`: it has none at all, and whatever is written of one is
   * left out (responses to HEAD, statuses without one, requests of methods without one).
   */
  message(head: SentHead, isWhole: boolean, isMute: boolean): void {
    this.#lead = head;
    this.#promised = head.contentLength < 0 || isMute ? Infinity : head.contentLength;
    this.#framing = isMute ? "none" : head.contentLength >= 0 ? "plain" : "undecided";
    if (isWhole) this.#complete();
    else this.#planFlush();
  }

  /** Opens a piece of the body: everything written until `end` is it. */
  begin(): void {
    if (this.#pieceAt >= 0) {
      throw new RpcError("internal", "a call was made from a getter or toJSON of a value being encoded",
        { phase: "encode" });
    }
    if (this.#sectionAt < 0) this.#openSection();
    this.#pieceAt = this.position;
  }

  /** Completes the piece. False if the body is now longer than its content-length, or has ended shorter. */
  end(last: boolean): boolean {
    const pieceBytes = this.position - this.#pieceAt;
    if (this.#framing === "none" || this.#isClosed) this.position = this.#pieceAt;
    else if (this.#promised !== Infinity) this.#promised -= pieceBytes;
    this.#pieceAt = -1;
    if (this.#promised < 0 || (last && this.#promised !== 0 && this.#promised !== Infinity)) return false;
    if (last) {
      this.#complete();
      return true;
    }
    if (this.position - this.#bodyAt >= flushEarlyBytes) this.flush();
    else this.#planFlush();
    return true;
  }

  /** Takes back the piece begun. */
  abort(): void {
    if (this.#pieceAt < 0) return;
    this.position = this.#pieceAt;
    this.#pieceAt = -1;
    this.#planFlush();
  }

  /** Ends the message with trailers (encoded field lines), where its framing has a place for them. */
  trailers(lines: Uint8Array): void {
    if (this.#framing === "undecided" && !this.endsWithClose) this.#seal(false);
    if (this.#framing !== "chunked") {
      this.#complete();
      return;
    }
    if (this.#sectionAt >= 0) this.#seal(false);
    this.ensure(lines.length + behindBytes);
    this.#put(lastChunk);
    this.#put(lines);
    this.bytes[this.position++] = 13;
    this.bytes[this.position++] = 10;
    this.#framing = "none";
    this.#planFlush();
  }

  /** Sends bytes that are a message of their own, behind what there is. */
  raw(bytes: Uint8Array): void {
    if (this.#sectionAt >= 0) this.#seal(false);
    this.ensure(bytes.length);
    this.#put(bytes);
    this.#planFlush();
  }

  /** Hands everything to the stream now. */
  readonly flush = (): void => {
    this.#isFlushPlanned = false;
    if (this.#isClosed || this.#pieceAt >= 0) return;
    if (this.isHeld) {
      this.full = this.position >= segmentBytes;
      return;
    }
    if (this.#lead !== undefined || this.#sectionAt >= 0) this.#seal(false);
    this.#write(this.position);
    this.#release();
  };

  /** After the connection is gone nothing leaves any more. */
  close(): void {
    this.#isClosed = true;
    this.#lead = undefined;
    this.#isFlushPlanned = true;
    if (this.#pieceAt < 0) this.#release();
  }

  #planFlush(): void {
    if (this.#isFlushPlanned) return;
    this.#isFlushPlanned = true;
    this.#clock.defer(this.flush);
  }

  /** The message has its last byte. */
  #complete(): void {
    this.#seal(true);
    this.#framing = "none";
    this.#promised = Infinity;
    if (this.position - this.#flushedTo >= flushEarlyBytes) this.flush();
    else this.#planFlush();
  }

  #openSection(): void {
    const room = (this.#lead === undefined ? 0 : this.#lead.bytes.length) + frontBytes;
    this.ensure(room + behindBytes);
    this.#sectionAt = this.position;
    this.#bodyAt = this.position += room;
  }

  /** Puts head and framing around what the section has. `last`: the body ends here. */
  #seal(last: boolean): void {
    if (this.#isClosed) return;
    if (this.#lead === undefined && this.#sectionAt < 0 && !(last && this.#framing === "chunked")) return;
    if (this.#sectionAt < 0) this.#openSection();
    const bodyBytes = this.position - this.#bodyAt;
    const { bytes } = this;
    let at = this.#bodyAt;
    let line: Uint8Array = nothing;
    let length = -1;
    if (this.#framing === "undecided") {
      if (last) length = bodyBytes;
      else if (this.endsWithClose) this.mustClose = true;
      else line = chunkedLine;
      this.#framing = line === chunkedLine ? "chunked" : "plain";
    }
    const chunk = this.#framing === "chunked" && bodyBytes > 0;
    if (chunk) at = sizeBefore(bytes, at, bodyBytes);
    if (this.#lead !== undefined) at = this.#leadBefore(at, line, length);
    this.#close(at);
    if (chunk) this.#newLine();
    if (last && this.#framing === "chunked") {
      this.ensure(behindBytes);
      this.#put(lastChunk);
      this.#newLine();
    }
  }

  #leadBefore(end: number, line: Uint8Array, length: number): number {
    const { bytes } = this;
    const lead = this.#lead as SentHead;
    this.#lead = undefined;
    let at = crlfBefore(bytes, end);
    if (this.mustClose || this.connectionLine === "close") at = before(bytes, at, closeLine);
    else if (this.connectionLine === "keep-alive") at = before(bytes, at, keepAliveLine);
    at = before(bytes, at, line);
    if (length >= 0) {
      at = before(bytes, digitsBefore(bytes, crlfBefore(bytes, at), length, 10), lengthName);
    }
    return before(bytes, at, lead.bytes);
  }

  /** The section begins at `at`, behind room that was not needed. */
  #close(at: number): void {
    if (this.#flushedTo === this.#sectionAt) {
      this.#flushedTo = at;
    } else {
      this.bytes.copyWithin(this.#sectionAt, at, this.position);
      this.position -= at - this.#sectionAt;
    }
    this.#sectionAt = -1;
  }

  #newLine(): void {
    this.ensure(behindBytes);
    this.bytes[this.position++] = 13;
    this.bytes[this.position++] = 10;
  }

  #put(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.position);
    this.position += bytes.length;
  }

  #write(upTo: number): void {
    if (upTo === this.#flushedTo) return;
    const run = this.bytes.subarray(this.#flushedTo, upTo);
    this.#flushedTo = upTo;
    this.writtenBytes += run.length;
    const segment = this.#segment;
    if (segment === undefined) {
      if (!this.#stream.write(run)) this.full = true;
    } else {
      segment.pendingWrites++;
      if (!this.#stream.write(run, segment.written)) this.full = true;
    }
  }

  /** Gives the memory back: whoever has nothing to send holds none. */
  #release(): void {
    const segment = this.#segment;
    this.#segment = undefined;
    this.bytes = nothing;
    this.position = this.#flushedTo = 0;
    this.#sectionAt = -1;
    if (segment === undefined) return;
    if (segment.pendingWrites === 0) segment.free();
    else segment.isRetired = true;
  }

  /** No room: hands over what is complete and carries the section into fresh memory. */
  protected override grow(count: number): void {
    const from = this.isHeld ? this.#flushedTo : this.#sectionAt < 0 ? this.position : this.#sectionAt;
    const kept = this.bytes.subarray(from, this.position);
    if (!this.#isClosed) this.#write(from);
    const old = this.#segment;
    const size = kept.length + count;
    if (size <= segmentBytes) {
      this.#segment = freeSegments.pop() ?? new Segment();
      this.bytes = this.#segment.bytes;
    } else {
      this.#segment = undefined;
      this.bytes = allocateBytes(Math.max(2 * kept.length, size));
    }
    this.bytes.set(kept, 0);
    if (old !== undefined) {
      if (old.pendingWrites === 0) old.free();
      else old.isRetired = true;
    }
    this.position = kept.length;
    this.#flushedTo = 0;
    if (this.#sectionAt >= 0) {
      this.#bodyAt -= from;
      this.#sectionAt -= from;
      if (this.#pieceAt >= 0) this.#pieceAt -= from;
    }
  }
}

/** Puts `what` so that it ends at `end`; returns where it begins. */
function before(bytes: Uint8Array, end: number, what: Uint8Array): number {
  const at = end - what.length;
  if (what.length > 0) bytes.set(what, at);
  return at;
}

function crlfBefore(bytes: Uint8Array, end: number): number {
  bytes[end - 1] = 10;
  bytes[end - 2] = 13;
  return end - 2;
}

/** A chunk's size and its line end. */
function sizeBefore(bytes: Uint8Array, end: number, size: number): number {
  return digitsBefore(bytes, crlfBefore(bytes, end), size, 16);
}

function digitsBefore(bytes: Uint8Array, end: number, value: number, base: number): number {
  let at = end;
  do {
    const digit = value % base;
    bytes[--at] = digit < 10 ? 48 + digit : 87 + digit;
    value = Math.floor(value / base);
  } while (value > 0);
  return at;
}
