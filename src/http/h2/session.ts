/**
 * An Http2Session is one HTTP/2 connection, as far as client and server are alike: frames, settings, windows, pings
 * and the end. A {@link Role} knows what heads mean on its side.
 */
import type { Timer } from "../../core/alarm.ts";
import { expected, RpcError } from "../../core/error.ts";
import { type Peer, peerOf } from "../../core/peer.ts";
import type { ByteSink, ByteStream, Clock } from "../../core/runtime.ts";
import type { Carrier } from "../message.ts";
import { type Allowances, createAllowances } from "./allowance.ts";
import { ErrorCode, errorName, initialWindowBytes, leastMaxFrameBytes, preface, Setting } from "./constants.ts";
import { ConnectionFault, fault } from "./failure.ts";
import { Http2FrameReader } from "./frame-reader.ts";
import { Http2Frames } from "./frames.ts";
import type { ReceivedHead } from "./hpack-decoder.ts";
import { HpackEncoder } from "./hpack-encoder.ts";
import { Http2Outbox } from "./outbox.ts";
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
/** Also after a reset: whether a server that expects TLS closes or resets depends on what it had read by then. */
const unopened = "before it opened HTTP/2; does it take TLS only, or want a certificate of ours (`tls`)?";

export class Http2Session implements ByteSink, Carrier {
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
  readonly #frames: Http2Frames;
  readonly allowances: Allowances;
  readonly pings: Pings;
  readonly #reset = new ResetIds();
  readonly #stalls: Stalls;
  readonly #openingTimer: Timer;
  #lingerTimer: Timer | undefined = undefined;
  memo: unknown = undefined;
  readonly from: Peer;
  lastReceivedMs: number;
  /** How much of the client's preface has come; all of it on a client, which expects none. */
  #prefaceBytes: number;
  /** Whether the peer's first settings came, and whether it acknowledged ours. */
  isOpen = false;
  isAcknowledged = false;
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
  /** What the peer said in GOAWAY. */
  farewell: string | undefined = undefined;

  constructor(clock: Clock, settings: Http2Settings, stream: (sink: ByteSink) => ByteStream, role: Role) {
    this.clock = clock;
    this.settings = settings;
    this.side = role.side;
    this.#role = role;
    this.#stream = stream(this);
    this.from = peerOf(this.#stream);
    this.outbox = new Http2Outbox(this.#stream, clock);
    this.encoder = new HpackEncoder(settings.encoderTableBytes);
    this.#frames = new Http2Frames(this, role);
    this.#reader = new Http2FrameReader(this.#frames, settings.maxFrameBytes);
    this.allowances = createAllowances(settings);
    this.pings = new Pings(this.outbox);
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
    if (this.side === "server" || this.isEnded) return;
    const protocol = this.#stream.secure?.protocol;
    if (protocol === undefined || protocol === "h2") this.open();
    else {
      this.fail(expected("unavailable", `the server chose ${JSON.stringify(protocol)} instead of "h2" (ALPN)`,
        { phase: "connect", neverStarted: true }));
    }
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
    this.#guarded(() => this.wakeAll());
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
  wakeAll(): void {
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

  /** The peer's first settings are here. */
  peerOpened(): void {
    this.isOpen = true;
    this.#openingTimer.cancel();
    this.#role.opened();
  }

  /** Takes a DATA frame off the connection's window; whether the peer had so much. */
  charge(bytes: number): boolean {
    this.#receiveWindow -= bytes;
    return this.#receiveWindow >= 0;
  }

  /** Asks for a sign of life, unless the peer would take offence. */
  ping(): boolean {
    if (this.isEnded || !this.peerTakesPings && this.pings.isEnough) return false;
    this.pings.ping(this.clock.now());
    return true;
  }

  /** Asks the peer to send back a mark, behind all that it sent before it saw this. */
  mark(): void {
    this.pings.mark();
  }

  /** The peer's mistake costs it the stream; too many cost it the connection. */
  mistake(id: number, errorCode: number, why: string): void {
    this.allowances.mistakes.take(this.lastReceivedMs);
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
    this.allowances.resets.refund(1);
  }

  /** The peer's window let only a small piece out. */
  smallPiece(): void {
    this.allowances.smallPieces.take(this.lastReceivedMs);
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
    const isWithin = this.#reader.midFrame || this.#frames.midBlock;
    const why = this.#stalls.connection(nowMs, isWithin, this.#reader.frames, this.outbox.flushedBytes, bufferedBytes);
    if (why !== undefined) {
      const error = expected("unavailable", `${why} (stallTimeoutMs)`, { phase: "network" });
      // Who does not read is told nothing.
      if (bufferedBytes > 0) this.abort(error);
      else this.fail(error);
      return;
    }
    if (!this.isAcknowledged && nowMs - this.#settingsSentMs >= this.settings.settingsTimeoutMs) {
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
    const wasReset = this.#isUnopened && RpcError.is(error) && error.phase === "network";
    const why = wasReset ? `${error.message}, ${unopened}` : error?.message ?? this.#closedEarly();
    this.#finish(why === undefined ? undefined : expected("unavailable",
      this.farewell === undefined ? why : `${why}, saying: ${this.farewell}`, { cause: error, phase: "network" }));
    this.#role.gone();
  }

  /** What is wrong with an orderly close by the peer; nothing if no stream was open. */
  #closedEarly(): string | undefined {
    if (this.#reader.midFrame) return "the peer closed the connection in the middle of a frame";
    if (this.side === "client") return `the peer closed the connection${this.#isUnopened ? ` ${unopened}` : ""}`;
    const { size } = this.streams;
    return size === 0 ? undefined : `the client closed the connection with requests in flight (${size})`;
  }

  get #isUnopened(): boolean {
    return this.side === "client" && !this.isOpen;
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
