/** Frames of WebSocket (RFC 6455, section 5): headers, masks, and the codes with which a connection is closed. */
import { allocateBytes } from "../../wire/text.ts";

export const Opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** Section 7.4.1. */
export const CloseCode = {
  normal: 1000, goingAway: 1001, protocolError: 1002, unsupported: 1003, invalidText: 1007, policy: 1008,
  tooBig: 1009, internal: 1011, restart: 1012, tryAgainLater: 1013,
} as const;

/** Whether a peer may say this code: the others are for local use, or reserved. */
export function isCloseCode(code: number): boolean {
  return (code >= 1000 && code <= 1014 && (code < 1004 || code > 1006)) || (code >= 3000 && code <= 4999);
}

/** Most bytes of a control frame's payload. */
export const maxControlBytes = 125;

/**
 * A whole frame. With a `key`, as all of a client's frames have one, the payload is masked: a page must not be able to
 * choose the bytes that a proxy on the way sees.
 */
export function frame(opcode: number, payload: Uint8Array, key: number | undefined): Uint8Array {
  const bytes = allocateBytes(frameBytes(payload.length, key));
  writeFrame(bytes, 0, opcode, payload, key);
  return bytes;
}

/** How many bytes the frame of so many bytes of payload has. */
export function frameBytes(length: number, key: number | undefined): number {
  return 2 + (length <= maxControlBytes ? 0 : length <= 0xffff ? 2 : 8) + (key === undefined ? 0 : 4) + length;
}

/** Writes a whole frame to `bytes` at `from`, where there is room. */
export function writeFrame(
  bytes: Uint8Array, from: number, opcode: number, payload: Uint8Array, key: number | undefined,
): void {
  const { length } = payload;
  const isMasked = key === undefined ? 0 : 0x80;
  let at = from;
  bytes[at++] = 0x80 | opcode;
  if (length <= maxControlBytes) {
    bytes[at++] = isMasked | length;
  } else if (length <= 0xffff) {
    bytes[at++] = isMasked | 126;
    bytes[at++] = length >> 8;
    bytes[at++] = length;
  } else {
    bytes[at++] = isMasked | 127;
    const view = new DataView(bytes.buffer, bytes.byteOffset + at, 8);
    view.setUint32(0, Math.floor(length / 0x1_0000_0000));
    view.setUint32(4, length >>> 0);
    at += 8;
  }
  if (key === undefined) {
    bytes.set(payload, at);
    return;
  }
  bytes[at++] = key >>> 24;
  bytes[at++] = key >>> 16;
  bytes[at++] = key >>> 8;
  bytes[at++] = key;
  bytes.set(payload, at);
  mask(bytes, at, at + length, key, 0);
}

/** From so many bytes on a view of words pays for itself. */
const leastWords = 128;
const isLittleEndian = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

/**
 * Masks or unmasks (it is the same) `bytes[start, end)` where they lie, by words where those are aligned. `phase` is
 * how many bytes of the frame's payload came before.
 */
export function mask(bytes: Uint8Array, start: number, end: number, key: number, phase: number): void {
  let at = start;
  if (isLittleEndian && end - start >= leastWords) {
    const gap = -(bytes.byteOffset + start) & 3;
    maskBytes(bytes, at, at + gap, turned(key, phase));
    at += gap;
    const words = new Int32Array(bytes.buffer, bytes.byteOffset + at, (end - at) >> 2);
    const big = turned(key, phase + gap);
    const word = big << 24 | (big & 0xff00) << 8 | (big >>> 8 & 0xff00) | big >>> 24;
    for (let i = 0; i < words.length; i++) words[i] = (words[i] as number) ^ word;
    at += words.length << 2;
  }
  maskBytes(bytes, at, end, turned(key, phase + at - start));
}

/** The key of a payload whose first `phase` bytes are done. */
function turned(key: number, phase: number): number {
  const bits = phase % 4 * 8;
  return bits === 0 ? key : key << bits | key >>> (32 - bits);
}

function maskBytes(bytes: Uint8Array, start: number, end: number, key: number): void {
  const [m0, m1, m2, m3] = [key >>> 24, key >>> 16 & 0xff, key >>> 8 & 0xff, key & 0xff];
  let at = start;
  for (const whole = end - (end - start) % 4; at < whole; at += 4) {
    bytes[at] = (bytes[at] as number) ^ m0;
    bytes[at + 1] = (bytes[at + 1] as number) ^ m1;
    bytes[at + 2] = (bytes[at + 2] as number) ^ m2;
    bytes[at + 3] = (bytes[at + 3] as number) ^ m3;
  }
  if (at < end) bytes[at] = (bytes[at] as number) ^ m0;
  if (at + 1 < end) bytes[at + 1] = (bytes[at + 1] as number) ^ m1;
  if (at + 2 < end) bytes[at + 2] = (bytes[at + 2] as number) ^ m2;
}
