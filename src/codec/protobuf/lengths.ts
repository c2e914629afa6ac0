/**
 * Lengths stand before what they measure, so room for one is reserved by prediction, and what follows is
 * moved when the prediction was wrong: the encoding stays canonical, and is written in one pass.
 */
import type { Writer } from "../../wire/writer.ts";
import { writeText } from "../../wire/text.ts";

/** Up to this many characters a loop beats the native call. */
const shortText = 18;

/**
 * Stores a text with its length where there is room for `5 + 3 * text.length` bytes; returns the position
 * after it.
 */
export function putText(bytes: Uint8Array, position: number, text: string): number {
  const length = text.length;
  if (length > shortText) return putLongText(bytes, position, text);
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) return putLongText(bytes, position, text);
    bytes[position + 1 + i] = unit;
  }
  bytes[position] = length;
  return position + 1 + length;
}

function putLongText(bytes: Uint8Array, position: number, text: string): number {
  const width = varintWidth(text.length);
  const written = writeText(bytes, position + width, text);
  return closeAt(bytes, position + width, position + width + written, width);
}

/**
 * Stores the length of `bytes[start, end)` into the `width` bytes reserved before `start`; returns the end,
 * which moves when the length takes another width. There must be room for four bytes after `end`.
 */
export function closeAt(bytes: Uint8Array, start: number, end: number, width: number): number {
  let length = end - start;
  const needed = varintWidth(length);
  if (needed !== width) bytes.copyWithin(start + needed - width, start, end);
  let position = start - width;
  while (length > 0x7f) {
    bytes[position++] = (length & 0x7f) | 0x80;
    length >>>= 7;
  }
  bytes[position] = length;
  return end + needed - width;
}

/** {@link closeAt} at the end of a writer whose positions do not move, making room. */
export function closeLength(writer: Writer, start: number, end: number, width: number): number {
  writer.position = end;
  writer.ensure(4);
  return closeAt(writer.bytes, start, end, width);
}

/** How many bytes a length or a tag takes as a varint. */
export function varintWidth(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  return value < 0x1000_0000 ? 4 : 5;
}
