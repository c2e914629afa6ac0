/**
 * Fail-back damps the return of a region: down at once, up only after it has stayed up, then by a ramp.
 *
 * What falls is followed immediately. What comes back is held down for a while that doubles with every flap, then
 * rises linearly, so that a region that goes up and down is left alone instead of shaking everybody.
 */

export interface FailBackOptions {
  /** How long a region must stay up before traffic returns, in milliseconds. Default 5,000; doubles with each flap. */
  readonly holdDownMs?: number;
  /** Longest such wait, in milliseconds. Default 60,000. */
  readonly maxHoldDownMs?: number;
  /** Time from nothing to everything, in milliseconds. Default 30,000. */
  readonly rampMs?: number;
  /** A region up so long has its flaps forgotten, and two returns are never closer, in ms. Default 60,000. */
  readonly flapWindowMs?: number;
}

/** `level` is what the region was carrying when it was last at its lowest. */
export type FailBackState =
  | { readonly kind: "open"; readonly sinceMs: number }
  | { readonly kind: "down"; readonly level: number }
  | { readonly kind: "held"; readonly level: number; readonly untilMs: number }
  | { readonly kind: "ramping"; readonly level: number; readonly sinceMs: number };

export interface FailBack {
  readonly state: FailBackState;
  /** Takes the region's present score and answers the most it may carry. */
  update(score: number, nowMs: number): number;
}

/** Smaller movements of a score are no news; falls smaller than `shallow` are no flaps. */
const noise = 1e-3;
const shallow = 0.1;

/** Damping for one region. It begins open: a first start is not held down. */
export function failBack(options: FailBackOptions = {}): FailBack {
  const { holdDownMs = 5_000, maxHoldDownMs = 60_000, rampMs = 30_000, flapWindowMs = 60_000 } = options;
  let state: FailBackState = { kind: "open", sinceMs: -Infinity };
  let flaps = 0;
  let rampedAtMs = -Infinity;
  let before = 0;

  function fall(to: number, depth: number, now: number): FailBackState {
    if (state.kind === "open" && now - state.sinceMs >= flapWindowMs) flaps = 0;
    if (depth >= shallow) flaps++;
    return { kind: "down", level: to };
  }

  function rise(level: number, now: number): FailBackState {
    const hold = Math.min(maxHoldDownMs, holdDownMs * 2 ** Math.max(0, flaps - 1));
    // Returns are never closer than the window, however short the hold-down.
    return { kind: "held", level, untilMs: Math.max(now + hold, rampedAtMs + flapWindowMs) };
  }

  function limit(now: number): number {
    if (state.kind === "open") return 1;
    if (state.kind !== "ramping") return state.level;
    return rampMs <= 0 ? 1 : Math.min(1, state.level + (now - state.sinceMs) / rampMs);
  }

  function step(score: number, now: number): void {
    switch (state.kind) {
      case "open":
        if (score < before - noise) state = fall(score, before - score, now);
        break;
      case "down":
        if (score < state.level) state = { kind: "down", level: score };
        else if (score > state.level + noise) state = rise(state.level, now);
        break;
      case "held":
        if (score <= state.level + noise) state = fall(Math.min(score, state.level), before - score, now);
        else if (now >= state.untilMs) {
          state = { kind: "ramping", level: state.level, sinceMs: now };
          rampedAtMs = now;
        }
        break;
      case "ramping":
        if (score < limit(now) - noise) state = fall(score, before - score, now);
        else if (limit(now) >= 1) state = { kind: "open", sinceMs: now };
        break;
    }
  }

  return {
    get state() {
      return state;
    },
    update: (score, now) => {
      step(score, now);
      before = score;
      return limit(now);
    },
  };
}
