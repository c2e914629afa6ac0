/** Percent-encoding of text in headers, gRPC's way for `grpc-message`: bytes of UTF-8 that are not printable ASCII. */
import { allocateBytes, readText, writeText } from "../wire/text.ts";

const plain = /^[\x20-\x24\x26-\x7e]*$/;
const hex = "0123456789ABCDEF";

export function percentEncode(text: string): string {
  if (plain.test(text)) return text;
  const bytes = allocateBytes(text.length * 3);
  const length = writeText(bytes, 0, text);
  let encoded = "";
  for (let i = 0; i < length; i++) {
    const byte = bytes[i] as number;
    encoded += byte >= 0x20 && byte <= 0x7e && byte !== 0x25
      ? String.fromCharCode(byte)
      : `%${hex[byte >> 4] as string}${hex[byte & 15] as string}`;
  }
  return encoded;
}

/** Never fails: what is no encoding stays as it is, and bytes that are not UTF-8 become U+FFFD. */
export function percentDecode(text: string): string {
  if (!text.includes("%")) return text;
  const bytes = allocateBytes(text.length * 3);
  const parts = text.split("%");
  let length = writeText(bytes, 0, parts[0] as string);
  for (let i = 1; i < parts.length; i++) {
    const part = parts[i] as string;
    const value = hexByte(part);
    bytes[length++] = value < 0 ? 0x25 : value;
    length += writeText(bytes, length, value < 0 ? part : part.slice(2));
  }
  try {
    return readText(bytes, 0, length);
  } catch {
    return lenient.decode(bytes.subarray(0, length));
  }
}

const lenient = new TextDecoder();

/** The byte that a text begins with in two hexadecimal digits, or -1. */
function hexByte(text: string): number {
  const high = digit(text.charCodeAt(0));
  const low = digit(text.charCodeAt(1));
  return high < 0 || low < 0 ? -1 : high << 4 | low;
}

function digit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
