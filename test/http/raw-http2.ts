/** An HTTP/2 peer that says whatever a test wants, and keeps what it hears. */
import type { ByteSink, ByteStream } from "../../src/core/index.ts";
import { frameHeaderBytes, FrameType, preface } from "../../src/http/h2/constants.ts";
import { Http2FrameReader } from "../../src/http/h2/frame-reader.ts";
import { HpackDecoder } from "../../src/http/h2/hpack-decoder.ts";
import { HpackEncoder } from "../../src/http/h2/hpack-encoder.ts";
import { defaultHttp2Settings, type Head } from "../../src/http/index.ts";

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Uint8Array;
}

export function frame(
  type: number, flags: number, id: number, payload: Uint8Array | readonly number[] = [],
): Uint8Array {
  const { length } = payload;
  const bytes = new Uint8Array(frameHeaderBytes + length);
  bytes.set([length >> 16, length >> 8, length, type, flags, id >>> 24, id >> 16, id >> 8, id]);
  bytes.set(payload, frameHeaderBytes);
  return bytes;
}

export function uint32(value: number): number[] {
  return [value >>> 24, value >>> 16 & 0xff, value >>> 8 & 0xff, value & 0xff];
}

export function settingsFrame(entries: Readonly<Record<number, number>> = {}): Uint8Array {
  return frame(FrameType.settings, 0, 0, Object.entries(entries)
    .flatMap(([name, value]) => [Number(name) >> 8, Number(name) & 0xff, ...uint32(value)]));
}

export function join(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

export class RawHttp2 implements ByteSink {
  readonly frames: Frame[] = [];
  readonly encoder = new HpackEncoder(4_096);
  readonly decoder: HpackDecoder;
  isClosed = false;
  stream: ByteStream | undefined = undefined;
  /** Whether it acknowledges settings and pings. */
  isPolite = true;
  heard: (frame: Frame) => void = () => undefined;
  readonly #reader: Http2FrameReader;
  readonly #isServer: boolean;
  #prefaceLeft: number;

  constructor(isServer: boolean) {
    this.#isServer = isServer;
    this.#prefaceLeft = isServer ? preface.length : 0;
    this.decoder = new HpackDecoder(isServer ? "request" : "response", defaultHttp2Settings);
    this.#reader = new Http2FrameReader({
      frame: (type, flags, id, bytes, start, end) => {
        const one = { type, flags, id, payload: bytes.slice(start, end) };
        this.frames.push(one);
        if (this.isPolite && (flags & 1) === 0 && (type === FrameType.settings || type === FrameType.ping)) {
          this.send(frame(type, 1, 0, type === FrameType.ping ? one.payload : []));
        }
        this.heard(one);
        return true;
      },
    }, 0xff_ffff);
  }

  /** Says what comes first. */
  open(settings: Readonly<Record<number, number>> = {}): void {
    if (this.#isServer) this.send(settingsFrame(settings));
    else this.send(preface, settingsFrame(settings));
  }

  send(...parts: readonly Uint8Array[]): void {
    this.stream?.write(join(...parts));
  }

  /** A request, or a response, as HEADERS frame. */
  headers(id: number, head: Head, last: boolean): Uint8Array {
    return frame(FrameType.headers, 4 | (last ? 1 : 0), id, this.encoder.encode(head));
  }

  received(bytes: Uint8Array): void {
    const from = Math.min(this.#prefaceLeft, bytes.length);
    this.#prefaceLeft -= from;
    this.#reader.push(bytes, from);
  }

  opened(): void {
    // What is to be said was queued.
  }

  closed(): void {
    this.isClosed = true;
  }

  of(type: number, id?: number): Frame[] {
    return this.frames.filter((one) => one.type === type && (id === undefined || one.id === id));
  }

  /** Error code of the last GOAWAY, and its text. */
  get goAway(): readonly [number, string] | undefined {
    const payload = this.of(FrameType.goAway).at(-1)?.payload;
    return payload === undefined ? undefined
      : [Buffer.from(payload).readUInt32BE(4), Buffer.from(payload.subarray(8)).toString()];
  }
}
