/**
 * `parseJson` reads JSON natively, a hundred times faster than the YAML parser, which knows where things stand.
 *
 * It answers undefined for whatever the slow parser should look at: text that is not JSON, or that has one key
 * twice in an object, which the native parser lets pass.
 */
export function parseJson(text: string): unknown {
  if (!/^\s*\{/.test(text)) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return countKeys(value) === countColons(text) ? value : undefined;
}

/** Keys of all objects; by a list of what is left to visit, since the text may nest deeply. */
function countKeys(root: unknown): number {
  let count = 0;
  const left: unknown[] = [root];
  while (left.length > 0) {
    const value = left.pop();
    if (typeof value !== "object" || value === null) continue;
    const members: unknown[] = Array.isArray(value) ? value : Object.values(value);
    if (!Array.isArray(value)) count += members.length;
    for (const member of members) if (typeof member === "object" && member !== null) left.push(member);
  }
  return count;
}

/** Colons outside of text: one for each key that was written. */
function countColons(text: string): number {
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === colon) {
      count++;
    } else if (unit === quote) {
      for (i++; text.charCodeAt(i) !== quote; i++) if (text.charCodeAt(i) === backslash) i++;
    }
  }
  return count;
}

const colon = 0x3a;
const quote = 0x22;
const backslash = 0x5c;
