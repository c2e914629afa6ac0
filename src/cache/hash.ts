/** Hashes of texts: 32 bits to choose by, and 128 for names of what is too long to be a key itself. */

/** 32 bits of a text: FNV-1a over its units, mixed at the end. */
export function textHash(text: string, seed = 0): number {
  let hash = 0x811c9dc5 ^ seed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ hash >>> 16, 0x85ebca6b);
  hash = Math.imul(hash ^ hash >>> 13, 0xc2b2ae35);
  return (hash ^ hash >>> 16) >>> 0;
}

/** 128 bits of a text in hexadecimal. Who stores by it keeps the text beside, since nothing hinders two of one hash. */
export function textName(text: string): string {
  let name = "";
  for (let seed = 1; seed <= 4; seed++) {
    name += textHash(text, Math.imul(seed, 0x9e3779b1)).toString(16).padStart(8, "0");
  }
  return name;
}
