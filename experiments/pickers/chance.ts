// Dice for small worlds.
import type { Random } from "../../src/core/index.ts";

export { seededRandom as seeded } from "../../test/policies/support.ts";

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
