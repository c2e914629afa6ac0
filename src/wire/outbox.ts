/**
 * An Outbox is the Writer of one connection: frames are encoded straight into it, and everything written
 * within a turn leaves in one write to the stream. What a frame's header looks like is for those who extend it.
 *
 * Memory comes in segments that are used again once the stream has taken them, because a fresh 64 KiB array
 * costs more than a thousand frames.
 */
import type { ByteStream, Clock } from "../core/runtime.ts";
import { RpcError } from "../core/error.ts";
import { allocateBytes } from "./text.ts";
import { Writer } from "./writer.ts";

const segmentBytes = 65_536;
/** Free segments kept for the whole process. */
const maxFreeSegments = 64;
/**
 * A turn's output leaves early once so much is ready: the peer then works while this side goes on, where one
 * write at the end of a large batch would leave both in lock step.
 */
const flushEarlyBytes = 16_384;

const freeSegments: Segment[] = [];

/** A stretch of memory, the writes from it that the stream has not finished, and whether it is still in use. */
class Segment {
  readonly bytes = allocateBytes(segmentBytes);
  pendingWrites = 0;
  retired = false;
  /** One closure for the life of the segment, not one a write. */
  readonly written = (): void => {
    this.pendingWrites--;
    if (this.pendingWrites === 0 && this.retired && freeSegments.length < maxFreeSegments) {
      this.retired = false;
      freeSegments.push(this);
    }
  };
}

export abstract class Outbox extends Writer {
  readonly #stream: ByteStream;
  readonly #clock: Clock;
  readonly #headerBytes: number;
  #segment: Segment;
  /** Whether `bytes` is the segment's memory, rather than a large array made for one frame. */
  #inSegment = true;
  #flushedTo = 0;
  #flushPlanned = false;
  #open = false;
  /** Whether frames go nowhere, since the connection is gone. */
  protected isClosed = false;
  /** Where the frame being written begins. */
  frameStart = 0;
  /** Bytes of payload of the frame ended last. */
  lastPayloadBytes = 0;
  /** Whether the stream has asked us to wait. */
  full = false;
  /** Bytes handed to the stream so far. */
  flushedBytes = 0;

  /** Every frame begins with `headerBytes`. */
  constructor(stream: ByteStream, clock: Clock, headerBytes: number) {
    super(0);
    this.#stream = stream;
    this.#clock = clock;
    this.#headerBytes = headerBytes;
    this.#segment = freeSegments.pop() ?? new Segment();
    this.bytes = this.#segment.bytes;
  }

  /** Reserves a frame's header. Everything written until the frame is ended is its payload. */
  begin(): void {
    if (this.#open) {
      throw new RpcError("internal", "a call was made from a getter or toJSON of a value being encoded",
        { phase: "encode" });
    }
    this.ensure(this.#headerBytes + 64);
    this.#open = true;
    this.frameStart = this.position;
    this.position += this.#headerBytes;
  }

  /** Bytes of payload written since `begin`. */
  get payloadBytes(): number {
    return this.position - this.frameStart - this.#headerBytes;
  }

  /** The header of the frame begun last is in place: plans its departure. */
  protected completed(payloadBytes: number): void {
    this.#open = false;
    this.lastPayloadBytes = payloadBytes;
    if (this.position - this.#flushedTo >= flushEarlyBytes) {
      this.flush();
    } else if (!this.#flushPlanned) {
      this.#flushPlanned = true;
      this.#clock.defer(this.#plannedFlush);
    }
  }

  /** Forgets the frame begun last, if it is not complete. */
  abort(): void {
    if (!this.#open) return;
    this.position = this.frameStart;
    this.#open = false;
  }

  /** Sends bytes that are not a frame of ours (a preface). */
  raw(bytes: Uint8Array): void {
    this.writeBytes(bytes);
    this.flush();
  }

  readonly #plannedFlush = (): void => {
    this.#flushPlanned = false;
    this.flush();
  };

  /** Hands everything complete to the stream now. */
  flush(): void {
    const upTo = this.#open ? this.frameStart : this.position;
    if (upTo === this.#flushedTo || this.isClosed) return;
    const chunk = this.bytes.subarray(this.#flushedTo, upTo);
    this.#flushedTo = upTo;
    this.flushedBytes += chunk.length;
    if (this.#inSegment) {
      this.#segment.pendingWrites++;
      if (!this.#stream.write(chunk, this.#segment.written)) this.full = true;
    } else if (!this.#stream.write(chunk)) {
      this.full = true;
    }
    if (!this.#open) this.#renew();
  }

  /** After the connection is gone, frames go nowhere. */
  close(): void {
    this.isClosed = true;
  }

  /** Starts again at the front of free memory, unless there is room enough behind. */
  #renew(): void {
    const segment = this.#segment;
    if (this.#inSegment && segment.pendingWrites === 0) {
      this.position = this.#flushedTo = 0;
    } else if (!this.#inSegment || this.position > segmentBytes / 2) {
      this.#nextSegment();
    }
  }

  #nextSegment(): void {
    const old = this.#segment;
    if (this.#inSegment || old.pendingWrites > 0) {
      old.retired = true;
      if (old.pendingWrites === 0) {
        old.pendingWrites = 1;
        old.written();
      }
      this.#segment = freeSegments.pop() ?? new Segment();
    }
    this.#inSegment = true;
    this.bytes = this.#segment.bytes;
    this.position = this.#flushedTo = this.frameStart = 0;
  }

  /** No room: hand over the complete frames and carry the open one into fresh memory. */
  protected override grow(count: number): void {
    const from = this.#open ? this.frameStart : this.position;
    const old = this.bytes;
    const partial = this.position - from;
    const open = this.#open;
    this.#open = true;
    this.frameStart = from;
    this.flush();
    this.#open = open;
    this.#nextSegment();
    if (partial + count > segmentBytes) {
      this.bytes = allocateBytes(Math.max(2 * partial, partial + count));
      this.#inSegment = false;
    }
    this.bytes.set(old.subarray(from, from + partial));
    this.position = partial;
  }
}
