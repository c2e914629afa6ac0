/** A uuid of Thrift: sixteen bytes on its wires, a text of 36 characters in JavaScript. */

/** What is not there reads as this (RFC 9562, 5.9). */
export const nilUuid = "00000000-0000-0000-0000-000000000000";

const pattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export function isUuid(value: unknown): value is string {
  return typeof value === "string" && pattern.test(value);
}

/** Writes a text that {@link isUuid}; returns the position behind it. */
export function putUuid(bytes: Uint8Array, position: number, text: string): number {
  let at = position;
  for (let i = 0; i < 36; i += 2) {
    // Two digits are a byte, and none of the four hyphens stands between two of one.
    if (text.charCodeAt(i) === 0x2d) i++;
    bytes[at++] = digit(text.charCodeAt(i)) << 4 | digit(text.charCodeAt(i + 1));
  }
  return at;
}

function digit(unit: number): number {
  return unit < 0x3a ? unit - 0x30 : (unit | 0x20) - 0x57;
}

const hex: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** The text of the sixteen bytes at `position`, in lower case. */
export function uuidAt(bytes: Uint8Array, position: number): string {
  let text = "";
  for (let i = 0; i < 16; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) text += "-";
    text += hex[bytes[position + i] as number] as string;
  }
  return text;
}
