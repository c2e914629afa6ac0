/**
 * An Alarm is a timer that costs no allocation: whatever waits *is* the entry in the clock's wheel.
 *
 * A call extends Alarm, so that setting and clearing its deadline is a few pointer writes.
 */
export abstract class Alarm {
  /** Links of the clock that holds this alarm; nobody else touches them. */
  nextAlarm: Alarm | undefined = undefined;
  previousAlarm: Alarm | undefined = undefined;
  /** When it rings, in clock milliseconds; meaningless while it is not set. */
  ringsAtMs = 0;
  /** Whether a clock holds it. */
  isSet = false;
  /** Whether it keeps the process alive while set. Housekeeping (heartbeats, sweeps) says false. */
  keepsAlive = true;

  abstract ring(): void;
}

/** A handle on a callback given to `clock.after`. */
export interface Timer {
  /** Does nothing if it rang already. */
  cancel(): void;
  /** Lets the process end while this timer is pending. */
  unref(): Timer;
}
