/** Base64 (RFC 4648), by the fastest way the platform has. */

interface NativeBase64 {
  base64Slice(this: Uint8Array, start: number, end: number): string;
  base64urlSlice(this: Uint8Array, start: number, end: number): string;
  base64Write(this: Uint8Array, text: string, offset: number, length: number): number;
}

const native = (globalThis as { Buffer?: { readonly prototype: NativeBase64 } }).Buffer?.prototype;
/** One character class a repetition: a repeated group overflows the stack on a megabyte. */
const wellFormed = /^[A-Za-z0-9+/]*={0,2}$/;
const wellFormedLoosely = /^[A-Za-z0-9+/_-]*={0,2}$/;

/** The standard alphabet with padding (section 4). */
export function toBase64(bytes: Uint8Array): string {
  if (native !== undefined) return native.base64Slice.call(bytes, 0, bytes.length);
  let binary = "";
  for (let from = 0; from < bytes.length; from += 4096) {
    binary += String.fromCharCode(...bytes.subarray(from, from + 4096));
  }
  return btoa(binary);
}

/** The standard alphabet without padding: binary metadata, and details of Connect's errors. */
export function toBase64Unpadded(bytes: Uint8Array): string {
  const text = toBase64(bytes);
  const rest = bytes.length % 3;
  return rest === 0 ? text : text.slice(0, rest - 3);
}

/** The alphabet that is safe in URLs, without padding (section 5). */
export function toBase64Url(bytes: Uint8Array): string {
  if (native !== undefined) return native.base64urlSlice.call(bytes, 0, bytes.length);
  return toBase64Unpadded(bytes).replaceAll("+", "-").replaceAll("/", "_");
}

/**
 * Reads the standard alphabet with padding. Undefined for text that is not base64 of this kind, which the
 * platform's own decoders mostly let pass.
 */
export function fromBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0 || !wellFormed.test(text)) return undefined;
  const padding = text.endsWith("==") ? 2 : Number(text.endsWith("="));
  return decoded(text, (text.length / 4) * 3 - padding);
}

/** Reads either alphabet, padded or not; undefined for anything else. */
export function fromAnyBase64(text: string): Uint8Array | undefined {
  if (!wellFormedLoosely.test(text)) return undefined;
  const padding = text.endsWith("==") ? 2 : Number(text.endsWith("="));
  const digits = text.length - padding;
  if (digits % 4 === 1 || (padding > 0 && text.length % 4 !== 0)) return undefined;
  const bytes = Math.floor(digits * 3 / 4);
  return native === undefined
    ? decoded(text.slice(0, digits).replaceAll("-", "+").replaceAll("_", "/"), bytes)
    : decoded(text, bytes);
}

function decoded(text: string, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  if (native !== undefined) {
    native.base64Write.call(bytes, text, 0, bytes.length);
    return bytes;
  }
  const binary = atob(text);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
