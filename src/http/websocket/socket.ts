/** A WebSocket over a byte stream, on either side: messages, answers to pings, and an orderly end (RFC 6455). */
import type { Timer } from "../../core/alarm.ts";
import { expected, RpcError } from "../../core/error.ts";
import type { ByteSink, ByteStream, Clock } from "../../core/runtime.ts";
import { allocateBytes } from "../../wire/text.ts";
import { FrameError, FrameReader, type FrameSink } from "./frame-reader.ts";
import { CloseCode, frame, frameBytes, isCloseCode, maxControlBytes, Opcode, writeFrame } from "./frames.ts";

export interface WebSocketEvents {
  /** A piece of a message as it came; see {@link FrameSink}. */
  piece(isText: boolean, bytes: Uint8Array, start: number, end: number, first: boolean, last: boolean): void;
  /** More may be sent, after `send` said that enough waits. */
  drained(): void;
  /** The peer answered a ping. */
  pong?(): void;
  /** Exactly once, last. Without an error after an orderly end. */
  closed(error: RpcError | undefined): void;
}

/** How long a peer may take to answer our close, in milliseconds. */
const lingerMs = 1_000;
/** While so much waits to be sent, pings are not answered: their number is the peer's to choose. */
const maxWaitingForPong = 65_536;
const utf8 = new TextEncoder();
/**
 * After so many messages what a turn has gathered leaves before its end: the peer then works while this side goes on,
 * where one write at the end of a large batch would leave both in lock step.
 */
const flushEarlyMessages = 16;
/** What a turn's messages are gathered in; longer ones leave by themselves. */
const segmentBytes = 16_384;
/** Free segments kept for the whole process. */
const maxFreeSegments = 64;
const freeSegments: Segment[] = [];

/** Memory that is used again once the stream has taken what is in it: fresh memory costs more than a frame does. */
class Segment {
  readonly bytes = allocateBytes(segmentBytes);
  /** One closure for the life of the segment, not one a write. */
  readonly written = (): void => {
    if (freeSegments.length < maxFreeSegments) freeSegments.push(this);
  };
}

export class WebSocketConnection implements ByteSink, FrameSink {
  readonly #clock: Clock;
  readonly #stream: ByteStream;
  readonly #events: WebSocketEvents;
  /** Draws the masks of a client's frames; undefined on a server, which masks none. */
  readonly #drawMask: (() => number) | undefined;
  readonly #reader: FrameReader;
  /** Frames that leave at the end of this turn, how many and how long. */
  #segment: Segment | undefined = undefined;
  #queuedMessages = 0;
  #queuedBytes = 0;
  #flushPlanned = false;
  #closeSent = false;
  #ending = false;
  #error: RpcError | undefined = undefined;
  #lingerTimer: Timer | undefined = undefined;
  #over = false;

  constructor(
    clock: Clock, stream: ByteStream, events: WebSocketEvents, drawMask: (() => number) | undefined,
  ) {
    this.#clock = clock;
    this.#stream = stream;
    this.#events = events;
    this.#drawMask = drawMask;
    this.#reader = new FrameReader(this, drawMask === undefined);
  }

  /** Sends a message; false if enough waits: go on at `drained`. `written` is called when its bytes have left. */
  send(isText: boolean, payload: Uint8Array, written?: () => void): boolean {
    if (this.#closeSent) return true;
    this.#flush();
    return this.#stream.write(
      frame(isText ? Opcode.text : Opcode.binary, payload, this.#drawMask?.()), written);
  }

  /** Sends a message together with the others of this turn, in one write. `payload` is copied at once. */
  queue(isText: boolean, payload: Uint8Array): void {
    if (this.#closeSent) return;
    const mask = this.#drawMask?.();
    const length = frameBytes(payload.length, mask);
    if (this.#queuedBytes + length > segmentBytes) this.#flush();
    const opcode = isText ? Opcode.text : Opcode.binary;
    if (length > segmentBytes) {
      this.#stream.write(frame(opcode, payload, mask));
      return;
    }
    const segment = this.#segment ??= freeSegments.pop() ?? new Segment();
    writeFrame(segment.bytes, this.#queuedBytes, opcode, payload, mask);
    this.#queuedBytes += length;
    if (++this.#queuedMessages >= flushEarlyMessages) {
      this.#flush();
    } else if (!this.#flushPlanned) {
      this.#flushPlanned = true;
      this.#clock.defer(this.#plannedFlush);
    }
  }

  readonly #plannedFlush = (): void => {
    this.#flushPlanned = false;
    this.#flush();
  };

  #flush(): void {
    const segment = this.#segment;
    if (segment === undefined) return;
    const queued = segment.bytes.subarray(0, this.#queuedBytes);
    this.#segment = undefined;
    this.#queuedMessages = this.#queuedBytes = 0;
    this.#stream.write(queued, segment.written);
  }

  /** Asks for a sign of life; whatever comes afterwards is one. */
  ping(): void {
    if (!this.#closeSent) this.#stream.write(frame(Opcode.ping, new Uint8Array(0), this.#drawMask?.()));
  }

  /** Ends it after what was sent. `reason` is cut to what a close frame holds. */
  close(code: number = CloseCode.normal, reason = ""): void {
    if (this.#closeSent) return;
    this.#sendClose(code, reason);
    this.#lingerTimer = this.#clock.after(lingerMs, () => this.#stream.destroy()).unref();
  }

  /** Ends it at once. */
  destroy(): void {
    this.#closeSent = true;
    this.#reader.stop();
    this.#stream.destroy();
  }

  received(bytes: Uint8Array): void {
    if (this.#ending) return;
    try {
      this.#reader.push(bytes);
    } catch (error) {
      const { code, message } = error instanceof FrameError ? error
        : { code: CloseCode.internal, message: RpcError.from(error).message };
      this.#error ??= expected("internal", `the peer's WebSocket broke the rules: ${message}`, { phase: "network" });
      this.#sendClose(code, message);
      this.#end();
    }
  }

  piece(isText: boolean, bytes: Uint8Array, start: number, end: number, first: boolean, last: boolean): void {
    // What comes after our close is nobody's any more.
    if (!this.#closeSent) this.#events.piece(isText, bytes, start, end, first, last);
  }

  control(opcode: number, payload: Uint8Array): void {
    if (opcode === Opcode.close) this.#closeReceived(payload);
    else if (opcode === Opcode.pong) this.#events.pong?.();
    else if (opcode === Opcode.ping && !this.#closeSent && this.#stream.bufferedBytes < maxWaitingForPong) {
      this.#stream.write(frame(Opcode.pong, payload, this.#drawMask?.()));
    }
  }

  #closeReceived(payload: Uint8Array): void {
    const code = payload.length >= 2 ? (payload[0] as number) << 8 | (payload[1] as number) : CloseCode.normal;
    if (payload.length === 1 || !isCloseCode(code)) {
      throw new FrameError(CloseCode.protocolError, "a close without a valid code");
    }
    if (code !== CloseCode.normal && code !== CloseCode.goingAway && !this.#closeSent) {
      const reason = new TextDecoder().decode(payload.subarray(2));
      this.#error ??= expected("unavailable", `the peer closed the WebSocket with ${code}${reason && `: ${reason}`}`,
        { phase: "network" });
    }
    this.#sendClose(code, "");
    this.#end();
  }

  #sendClose(code: number, reason: string): void {
    if (this.#closeSent) return;
    this.#flush();
    this.#closeSent = true;
    const text = utf8.encode(reason).subarray(0, maxControlBytes - 2);
    this.#stream.write(frame(Opcode.close, Uint8Array.of(code >> 8, code, ...whole(text)), this.#drawMask?.()));
  }

  /** Both closes have been said, or nothing sensible can come: the server closes first (section 7.1.1). */
  #end(): void {
    this.#ending = true;
    this.#reader.stop();
    this.#lingerTimer?.cancel();
    this.#lingerTimer = this.#clock.after(lingerMs, () => this.#stream.destroy()).unref();
    if (this.#drawMask === undefined || this.#error !== undefined) this.#stream.end();
  }

  drained(): void {
    if (!this.#closeSent) this.#events.drained();
  }

  closed(error?: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#lingerTimer?.cancel();
    this.#reader.stop();
    this.#events.closed(this.#error ?? (error === undefined ? undefined : RpcError.is(error) ? error
      : expected("unavailable", error.message, { cause: error, phase: "network" })));
  }
}

/** UTF-8 without a character that was cut in two. */
function whole(text: Uint8Array): Uint8Array {
  let end = text.length;
  while (end > 0 && ((text[end - 1] as number) & 0xc0) === 0x80) end--;
  const lead = text[end - 1] ?? 0;
  const wanted = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
  return text.length - end + 1 === wanted ? text : text.subarray(0, Math.max(0, end - 1));
}
