/**
 * The Node clock: performance.now, and a timer wheel driven by one native timer aimed at its next tick.
 *
 * A native timer per call would cost ten times what filing an {@link Alarm} costs. Clearing an alarm leaves
 * the native timer as it is: it finds nothing to ring and is aimed again, which happens at most once in the
 * shortest time that anybody waits.
 */
import { performance } from "node:perf_hooks";
import type { Alarm } from "../../core/alarm.ts";
import { CallbackAlarm } from "../../core/callback-alarm.ts";
import type { Clock } from "../../core/runtime.ts";
import { TimerWheel } from "./timer-wheel.ts";

/** What a native timer can wait at most; a longer wait is aimed again on the way. */
const maxDelayMs = 0x7fff_ffff;

/** Values of `aimedAt` that are no tick: no native timer runs; alarms are ringing and we aim afterwards. */
const idle = Infinity;
const ringing = -Infinity;

/**
 * Creates a clock. An alarm's `keepsAlive` is read when it is set and when it is cleared, so it may only be
 * changed while the alarm is not set. An error thrown by a ringing alarm becomes an uncaught exception of the
 * process, as one thrown in a native timer does, but the other alarms still ring.
 */
export function createClock(): Clock {
  const wheel = new TimerWheel(Math.floor(performance.now()), throwLater);
  let native: NodeJS.Timeout | undefined;
  let aimedAt = idle;
  let isReferenced = false;

  function aim(tick: number): void {
    if (native !== undefined) clearTimeout(native);
    const delayMs = Math.ceil(tick - performance.now());
    native = setTimeout(tock, Math.min(Math.max(delayMs, 1), maxDelayMs));
    aimedAt = tick;
    isReferenced = wheel.keepers !== 0;
    if (!isReferenced) native.unref();
  }

  function tock(): void {
    native = undefined;
    aimedAt = ringing;
    wheel.advance(performance.now());
    const next = wheel.nextDue();
    aimedAt = idle;
    isReferenced = false;
    if (next !== undefined) aim(next);
  }

  function set(alarm: Alarm, atMs: number): void {
    if (alarm.isSet) wheel.clear(alarm);
    // Without a native timer nothing finite is filed, and the wheel stopped when it became empty.
    else if (aimedAt === idle) wheel.skipTo(Math.floor(performance.now()));
    const tick = wheel.set(alarm, atMs);
    if (tick < aimedAt) aim(tick);
    else if (!isReferenced && wheel.keepers !== 0 && native !== undefined) {
      isReferenced = true;
      native.ref();
    }
  }

  function clear(alarm: Alarm): void {
    if (!alarm.isSet) return;
    wheel.clear(alarm);
    if (isReferenced && wheel.keepers === 0) {
      isReferenced = false;
      native?.unref();
    }
  }

  const clock: Clock = {
    now: () => performance.now(),
    wallMs: () => Date.now(),
    set,
    clear,
    after(delayMs, callback) {
      const alarm = new CallbackAlarm(clock, callback);
      set(alarm, performance.now() + delayMs);
      return alarm;
    },
    defer(callback) {
      process.nextTick(callback);
    },
    // Timers ring before sockets are read; immediates run after.
    afterInput(callback) {
      setImmediate(callback);
    },
  };
  return clock;
}

function throwLater(error: unknown): void {
  process.nextTick(() => {
    throw error;
  });
}
