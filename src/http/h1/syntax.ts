/** Syntax says which byte may stand where (RFC 9110, section 5.6; RFC 9112; RFC 3986), as tables by byte. */
import { latin1Text } from "../../wire/text.ts";

function table(allows: (byte: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => Number(allows(byte)));
}

/** Bytes of tokens: methods and field names. */
export const tokenBytes = table((byte) => /^[!#$%&'*+\-.^_`|~0-9A-Za-z]$/.test(String.fromCharCode(byte)));

/**
 * Bytes of field values, inner white space included. Of the control characters only the tab: the standard
 * allows to refuse the others, and nothing good ever sends them.
 */
export const valueBytes = table((byte) => byte === 0x09 || (byte >= 0x20 && byte !== 0x7f));

/** Bytes of a request target: visible ASCII; a fragment never travels. */
export const targetBytes = table((byte) => byte > 0x20 && byte < 0x7f && byte !== 0x23);

/** Values of hexadecimal digits; 255 for other bytes. */
export const hexValues = Uint8Array.from({ length: 256 }, (_, byte) => {
  const value = Number.parseInt(String.fromCharCode(byte), 16);
  return Number.isNaN(value) ? 255 : value;
});

export const CR = 0x0d;
export const LF = 0x0a;
export const SP = 0x20;
export const TAB = 0x09;

/** `host`, `host:port`, `[v6]:port`, or nothing. */
export const authority = /^(?:[A-Za-z0-9._~%!$&'()*+;=-]*|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{0,5})?$/;

/** One character a byte, whatever the bytes: what field values are read as and written from. */
export function latin1(bytes: Uint8Array, start: number, end: number): string {
  const text = latin1Text(bytes, start, end);
  return text.length === end - start ? text : String.fromCharCode(...bytes.subarray(start, end));
}

/** The bytes of a text of Latin-1 characters. */
export function latin1Bytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
