/**
 * Heartbeats decide when a silent connection is asked for a sign of life, and when it is given up.
 *
 * A state machine without timers: whoever has the connection checks it at `dueAtMs` and does what it is told.
 * Anything received is a sign of life. Nobody is given up for a time in which we did not look.
 */

export interface HeartbeatOptions {
  /** How often a connection with calls outstanding is looked at, in milliseconds. Default 100. */
  readonly intervalMs?: number;
  /**
   * While an answer is overdue, it is pinged so often, but not more often than every two round trips, in milliseconds.
   * Each ping gives a connection that loses packets another chance to be heard. Default a quarter of `intervalMs`.
   */
  readonly doubtIntervalMs?: number;
  /** Silence after which it is given up, to which twice the round trip is added, in milliseconds. Default 300. */
  readonly timeoutMs?: number;
  /** How often one without calls is pinged, in milliseconds. Default 5,000. */
  readonly idleIntervalMs?: number;
}

/** What one connection's heartbeat remembers. Made by `start`, written by the policy only. */
export interface HeartbeatState {
  /** When to check next, in clock milliseconds. */
  dueAtMs: number;
  /** Since when an answer has been owed: silence before it proves nothing. -Infinity before the first call. */
  owedSinceMs: number;
  /** When the oldest ping that nothing has followed went out; Infinity for none. */
  pingedAtMs: number;
}

/** What the connection knows at a check. */
export interface HeartbeatView {
  readonly nowMs: number;
  /** When anything last came in. */
  readonly lastReceivedMs: number;
  /** Calls that wait for an answer. */
  readonly outstanding: number;
  /** Smoothed round trip; 0 when unknown. */
  readonly roundTripMs: number;
  /** The least of all, which no lost packet or stall of the peer has lengthened. Default `roundTripMs`. */
  readonly leastRoundTripMs?: number;
  /** Silence after which this one is given up, if not the policy's `timeoutMs` (see `Suspicion`). */
  readonly timeoutMs?: number | undefined;
  /** Whether our own loop stalled since the last check (`LoopGuard.stalledRecently`). */
  readonly stalled: boolean;
}

/** `convict`: the peer is silent for too long; fail its calls as retryable and dial anew. */
export type HeartbeatAction = "nothing" | "ping" | "convict";

export interface Heartbeats {
  /** The state of a connection that has just opened. */
  start(nowMs: number): HeartbeatState;
  /**
   * Says that a first call went out on an idle connection: check at `dueAtMs`, which is now nearer.
   * `lastReceivedMs` as in the view: calls that give up and follow one another, all unanswered, are one silence.
   */
  busy(state: HeartbeatState, nowMs: number, lastReceivedMs?: number): void;
  /** Says that an idle peer has just been asked out of turn: from now on it owes an answer. */
  asked(state: HeartbeatState, nowMs: number): void;
  /** What to do now; sets `dueAtMs` to the next check. */
  check(state: HeartbeatState, view: HeartbeatView): HeartbeatAction;
}

/** A policy for any number of connections. Silent death is noticed within timeout + interval + 2 round trips. */
export function heartbeats(options: HeartbeatOptions = {}): Heartbeats {
  const { intervalMs = 100, timeoutMs = 300, idleIntervalMs = 5_000 } = options;
  const doubtIntervalMs = Math.min(options.doubtIntervalMs ?? intervalMs / 4, intervalMs);

  function forgive(state: HeartbeatState, nowMs: number): HeartbeatAction {
    state.owedSinceMs = nowMs;
    state.pingedAtMs = nowMs;
    state.dueAtMs = nowMs + intervalMs;
    return "ping";
  }

  /** A ping that went out late has two round trips of its own, whatever the silence before it. */
  function convictAtMs(state: HeartbeatState, view: HeartbeatView): number {
    const silenceMs = view.timeoutMs ?? timeoutMs;
    const silentSinceMs = Math.max(view.lastReceivedMs, state.owedSinceMs);
    return Math.max(silentSinceMs + silenceMs, state.pingedAtMs) + 2 * view.roundTripMs;
  }

  function check(state: HeartbeatState, view: HeartbeatView): HeartbeatAction {
    const { nowMs, lastReceivedMs, outstanding } = view;
    // A check that comes late is as good as a stall: what arrived meanwhile may not have been read yet.
    const late = nowMs - state.dueAtMs > intervalMs;
    if (lastReceivedMs >= state.pingedAtMs) state.pingedAtMs = Infinity;
    const awaitsPong = state.pingedAtMs < Infinity;
    const every = outstanding > 0 || awaitsPong ? intervalMs : idleIntervalMs;
    if ((late || view.stalled) && (outstanding > 0 || awaitsPong)) return forgive(state, nowMs);

    // Sums are compared, not differences: of fractions, (a + b) - a may be less than b, and an alarm set at the sum
    // would ring for ever at one instant, or convict an interval late.
    if (awaitsPong && nowMs >= convictAtMs(state, view)) {
      state.dueAtMs = Infinity;
      return "convict";
    }
    const silentSince = Math.max(lastReceivedMs, state.owedSinceMs);
    if (nowMs < silentSince + every && !awaitsPong) {
      state.dueAtMs = silentSince + every;
      return "nothing";
    }
    if (!awaitsPong) {
      // An idle connection owes nothing before it is asked.
      if (outstanding === 0) state.owedSinceMs = nowMs;
      state.pingedAtMs = nowMs;
    }
    // In doubt, ask more often; but whoever is far is not in doubt before an answer could have come.
    const distanceMs = Math.min(view.roundTripMs, view.leastRoundTripMs ?? Infinity);
    const againMs = nowMs + Math.min(Math.max(doubtIntervalMs, 2 * distanceMs), intervalMs);
    // Look again in time to convict on the spot, not an interval later.
    const endMs = convictAtMs(state, view);
    state.dueAtMs = endMs > nowMs ? Math.min(againMs, endMs) : againMs;
    return "ping";
  }

  return {
    start: (nowMs) => ({ dueAtMs: nowMs + idleIntervalMs, owedSinceMs: -Infinity, pingedAtMs: Infinity }),
    busy: (state, nowMs, lastReceivedMs = Infinity) => {
      if (state.pingedAtMs === Infinity && lastReceivedMs >= state.owedSinceMs) state.owedSinceMs = nowMs;
      state.dueAtMs = Math.min(state.dueAtMs, nowMs + intervalMs);
    },
    asked: (state, nowMs) => {
      state.owedSinceMs = state.pingedAtMs = nowMs;
      state.dueAtMs = nowMs + intervalMs;
    },
    check,
  };
}
