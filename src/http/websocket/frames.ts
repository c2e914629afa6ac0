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
 * A whole frame. With a `mask`, as all of a client's frames have one, the payload is masked: a page must not be able to
 * choose the bytes that a proxy on the way sees.
 */
export function frame(opcode: number, payload: Uint8Array, mask: number | undefined): Uint8Array {
  const bytes = allocateBytes(frameBytes(payload.length, mask));
  writeFrame(bytes, 0, opcode, payload, mask);
  return bytes;
}

/** How many bytes the frame of so many bytes of payload has. */
export function frameBytes(length: number, mask: number | undefined): number {
  return 2 + (length <= maxControlBytes ? 0 : length <= 0xffff ? 2 : 8) + (mask === undefined ? 0 : 4) + length;
}

/** Writes a whole frame to `bytes` at `from`, where there is room. */
export function writeFrame(
  bytes: Uint8Array, from: number, opcode: number, payload: Uint8Array, mask: number | undefined,
): void {
  const { length } = payload;
  const isMasked = mask === undefined ? 0 : 0x80;
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
  if (mask === undefined) {
    bytes.set(payload, at);
    return;
  }
  bytes[at++] = mask >>> 24;
  bytes[at++] = mask >>> 16;
  bytes[at++] = mask >>> 8;
  bytes[at++] = mask;
  masked(payload, 0, length, mask, 0, bytes, at);
}

/**
 * Writes `source[start, end)`, masked or unmasked (it is the same), to `target` from `at` on. `phase` is how many bytes
 * of the frame's payload came before.
 */
export function masked(
  source: Uint8Array, start: number, end: number, mask: number, phase: number, target: Uint8Array, at: number,
): void {
  const turned = phase % 4 === 0 ? mask : (mask << (phase % 4 * 8)) | (mask >>> (32 - phase % 4 * 8));
  const [m0, m1, m2, m3] = [turned >>> 24, turned >>> 16 & 0xff, turned >>> 8 & 0xff, turned & 0xff];
  let from = start;
  let to = at;
  for (const whole = end - (end - start) % 4; from < whole; from += 4, to += 4) {
    target[to] = (source[from] as number) ^ m0;
    target[to + 1] = (source[from + 1] as number) ^ m1;
    target[to + 2] = (source[from + 2] as number) ^ m2;
    target[to + 3] = (source[from + 3] as number) ^ m3;
  }
  if (from < end) target[to] = (source[from] as number) ^ m0;
  if (from + 1 < end) target[to + 1] = (source[from + 1] as number) ^ m1;
  if (from + 2 < end) target[to + 2] = (source[from + 2] as number) ^ m2;
}
