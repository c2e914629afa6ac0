/**
 * A cookie proves that its bearer receives what is sent to its address, and costs no memory to give out (RFC 9000,
 * section 8.1; RFC 9147, section 5.1).
 */
import type { Clock, Sealing } from "../../core/runtime.ts";
import { writeText } from "../../wire/text.ts";
import { idBytes } from "./packet.ts";

const timeBytes = 4;
const signatureBytes = 16;
export const cookieBytes = timeBytes + signatureBytes;
/** How long a cookie proves anything, in tenths of a second. */
const goodForTenths = 100;

/** Makes the cookies of one server and knows them again: signed by a key of its own, of this time, address and id. */
export class Cookies {
  readonly #clock: Clock;
  readonly #sealing: Sealing;
  readonly #key: Uint8Array;

  constructor(clock: Clock, sealing: Sealing) {
    this.#clock = clock;
    this.#sealing = sealing;
    this.#key = sealing.random(32);
  }

  make(address: string, id: bigint): Uint8Array {
    return this.#made(this.#tenths(), address, id);
  }

  isGood(cookie: Uint8Array, address: string, id: bigint): boolean {
    if (cookie.length !== cookieBytes) return false;
    const tenths = new DataView(cookie.buffer, cookie.byteOffset, timeBytes).getUint32(0, true);
    const age = this.#tenths() - tenths;
    if (age < 0 || age > goodForTenths) return false;
    const right = this.#made(tenths, address, id);
    let difference = 0;
    // As long for a wrong first byte as for a wrong last one.
    for (let i = 0; i < cookieBytes; i++) difference |= (right[i] as number) ^ (cookie[i] as number);
    return difference === 0;
  }

  #tenths(): number {
    return Math.floor(this.#clock.now() / 100) >>> 0;
  }

  #made(tenths: number, address: string, id: bigint): Uint8Array {
    const signed = new Uint8Array(timeBytes + 8 + 3 * address.length);
    new DataView(signed.buffer).setUint32(0, tenths, true);
    signed.set(idBytes(id), timeBytes);
    const length = timeBytes + 8 + writeText(signed, timeBytes + 8, address);
    const cookie = new Uint8Array(cookieBytes);
    cookie.set(signed.subarray(0, timeBytes));
    cookie.set(this.#sealing.sign(this.#key, signed.subarray(0, length)).subarray(0, signatureBytes), timeBytes);
    return cookie;
  }
}
