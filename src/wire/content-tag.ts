/**
 * A content tag names bytes by what they are: 64 bits of a hash and their length, so that equal ones have equal tags.
 *
 * Two lanes of murmur3's mixing (https://github.com/aappleby/smhasher/wiki/MurmurHash3, public domain), four bytes at a
 * time. Not for secrets: whoever wants to can find two texts of one tag.
 */
export function contentTag(bytes: Uint8Array, start: number, end: number): string {
  let one = 0x1747b28c;
  let other = 0x3c6ef372;
  let at = start;
  for (; at + 4 <= end; at += 4) {
    const word = (bytes[at] as number) | (bytes[at + 1] as number) << 8 | (bytes[at + 2] as number) << 16 |
      (bytes[at + 3] as number) << 24;
    const first = Math.imul(rotated(Math.imul(word, 0xcc9e2d51), 15), 0x1b873593);
    const second = Math.imul(rotated(Math.imul(word, 0x38b34ae5), 16), 0xa1e38b93);
    // Kept within 32 bits, which engines compute with as integers.
    one = Math.imul(rotated(one ^ first, 13), 5) + 0x6546b64 | 0;
    other = Math.imul(rotated(other ^ second, 17), 5) + one | 0;
  }
  let rest = 0;
  for (let shift = 0; at < end; at++, shift += 8) rest |= (bytes[at] as number) << shift;
  const length = end - start;
  one = mixed(one ^ Math.imul(rest, 0xcc9e2d51) ^ length);
  other = mixed(other ^ Math.imul(rest, 0x38b34ae5) ^ one);
  return `${length.toString(36)}-${one.toString(36)}${other.toString(36).padStart(7, "0")}`;
}

function rotated(word: number, bits: number): number {
  return word << bits | word >>> 32 - bits;
}

/** murmur3's last mixing: every bit of the result hangs on every bit of the word. */
function mixed(word: number): number {
  let hash = Math.imul(word ^ word >>> 16, 0x85ebca6b);
  hash = Math.imul(hash ^ hash >>> 13, 0xc2b2ae35);
  return (hash ^ hash >>> 16) >>> 0;
}
