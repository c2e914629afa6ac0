/** A body in base64 (gRPC-Web's text form), however it was split; padding may stand within it, after each part. */
import { RpcError } from "../core/error.ts";

/** The value of each ASCII character; 64 for padding, 255 for what is no digit of base64. */
const values = new Uint8Array(128).fill(255);
const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
for (let i = 0; i < digits.length; i++) values[digits.charCodeAt(i)] = i;
values["=".charCodeAt(0)] = 64;

export class Base64Body {
  /** Digits of the quantum that is not complete, and how many characters of it have come, padding included. */
  #bits = 0;
  #digits = 0;
  #characters = 0;

  /** The bytes that `bytes[start, end)` completes. Throws `invalid_argument` for what is not base64. */
  push(bytes: Uint8Array, start: number, end: number): Uint8Array {
    const out = new Uint8Array(Math.ceil((end - start + 3) / 4) * 3);
    let at = 0;
    for (let i = start; i < end; i++) {
      const value = values[bytes[i] as number] ?? 255;
      if (value === 255 || (value < 64 && this.#characters > this.#digits)) throw malformed();
      this.#characters++;
      if (value < 64) {
        this.#bits = this.#bits << 6 | value;
        this.#digits++;
      }
      if (this.#characters < 4) continue;
      at = this.#complete(out, at);
    }
    return out.subarray(0, at);
  }

  /** Whether the body may end here. */
  get complete(): boolean {
    return this.#characters === 0;
  }

  /** Characters that have come of what is not complete. */
  get pending(): number {
    return this.#characters;
  }

  #complete(out: Uint8Array, at: number): number {
    const digits = this.#digits;
    if (digits < 2) throw malformed();
    const bits = this.#bits << (4 - digits) * 6;
    out[at++] = bits >>> 16;
    if (digits > 2) out[at++] = bits >>> 8;
    if (digits > 3) out[at++] = bits;
    this.#bits = this.#digits = this.#characters = 0;
    return at;
  }
}

function malformed(): RpcError {
  return new RpcError("invalid_argument", "the body is not base64", { phase: "decode" });
}
