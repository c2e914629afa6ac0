/**
 * A loop guard measures this process's own event loop, so that nobody is convicted of our own stall.
 *
 * The rule is Lifeguard's: whoever is slow itself does not trust what it thinks of others.
 */
import { Alarm, type Clock, type Runtime } from "../core/index.ts";

export interface LoopGuardOptions {
  /** How often the loop is looked at, in milliseconds. Default 50. */
  readonly intervalMs?: number;
  /** Lateness that counts as a stall, in milliseconds. Default 100. */
  readonly stallMs?: number;
}

export interface LoopGuard {
  /** How late the last look was, in milliseconds; at least how overdue the next one is. */
  lagMs(): number;
  /** Whether the loop stalled, or is coming out of a stall, within the last `windowMs`. */
  stalledRecently(windowMs: number): boolean;
  /** Stops looking. */
  close(): void;
}

/** Starts a guard; it never keeps the process alive. */
export function loopGuard(runtime: Pick<Runtime, "clock">, options: LoopGuardOptions = {}): LoopGuard {
  const { clock } = runtime;
  const stallMs = options.stallMs ?? 100;
  const look = new Look(clock, options.intervalMs ?? 50, stallMs);
  return {
    lagMs: () => Math.max(look.lagMs, look.overdueMs()),
    // After a stall, what arrived meanwhile may be handled before our alarm is: being overdue is a stall too.
    stalledRecently: (windowMs) => clock.now() - look.stalledAtMs <= windowMs || look.overdueMs() > stallMs,
    close: () => clock.clear(look),
  };
}

class Look extends Alarm {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #stallMs: number;
  lagMs = 0;
  /** When the last stall was over. */
  stalledAtMs = -Infinity;

  constructor(clock: Clock, intervalMs: number, stallMs: number) {
    super();
    this.keepsAlive = false;
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#stallMs = stallMs;
    clock.set(this, clock.now() + intervalMs);
  }

  overdueMs(): number {
    return this.isSet ? Math.max(0, this.#clock.now() - this.ringsAtMs) : 0;
  }

  override ring(): void {
    const now = this.#clock.now();
    this.lagMs = Math.max(0, now - this.ringsAtMs);
    if (this.lagMs > this.#stallMs) this.stalledAtMs = now;
    this.#clock.set(this, now + this.#intervalMs);
  }
}
