/**
 * A fingerprint tells whether two requests are the same one, whatever codec they came in.
 *
 * 64 bits over the decoded value: enough to notice a key that was used twice by mistake, and no defence against
 * somebody who makes two requests of one fingerprint on purpose, who could spoil nothing but calls of his own. The
 * order of properties, of Map entries and of Set elements does not count, since codecs differ in it.
 */

/** Two lanes of 32 bits with different constants; each step is a multiply and a rotation, as in MurmurHash3. */
let a = 0;
let b = 0;

/** Six bits a character: `toString` of a number of 32 bits would cost more than all the rest. */
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const digits = Uint8Array.from(alphabet, (letter) => letter.charCodeAt(0));

function digit(bits: number): number {
  return digits[bits & 63] as number;
}

/** The fingerprint of a request, as 12 characters. */
export function fingerprint(value: unknown): string {
  a = 0x9747b28c;
  b = 0x3c6ef372;
  walk(value, 0);
  return String.fromCharCode(
    digit(a), digit(a >>> 6), digit(a >>> 12), digit(a >>> 18), digit(a >>> 24), digit(a >>> 30),
    digit(b), digit(b >>> 6), digit(b >>> 12), digit(b >>> 18), digit(b >>> 24), digit(b >>> 30));
}

const maxDepth = 200;

function walk(value: unknown, depth: number): void {
  if (depth > maxDepth) return mix(0xdeeb);
  switch (typeof value) {
    case "string": return text(value, 1);
    case "number": return number(value);
    case "boolean": return mix(value ? 3 : 4);
    case "bigint": return text(String(value), 5);
    case "undefined": return mix(6);
    case "object": return value === null ? mix(7) : object(value, depth);
    // No codec makes one.
    case "function": case "symbol": default: return mix(8);
  }
}

function object(value: object, depth: number): void {
  if (Array.isArray(value)) {
    mix(value.length + 0x100);
    for (const item of value) walk(item, depth + 1);
  } else if (value instanceof Uint8Array) bytes(value);
  else if (value instanceof Date) text(String(value.getTime()), 9);
  else if (value instanceof Map) unordered(10, value, depth);
  else if (value instanceof Set) unordered(11, [...value].map((item) => [item, undefined] as const), depth);
  else members(value as Record<string, unknown>, depth);
}

/** An absent property and an undefined one are the same, as on every wire. */
function members(value: Record<string, unknown>, depth: number): void {
  const [beforeA, beforeB] = [a, b];
  let sumA = 12;
  let sumB = 12;
  for (const key of Object.keys(value)) {
    const member = value[key];
    if (member === undefined) continue;
    a = 0x1b873593;
    b = 0x85ebca6b;
    text(key, 13);
    walk(member, depth + 1);
    sumA = sumA + a | 0;
    sumB = sumB + b | 0;
  }
  a = beforeA;
  b = beforeB;
  mix(sumA);
  mix(sumB);
}

function unordered(kind: number, entries: Iterable<readonly [unknown, unknown]>, depth: number): void {
  const [beforeA, beforeB] = [a, b];
  let sumA = kind;
  let sumB = kind;
  for (const [key, item] of entries) {
    a = 0x1b873593;
    b = 0x85ebca6b;
    walk(key, depth + 1);
    walk(item, depth + 1);
    sumA = sumA + a | 0;
    sumB = sumB + b | 0;
  }
  a = beforeA;
  b = beforeB;
  mix(sumA);
  mix(sumB);
}

const double = new Float64Array(1);
const halves = new Uint32Array(double.buffer);

function number(value: number): void {
  mix(2);
  if (Number.isInteger(value) && value === (value | 0)) return mix(value);
  double[0] = value;
  mix(halves[0] as number);
  mix(halves[1] as number);
}

function text(value: string, kind: number): void {
  mix(value.length << 4 | kind);
  for (let i = 0; i < value.length; i++) mix(value.charCodeAt(i));
}

function bytes(value: Uint8Array): void {
  mix(value.length << 4 | 14);
  for (const byte of value) mix(byte);
}

function mix(word: number): void {
  let one = Math.imul(word, 0xcc9e2d51);
  one = one << 15 | one >>> 17;
  a ^= Math.imul(one, 0x1b873593);
  a = Math.imul(a << 13 | a >>> 19, 5) + 0xe6546b64 | 0;
  let two = Math.imul(word, 0x38b34ae5);
  two = two << 16 | two >>> 16;
  b ^= Math.imul(two, 0xa1e38b93);
  b = Math.imul(b << 17 | b >>> 15, 5) + 0x561ccd1b | 0;
}
