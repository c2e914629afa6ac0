/**
 * A Channel is one native connection below its calls: preface, hellos, pings, credit and the end.
 *
 * Client and server each give it a {@link Role} that understands the frames of calls. It does no I/O but
 * through its ByteStream and reads no clock but the Runtime's.
 */
import { codeFromNumber, codeNumber } from "../../core/code.ts";
import { expected, RpcError } from "../../core/error.ts";
import type { ByteSink, ByteStream, Clock } from "../../core/runtime.ts";
import type { Timer } from "../../core/alarm.ts";
import type { Compression } from "../../wire/compression.ts";
import { Cursor } from "../../wire/cursor.ts";
import { FrameReader, type FrameSink } from "../../wire/frame-reader.ts";
import { Outbox } from "../../wire/outbox.ts";
import { FrameType, maxVersion, minVersion, prefaceBytes, prefaceMagic } from "./frame-types.ts";
import { type Peer, readHello, writeHello } from "./hello.ts";
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
  /** Last. `error` is absent after an orderly end. */
  closed(error: RpcError | undefined): void;
}

export class Channel implements ByteSink, FrameSink {
  readonly clock: Clock;
  readonly settings: NativeSettings;
  readonly outbox: Outbox;
  readonly cursor = new Cursor();
  readonly #role: Role;
  readonly #stream: ByteStream;
  readonly #reader: FrameReader;
  readonly #helloTimer: Timer;
  #preface: Uint8Array | undefined = new Uint8Array(prefaceBytes);
  #prefaceLength = 0;
  peer: Peer | undefined = undefined;
  /** The algorithm both sides have, if any. */
  compression: Compression | undefined = undefined;
  /** When the bytes being handled arrived: the clock is read once a read, not once a frame. */
  receivedMs: number;
  /** What we may still send in data frames, over all calls. */
  sendCredit = 0;
  /** Data bytes consumed here that the peer has not been credited for. */
  #uncredited = 0;
  /** Senders that wait for credit or room. */
  readonly waiting = new Set<Sender>();
  #ended = false;
  #stallFrames = -1;
  #stallBytes = 0;
  #stallSinceMs = 0;
  #paused = false;

  constructor(clock: Clock, settings: NativeSettings, stream: (sink: ByteSink) => ByteStream, role: Role) {
    this.clock = clock;
    this.settings = settings;
    this.#role = role;
    this.#stream = stream(this);
    this.outbox = new Outbox(this.#stream, clock);
    this.#reader = new FrameReader(this, settings.maxFrameBytes);
    this.receivedMs = clock.now();
    this.#helloTimer = clock.after(settings.helloTimeoutMs, () => {
      this.fail(expected("unavailable", `no complete hello within ${settings.helloTimeoutMs} ms`,
        { neverStarted: true, phase: "connect" }));
    }).unref();
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
    if (moving || this.#reader.frames !== this.#stallFrames || bufferedBytes < this.#stallBytes) {
      this.#stallFrames = this.#reader.frames;
      this.#stallSinceMs = nowMs;
    }
    this.#stallBytes = bufferedBytes;
    if (nowMs - this.#stallSinceMs < this.settings.stallTimeoutMs) return;
    this.fail(expected("unavailable", bufferedBytes > 0
      ? `the peer has read nothing for ${this.settings.stallTimeoutMs} ms`
      : `the peer has left a frame unfinished for ${this.settings.stallTimeoutMs} ms`, { phase: "network" }));
    this.#stream.destroy();
  }

  opened(): void {
    if (this.#role.side === "client") this.#open(minVersion, maxVersion);
  }

  #open(least: number, most: number): void {
    this.outbox.raw(new Uint8Array([...prefaceMagic, least, most]));
    this.outbox.begin();
    writeHello(this.outbox, this.settings);
    this.outbox.end(FrameType.hello, 0, 0);
  }

  received(bytes: Uint8Array): void {
    if (this.#ended) return;
    this.receivedMs = this.clock.now();
    try {
      const rest = this.#preface === undefined ? bytes : this.#readPreface(bytes);
      if (rest !== undefined) this.#reader.push(rest);
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
    this.#finish(this.#role.side === "client" || error !== undefined
      ? expected("unavailable", error === undefined ? "the peer closed the connection" : error.message,
        { cause: error, phase: "network" })
      : undefined);
  }

  /** Returns what follows the preface, or nothing while it is incomplete. */
  #readPreface(bytes: Uint8Array): Uint8Array | undefined {
    const preface = this.#preface as Uint8Array;
    const taken = Math.min(prefaceBytes - this.#prefaceLength, bytes.length);
    preface.set(bytes.subarray(0, taken), this.#prefaceLength);
    this.#prefaceLength += taken;
    const known = Math.min(this.#prefaceLength, prefaceMagic.length);
    for (let i = 0; i < known; i++) {
      if (preface[i] !== prefaceMagic[i]) {
        throw new RpcError("invalid_argument", "the peer does not speak the Meridian protocol: it opened with " +
          [...preface.subarray(0, known)].map((byte) => byte.toString(16).padStart(2, "0")).join(" "),
          { neverStarted: true, phase: "connect" });
      }
    }
    if (this.#prefaceLength < prefaceBytes) return undefined;
    this.#preface = undefined;
    const least = preface[6] as number;
    const most = preface[7] as number;
    if (least > maxVersion || most < minVersion) {
      throw new RpcError("failed_precondition", `the peer speaks versions ${least} to ${most} of the Meridian ` +
        `protocol, this side ${minVersion} to ${maxVersion}: upgrade the older of the two`,
        { neverStarted: true, phase: "connect", retryable: false });
    }
    if (this.#role.side === "server") {
      const version = Math.min(most, maxVersion);
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
      case FrameType.credit:
        this.#credit(id, this.cursor.over(bytes, start, end).varint());
        break;
      case FrameType.ping:
        this.#pong(bytes, start, end);
        break;
      case FrameType.pong:
        this.#pinged(this.cursor.over(bytes, start, end).varint());
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

  /** Sends a ping that carries our clock, so that the answer says how long it took. */
  ping(): void {
    this.outbox.begin();
    this.outbox.writeVarint(Math.floor(this.clock.now() * 1_000));
    this.outbox.end(FrameType.ping, 0, 0);
  }

  #pong(bytes: Uint8Array, start: number, end: number): void {
    if (end - start > 64) throw new RpcError("invalid_argument", "a ping of more than 64 bytes");
    this.outbox.begin();
    this.outbox.writeBytes(bytes.subarray(start, end));
    this.outbox.end(FrameType.pong, 0, 0);
  }

  #pinged(sentMicroseconds: number): void {
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

  /** Counts data bytes as consumed and gives the peer credit for them in large pieces. */
  consumed(bytes: number): void {
    this.#uncredited += bytes;
    if (this.#uncredited >= this.settings.connectionWindowBytes >>> 2 && !this.#ended) {
      this.sendCreditFrame(0, this.#uncredited);
      this.#uncredited = 0;
    }
  }

  sendCreditFrame(id: number, bytes: number): void {
    this.outbox.begin();
    this.outbox.writeVarint(bytes);
    this.outbox.end(FrameType.credit, 0, id);
  }

  /** Says that calls above `lastId` will not be served here, and why. */
  sendGoAway(lastId: number, error: RpcError): void {
    this.outbox.begin();
    this.outbox.writeVarint(lastId);
    this.outbox.writeVarint(codeNumber(error.code));
    const text = new TextEncoder().encode(error.message.slice(0, 512));
    this.outbox.writeVarint(text.length);
    this.outbox.writeBytes(text);
    this.outbox.end(FrameType.goAway, 0, 0);
  }

  #goAway(bytes: Uint8Array, start: number, end: number): void {
    const cursor = this.cursor.over(bytes, start, end);
    const lastId = cursor.varint();
    const code = codeFromNumber(cursor.varint());
    const error = expected(code, cursor.text(2_048), { remote: true, phase: "connect", neverStarted: true });
    if (this.peer === undefined) throw error;
    this.#role.goingAway(lastId, error);
  }

  /** Ends the connection because of `error`, telling the peer as far as it still listens. */
  fail(error: RpcError): void {
    if (this.#ended) return;
    if (this.#preface === undefined && !error.remote) this.sendGoAway(0xffff_ffff, error);
    this.outbox.flush();
    this.#stream.end();
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
    this.outbox.flush();
    this.#stream.end();
    this.#finish(undefined);
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
