/** A packet is one datagram of the UDP wire: sixteen bytes of head and a payload. docs/udp.md explains each byte. */
import { RpcError } from "../../core/error.ts";
import { Writer } from "../../wire/writer.ts";

export const headBytes = 16;
/** What sealing adds to a payload. */
export const tagBytes = 16;
export const version = 1;
/** A hello is padded to so many bytes, so that its answer is never the longer one. */
export const leastHelloBytes = 64;

/** Of a packet; with 32 those that servers send, which servers never answer. */
export const PacketType = {
  hello: 1,
  request: 2,
  ping: 3,
  bye: 4,
  cancel: 5,
  cookie: 33,
  welcome: 34,
  answer: 35,
  ack: 36,
  pong: 37,
  goAway: 38,
  reset: 39,
  versions: 40,
  refused: 41,
} as const;

const magic0 = 0x4d;
const magic1 = 0x55; // "MU"
const sealedBit = 0x80;
const maxNumber = 0xffff_ffff;

export interface Head {
  readonly version: number;
  readonly type: number;
  readonly isSealed: boolean;
  readonly id: bigint;
  /** Of this packet, never of another in this direction. */
  readonly number: number;
}

/** The head of what arrived; undefined for what is no packet of this wire. */
export function readHead(bytes: Uint8Array): Head | undefined {
  if (bytes.length < headBytes || bytes[0] !== magic0 || bytes[1] !== magic1) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, headBytes);
  const type = bytes[3] as number;
  return {
    version: bytes[2] as number, type: type & ~sealedBit, isSealed: (type & sealedBit) !== 0,
    id: view.getBigUint64(4, true), number: view.getUint32(12, true),
  };
}

/** Appends a head; the payload follows. */
export function writeHead(writer: Writer, type: number, isSealed: boolean, id: bigint, number: number): void {
  writer.ensure(headBytes);
  const { bytes, position } = writer;
  bytes[position] = magic0;
  bytes[position + 1] = magic1;
  bytes[position + 2] = version;
  bytes[position + 3] = isSealed ? type | sealedBit : type;
  const view = new DataView(bytes.buffer, bytes.byteOffset + position, headBytes);
  view.setBigUint64(4, id, true);
  view.setUint32(12, number, true);
  writer.position = position + headBytes;
}

/** A packet with this payload, in the clear. */
export function packet(type: number, id: bigint, number: number, payload: Uint8Array = nothing): Uint8Array {
  const writer = new Writer(headBytes + payload.length);
  writeHead(writer, type, false, id, number);
  writer.writeBytes(payload);
  return writer.finish();
}

const nothing = new Uint8Array(0);

/** An id from eight bytes that nobody can guess. */
export function idOf(bytes: Uint8Array): bigint {
  return new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
}

/** Eight bytes of an id. */
export function idBytes(id: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, id, true);
  return bytes;
}

/** Numbers the packets of one direction. */
export class PacketNumbers {
  #last = 0;

  /** Throws `unavailable` when they have run out: the connection is over. */
  next(): number {
    if (this.#last === maxNumber) {
      throw new RpcError("unavailable", "the connection has used up its packet numbers", { neverStarted: true });
    }
    return ++this.#last;
  }

  get areSpent(): boolean {
    return this.#last > maxNumber - 65_536;
  }
}
