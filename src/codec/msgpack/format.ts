/** What MessagePack has no word for, as extension types (docs/encoding-json-msgpack.md), and its errors. */
import { RpcError } from "../../core/error.ts";
import { maxBigintBits } from "../rewrite.ts";

/** The extension types of this codec; the standard's own timestamp is -1. */
export const extensions = { timestamp: -1, map: 1, set: 2, undefined: 3, negativeZero: 4, bigint: 5, text: 6 } as const;

/** Some readers lose the byte order mark that begins a text of more bytes than this: a key such as it is not sent. */
export const longTextBytes = 200;

/** Most bytes of a bigint: what `maxBigintBits` comes to. */
const maxBigintBytes = Math.floor(maxBigintBits / 8) + 1;

/** Whether an extension of this type, other than Map and Set, may have so many bytes. */
export function isExtension(type: number, length: number): boolean {
  switch (type) {
    case extensions.timestamp: return length === 4 || length === 8 || length === 12;
    case extensions.undefined: case extensions.negativeZero: return length === 1;
    case extensions.bigint: return length >= 1 && length <= maxBigintBytes;
    case extensions.text: return length % 2 === 0;
    default: return false;
  }
}

/** Lone surrogates no peer could read, and some readers drop a byte order mark. */
export function isPlainText(value: string): boolean {
  return value.charCodeAt(0) !== 0xfeff && value.isWellFormed();
}

/** Whether an object may have this key: keys must be text, so that none can go as an extension. */
export function takesKey(key: string): boolean {
  return key.isWellFormed() && (key.charCodeAt(0) !== 0xfeff || 3 * key.length <= longTextBytes);
}

/** The text of UTF-16 units, big-endian. */
export function textOfUnits(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 2) {
    text += String.fromCharCode((bytes[i] as number) << 8 | (bytes[i + 1] as number));
  }
  return text;
}

/** Two's complement, big-endian, in as few bytes as it takes. */
export function bigintBytes(value: bigint): Uint8Array {
  const magnitude = value < 0n ? ~value : value;
  const size = Math.floor(magnitude.toString(2).length / 8) + 1;
  const hex = BigInt.asUintN(8 * size, value).toString(16).padStart(2 * size, "0");
  return Uint8Array.from({ length: size }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}

/** The bigint of {@link bigintBytes}. */
export function bigintOf(bytes: Uint8Array): bigint {
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return BigInt.asIntN(8 * bytes.length, BigInt(`0x${hex}`));
}

/** The key that would change prototypes. */
export const protoKey = "__proto__";

/** What is wrong with MessagePack bytes, as an error. */
export function malformed(why: string): RpcError {
  return new RpcError("invalid_argument", `MessagePack ${why}`, { phase: "decode" });
}
