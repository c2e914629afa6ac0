/** The preface: eight bytes by which each side says that it speaks this protocol, and in which versions. */
import { RpcError } from "../../core/error.ts";
import { maxVersion, minVersion, prefaceBytes, prefaceMagic } from "./frame-types.ts";

/** What every connection of this protocol begins with. */
export const nativePreface: Uint8Array = Uint8Array.from(prefaceMagic);

/** The preface of a side that speaks versions `least` to `most`. */
export function preface(least: number, most: number): Uint8Array {
  return new Uint8Array([...prefaceMagic, least, most]);
}

/** Reads a preface however it was split, and refuses other bytes as early as they differ. */
export class PrefaceReader {
  readonly #bytes = new Uint8Array(prefaceBytes);
  /** How many bytes of it have come. */
  length = 0;

  get least(): number {
    return this.#bytes[6] as number;
  }

  get most(): number {
    return this.#bytes[7] as number;
  }

  /** Takes what it needs; returns how much that was. It is complete when `length` is `prefaceBytes`. */
  push(bytes: Uint8Array): number {
    const taken = Math.min(prefaceBytes - this.length, bytes.length);
    this.#bytes.set(bytes.subarray(0, taken), this.length);
    this.length += taken;
    const known = Math.min(this.length, prefaceMagic.length);
    for (let i = 0; i < known; i++) {
      if (this.#bytes[i] !== prefaceMagic[i]) throw foreign(this.#bytes.subarray(0, known));
    }
    return taken;
  }

  /** Throws when no version is spoken by both sides, saying which of them must be upgraded. */
  checkVersions(): void {
    const { least, most } = this;
    if (least <= maxVersion && most >= minVersion && least <= most) return;
    const remedy = least > most ? "which makes no sense" : least > maxVersion
      ? "upgrade this side" : "upgrade the peer";
    throw new RpcError("failed_precondition", `the peer speaks versions ${least} to ${most} of the Meridian ` +
      `protocol, this side ${minVersion} to ${maxVersion}: ${remedy}`,
      { neverStarted: true, phase: "connect", retryable: false });
  }
}

function foreign(bytes: Uint8Array): RpcError {
  const shown = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  const guess = guessOf(bytes);
  return new RpcError("invalid_argument", `the peer does not speak the Meridian protocol: it opened with ${shown}` +
    (guess === undefined ? "" : `, which looks like ${guess}`), { neverStarted: true, phase: "connect" });
}

/** What usually goes wrong is a port number, so say whose bytes these probably are. */
function guessOf(bytes: Uint8Array): string | undefined {
  if (bytes[0] === 0x16 && (bytes[1] === 0x03 || bytes.length === 1)) return "TLS";
  const text = String.fromCharCode(...bytes);
  if (text.startsWith("PRI")) return "HTTP/2";
  if (/^(GET|PUT|POST|HEAD|HTTP|OPTION|DELETE|PATCH|CONNEC)/.test(text)) return "HTTP";
  if (text.startsWith("SSH-")) return "SSH";
  return undefined;
}
