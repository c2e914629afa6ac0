/** Chance on Node: Math.random for choices, the system's generator (in pools) for identifiers. */
import { randomFillSync } from "node:crypto";
import type { Random } from "../../core/runtime.ts";

const idBytes = 16;
const poolBytes = 256 * idBytes;

export function createRandom(): Random {
  const pool = Buffer.allocUnsafeSlow(poolBytes);
  let used = poolBytes;
  return {
    next: () => Math.random(),
    id() {
      if (used === poolBytes) {
        // One call for 256 identifiers: fifteen times cheaper than a call for each.
        randomFillSync(pool);
        used = 0;
      }
      used += idBytes;
      return pool.toString("hex", used - idBytes, used);
    },
  };
}
