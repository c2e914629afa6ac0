/**
 * UTF-8 in and out of byte arrays, as fast as the platform allows and the same everywhere.
 *
 * Short ASCII is copied by a loop (no call out of JavaScript); longer text goes through Buffer's native
 * methods where there is a Buffer, and through TextEncoder and TextDecoder where there is none (browsers).
 */
import { RpcError } from "../core/error.ts";

/** Methods of a Buffer that its type does not list. Calling them on it directly is a third cheaper than by `call`. */
interface NativeText extends Uint8Array {
  utf8Write(text: string, offset: number, length: number): number;
  utf8Slice(start: number, end: number): string;
  latin1Slice(start: number, end: number): string;
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

/** Up to so many characters, or bytes, a loop beats the native call. */
const shortWrite = 18;
const shortRead = 8;

/**
 * Writes `text` as UTF-8 at `offset`, where there must be room for `3 * text.length` bytes; returns how many
 * it took. A lone surrogate becomes U+FFFD, as everywhere on the web.
 */
export function writeText(bytes: Uint8Array, offset: number, text: string): number {
  const length = text.length;
  if (length <= shortWrite) {
    let i = 0;
    for (; i < length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 0x7f) break;
      bytes[offset + i] = unit;
    }
    if (i === length) return length;
  }
  return writeLongText(bytes, offset, text);
}

/** {@link writeText} of a text that is not short ASCII. */
export function writeLongText(bytes: Uint8Array, offset: number, text: string): number {
  if ((bytes as NativeText).utf8Write !== undefined) {
    return (bytes as NativeText).utf8Write(text, offset, bytes.length - offset);
  }
  return native === undefined
    ? encoder.encodeInto(text, bytes.subarray(offset)).written
    : native.utf8Write.call(bytes, text, offset, bytes.length - offset);
}

/** Reads `bytes[start, end)` as UTF-8; throws `invalid_argument` on malformed sequences. */
export function readText(bytes: Uint8Array, start: number, end: number): string {
  const length = end - start;
  if (length <= shortRead) {
    const text = readShortAscii(bytes, start, end);
    if (text !== undefined) return text;
  }
  if (native === undefined) return readStrictly(bytes, start, end);
  const text = (bytes as NativeText).utf8Slice === undefined
    ? native.utf8Slice.call(bytes, start, end)
    : (bytes as NativeText).utf8Slice(start, end);
  // The native decoder replaces malformed sequences by U+FFFD; only then is the strict one asked.
  return text.includes("\ufffd") ? readStrictly(bytes, start, end) : text;
}

/**
 * Reads `bytes[start, end)` as Latin-1: one character a byte, whatever the bytes. Empty where the platform has
 * no fast way, so callers must be able to do without.
 */
export function latin1Text(bytes: Uint8Array, start: number, end: number): string {
  if ((bytes as NativeText).latin1Slice !== undefined) return (bytes as NativeText).latin1Slice(start, end);
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

function readStrictly(bytes: Uint8Array, start: number, end: number): string {
  try {
    return strictDecoder.decode(bytes.subarray(start, end));
  } catch {
    throw new RpcError("invalid_argument", "text is not valid UTF-8", { phase: "decode" });
  }
}
