// Dice for small worlds.
import type { Random } from "../../src/core/index.ts";

/** mulberry32. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  return { next, id: () => Math.floor(next() * 2 ** 52).toString(16).padStart(32, "0") };
}

export function exponential(random: Random, mean: number): number {
  return -Math.log(1 - random.next()) * mean;
}

/** Normal, cut off at 0 by drawing again. */
export function truncatedNormal(random: Random, mean: number, deviation: number): number {
  for (;;) {
    const angle = Math.cos(2 * Math.PI * random.next());
    const value = mean + deviation * Math.sqrt(-2 * Math.log(1 - random.next())) * angle;
    if (value > 0) return value;
  }
}
