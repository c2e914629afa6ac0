/** What JSON text must be beside well-formed: not too deep, no object with one key twice, no key `__proto__`. */
import { readText } from "../../wire/text.ts";
import { malformed } from "../json-tagged.ts";
import { maxDepth } from "../protobuf/plan.ts";

/**
 * Throws `invalid_argument` for JSON in `bytes[start, end)` whose parsed form is nested too deep or has lost a key to
 * another of the same name: two readers of such a text may see two different values. `levels` is how deep it may be.
 */
export function inspect(
  parsed: unknown, bytes: Uint8Array, start: number, end: number, levels = maxDepth,
): void {
  if (countKeys(parsed, levels) === countColons(bytes, start, end)) return;
  throw malformed(`has the key ${doubled(readText(bytes, start, end))} twice`);
}

/** The keys of all objects. After the parse, which does not recurse in V8 and elsewhere refuses of itself. */
function countKeys(value: unknown, levels: number): number {
  if (typeof value !== "object" || value === null) return 0;
  if (levels === 0) throw malformed(`is nested deeper than ${maxDepth}`);
  let count = 0;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const item: unknown = value[i];
      if (typeof item === "object") count += countKeys(item, levels - 1);
    }
    return count;
  }
  for (const key in value) {
    const member: unknown = (value as Record<string, unknown>)[key];
    // Harmless until some code copies it.
    if (key === "__proto__") throw malformed('holds a key named "__proto__", which is refused');
    count++;
    if (typeof member === "object") count += countKeys(member, levels - 1);
  }
  return count;
}

/** Colons outside of texts, in bytes that are known to be JSON: one a key. */
function countColons(bytes: Uint8Array, start: number, end: number): number {
  let colons = 0;
  for (let i = start; i < end; i++) {
    const byte = bytes[i];
    if (byte === 0x3a) colons++;
    else if (byte === 0x22) {
      while (bytes[++i] !== 0x22) if (bytes[i] === 0x5c) i++;
    }
  }
  return colons;
}

/** The offset of the quote that closes the text that opens at `start`. */
function endOfText(text: string, start: number): number {
  let i = start + 1;
  for (; text.charCodeAt(i) !== 0x22; i++) if (text.charCodeAt(i) === 0x5c) i++;
  return i;
}

/** The first key that its object has already, as it stands there. */
function doubled(text: string): string {
  const open: Set<string>[] = [];
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === "{" || character === "[") open.push(new Set());
    else if (character === "}" || character === "]") open.pop();
    else if (character === '"') {
      const end = endOfText(text, i);
      const raw = text.slice(i, end + 1);
      i = end;
      if (!/^[ \t\n\r]*:/.test(text.slice(end + 1, end + 100))) continue;
      const key = JSON.parse(raw) as string;
      if (open.at(-1)?.has(key) === true) return JSON.stringify(key.slice(0, 64));
      open.at(-1)?.add(key);
    }
  }
  return "of an object";
}
