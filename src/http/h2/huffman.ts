/**
 * The Huffman code of HPACK (RFC 7541, section 5.2 and appendix B), both ways.
 *
 * The code is canonical: the lengths say all. Decoding goes four bits at a step through a table of states.
 */
import { latin1Text } from "../../wire/text.ts";

/** Bits of the code of each byte; the last is the end of string, which no text may hold. */
const lengths = Uint8Array.of(
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
  28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7,
  7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21,
  23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24,
  21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
);

const endOfString = 256;
const codes = canonicalCodes();

function canonicalCodes(): Uint32Array {
  const result = new Uint32Array(lengths.length);
  const symbols = [...lengths.keys()].sort((a, b) => (lengths[a] as number) - (lengths[b] as number) || a - b);
  let code = 0;
  let bits = 0;
  for (const symbol of symbols) {
    const length = lengths[symbol] as number;
    code = code * 2 ** (length - bits);
    bits = length;
    result[symbol] = code++;
  }
  return result;
}

/** What a step of four bits leads to: the next state, whether a byte is complete, and which. */
const emits = 0x1_0000;
const isWrong = 0x2_0000;
const byteShift = 18;
/** Index is `state << 4 | four bits`. */
const steps = new Uint32Array(256 * 16);
/** States in which a text may end: fewer than eight bits of ones since the last byte. */
const mayEnd = new Uint8Array(256);

buildSteps();

function buildSteps(): void {
  // Inner nodes of the code's tree: children as node numbers, or, below zero, as the complement of a symbol.
  const children: [number, number][] = [[0, 0]];
  for (let symbol = 0; symbol < lengths.length; symbol++) {
    let node = 0;
    for (let bit = (lengths[symbol] as number) - 1; bit >= 0; bit--) {
      const side = ((codes[symbol] as number) >>> bit & 1) as 0 | 1;
      const pair = children[node] as [number, number];
      if (bit === 0) pair[side] = ~symbol;
      else {
        if (pair[side] === 0) pair[side] = children.push([0, 0]) - 1;
        node = pair[side];
      }
    }
  }
  for (let state = 0; state < children.length; state++) {
    for (let bits = 0; bits < 16; bits++) steps[state << 4 | bits] = step(children, state, bits);
  }
  for (let node = 0, depth = 0; depth < 8; depth++) {
    mayEnd[node] = 1;
    node = (children[node] as [number, number])[1];
  }
}

function step(children: readonly [number, number][], state: number, bits: number): number {
  let node = state;
  let result = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const next = (children[node] as [number, number])[(bits >>> bit & 1) as 0 | 1];
    if (next >= 0) {
      node = next;
    } else if (~next === endOfString) {
      return isWrong;
    } else {
      // The shortest code has five bits, so a step completes one byte at most.
      result = emits | ~next << byteShift;
      node = 0;
    }
  }
  return result | node;
}

let scratch = new Uint8Array(1024);

/**
 * The text of `bytes[start, end)`, a character a byte; undefined if it is no Huffman text. At most so long that the
 * caller's limit on `end - start` bounds it: eight bits of text take five bits at least.
 */
export function readHuffman(bytes: Uint8Array, start: number, end: number): string | undefined {
  if (scratch.length < (end - start) * 2) scratch = new Uint8Array((end - start) * 2);
  const out = scratch;
  let length = 0;
  let state = 0;
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number;
    let next = steps[state << 4 | byte >> 4] as number;
    if ((next & emits) !== 0) out[length++] = next >>> byteShift;
    if ((next & isWrong) !== 0) return undefined;
    next = steps[(next & 0xffff) << 4 | byte & 15] as number;
    if ((next & emits) !== 0) out[length++] = next >>> byteShift;
    if ((next & isWrong) !== 0) return undefined;
    state = next & 0xffff;
  }
  if (mayEnd[state] === 0) return undefined;
  return latin1(out, 0, length);
}

/** Up to so many characters, or bytes, a loop beats the native call. */
const shortText = 12;

/** `bytes[start, end)` as text, a character a byte. */
export function latin1(bytes: Uint8Array, start: number, end: number): string {
  if (end - start > shortText) {
    const text = latin1Text(bytes, start, end);
    if (text !== "") return text;
  }
  let text = "";
  for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i] as number);
  return text;
}

/** How many bytes `text`, whose characters are below 256, takes in this code. */
export function huffmanLength(text: string): number {
  let bits = 0;
  for (let i = 0; i < text.length; i++) bits += lengths[text.charCodeAt(i)] as number;
  return bits + 7 >>> 3;
}

/** Writes `text` at `offset`; returns where it ends. There must be room for {@link huffmanLength} bytes. */
export function writeHuffman(bytes: Uint8Array, offset: number, text: string): number {
  let held = 0;
  let heldBits = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    let length = lengths[unit] as number;
    const code = codes[unit] as number;
    // Up to seven bits are held, and a code has up to thirty: long ones go in two parts.
    if (length > 16) {
      length -= 16;
      held = held << length | code >>> 16;
      heldBits += length;
      for (; heldBits >= 8; heldBits -= 8) bytes[offset++] = held >>> heldBits - 8;
      held = (held & 0xff) << 16 | code & 0xffff;
      heldBits += 16;
    } else {
      held = held << length | code;
      heldBits += length;
    }
    for (; heldBits >= 8; heldBits -= 8) bytes[offset++] = held >>> heldBits - 8;
    held &= 0xff;
  }
  if (heldBits > 0) bytes[offset++] = held << 8 - heldBits | 0xff >>> heldBits;
  return offset;
}
