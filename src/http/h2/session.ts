/**
 * An Http2Session is one HTTP/2 connection, as far as client and server are alike: frames, settings, windows, pings
 * and the end. A {@link Role} knows what heads mean on its side.
 */
import type { Timer } from "../../core/alarm.ts";
import { expected, RpcError } from "../../core/error.ts";
import type { ByteSink, ByteStream, Clock } from "../../core/runtime.ts";
import type { Carrier } from "../message.ts";
import { type Allowances, createAllowances } from "./allowance.ts";
import { ErrorCode, errorName, Flag, FrameType, initialWindowBytes, leastMaxFrameBytes, mostWindowBytes, preface,
  Setting } from "./constants.ts";
import { ConnectionFault, fault } from "./failure.ts";
import { Http2FrameReader, type Http2FrameSink } from "./frame-reader.ts";
import { HeaderBlock } from "./header-block.ts";
import { HpackDecoder, type ReceivedHead } from "./hpack-decoder.ts";
import { HpackEncoder } from "./hpack-encoder.ts";
import { Http2Outbox } from "./outbox.ts";
import { readSettings } from "./peer-settings.ts";
import { Pings } from "./pings.ts";
import { ResetIds } from "./reset-ids.ts";
import type { Http2Settings } from "./settings.ts";
import { Stalls } from "./stalls.ts";
import { StreamTable } from "./stream-table.ts";
import type { Http2Stream } from "./stream.ts";

export interface Role {
  readonly side: "client" | "server";
  /** Highest id of a stream that the peer opened. */
  readonly lastPeerId: number;
  /** The peer's first settings are here. */
  opened(): void;
  /** A head, or trailers, for stream `id`. */
  headers(id: number, head: ReceivedHead, last: boolean): void;
  /** Something for a stream that is not open: whether the peer could ever have meant one of this id. */
  isIdle(id: number): boolean;
  goingAway(lastId: number, errorCode: number, text: string): void;
  pinged(roundTripMs: number): void;
  /** The mark of {@link Http2Session.mark} came back. */
  marked(): void;
  /** A stream is over. */
  finished(stream: Http2Stream): void;
  /** A read was handled, or a stream ended between two: what changed may be told now. */
  settle(): void;
  /** What streams fail with when the connection ends because of `error`. */
  lost(stream: Http2Stream, error: RpcError | undefined): RpcError;
  /** Last of the connection. `error` is absent after an orderly end. */
  closed(error: RpcError | undefined): void;
  /** Last of all: the stream below is closed too. */
  gone(): void;
}

/** How long a peer that was told the end may take to close its side before it is cut off, in milliseconds. */
const lingerMs = 1_000;

export class Http2Session implements ByteSink, Http2FrameSink, Carrier {
  readonly clock: Clock;
  readonly settings: Http2Settings;
  readonly side: "client" | "server";
  readonly outbox: Http2Outbox;
  readonly encoder: HpackEncoder;
  readonly streams = new StreamTable<Http2Stream>();
  /** Streams with something to send, or whose sinks want to know when they may. */
  readonly waiting = new Set<Http2Stream>();
  readonly #role: Role;
  readonly #stream: ByteStream;
  readonly #reader: Http2FrameReader;
  readonly #decoder: HpackDecoder;
  readonly #allowances: Allowances;
  readonly #block: HeaderBlock;
  readonly #pings: Pings;
  readonly #reset = new ResetIds();
  readonly #stalls: Stalls;
  readonly #openingTimer: Timer;
  #lingerTimer: Timer | undefined = undefined;
  memo: unknown = undefined;
  lastReceivedMs: number;
  /** How much of the client's preface has come; all of it on a client, which expects none. */
  #prefaceBytes: number;
  /** Whether the peer's first settings came, and whether it acknowledged ours. */
  isOpen = false;
  #isAcknowledged = false;
  #settingsSentMs = Infinity;
  peerMaxFrameBytes = leastMaxFrameBytes;
  peerWindowBytes = initialWindowBytes;
  peerMaxStreams = Infinity;
  peerTakesPings = false;
  /** What we may still send in bodies, over all streams, and what the peer may. */
  sendWindow = initialWindowBytes;
  #receiveWindow = initialWindowBytes;
  /** Bytes given back that the peer has not been credited for. */
  #uncredited = 0;
  /** Bytes of bodies that wait for the peer's windows. */
  queuedBytes = 0;
  /** DATA frames and their bytes, sent since the last window update, which they entitle the peer to. */
  dataFrames = 0;
  dataBytes = 0;
  isEnded = false;
  #isPaused = false;
  #settlesSoon = false;
  #farewell: string | undefined = undefined;

  constructor(clock: Clock, settings: Http2Settings, stream: (sink: ByteSink) => ByteStream, role: Role) {
    this.clock = clock;
    this.settings = settings;
    this.side = role.side;
    this.#role = role;
    this.#stream = stream(this);
    this.outbox = new Http2Outbox(this.#stream, clock);
    this.encoder = new HpackEncoder(settings.encoderTableBytes);
    this.#reader = new Http2FrameReader(this, settings.maxFrameBytes);
    this.#decoder = new HpackDecoder(role.side === "server" ? "request" : "response", settings);
    this.#allowances = createAllowances(settings);
    this.#block = new HeaderBlock(settings);
    this.#pings = new Pings(this.outbox);
    this.#stalls = new Stalls(settings);
    this.#prefaceBytes = role.side === "server" ? 0 : preface.length;
    this.lastReceivedMs = clock.now();
    this.#openingTimer = clock.after(settings.openingTimeoutMs, () => {
      this.fail(fault(ErrorCode.settingsTimeout,
        `no complete opening of HTTP/2 within ${settings.openingTimeoutMs} ms (openingTimeoutMs)`));
    }).unref();
  }

  get peer(): string {
    return this.#stream.peer;
  }

  /** Says our settings, behind the preface if we are the client. */
  open(): void {
    const { outbox, settings } = this;
    if (this.side === "client") outbox.raw(preface);
    const entries: (readonly [number, number])[] = [
      [Setting.headerTableBytes, settings.headerTableBytes],
      [Setting.initialWindowBytes, settings.streamWindowBytes],
      [Setting.maxFrameBytes, settings.maxFrameBytes],
      [Setting.maxHeaderListBytes, settings.maxHeaderListBytes],
      this.side === "client"
        ? [Setting.enablePush, 0] : [Setting.maxConcurrentStreams, settings.maxConcurrentStreams],
    ];
    if (this.side === "server") entries.push([Setting.takesPings, 1]);
    outbox.settings(entries);
    this.#settingsSentMs = this.clock.now();
    const more = settings.connectionWindowBytes - initialWindowBytes;
    if (more > 0) outbox.windowUpdate(0, more);
    this.#receiveWindow += more;
  }

  opened(): void {
    if (this.side === "client" && !this.isEnded) this.open();
  }

  received(bytes: Uint8Array): void {
    if (this.isEnded) return;
    this.lastReceivedMs = this.clock.now();
    try {
      const from = this.#prefaceBytes < preface.length ? this.#readPreface(bytes) : 0;
      this.#reader.push(bytes, from);
      this.#role.settle();
      this.#holdBack();
    } catch (error) {
      this.fail(RpcError.from(error, "internal"));
    }
  }

  /** Returns the offset of what follows the preface. */
  #readPreface(bytes: Uint8Array): number {
    const count = Math.min(preface.length - this.#prefaceBytes, bytes.length);
    for (let i = 0; i < count; i++) {
      if (bytes[i] !== preface[this.#prefaceBytes + i]) {
        throw fault(ErrorCode.protocol, "the peer does not speak HTTP/2: its first bytes are not the preface");
      }
    }
    this.#prefaceBytes += count;
    return count;
  }

  /**
   * A server stops reading requests while its responses are not read. A client never does: two sides that both waited
   * would wait for ever.
   */
  #holdBack(): void {
    if (this.side === "client" || this.isEnded) return;
    this.outbox.flush();
    if (!this.outbox.full || this.#isPaused) return;
    this.#isPaused = true;
    this.#stream.pause();
  }

  drained(): void {
    this.outbox.full = false;
    if (this.#isPaused) {
      this.#isPaused = false;
      this.#stream.resume();
    }
    this.#guarded(() => this.#wakeAll());
  }

  /** For what happens outside a read: a fault ends the connection there too. */
  #guarded(act: () => void): void {
    try {
      act();
      this.#role.settle();
    } catch (error) {
      this.fail(RpcError.from(error, "internal"));
    }
  }

  /** Streams take turns, until none can go on. */
  #wakeAll(): void {
    if (this.isEnded || this.waiting.size === 0) return;
    for (let before = -1; before !== this.dataFrames;) {
      before = this.dataFrames;
      for (const stream of [...this.waiting]) {
        if (this.outbox.full) return;
        stream.wake();
      }
      if (this.sendWindow <= 0) return;
    }
  }

  frame(type: number, flags: number, id: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (!this.isOpen && (type !== FrameType.settings || (flags & Flag.ack) !== 0)) {
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
        this.#settings(flags, id, bytes, start, end);
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
        this.#allowances.idleFrames.take(this.lastReceivedMs);
    }
    return !this.isEnded;
  }

  #data(flags: number, id: number, bytes: Uint8Array, start: number, end: number): void {
    if (id === 0) throw fault(ErrorCode.protocol, "a DATA frame on stream 0");
    const size = end - start;
    this.#pings.sinceResponse = 0;
    this.#receiveWindow -= size;
    if (this.#receiveWindow < 0) {
      throw fault(ErrorCode.flowControl, "more DATA than the connection's window (connectionWindowBytes)");
    }
    if ((flags & Flag.padded) !== 0) {
      const padding = bytes[start] as number;
      if (padding >= size) throw fault(ErrorCode.protocol, "a DATA frame of more padding than payload");
      start++;
      end -= padding;
    }
    const isLast = (flags & Flag.endStream) !== 0;
    if (start === end && !isLast) this.#allowances.idleFrames.take(this.lastReceivedMs);
    const stream = this.streams.get(id);
    if (stream === undefined) {
      this.consumed(size);
      this.#missed(id, "a DATA frame");
    } else if (stream.remoteDone) {
      this.consumed(size);
      this.mistake(id, ErrorCode.streamClosed, "a DATA frame after the end of the message");
    } else if (!stream.charge(size)) {
      this.consumed(size);
      this.mistake(id, ErrorCode.flowControl, "more DATA than the stream's window (streamWindowBytes)");
    } else if (!stream.agrees(end - start, isLast)) {
      this.consumed(size);
      this.mistake(id, ErrorCode.protocol, `a body of other than the ${stream.expected} bytes of content-length`);
    } else if (this.side === "client" && !stream.headReceived) {
      this.consumed(size);
      this.mistake(id, ErrorCode.protocol, "a body before its head");
    } else {
      if (size > end - start) stream.padded(size - (end - start));
      stream.data(bytes, start, end, isLast);
    }
  }

  /** A frame for a stream that is not open. Those we reset may still be on their way; others are a mistake. */
  #missed(id: number, what: string): void {
    if (this.#role.isIdle(id)) throw fault(ErrorCode.protocol, `${what} on idle stream ${id}`);
    if (this.side === "client" || this.#reset.has(id)) return;
    this.mistake(id, ErrorCode.streamClosed, `${what} on a closed stream`);
  }

  #headers(flags: number, id: number, bytes: Uint8Array, start: number, end: number): void {
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
    if (start === end) this.#allowances.idleFrames.take(this.lastReceivedMs);
    if ((flags & Flag.endHeaders) === 0) this.#block.begin(id, isLast, dependsOn, bytes, start, end);
    else this.#head(id, isLast, dependsOn, bytes, start, end);
  }

  #continuation(flags: number, id: number, bytes: Uint8Array, start: number, end: number): void {
    const block = this.#block;
    if (block.id === 0) throw fault(ErrorCode.protocol, `a CONTINUATION without a HEADERS frame on stream ${id}`);
    if (start === end) this.#allowances.idleFrames.take(this.lastReceivedMs);
    block.add(bytes, start, end);
    if ((flags & Flag.endHeaders) === 0) return;
    const whole = block.take();
    this.#head(id, block.isLast, block.dependsOn, whole, 0, whole.length);
  }

  #head(id: number, isLast: boolean, dependsOn: number, bytes: Uint8Array, start: number, end: number): void {
    // Always: the table changes with every block, whoever it is for.
    const head = this.#decoder.decode(bytes, start, end);
    this.#pings.sinceResponse = 0;
    if (dependsOn === id) this.mistake(id, ErrorCode.protocol, "a stream that depends on itself");
    else this.#role.headers(id, head, isLast);
  }

  #priority(id: number, bytes: Uint8Array, start: number, end: number): void {
    this.#allowances.idleFrames.take(this.lastReceivedMs);
    if (id === 0) throw fault(ErrorCode.protocol, "a PRIORITY frame on stream 0");
    if (end - start !== 5) this.mistake(id, ErrorCode.frameSize, `a PRIORITY frame of ${end - start} bytes`);
    else if ((readUint32(bytes, start) & 0x7fff_ffff) === id) {
      this.mistake(id, ErrorCode.protocol, "a stream that depends on itself");
    }
  }

  #resetFrame(id: number, bytes: Uint8Array, start: number, end: number): void {
    if (id === 0) throw fault(ErrorCode.protocol, "a RST_STREAM frame on stream 0");
    if (end - start !== 4) throw fault(ErrorCode.frameSize, `a RST_STREAM frame of ${end - start} bytes`);
    const stream = this.streams.get(id);
    if (stream === undefined) {
      if (this.#role.isIdle(id)) throw fault(ErrorCode.protocol, `a RST_STREAM frame on idle stream ${id}`);
      this.#allowances.idleFrames.take(this.lastReceivedMs);
      return;
    }
    if (this.side === "server") this.#allowances.resets.take(this.lastReceivedMs);
    stream.resetByPeer(readUint32(bytes, start));
  }

  #settings(flags: number, id: number, bytes: Uint8Array, start: number, end: number): void {
    if (id !== 0) throw fault(ErrorCode.protocol, `a SETTINGS frame on stream ${id}`);
    if ((flags & Flag.ack) !== 0) {
      if (end > start) throw fault(ErrorCode.frameSize, "a SETTINGS acknowledgement with a payload");
      if (this.#isAcknowledged) this.#allowances.settings.take(this.lastReceivedMs);
      this.#isAcknowledged = true;
      return;
    }
    this.#allowances.settings.take(this.lastReceivedMs);
    const windowBytes = this.peerWindowBytes;
    readSettings(this, bytes, start, end);
    this.outbox.begin();
    this.outbox.end(FrameType.settings, Flag.ack, 0);
    const more = this.peerWindowBytes - windowBytes;
    if (more !== 0) {
      for (const stream of this.streams.all()) {
        stream.sendWindow += more;
        if (stream.sendWindow > mostWindowBytes) {
          throw fault(ErrorCode.flowControl, `the initial window makes that of stream ${stream.id} exceed 2^31-1`);
        }
      }
      if (more > 0) this.#wakeAll();
    }
    if (this.isOpen) return;
    this.isOpen = true;
    this.#openingTimer.cancel();
    this.#role.opened();
  }

  /** Asks for a sign of life, unless the peer would take offence. */
  ping(): boolean {
    if (this.isEnded || !this.peerTakesPings && this.#pings.isEnough) return false;
    this.#pings.ping(this.clock.now());
    return true;
  }

  /** Asks the peer to send back a mark, behind all that it sent before it saw this. */
  mark(): void {
    this.#pings.mark();
  }

  #ping(flags: number, id: number, bytes: Uint8Array, start: number, end: number): void {
    if (id !== 0) throw fault(ErrorCode.protocol, `a PING frame on stream ${id}`);
    if (end - start !== 8) throw fault(ErrorCode.frameSize, `a PING frame of ${end - start} bytes`);
    if ((flags & Flag.ack) === 0) {
      this.#allowances.pings.take(this.lastReceivedMs);
      this.outbox.begin();
      this.outbox.writeBytes(bytes.subarray(start, end));
      this.outbox.end(FrameType.ping, Flag.ack, 0);
      return;
    }
    const answer = this.#pings.answered(bytes, start, this.lastReceivedMs);
    if (answer === "mark") this.#role.marked();
    else if (answer === undefined) this.#allowances.idleFrames.take(this.lastReceivedMs);
    else this.#role.pinged(answer);
  }

  #windowUpdate(id: number, bytes: Uint8Array, start: number, end: number): void {
    if (end - start !== 4) throw fault(ErrorCode.frameSize, `a WINDOW_UPDATE frame of ${end - start} bytes`);
    const { windowUpdates } = this.#allowances;
    if (this.dataFrames > 0) {
      windowUpdates.refund(2 * this.dataFrames + this.dataBytes / 1_024);
      this.dataFrames = this.dataBytes = 0;
    }
    windowUpdates.take(this.lastReceivedMs);
    const more = readUint32(bytes, start) & 0x7fff_ffff;
    if (id === 0) {
      if (more === 0) throw fault(ErrorCode.protocol, "a WINDOW_UPDATE of 0");
      this.sendWindow += more;
      if (this.sendWindow > mostWindowBytes) throw fault(ErrorCode.flowControl, "the window exceeds 2^31-1");
      this.#wakeAll();
      return;
    }
    const stream = this.streams.get(id);
    if (stream === undefined) {
      if (this.#role.isIdle(id)) throw fault(ErrorCode.protocol, `a WINDOW_UPDATE on idle stream ${id}`);
    } else if (more === 0) {
      this.mistake(id, ErrorCode.protocol, "a WINDOW_UPDATE of 0");
    } else {
      stream.sendWindow += more;
      if (stream.sendWindow > mostWindowBytes) this.mistake(id, ErrorCode.flowControl, "a window exceeds 2^31-1");
      else if (this.waiting.has(stream)) this.#wakeAll();
    }
  }

  #goAway(id: number, bytes: Uint8Array, start: number, end: number): void {
    if (id !== 0) throw fault(ErrorCode.protocol, `a GOAWAY frame on stream ${id}`);
    if (end - start < 8) throw fault(ErrorCode.frameSize, `a GOAWAY frame of ${end - start} bytes`);
    this.#allowances.settings.take(this.lastReceivedMs);
    const errorCode = readUint32(bytes, start + 4);
    const text = new TextDecoder().decode(bytes.subarray(start + 8, Math.min(end, start + 264)));
    this.#farewell = text === "" ? errorName(errorCode) : `${errorName(errorCode)} ${JSON.stringify(text)}`;
    this.#role.goingAway(readUint32(bytes, start) & 0x7fff_ffff, errorCode, this.#farewell);
  }

  /** The peer's mistake costs it the stream; too many cost it the connection. */
  mistake(id: number, errorCode: number, why: string): void {
    this.#allowances.mistakes.take(this.lastReceivedMs);
    this.sendReset(id, errorCode);
    this.streams.get(id)?.fail(expected("internal", `${why} (${errorName(errorCode)})`, { phase: "network" }));
  }

  /** Remembers that frames for this stream may still come. */
  sendReset(id: number, errorCode: number): void {
    this.#reset.add(id);
    this.outbox.reset(id, errorCode);
  }

  /** Remembers that frames for this stream, which was never begun, may come. */
  forget(id: number): void {
    this.#reset.add(id);
  }

  wasReset(id: number): boolean {
    return this.#reset.has(id);
  }

  /** An exchange came to its end as it should: the peer may reset one more. */
  completed(): void {
    this.#allowances.resets.refund(1);
  }

  /** The peer's window let only a small piece out. */
  smallPiece(): void {
    this.#allowances.smallPieces.take(this.lastReceivedMs);
  }

  finished(stream: Http2Stream): void {
    this.#role.finished(stream);
  }

  /** Between two reads, what changed is told once the turn is over. */
  settleSoon(): void {
    if (this.#settlesSoon || this.side === "server") return;
    this.#settlesSoon = true;
    this.clock.defer(() => {
      this.#settlesSoon = false;
      if (!this.isEnded) this.#role.settle();
    });
  }

  /** Counts body bytes as given back and credits the peer for them in large pieces. */
  consumed(bytes: number): void {
    this.#uncredited += bytes;
    if (this.#uncredited * 4 < this.settings.connectionWindowBytes || this.isEnded) return;
    this.outbox.windowUpdate(0, this.#uncredited);
    this.#receiveWindow += this.#uncredited;
    this.#uncredited = 0;
  }

  /** Ends the connection of a peer that stalls. Called about once a second. */
  sweep(nowMs: number): void {
    if (this.isEnded) return;
    const { bufferedBytes } = this.#stream;
    const isWithin = this.#reader.midFrame || this.#block.id !== 0;
    const why = this.#stalls.connection(nowMs, isWithin, this.#reader.frames, bufferedBytes);
    if (why !== undefined) {
      const error = expected("unavailable", `${why} (stallTimeoutMs)`, { phase: "network" });
      // Who does not read is told nothing.
      if (bufferedBytes > 0) this.abort(error);
      else this.fail(error);
      return;
    }
    if (!this.#isAcknowledged && nowMs - this.#settingsSentMs >= this.settings.settingsTimeoutMs) {
      this.fail(fault(ErrorCode.settingsTimeout,
        `no acknowledgement of our settings within ${this.settings.settingsTimeoutMs} ms (settingsTimeoutMs)`));
      return;
    }
    for (const stream of this.waiting) {
      if (!this.#stalls.isStalled(stream, nowMs)) continue;
      this.sendReset(stream.id, ErrorCode.cancel);
      stream.fail(expected("unavailable",
        `the peer has taken nothing of a complete message for ${this.settings.stallTimeoutMs} ms (stallTimeoutMs)`,
        { phase: "network" }));
    }
  }

  /** Says that streams above `lastId` will not be served here. */
  sendGoAway(lastId: number, errorCode: number, text: string): void {
    this.outbox.goAway(lastId, errorCode, text);
  }

  /** Ends the connection because of `error`, telling the peer as far as it still listens. */
  fail(error: RpcError): void {
    if (this.isEnded) return;
    this.outbox.abort();
    if (this.#settingsSentMs < Infinity) {
      const errorCode = error instanceof ConnectionFault ? error.errorCode : ErrorCode.internal;
      this.sendGoAway(this.#role.lastPeerId, errorCode, error.message);
    }
    this.#leave(lingerMs);
    this.#finish(error);
  }

  /** Ends the connection at once, without a word: the peer is held to be dead. */
  abort(error: RpcError): void {
    if (this.isEnded) return;
    this.#stream.destroy();
    this.#finish(error);
  }

  /** Ends the connection in order, after what was written. Streams that are open fail with `reason`. */
  end(reason?: RpcError): void {
    if (this.isEnded) return;
    this.sendGoAway(this.#role.lastPeerId, ErrorCode.none, reason?.message ?? "");
    this.#leave(this.#stream.bufferedBytes > 0 ? this.settings.stallTimeoutMs : lingerMs);
    this.#finish(undefined, reason);
  }

  /** Ends the stream; a peer that does not close its side in time is cut off, or it could keep ours for ever. */
  #leave(waitMs: number): void {
    this.outbox.flush();
    this.#lingerTimer = this.clock.after(waitMs, () => this.#stream.destroy()).unref();
    this.#stream.end();
  }

  closed(error?: Error): void {
    this.#lingerTimer?.cancel();
    const why = error?.message ?? this.#closedEarly();
    this.#finish(why === undefined ? undefined : expected("unavailable",
      this.#farewell === undefined ? why : `${why}, saying: ${this.#farewell}`, { cause: error, phase: "network" }));
    this.#role.gone();
  }

  /** What is wrong with an orderly close by the peer; nothing if no stream was open. */
  #closedEarly(): string | undefined {
    if (this.#reader.midFrame) return "the peer closed the connection in the middle of a frame";
    if (this.side === "client") {
      return this.isOpen ? "the peer closed the connection" : "the peer closed the connection before it opened HTTP/2";
    }
    const { size } = this.streams;
    return size === 0 ? undefined : `the client closed the connection with requests in flight (${size})`;
  }

  #finish(error: RpcError | undefined, reason = error): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.#openingTimer.cancel();
    this.outbox.close();
    for (const stream of this.streams.all()) stream.fail(this.#role.lost(stream, reason));
    this.waiting.clear();
    this.#role.closed(error);
  }
}

/** Big-endian, as a number without sign. */
export function readUint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 24 | (bytes[at + 1] as number) << 16 | (bytes[at + 2] as number) << 8 |
    (bytes[at + 3] as number)) >>> 0;
}
