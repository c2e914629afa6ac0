/** A writer for a message that is copied on before the turn is over: one, unless it is in use. */
import { Writer } from "../../wire/writer.ts";

/** Memory that a large message left behind is not kept. */
const mostKeptBytes = 262_144;
let free: Writer | undefined;

/** A writer that stands at its beginning. What encodes something meanwhile gets another. */
export function borrowWriter(): Writer {
  const writer = free ?? new Writer(1_024);
  free = undefined;
  writer.position = 0;
  return writer;
}

/** Gives it back: its bytes are written to again. */
export function returnWriter(writer: Writer): void {
  if (writer.bytes.length <= mostKeptBytes) free = writer;
}
