/** The clock of a browser, a worker or an edge: one native timer for each alarm, since a page waits for few calls. */
import type { Alarm } from "../../core/alarm.ts";
import { CallbackAlarm } from "../../core/callback-alarm.ts";
import type { Clock } from "../../core/runtime.ts";

/** What a native timer can wait at most; a longer wait is taken up again on the way. */
const maxDelayMs = 0x7fff_ffff;

export function createClock(): Clock {
  const timers = new Map<Alarm, ReturnType<typeof setTimeout>>();

  function wait(alarm: Alarm): void {
    const delayMs = Math.max(0, Math.ceil(alarm.ringsAtMs - performance.now()));
    const timer = setTimeout(() => {
      timers.delete(alarm);
      if (alarm.ringsAtMs > performance.now()) {
        wait(alarm);
        return;
      }
      alarm.isSet = false;
      alarm.ring();
    }, Math.min(delayMs, maxDelayMs));
    timers.set(alarm, timer);
    // Browsers' timers are numbers and keep nothing; those of Node and Deno would keep the process from its end.
    if (!alarm.keepsAlive && typeof timer === "object") timer.unref();
  }

  function clear(alarm: Alarm): void {
    if (!alarm.isSet) return;
    alarm.isSet = false;
    clearTimeout(timers.get(alarm));
    timers.delete(alarm);
  }

  const clock: Clock = {
    now: () => performance.now(),
    wallMs: () => Date.now(),
    set(alarm, atMs) {
      clear(alarm);
      alarm.isSet = true;
      alarm.ringsAtMs = atMs;
      if (atMs < Infinity) wait(alarm);
    },
    clear,
    after(delayMs, callback) {
      const alarm = new CallbackAlarm(clock, callback);
      clock.set(alarm, performance.now() + delayMs);
      return alarm;
    },
    defer: (callback) => queueMicrotask(callback),
  };
  return clock;
}
