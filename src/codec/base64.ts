/** Base64 of the standard alphabet with padding (RFC 4648, section 4), by the fastest way the platform has. */

interface NativeBase64 {
  base64Slice(this: Uint8Array, start: number, end: number): string;
  base64Write(this: Uint8Array, text: string, offset: number, length: number): number;
}

const native = (globalThis as { Buffer?: { readonly prototype: NativeBase64 } }).Buffer?.prototype;
/** One character class a repetition: a repeated group overflows the stack on a megabyte. */
const wellFormed = /^[A-Za-z0-9+/]*={0,2}$/;

export function toBase64(bytes: Uint8Array): string {
  if (native !== undefined) return native.base64Slice.call(bytes, 0, bytes.length);
  let binary = "";
  for (let from = 0; from < bytes.length; from += 4096) {
    binary += String.fromCharCode(...bytes.subarray(from, from + 4096));
  }
  return btoa(binary);
}

/** Undefined for text that is not base64 of this kind, which the platform's own decoders mostly let pass. */
export function fromBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0 || !wellFormed.test(text)) return undefined;
  const padding = text.endsWith("==") ? 2 : Number(text.endsWith("="));
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  if (native !== undefined) {
    native.base64Write.call(bytes, text, 0, bytes.length);
    return bytes;
  }
  const binary = atob(text);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
