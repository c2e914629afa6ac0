/**
 * A HybridClock gives time stamps that grow with what they know of: wall time where it can, a counter where it must.
 *
 * For versions of values that several regions write: a stamp made after another was seen is greater, however the clocks
 * differ. Kulkarni et al., "Logical Physical Clocks and Consistent Snapshots in Globally Distributed Databases" (2014).
 */
import { badOption, numberOption, RpcError, type Runtime } from "../core/index.ts";

export interface HybridClock {
  /** The next stamp: text that sorts by time, and by node where times are equal. */
  now(): string;
  /** Takes in a stamp from elsewhere, so that the next is greater. Throws for one too far ahead. */
  seen(stamp: string): void;
}

export interface HybridClockOptions {
  /** Tells stamps of equal time apart: unique among those who write. */
  readonly node: string;
  /** How far a stamp may be ahead of our wall clock, in milliseconds; one that is more is refused. Default 60,000. */
  readonly maxAheadMs?: number | undefined;
}

const pattern = /^([0-9a-f]{12})-([0-9a-f]{6})-(.{1,64})$/;
const maxCounter = 0xff_ffff;

export function hybridClock(runtime: Pick<Runtime, "clock">, options: HybridClockOptions): HybridClock {
  const { node } = options;
  if (!/^.{1,64}$/.test(node)) throw badOption("node", node, "expected 1 to 64 characters");
  const maxAheadMs = numberOption("maxAheadMs", options.maxAheadMs ?? 60_000, { least: 0, unit: "milliseconds" });
  let [wallMs, counter] = [0, 0];
  return {
    now() {
      const presentMs = Math.floor(runtime.clock.wallMs());
      // A clock that jumps back, or stands still, is made up for by the counter.
      if (presentMs > wallMs) [wallMs, counter] = [presentMs, 0];
      else if (++counter > maxCounter) [wallMs, counter] = [wallMs + 1, 0];
      return `${wallMs.toString(16).padStart(12, "0")}-${counter.toString(16).padStart(6, "0")}-${node}`;
    },
    seen(stamp) {
      const [, wallText, counterText] = pattern.exec(stamp) ?? [];
      if (wallText === undefined || counterText === undefined) {
        throw new RpcError("invalid_argument", `${JSON.stringify(stamp.slice(0, 80))} is no time stamp`);
      }
      const [theirMs, theirs] = [Number.parseInt(wallText, 16), Number.parseInt(counterText, 16)];
      const aheadMs = theirMs - runtime.clock.wallMs();
      if (aheadMs > maxAheadMs) {
        throw new RpcError("out_of_range", `the stamp is ${Math.round(aheadMs)} ms ahead of this clock, at most ` +
          `${maxAheadMs} are taken: one of the two clocks is wrong`);
      }
      if (theirMs > wallMs) [wallMs, counter] = [theirMs, theirs];
      else if (theirMs === wallMs) counter = Math.max(counter, theirs);
    },
  };
}
