/**
 * Simulated sealing: repeatable, and no secret from anybody, but what is changed by a bit, opened with another key or
 * read under another nonce is refused as by the real one.
 *
 * A 128-bit tag of four multiplicative hashes, and a key stream that the same hash makes.
 */
import type { Random, Sealing } from "../../core/runtime.ts";

const tagBytes = 16;

export function createSealing(random: Random): Sealing {
  return {
    random(count) {
      const bytes = new Uint8Array(count);
      for (let i = 0; i < count; i++) bytes[i] = Math.floor(random.next() * 256);
      return bytes;
    },
    sign: (key, bytes) => digest(2 * tagBytes, [key, bytes]),
    digest: (bytes) => digest(2 * tagBytes, [bytes]),
    seal(key, nonce, head, text) {
      const sealed = new Uint8Array(text.length + tagBytes);
      sealed.set(mixed(key, nonce, text));
      sealed.set(digest(tagBytes, [key, nonce, head, text]), text.length);
      return sealed;
    },
    open(key, nonce, head, sealed) {
      const length = sealed.length - tagBytes;
      if (length < 0) return undefined;
      const text = mixed(key, nonce, sealed.subarray(0, length));
      const tag = digest(tagBytes, [key, nonce, head, text]);
      return tag.every((byte, i) => byte === sealed[length + i]) ? text : undefined;
    },
  };
}

/** The text under a key stream: twice gives the text again. */
function mixed(key: Uint8Array, nonce: Uint8Array, text: Uint8Array): Uint8Array {
  const stream = digest(text.length, [key, nonce]);
  return text.map((byte, i) => byte ^ (stream[i] as number));
}

/** `count` bytes that follow from all parts and from where they end. */
function digest(count: number, parts: readonly Uint8Array[]): Uint8Array {
  const states = [0x811c_9dc5, 0x9e37_79b9, 0x85eb_ca6b, 0xc2b2_ae35];
  const fold = (value: number): void => {
    for (let i = 0; i < states.length; i++) {
      const state = Math.imul((states[i] as number) ^ value, 0x0100_0193 + 2 * i);
      states[i] = state ^ state >>> 15;
    }
  };
  for (const part of parts) {
    fold(0x100 + part.length);
    for (const byte of part) fold(byte);
  }
  const bytes = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    if (i % 4 === 0) fold(i);
    bytes[i] = (states[i % 4] as number) >>> 8;
  }
  return bytes;
}
