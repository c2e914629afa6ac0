/** Pings ask the peer for a sign of life, and for a mark behind all that it sent before. */
import { FrameType } from "./constants.ts";
import type { Http2Outbox } from "./outbox.ts";

/** Pings whose answers are told apart; older ones go unheard. */
const remembered = 16;
/** Pings without a frame of a response in between that servers of gRPC bear (gRFC A8). */
const borne = 2;
const pingTag = 0x6d65_7270;
const markTag = 0x6d65_726d;

export class Pings {
  readonly #outbox: Http2Outbox;
  #last = 0;
  /** Pings since the peer last sent something of a response. */
  sinceResponse = 0;
  readonly #sentMs = new Float64Array(remembered).fill(NaN);

  constructor(outbox: Http2Outbox) {
    this.#outbox = outbox;
  }

  /** Whether one more would offend a peer that bears few. */
  get isEnough(): boolean {
    return this.sinceResponse >= borne;
  }

  ping(nowMs: number): void {
    this.sinceResponse++;
    const number = ++this.#last >>> 0;
    this.#sentMs[number % remembered] = nowMs;
    this.#send(pingTag, number);
  }

  mark(): void {
    this.#send(markTag, 0);
  }

  #send(tag: number, number: number): void {
    this.#outbox.begin();
    this.#outbox.writeUint32(tag);
    this.#outbox.writeUint32(number);
    this.#outbox.end(FrameType.ping, 0, 0);
  }

  /** What the answer `bytes[start, start + 8)` was to: a round trip in milliseconds; undefined if to nothing. */
  answered(bytes: Uint8Array, start: number, nowMs: number): number | "mark" | undefined {
    const view = new DataView(bytes.buffer, bytes.byteOffset + start, 8);
    const tag = view.getUint32(0);
    if (tag === markTag) return "mark";
    if (tag !== pingTag) return undefined;
    const slot = view.getUint32(4) % remembered;
    const sentMs = this.#sentMs[slot] as number;
    this.#sentMs[slot] = NaN;
    return Number.isNaN(sentMs) ? undefined : Math.max(0, nowMs - sentMs);
  }
}
