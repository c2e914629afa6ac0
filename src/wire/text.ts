/**
 * UTF-8 in and out of byte arrays, as fast as the platform allows and the same everywhere.
 *
 * Short ASCII is copied by a loop (no call out of JavaScript); longer text goes through Buffer's native
 * methods where there is a Buffer, and through TextEncoder and TextDecoder where there is none (browsers).
 */
import { RpcError } from "../core/error.ts";

interface NativeText {
  utf8Write(this: Uint8Array, text: string, offset: number, length: number): number;
  utf8Slice(this: Uint8Array, start: number, end: number): string;
  latin1Slice(this: Uint8Array, start: number, end: number): string;
}

interface BufferLike {
  readonly prototype: NativeText;
  allocUnsafeSlow(size: number): Uint8Array;
}

const NodeBuffer = (globalThis as { Buffer?: BufferLike }).Buffer;
const native: NativeText | undefined = NodeBuffer?.prototype;
const encoder = new TextEncoder();
const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** An uninitialised array of its own memory (never a slice of a shared pool). */
export function allocateBytes(size: number): Uint8Array {
  return NodeBuffer === undefined ? new Uint8Array(size) : NodeBuffer.allocUnsafeSlow(size);
}

/** Up to this many characters a loop beats the native call. */
const shortText = 24;

/**
 * Writes `text` as UTF-8 at `offset`, where there must be room for `3 * text.length` bytes; returns how many
 * it took. A lone surrogate becomes U+FFFD, as everywhere on the web.
 */
export function writeText(bytes: Uint8Array, offset: number, text: string): number {
  const length = text.length;
  if (length <= shortText) {
    let i = 0;
    for (; i < length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 0x7f) break;
      bytes[offset + i] = unit;
    }
    if (i === length) return length;
  }
  return native === undefined
    ? encoder.encodeInto(text, bytes.subarray(offset)).written
    : native.utf8Write.call(bytes, text, offset, bytes.length - offset);
}

/** Reads `bytes[start, end)` as UTF-8; throws `invalid_argument` on malformed sequences. */
export function readText(bytes: Uint8Array, start: number, end: number): string {
  const length = end - start;
  if (length <= shortText) {
    const text = readShortAscii(bytes, start, end);
    if (text !== undefined) return text;
  }
  if (native === undefined) {
    try {
      return strictDecoder.decode(bytes.subarray(start, end));
    } catch {
      throw malformed();
    }
  }
  const text = native.utf8Slice.call(bytes, start, end);
  // The native decoder replaces malformed sequences by U+FFFD; only then is the strict one asked.
  if (text.includes("\ufffd")) {
    try {
      return strictDecoder.decode(bytes.subarray(start, end));
    } catch {
      throw malformed();
    }
  }
  return text;
}

/**
 * Reads `bytes[start, end)` as Latin-1: one character a byte, whatever the bytes. Empty where the platform has
 * no fast way, so callers must be able to do without.
 */
export function latin1Text(bytes: Uint8Array, start: number, end: number): string {
  return native === undefined ? "" : native.latin1Slice.call(bytes, start, end);
}

function readShortAscii(bytes: Uint8Array, start: number, end: number): string | undefined {
  let text = "";
  for (let i = start; i < end; i++) {
    const unit = bytes[i] as number;
    if (unit > 0x7f) return undefined;
    text += String.fromCharCode(unit);
  }
  return text;
}

function malformed(): RpcError {
  return new RpcError("invalid_argument", "text is not valid UTF-8", { phase: "decode" });
}
