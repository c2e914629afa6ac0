/**
 * Attempts at what generated code gives up at whenever it is not plain: the interpreter then does the work again, since
 * it knows how to say what is wrong, and what is merely unusual it does right.
 */
import type { Writer } from "../../wire/writer.ts";
import { beginInput } from "./decode-support.ts";
import { origin } from "./encode-support.ts";

/** Writes a value by generated code. Returns false, and leaves nothing behind, where that gave up. */
export function attemptEncode(
  encode: (value: unknown, writer: Writer) => void, value: unknown, writer: Writer,
): boolean {
  // A getter of the value may encode something else, elsewhere: hence the outer origin.
  const outer = origin.position;
  origin.position = writer.position;
  let done = false;
  try {
    encode(value, writer);
    done = true;
  } catch {
    writer.position = origin.position;
  }
  origin.position = outer;
  return done;
}

/** What {@link attemptDecode} returns where generated code gave up. */
export const unread = Symbol("unread");

/** Reads `bytes[start, end)` by generated code. */
export function attemptDecode(
  decode: (bytes: Uint8Array, start: number, end: number) => unknown, bytes: Uint8Array, start: number, end: number,
): unknown {
  // A default of the schema may be computed by decoding something else: hence the outer input.
  const outer = beginInput(end);
  let value: unknown = unread;
  try {
    value = decode(bytes, start, end);
  } catch {
    // Told by the interpreter, outside the handler, what it was.
  }
  beginInput(outer);
  return value;
}
