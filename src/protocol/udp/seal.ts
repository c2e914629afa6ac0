/** Sealed packets: payloads encrypted and heads authenticated under keys agreed over TLS, each accepted once. */
import type { Sealing } from "../../core/runtime.ts";
import { headBytes } from "./packet.ts";

export const keyBytes = 32;
const nonceBytes = 12;
/** Packets that arrive so much later than their successors are held to be replayed. */
const windowPackets = 1_024;

/** The keys of one session, as one side has them. */
export interface Keys {
  readonly sending: Uint8Array;
  readonly receiving: Uint8Array;
}

export class Seal {
  readonly #sealing: Sealing;
  readonly #keys: Keys;
  readonly #replays = new ReplayWindow();
  readonly #nonce = new Uint8Array(nonceBytes);

  constructor(sealing: Sealing, keys: Keys) {
    this.#sealing = sealing;
    this.#keys = keys;
  }

  /** The datagram whose head and payload are in `bytes`; its number is its nonce. */
  seal(bytes: Uint8Array): Uint8Array {
    const head = bytes.subarray(0, headBytes);
    const sealed = this.#sealing.seal(this.#keys.sending, this.#nonceOf(head), head, bytes.subarray(headBytes));
    const datagram = new Uint8Array(headBytes + sealed.length);
    datagram.set(head);
    datagram.set(sealed, headBytes);
    return datagram;
  }

  /** The payload; undefined for what the peer did not send, and for what it sent and was here already. */
  open(bytes: Uint8Array, number: number): Uint8Array | undefined {
    if (this.#replays.has(number)) return undefined;
    const head = bytes.subarray(0, headBytes);
    const payload =
      this.#sealing.open(this.#keys.receiving, this.#nonceOf(head), head, bytes.subarray(headBytes));
    if (payload !== undefined) this.#replays.add(number);
    return payload;
  }

  #nonceOf(head: Uint8Array): Uint8Array {
    this.#nonce.set(head.subarray(12, 16));
    return this.#nonce;
  }
}

/** Which packet numbers were here, of the last 1,024 (RFC 4303, section 3.4.3). */
export class ReplayWindow {
  #highest = 0;
  readonly #seen = new Uint8Array(windowPackets);

  has(number: number): boolean {
    if (number > this.#highest) return false;
    return number === 0 || number <= this.#highest - windowPackets || this.#seen[number % windowPackets] === 1;
  }

  add(number: number): void {
    if (number > this.#highest) {
      const first = Math.max(this.#highest + 1, number - windowPackets + 1);
      for (let i = first; i <= number; i++) this.#seen[i % windowPackets] = 0;
      this.#highest = number;
    }
    this.#seen[number % windowPackets] = 1;
  }
}
