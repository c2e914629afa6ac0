/**
 * Seeded chance: the same seed gives the same numbers on every machine.
 *
 * xoshiro128** 1.1 (Blackman and Vigna, "Scrambled Linear Pseudorandom Number Generators", 2018), its state
 * filled by splitmix32 from an FNV-1a hash of the seed.
 */
import type { Random } from "../../core/runtime.ts";

/** Creates a generator. Seeds that print alike (`7` and `"7"`) are the same seed. */
export function createSeededRandom(seed: number | string): Random {
  let state = hashText(String(seed));
  const fill = (): number => {
    state = (state + 0x9e37_79b9) | 0;
    let z = state ^ (state >>> 16);
    z = Math.imul(z, 0x21f0_aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a_2d97);
    return z ^ (z >>> 15);
  };
  let [a, b, c, d] = [fill(), fill(), fill(), fill()];

  function word(): number {
    const product = Math.imul(b, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9);
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = (d << 11) | (d >>> 21);
    return result >>> 0;
  }

  return {
    // 27 and 26 bits of two words: every double of 53 bits in [0, 1) is as likely as another.
    next: () => ((word() >>> 5) * 0x400_0000 + (word() >>> 6)) / 0x20_0000_0000_0000,
    id: () => hex(word()) + hex(word()) + hex(word()) + hex(word()),
  };
}

function hashText(text: string): number {
  let hash = 0x811c_9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x0100_0193);
  return hash;
}

function hex(word: number): string {
  return word.toString(16).padStart(8, "0");
}
