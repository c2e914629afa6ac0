/** Http2Frames takes the peer's frames apart (RFC 9113, section 6) and says what is wrong with them. */
import { ErrorCode, errorName, Flag, FrameType, mostWindowBytes } from "./constants.ts";
import { fault } from "./failure.ts";
import type { Http2FrameSink } from "./frame-reader.ts";
import { HeaderBlock } from "./header-block.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import { readSettings } from "./peer-settings.ts";
import type { Http2Session, Role } from "./session.ts";

export class Http2Frames implements Http2FrameSink {
  readonly #session: Http2Session;
  readonly #role: Role;
  readonly #decoder: HpackDecoder;
  readonly #block: HeaderBlock;

  constructor(session: Http2Session, role: Role) {
    this.#session = session;
    this.#role = role;
    this.#decoder = new HpackDecoder(role.side === "server" ? "request" : "response", session.settings);
    this.#block = new HeaderBlock(session.settings);
  }

  /** Whether a header block has begun and not ended. */
  get midBlock(): boolean {
    return this.#block.id !== 0;
  }

  frame(type: number, flags: number, id: number, bytes: Uint8Array, start: number, end: number): boolean {
    const session = this.#session;
    if (!session.isOpen && (type !== FrameType.settings || (flags & Flag.ack) !== 0)) {
      throw fault(ErrorCode.protocol, `the first frame has type ${type}, expected SETTINGS`);
    }
    if (this.#block.id !== 0 && (type !== FrameType.continuation || id !== this.#block.id)) {
      throw fault(ErrorCode.protocol, `a frame of type ${type} within the header block of stream ${this.#block.id}`);
    }
    switch (type) {
      case FrameType.data:
        this.#data(flags, id, bytes, start, end);
        break;
      case FrameType.headers:
        this.#headers(flags, id, bytes, start, end);
        break;
      case FrameType.priority:
        this.#priority(id, bytes, start, end);
        break;
      case FrameType.reset:
        this.#resetFrame(id, bytes, start, end);
        break;
      case FrameType.settings:
        this.#settingsFrame(flags, id, bytes, start, end);
        break;
      case FrameType.pushPromise:
        throw fault(ErrorCode.protocol, "a PUSH_PROMISE, which this side does not take");
      case FrameType.ping:
        this.#ping(flags, id, bytes, start, end);
        break;
      case FrameType.goAway:
        this.#goAway(id, bytes, start, end);
        break;
      case FrameType.windowUpdate:
        this.#windowUpdate(id, bytes, start, end);
        break;
      case FrameType.continuation:
        this.#continuation(flags, id, bytes, start, end);
        break;
      default:
        session.allowances.idleFrames.take(session.lastReceivedMs);
    }
    return !session.isEnded;
  }

  #data(flags: number, id: number, bytes: Uint8Array, start: number, end: number): void {
    const session = this.#session;
    if (id === 0) throw fault(ErrorCode.protocol, "a DATA frame on stream 0");
    const size = end - start;
    session.pings.sinceResponse = 0;
    if (!session.charge(size)) {
      throw fault(ErrorCode.flowControl, "more DATA than the connection's window (connectionWindowBytes)");
    }
    if ((flags & Flag.padded) !== 0) {
      const padding = bytes[start] as number;
      if (padding >= size) throw fault(ErrorCode.protocol, "a DATA frame of more padding than payload");
      start++;
      end -= padding;
    }
    const isLast = (flags & Flag.endStream) !== 0;
    if (start === end && !isLast) session.allowances.idleFrames.take(session.lastReceivedMs);
    const stream = session.streams.get(id);
    if (stream === undefined) {
      session.consumed(size);
      this.#missed(id, "a DATA frame");
    } else if (stream.remoteDone) {
      session.consumed(size);
      session.mistake(id, ErrorCode.streamClosed, "a DATA frame after the end of the message");
    } else if (!stream.charge(size)) {
      session.consumed(size);
      session.mistake(id, ErrorCode.flowControl, "more DATA than the stream's window (streamWindowBytes)");
    } else if (!stream.agrees(end - start, isLast)) {
      session.consumed(size);
      session.mistake(id, ErrorCode.protocol, `a body of other than the ${stream.expected} bytes of content-length`);
    } else if (session.side === "client" && !stream.headReceived) {
      session.consumed(size);
      session.mistake(id, ErrorCode.protocol, "a body before its head");
    } else {
      if (size > end - start) stream.padded(size - (end - start));
      stream.data(bytes, start, end, isLast);
    }
  }

  /** A frame for a stream that is not open. Those we reset may still be on their way; others are a mistake. */
  #missed(id: number, what: string): void {
    const session = this.#session;
    if (this.#role.isIdle(id)) throw fault(ErrorCode.protocol, `${what} on idle stream ${id}`);
    if (session.side === "client" || session.wasReset(id)) return;
    session.mistake(id, ErrorCode.streamClosed, `${what} on a closed stream`);
  }

  #headers(flags: number, id: number, bytes: Uint8Array, start: number, end: number): void {
    const session = this.#session;
    if (id === 0) throw fault(ErrorCode.protocol, "a HEADERS frame on stream 0");
    let dependsOn = 0;
    let padding = 0;
    if ((flags & Flag.padded) !== 0) padding = bytes[start++] ?? 0;
    if ((flags & Flag.priority) !== 0) {
      dependsOn = readUint32(bytes, start) & 0x7fff_ffff;
      start += 5;
    }
    end -= padding;
    if (start > end) throw fault(ErrorCode.protocol, "a HEADERS frame of more padding than payload");
    const isLast = (flags & Flag.endStream) !== 0;
    if (start === end) session.allowances.idleFrames.take(session.lastReceivedMs);
    if ((flags & Flag.endHeaders) === 0) this.#block.begin(id, isLast, dependsOn, bytes, start, end);
    else this.#head(id, isLast, dependsOn, bytes, start, end);
  }

  #continuation(flags: number, id: number, bytes: Uint8Array, start: number, end: number): void {
    const session = this.#session;
    const block = this.#block;
    if (block.id === 0) throw fault(ErrorCode.protocol, `a CONTINUATION without a HEADERS frame on stream ${id}`);
    if (start === end) session.allowances.idleFrames.take(session.lastReceivedMs);
    block.add(bytes, start, end);
    if ((flags & Flag.endHeaders) === 0) return;
    const whole = block.take();
    this.#head(id, block.isLast, block.dependsOn, whole, 0, whole.length);
  }

  #head(id: number, isLast: boolean, dependsOn: number, bytes: Uint8Array, start: number, end: number): void {
    const session = this.#session;
    // Always: the table changes with every block, whoever it is for.
    const head = this.#decoder.decode(bytes, start, end);
    session.pings.sinceResponse = 0;
    if (dependsOn === id) session.mistake(id, ErrorCode.protocol, "a stream that depends on itself");
    else this.#role.headers(id, head, isLast);
  }

  #priority(id: number, bytes: Uint8Array, start: number, end: number): void {
    const session = this.#session;
    session.allowances.idleFrames.take(session.lastReceivedMs);
    if (id === 0) throw fault(ErrorCode.protocol, "a PRIORITY frame on stream 0");
    if (end - start !== 5) session.mistake(id, ErrorCode.frameSize, `a PRIORITY frame of ${end - start} bytes`);
    else if ((readUint32(bytes, start) & 0x7fff_ffff) === id) {
      session.mistake(id, ErrorCode.protocol, "a stream that depends on itself");
    }
  }

  #resetFrame(id: number, bytes: Uint8Array, start: number, end: number): void {
    const session = this.#session;
    if (id === 0) throw fault(ErrorCode.protocol, "a RST_STREAM frame on stream 0");
    if (end - start !== 4) throw fault(ErrorCode.frameSize, `a RST_STREAM frame of ${end - start} bytes`);
    const stream = session.streams.get(id);
    if (stream === undefined) {
      if (this.#role.isIdle(id)) throw fault(ErrorCode.protocol, `a RST_STREAM frame on idle stream ${id}`);
      session.allowances.idleFrames.take(session.lastReceivedMs);
      return;
    }
    if (session.side === "server") session.allowances.resets.take(session.lastReceivedMs);
    stream.resetByPeer(readUint32(bytes, start));
  }

  #settingsFrame(flags: number, id: number, bytes: Uint8Array, start: number, end: number): void {
    const session = this.#session;
    if (id !== 0) throw fault(ErrorCode.protocol, `a SETTINGS frame on stream ${id}`);
    if ((flags & Flag.ack) !== 0) {
      if (end > start) throw fault(ErrorCode.frameSize, "a SETTINGS acknowledgement with a payload");
      if (session.isAcknowledged) session.allowances.settings.take(session.lastReceivedMs);
      session.isAcknowledged = true;
      return;
    }
    session.allowances.settings.take(session.lastReceivedMs);
    const windowBytes = session.peerWindowBytes;
    readSettings(this.#session, bytes, start, end);
    session.outbox.begin();
    session.outbox.end(FrameType.settings, Flag.ack, 0);
    const more = session.peerWindowBytes - windowBytes;
    if (more !== 0) {
      for (const stream of session.streams.all()) {
        stream.sendWindow += more;
        if (stream.sendWindow > mostWindowBytes) {
          throw fault(ErrorCode.flowControl, `the initial window makes that of stream ${stream.id} exceed 2^31-1`);
        }
      }
      if (more > 0) session.wakeAll();
    }
    if (!session.isOpen) session.peerOpened();
  }

  #ping(flags: number, id: number, bytes: Uint8Array, start: number, end: number): void {
    const session = this.#session;
    if (id !== 0) throw fault(ErrorCode.protocol, `a PING frame on stream ${id}`);
    if (end - start !== 8) throw fault(ErrorCode.frameSize, `a PING frame of ${end - start} bytes`);
    if ((flags & Flag.ack) === 0) {
      session.allowances.pings.take(session.lastReceivedMs);
      session.outbox.begin();
      session.outbox.writeBytes(bytes.subarray(start, end));
      session.outbox.end(FrameType.ping, Flag.ack, 0);
      return;
    }
    const answer = session.pings.answered(bytes, start, session.lastReceivedMs);
    if (answer === "mark") this.#role.marked();
    else if (answer === undefined) session.allowances.idleFrames.take(session.lastReceivedMs);
    else this.#role.pinged(answer);
  }

  #windowUpdate(id: number, bytes: Uint8Array, start: number, end: number): void {
    const session = this.#session;
    if (end - start !== 4) throw fault(ErrorCode.frameSize, `a WINDOW_UPDATE frame of ${end - start} bytes`);
    const { windowUpdates } = session.allowances;
    if (session.dataFrames > 0) {
      windowUpdates.refund(2 * session.dataFrames + session.dataBytes / 1_024);
      session.dataFrames = session.dataBytes = 0;
    }
    windowUpdates.take(session.lastReceivedMs);
    const more = readUint32(bytes, start) & 0x7fff_ffff;
    if (id === 0) {
      if (more === 0) throw fault(ErrorCode.protocol, "a WINDOW_UPDATE of 0");
      session.sendWindow += more;
      if (session.sendWindow > mostWindowBytes) throw fault(ErrorCode.flowControl, "the window exceeds 2^31-1");
      session.wakeAll();
      return;
    }
    const stream = session.streams.get(id);
    if (stream === undefined) {
      if (this.#role.isIdle(id)) throw fault(ErrorCode.protocol, `a WINDOW_UPDATE on idle stream ${id}`);
    } else if (more === 0) {
      session.mistake(id, ErrorCode.protocol, "a WINDOW_UPDATE of 0");
    } else {
      stream.sendWindow += more;
      if (stream.sendWindow > mostWindowBytes) session.mistake(id, ErrorCode.flowControl, "a window exceeds 2^31-1");
      else if (session.waiting.has(stream)) session.wakeAll();
    }
  }

  #goAway(id: number, bytes: Uint8Array, start: number, end: number): void {
    const session = this.#session;
    if (id !== 0) throw fault(ErrorCode.protocol, `a GOAWAY frame on stream ${id}`);
    if (end - start < 8) throw fault(ErrorCode.frameSize, `a GOAWAY frame of ${end - start} bytes`);
    session.allowances.settings.take(session.lastReceivedMs);
    const errorCode = readUint32(bytes, start + 4);
    const text = new TextDecoder().decode(bytes.subarray(start + 8, Math.min(end, start + 264)));
    session.farewell = text === "" ? errorName(errorCode) : `${errorName(errorCode)} ${JSON.stringify(text)}`;
    this.#role.goingAway(readUint32(bytes, start) & 0x7fff_ffff, errorCode, session.farewell);
  }
}

/** Big-endian, as a number without sign. */
export function readUint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 24 | (bytes[at + 1] as number) << 16 | (bytes[at + 2] as number) << 8 |
    (bytes[at + 3] as number)) >>> 0;
}
