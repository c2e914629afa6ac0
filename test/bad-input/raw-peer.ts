/** A RawPeer speaks bytes: a client or server of the native wire that keeps no rule but those a test wants kept. */
import type { ByteSink, ByteStream, Runtime } from "../../src/core/index.ts";
import { codeFromNumber } from "../../src/core/index.ts";
import { Cursor, FrameReader, Writer } from "../../src/wire/index.ts";

/** Frame types by name, written out here so that the tests do not take the word of what they test. */
export const Type = {
  hello: 1, bind: 2, request: 3, response: 4, data: 5, end: 6, error: 7, cancel: 8, credit: 9, ping: 10, pong: 11,
  goAway: 12, header: 13,
} as const;
export const more = 1;
export const compressed = 2;
export const extras = 4;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Uint8Array;
}

export type Part = number | string | Uint8Array | readonly number[];

/** Joins parts: a number is a varint, a string its UTF-8, bytes themselves. */
export function join(...parts: readonly Part[]): Uint8Array {
  const writer = new Writer(64);
  for (const part of parts) {
    if (typeof part === "number") writer.writeVarint(part);
    else writer.writeBytes(typeof part === "string" ? new TextEncoder().encode(part) : Uint8Array.from(part));
  }
  return writer.finish();
}

/** A varint length and what it measures. */
export function run(...parts: readonly Part[]): Uint8Array {
  const body = join(...parts);
  return join(body.length, body);
}

export function frame(type: number, flags: number, id: number, ...parts: readonly Part[]): Uint8Array {
  const payload = join(...parts);
  const { length } = payload;
  return join([length & 255, length >> 8 & 255, length >> 16 & 255, type | flags << 4],
    [id & 255, id >> 8 & 255, id >> 16 & 255, id >>> 24], payload);
}

export const prefaceOf = (least = 1, most = 1): Uint8Array => join("MRDN\r\n", [least, most]);

/** A hello whose numbers are these; keys as in docs/protocol.md. */
export function helloOf(numbers: Readonly<Record<number, number>> = {}, ...more: readonly Part[]): Uint8Array {
  const all = { 1: 65_536, 2: 4_194_304, 3: 4_096, 4: 262_144, 5: 16_777_216, ...numbers };
  const entries = Object.entries(all).map(([key, value]) => join([Number(key)], run(value)));
  return frame(Type.hello, 0, 0, ...entries, ...more);
}

export const opening = join(prefaceOf(), helloOf());

export function bind(number: number, path: string, shape = 0, codec = "proto"): Uint8Array {
  return frame(Type.bind, 0, 0, number, [shape], run(codec), run(path));
}

/** A request frame: `rest` is everything behind method number and timeout. */
export function request(id: number, method: number, ...rest: readonly Part[]): Uint8Array {
  return requestWith(0, id, method, ...rest);
}

export function requestWith(flags: number, id: number, method: number, ...rest: readonly Part[]): Uint8Array {
  return frame(Type.request, flags, id, method, 0, ...rest);
}

export class RawPeer implements ByteSink {
  readonly frames: Frame[] = [];
  #received = 0;
  #preface: Uint8Array = new Uint8Array(0);
  readonly #reader: FrameReader;
  #changed: (() => void)[] = [];
  #stream: ByteStream | undefined = undefined;
  isOpen = false;
  isClosed = false;
  /** What the stream closed with. */
  error: Error | undefined = undefined;

  constructor(stream?: ByteStream) {
    this.#stream = stream;
    this.isOpen = stream !== undefined;
    this.#reader = new FrameReader({
      frame: (type, flags, id, bytes, start, end) => {
        this.frames.push({ type, flags, id, payload: bytes.slice(start, end) });
        return true;
      },
    }, 0xff_ffff);
  }

  static async connect(runtime: Runtime, address: string, ...first: readonly Part[]): Promise<RawPeer> {
    const peer = new RawPeer();
    peer.#stream = runtime.network.connect(address, peer);
    await peer.until(() => peer.isOpen || peer.isClosed);
    if (first.length > 0) peer.send(...first);
    return peer;
  }

  /** Bytes of the other side so far, preface included. */
  get receivedBytes(): number {
    return this.#received;
  }

  /** The two versions in the other side's preface. */
  get versions(): readonly number[] {
    return [...this.#preface.subarray(6, 8)];
  }

  get bufferedBytes(): number {
    return this.#stream?.bufferedBytes ?? 0;
  }

  send(...parts: readonly Part[]): void {
    this.#stream?.write(join(...parts));
  }

  pause(): void {
    this.#stream?.pause();
  }

  end(): void {
    this.#stream?.end();
  }

  destroy(): void {
    this.#stream?.destroy();
  }

  opened(): void {
    this.isOpen = true;
    this.#tell();
  }

  received(bytes: Uint8Array): void {
    this.#received += bytes.length;
    const missing = 8 - this.#preface.length;
    if (missing > 0) this.#preface = join(this.#preface, bytes.subarray(0, missing));
    if (bytes.length > missing) this.#reader.push(bytes.subarray(Math.max(0, missing)));
    this.#tell();
  }

  closed(error?: Error): void {
    this.isClosed = true;
    this.error = error;
    this.#tell();
  }

  #tell(): void {
    const changed = this.#changed;
    this.#changed = [];
    for (const one of changed) one();
  }

  /** Resolves when `condition` holds, which is looked at whenever something happens here. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.isClosed) return;
      await new Promise<void>((resolve) => this.#changed.push(resolve));
    }
  }

  async closing(): Promise<void> {
    await this.until(() => this.isClosed);
  }

  /** The first frame of a type, of call `id` if one is named; waits for it. */
  async frame(type: number, id?: number): Promise<Frame> {
    const find = (): Frame | undefined =>
      this.frames.find((one) => one.type === type && (id === undefined || one.id === id));
    // What cannot come any more is not waited for: a call has one end.
    const over = (): boolean => id !== undefined && this.frames.some((one) => one.id === id &&
      ((one.type === Type.response && (one.flags & more) === 0) || one.type === Type.error || one.type === Type.end));
    await this.until(() => find() !== undefined || over());
    const found = find();
    if (found === undefined) {
      throw new Error(`no frame of type ${type}: ${JSON.stringify(this.frames.slice(-5)).slice(0, 1_000)}`);
    }
    return found;
  }

  /** Why the other side goes away. */
  async farewell(): Promise<{ readonly code: string; readonly text: string }> {
    const { payload } = await this.frame(Type.goAway);
    const cursor = new Cursor().over(payload, 0, payload.length);
    cursor.varint();
    return { code: codeFromNumber(cursor.varint()), text: cursor.text(4_096) };
  }

  /** The failure of call `id`. */
  async failure(id: number): Promise<{ readonly code: string; readonly flags: number; readonly text: string }> {
    const { payload } = await this.frame(Type.error, id);
    const cursor = new Cursor().over(payload, 0, payload.length);
    return { code: codeFromNumber(cursor.varint()), flags: cursor.byte(), text: cursor.text(8_192) };
  }
}
