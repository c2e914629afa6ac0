/** The opening of a connection tells which transport and which protocol of Thrift's it speaks. */
import type { ThriftEncoding } from "./message.ts";

/**
 * How messages lie on a connection: behind four bytes of length; one after another, measured by nothing; or behind a
 * length and a header of Thrift's THeader.
 */
export type ThriftTransport = "framed" | "buffered" | "header";

export interface Spoken {
  readonly transport: ThriftTransport;
  /** Of `header`, that is told in each message. */
  readonly encoding: ThriftEncoding;
}

/** The magic of THeader, behind its length. */
export const headerMagic = 0x0f_ff;

/** What a call's first bytes say; undefined while more are needed, false for no Thrift. Sure after nine bytes. */
export function spokenBy(opening: Uint8Array): Spoken | false | undefined {
  const bare = encodingAt(opening, 0);
  if (bare !== false) return bare === undefined ? undefined : { transport: "buffered", encoding: bare };
  const [first = 0] = opening;
  // A frame is at most a gigabyte long. The beginnings of other wires are letters.
  if (first > 0x3f) return false;
  if (opening.length < 5) return undefined;
  if (opening[4] === headerMagic >> 8) {
    if (opening.length < 6) return undefined;
    return opening[5] === (headerMagic & 0xff) ? { transport: "header", encoding: "binary" } : false;
  }
  const framed = encodingAt(opening, 4);
  return framed === undefined || framed === false ? framed : { transport: "framed", encoding: framed };
}

/** Calls and one-way calls alone: no connection begins with a reply. */
const beginnings: readonly (readonly [ThriftEncoding, readonly number[]])[] = [
  ["binary", [0x80, 1, 0, 1]], ["binary", [0x80, 1, 0, 4]], ["compact", [0x82, 0x21]], ["compact", [0x82, 0x81]],
  ["json", [0x5b, 0x31, 0x2c, 0x22]],
];

/** The protocol of the message that begins there; of a call alone. */
export function encodingAt(bytes: Uint8Array, start: number): ThriftEncoding | false | undefined {
  let couldBe = false;
  for (const [encoding, pattern] of beginnings) {
    let i = 0;
    while (i < pattern.length && start + i < bytes.length && bytes[start + i] === pattern[i]) i++;
    if (i === pattern.length) return encoding;
    couldBe ||= start + i === bytes.length;
  }
  return couldBe ? undefined : false;
}
