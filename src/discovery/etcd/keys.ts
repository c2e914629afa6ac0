/**
 * Keys are where entries lie in etcd: PREFIX + NAME + "/" + ID, and their value is the entry's JSON.
 *
 * An id may hold anything, so what is not a letter, a digit or one of `- _ . ~ : [ ] @` is written as percent and hex
 * digits of its UTF-8 bytes: a key then has no slash behind its name, and what lies under `a/b` is no entry of `a`.
 */

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });
const slash = 0x2f;

/** Keys from `start` up to, and without, `end`. */
export interface KeyRange {
  readonly start: Uint8Array;
  readonly end: Uint8Array;
}

export function bytesOf(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Throws a TypeError for what is no UTF-8. */
export function textOf(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** The range of all entries of a name. */
export function rangeOf(prefix: string, name: string): KeyRange {
  const start = bytesOf(`${prefix}${name}/`);
  const end = start.slice();
  // The byte after a slash is "0", so nothing carries over.
  end[end.length - 1] = slash + 1;
  return { start, end };
}

export function keyOf(prefix: string, name: string, id: string): Uint8Array {
  return bytesOf(`${prefix}${name}/${escapeId(id)}`);
}

/** `unix:/run/a b.sock` becomes `unix:%2Frun%2Fa%20b.sock`; `10.0.0.4:7001` stays as it is. */
export function escapeId(id: string): string {
  return encodeURIComponent(id.toWellFormed())
    .replaceAll(/%(?:3A|5B|5D|40)/g, (code) => decodeURIComponent(code))
    .replaceAll(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** What follows the name in a key of its range; undefined for a key that is of another name, or of none. */
export function restOf(key: Uint8Array, { start }: KeyRange): Uint8Array | undefined {
  if (key.length < start.length) return undefined;
  for (let i = 0; i < start.length; i++) if (key[i] !== start[i]) return undefined;
  const rest = key.subarray(start.length);
  return rest.includes(slash) ? undefined : rest;
}

/** The next key there can be. */
export function keyAfter(key: Uint8Array): Uint8Array {
  const after = new Uint8Array(key.length + 1);
  after.set(key);
  return after;
}

/** Negative if `a` comes before `b` in etcd's order. */
export function compareKeys(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return (a[i] as number) - (b[i] as number);
  return a.length - b.length;
}

/** A text for each key, of which no two are the same: what maps are keyed by. */
export function keyText(key: Uint8Array): string {
  let text = "";
  for (const byte of key) text += String.fromCharCode(byte);
  return text;
}

/** How messages show a key. */
export function showKey(key: Uint8Array): string {
  const most = 200;
  const text = new TextDecoder().decode(key.subarray(0, most));
  return JSON.stringify(text).slice(1, -1) + (key.length > most ? "…" : "");
}
