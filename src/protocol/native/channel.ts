/**
 * A Channel is one native connection below its calls: preface, hellos, pings, credit and the end.
 *
 * Client and server each give it a {@link Role} that understands the frames of calls. It does no I/O but
 * through its ByteStream and reads no clock but the Runtime's.
 */
import { codeFromNumber, codeNumber } from "../../core/code.ts";
import { expected, RpcError } from "../../core/error.ts";
import type { LoadReport } from "../../core/load.ts";
import type { ByteSink, ByteStream, Clock } from "../../core/runtime.ts";
import type { Timer } from "../../core/alarm.ts";
import type { Compression } from "../../wire/compression.ts";
import { Cursor } from "../../wire/cursor.ts";
import { frameHeaderBytes, FrameReader, type FrameSink } from "../../wire/frame-reader.ts";
import { FrameOutbox } from "../../wire/frame-outbox.ts";
import type { Writer } from "../../wire/writer.ts";
import { readExtras, writeExtras } from "../extras.ts";
import { Flag, FrameType, maxVersion, minVersion, prefaceBytes } from "./frame-types.ts";
import { type Peer, readHello, writeHello } from "./hello.ts";
import { preface, PrefaceReader } from "./preface.ts";
import type { Sender } from "./sender.ts";
import type { NativeSettings } from "./settings.ts";

export interface Role {
  readonly side: "client" | "server";
  /** The peer's hello is here: calls may go out. */
  opened(): void;
  /** A frame of a call. Throwing an RpcError ends the connection; errors of one call are the role's to handle. */
  callFrame(type: number, flags: number, id: number, bytes: Uint8Array, start: number, end: number): void;
  /** More credit for what call `id` sends. */
  credited(id: number, bytes: number): void;
  goingAway(lastId: number, error: RpcError): void;
  pinged(roundTripMs: number): void;
  /** Of a server: its load, for who asks. */
  load?(): LoadReport | undefined;
  /** Of a client: the server told its load. */
  reported?(load: LoadReport): void;
  /** Last of the connection. `error` is absent after an orderly end. */
  closed(error: RpcError | undefined): void;
  /** Last of all: the stream below is closed too, which a peer can delay for a while. */
  gone(): void;
}

/** How long a peer that was told the end may take to close its side before it is cut off, in milliseconds. */
export const lingerMs = 1_000;
const unopened =
  "before its hello was complete; does it take TLS only, or want a certificate of ours (`tls`)?";
/** More pings in a second are no sign of life but an attack, or a bug. */
const maxPingsPerSecond = 1_000;
/** A read of fewer bytes that completes no frame is no sign of life: a peer could dribble for ever. */
const dribbleBytes = 256;

export class Channel implements ByteSink, FrameSink {
  readonly clock: Clock;
  readonly settings: NativeSettings;
  readonly outbox: FrameOutbox;
  readonly cursor = new Cursor();
  readonly #role: Role;
  readonly #stream: ByteStream;
  readonly #reader: FrameReader;
  readonly #helloTimer: Timer;
  #lingerTimer: Timer | undefined = undefined;
  readonly #preface = new PrefaceReader();
  /** Whether our preface is out, so that the peer can make sense of a frame. */
  #greeted = false;
  peer: Peer | undefined = undefined;
  /** The algorithm both sides have, if any. */
  compression: Compression | undefined = undefined;
  /** When the bytes being handled arrived: the clock is read once a read, not once a frame. */
  receivedMs: number;
  /** When the peer last gave a sign of life. */
  heardMs: number;
  #heardFrames = 0;
  #pings = 0;
  #pingsSinceMs = 0;
  /** Why the peer is going away, once it has said so. */
  #farewell: RpcError | undefined = undefined;
  /** Messages that have begun to arrive and are not complete: how many, and their bytes so far. */
  unfinished = 0;
  unfinishedBytes = 0;
  /** What we may still send in data frames, over all calls. */
  sendCredit = 0;
  /** Data bytes consumed here that the peer has not been credited for. */
  #uncredited = 0;
  /** What the peer may still send in data frames, over all calls. */
  #receiveCredit: number;
  /** Senders that wait for credit or room. */
  readonly waiting = new Set<Sender>();
  #ended = false;
  #stallFrames = -1;
  #takenBytes = 0;
  #stallSinceMs = 0;
  #paused = false;

  constructor(clock: Clock, settings: NativeSettings, stream: (sink: ByteSink) => ByteStream, role: Role) {
    this.clock = clock;
    this.settings = settings;
    this.#role = role;
    this.#stream = stream(this);
    this.outbox = new FrameOutbox(this.#stream, clock);
    this.#reader = new FrameReader(this, settings.maxFrameBytes);
    this.receivedMs = this.heardMs = clock.now();
    this.#receiveCredit = settings.connectionWindowBytes;
    this.#helloTimer = clock.after(settings.helloTimeoutMs, () => {
      this.fail(expected("unavailable", `no complete hello within ${settings.helloTimeoutMs} ms`,
        { neverStarted: true, phase: "connect" }));
    }).unref();
  }

  get side(): "client" | "server" {
    return this.#role.side;
  }

  get peerAddress(): string {
    return this.#stream.peer;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /**
   * Ends the connection of a peer that leaves a frame half sent, or unread what we sent, for stallTimeoutMs.
   * Called about once a second.
   */
  sweep(nowMs: number): void {
    const { bufferedBytes } = this.#stream;
    const moving = !this.#reader.midFrame && bufferedBytes === 0;
    // What was taken, not what is waiting: a slow reader's buffer may be filled as fast as it is read.
    const takenBytes = this.outbox.flushedBytes - bufferedBytes;
    if (moving || this.#reader.frames !== this.#stallFrames || takenBytes > this.#takenBytes) {
      this.#stallFrames = this.#reader.frames;
      this.#stallSinceMs = nowMs;
    }
    this.#takenBytes = takenBytes;
    if (nowMs - this.#stallSinceMs < this.settings.stallTimeoutMs) return;
    const waitedMs = this.settings.stallTimeoutMs;
    // Who does not read is told nothing.
    if (bufferedBytes > 0) this.abort(stalled(`the peer has read nothing for ${waitedMs} ms`));
    else this.fail(stalled(`the peer has left a frame unfinished for ${waitedMs} ms`));
  }

  opened(): void {
    if (this.#role.side === "client") this.#open(minVersion, maxVersion);
  }

  #greet(least: number, most: number): void {
    this.outbox.raw(preface(least, most));
    this.#greeted = true;
  }

  #open(least: number, most: number): void {
    this.#greet(least, most);
    this.outbox.begin();
    writeHello(this.outbox, this.settings);
    this.outbox.end(FrameType.hello, 0, 0);
  }

  received(bytes: Uint8Array): void {
    if (this.#ended) return;
    this.receivedMs = this.clock.now();
    try {
      this.#reader.push(this.#preface.length === prefaceBytes ? bytes : this.#readPreface(bytes));
      if (this.#reader.frames !== this.#heardFrames || bytes.length >= dribbleBytes) {
        this.#heardFrames = this.#reader.frames;
        this.heardMs = this.receivedMs;
      }
      this.#holdBack();
    } catch (error) {
      this.fail(RpcError.from(error, "internal"));
    }
  }

  /**
   * A server stops reading requests while its replies are not read. A client never does: two sides that both
   * waited would wait for ever.
   */
  #holdBack(): void {
    if (this.#role.side === "client" || this.#ended) return;
    this.outbox.flush();
    if (!this.outbox.full || this.#paused) return;
    this.#paused = true;
    this.#stream.pause();
  }

  drained(): void {
    this.outbox.full = false;
    if (this.#paused) {
      this.#paused = false;
      this.#stream.resume();
    }
    this.wakeSenders();
  }

  closed(error?: Error): void {
    this.#lingerTimer?.cancel();
    // Whether a server that expects TLS closes or resets depends on what it had read by then.
    const wasReset = this.#isUnopened && RpcError.is(error) && error.phase === "network";
    const why = wasReset ? `${error.message}, ${unopened}` : error?.message ?? this.#closedEarly();
    this.#finish(why === undefined ? undefined : expected("unavailable",
      this.#farewell === undefined ? why : `${why}, saying: ${this.#farewell.message}`,
      { cause: error, phase: "network" }));
    this.#role.gone();
  }

  /** What is wrong with an orderly close by the peer; nothing if it opened, and closed between two frames. */
  #closedEarly(): string | undefined {
    if (this.#reader.midFrame) return "the peer closed the connection in the middle of a frame";
    if (this.#isUnopened) return `the peer closed the connection ${unopened}`;
    if (this.#role.side === "client") return "the peer closed the connection";
    const greeted = this.peer !== undefined || this.#preface.length === 0;
    return greeted ? undefined : "the peer closed the connection before its hello was complete";
  }

  get #isUnopened(): boolean {
    return this.#role.side === "client" && this.peer === undefined;
  }

  /** Returns what follows the preface. */
  #readPreface(bytes: Uint8Array): Uint8Array {
    const taken = this.#preface.push(bytes);
    if (this.#preface.length < prefaceBytes) return bytes.subarray(taken);
    try {
      this.#preface.checkVersions();
    } catch (error) {
      // The peer can name what to upgrade only if it learns what we speak.
      if (!this.#greeted) this.#greet(minVersion, maxVersion);
      throw error;
    }
    if (this.#role.side === "server") {
      const version = Math.min(this.#preface.most, maxVersion);
      this.#open(version, version);
    }
    return bytes.subarray(taken);
  }

  frame(type: number, flags: number, id: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.peer === undefined) {
      if (type !== FrameType.hello) {
        if (type === FrameType.goAway) this.#goAway(bytes, start, end);
        throw new RpcError("invalid_argument", `the first frame has type ${type}, expected a hello`,
          { neverStarted: true, phase: "connect" });
      }
      this.#hello(readHello(this.cursor.over(bytes, start, end)));
      return !this.#ended;
    }
    switch (type) {
      case FrameType.data:
        this.#charge(end - start + frameHeaderBytes);
        this.#role.callFrame(type, flags, id, bytes, start, end);
        break;
      case FrameType.hello:
        throw new RpcError("invalid_argument", "a second hello");
      case FrameType.credit:
        this.#credit(id, this.cursor.over(bytes, start, end).varint());
        break;
      case FrameType.ping:
        this.#pong(flags, bytes, start, end);
        break;
      case FrameType.pong:
        this.#pinged(flags, bytes, start, end);
        break;
      case FrameType.goAway:
        this.#goAway(bytes, start, end);
        break;
      default:
        this.#role.callFrame(type, flags, id, bytes, start, end);
    }
    return !this.#ended;
  }

  #hello(peer: Peer): void {
    this.#helloTimer.cancel();
    this.peer = peer;
    this.sendCredit = peer.connectionWindowBytes;
    const ours = this.settings.compressions;
    const [offers, accepts] = this.#role.side === "client"
      ? [ours.map((one) => one.name), peer.compressions]
      : [peer.compressions, ours.map((one) => one.name)];
    const chosen = offers.find((name) => accepts.includes(name));
    this.compression = ours.find((one) => one.name === chosen);
    this.#role.opened();
  }

  /**
   * Sends a ping that carries our clock, so that the answer says how long it took. With `wantsLoad` it asks for the
   * server's load as well; servers that do not know of that answer as ever.
   */
  ping(nowMs: number, wantsLoad = false): void {
    this.outbox.begin();
    this.outbox.writeVarint(Math.floor(nowMs * 1_000));
    this.outbox.end(FrameType.ping, wantsLoad ? Flag.extras : 0, 0);
  }

  #pong(flags: number, bytes: Uint8Array, start: number, end: number): void {
    if (end - start > 64) throw new RpcError("invalid_argument", `a ping of ${end - start} bytes; at most 64`);
    if (this.receivedMs - this.#pingsSinceMs >= 1_000) {
      this.#pingsSinceMs = this.receivedMs;
      this.#pings = 0;
    }
    if (++this.#pings > maxPingsPerSecond) {
      throw new RpcError("resource_exhausted", `more than ${maxPingsPerSecond} pings within a second`);
    }
    const load = (flags & Flag.extras) === 0 ? undefined : this.#role.load?.();
    this.outbox.begin();
    if (load !== undefined) writeExtras(this.outbox, { load });
    this.outbox.writeBytes(bytes.subarray(start, end));
    this.outbox.end(FrameType.pong, load === undefined ? 0 : Flag.extras, 0);
  }

  #pinged(flags: number, bytes: Uint8Array, start: number, end: number): void {
    const cursor = this.cursor.over(bytes, start, end);
    const load = (flags & Flag.extras) === 0 ? undefined : readExtras(cursor).load;
    const sentMicroseconds = cursor.varint();
    if (load !== undefined) this.#role.reported?.(load);
    const roundTripMs = this.receivedMs - sentMicroseconds / 1_000;
    if (roundTripMs >= 0) this.#role.pinged(roundTripMs);
  }

  #credit(id: number, bytes: number): void {
    if (id !== 0) {
      this.#role.credited(id, bytes);
    } else {
      this.sendCredit = Math.min(this.sendCredit + bytes, Number.MAX_SAFE_INTEGER);
      this.wakeSenders();
    }
  }

  wakeSenders(): void {
    for (const sender of this.waiting) sender.wake();
  }

  /** Takes a data frame off the peer's credit, which it may overdraw by one frame. */
  #charge(cost: number): void {
    if (this.#receiveCredit <= 0) {
      throw new RpcError("resource_exhausted", "the peer sent data without credit: " +
        `${this.settings.connectionWindowBytes} bytes are unread (connectionWindowBytes)`);
    }
    this.#receiveCredit -= cost;
  }

  /** Whether the peer may send no data until some is consumed here. */
  get starving(): boolean {
    return this.#receiveCredit <= 0;
  }

  /** Counts data bytes as consumed and gives the peer credit for them in large pieces. */
  consumed(bytes: number): void {
    this.#uncredited += bytes;
    if (this.#uncredited >= this.settings.connectionWindowBytes >>> 2 && !this.#ended) {
      this.sendCreditFrame(0, this.#uncredited);
      this.#uncredited = 0;
    }
  }

  sendCreditFrame(id: number, bytes: number): void {
    if (id === 0) this.#receiveCredit += bytes;
    this.outbox.begin();
    this.outbox.writeVarint(bytes);
    this.outbox.end(FrameType.credit, 0, id);
  }

  /** Says that calls above `lastId` will not be served here, and why. */
  sendGoAway(lastId: number, error: RpcError): void {
    this.outbox.begin();
    writeGoAway(this.outbox, lastId, error);
    this.outbox.end(FrameType.goAway, 0, 0);
  }

  #goAway(bytes: Uint8Array, start: number, end: number): void {
    const cursor = this.cursor.over(bytes, start, end);
    const lastId = cursor.varint();
    const code = codeFromNumber(cursor.varint());
    const error = expected(code, cursor.text(2_048), { remote: true, phase: "connect", neverStarted: true });
    if (this.peer === undefined) throw error;
    this.#farewell = error;
    this.#role.goingAway(lastId, error);
  }

  /** Ends the connection because of `error`, telling the peer as far as it still listens. */
  fail(error: RpcError): void {
    if (this.#ended) return;
    this.outbox.abort();
    if (this.#greeted && !error.remote) this.sendGoAway(0xffff_ffff, error);
    this.#leave(lingerMs);
    this.#finish(error);
  }

  /** Ends the connection at once, without a word: the peer is held to be dead. */
  abort(error: RpcError): void {
    if (this.#ended) return;
    this.#stream.destroy();
    this.#finish(error);
  }

  /** Ends the connection in order, after what was written. */
  end(): void {
    if (this.#ended) return;
    this.#leave(this.#stream.bufferedBytes > 0 ? this.settings.stallTimeoutMs : lingerMs);
    this.#finish(undefined);
  }

  /** Ends the stream; a peer that does not close its side in time is cut off, or it could keep ours for ever. */
  #leave(waitMs: number): void {
    this.outbox.flush();
    this.#lingerTimer = this.clock.after(waitMs, () => this.#stream.destroy()).unref();
    this.#stream.end();
  }

  #finish(error: RpcError | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#helloTimer.cancel();
    this.outbox.close();
    this.#role.closed(error);
    this.wakeSenders();
    this.waiting.clear();
  }
}

function stalled(why: string): RpcError {
  return expected("unavailable", `${why} (stallTimeoutMs)`, { phase: "network" });
}

/** The payload of a goAway frame. */
export function writeGoAway(writer: Writer, lastId: number, error: RpcError): void {
  writer.writeVarint(lastId);
  writer.writeVarint(codeNumber(error.code));
  const text = new TextEncoder().encode(error.message.slice(0, 512));
  writer.writeVarint(text.length);
  writer.writeBytes(text);
}
