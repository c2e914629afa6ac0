/** Values of no particular type travel as JSON text in a bytes field. */
import { readText } from "../../wire/text.ts";
import type { Cursor } from "./cursor.ts";
import { maxDepth } from "./plan.ts";
import type { Trail } from "./trail.ts";

/** The JSON text of a value; throws with the trail's path when it has none. */
export function jsonOf(value: unknown, trail: Trail): string {
  try {
    const text: string | undefined = JSON.stringify(value);
    if (text !== undefined) return text;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.split("\n")[0] : "it cannot be serialised";
    throw trail.mismatch(`a JSON value (${why})`, value);
  }
  throw trail.mismatch("a JSON value", value);
}

/** Reads the cursor's bytes up to `end`. Nothing at all reads as null. */
export function readJson(cursor: Cursor, end: number): unknown {
  const start = cursor.position;
  cursor.position = end;
  if (start === end) return null;
  let text: string;
  try {
    text = readText(cursor.bytes, start, end);
  } catch {
    throw cursor.malformed("JSON text is not valid UTF-8", start);
  }
  try {
    return parseJson(text);
  } catch {
    throw cursor.malformed(`not JSON, or nested deeper than ${maxDepth}`, start);
  }
}

/** Throws when the text is no JSON, or nested so deep that whoever walks the value might overflow the stack. */
export function parseJson(text: string): unknown {
  let depth = 0;
  let inText = false;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (inText) {
      if (unit === 0x5c) i++;
      else if (unit === 0x22) inText = false;
    } else if (unit === 0x22) inText = true;
    else if (unit === 0x5b || unit === 0x7b) {
      if (++depth > maxDepth) throw new RangeError("too deep");
    } else if (unit === 0x5d || unit === 0x7d) depth--;
  }
  return JSON.parse(text);
}
