/**
 * A Pulse notices that a member has fallen silent: one that is stalled, or cut off, closes no connection.
 *
 * Silence is counted in ticks of our own, so that a stall of this process counts as one tick, whatever its length: what
 * was said meanwhile may be waiting unread.
 */
import { Alarm } from "../../core/alarm.ts";
import type { Clock } from "../../core/runtime.ts";

/** Ticks of a silence; at half of them the member is asked for a sign of life. */
const ticks = 8;

export interface PulseOwner {
  /** Asks for a sign of life: the answer is to be told by {@link Pulse.heard}. */
  ask(): void;
  silent(): void;
}

export class Pulse extends Alarm {
  override keepsAlive = false;
  readonly #clock: Clock;
  readonly #tickMs: number;
  readonly #owner: PulseOwner;
  #silentTicks = 0;
  #askedTicks: number | undefined = undefined;

  constructor(clock: Clock, silenceMs: number, owner: PulseOwner) {
    super();
    this.#clock = clock;
    this.#tickMs = silenceMs / ticks;
    this.#owner = owner;
  }

  start(): void {
    this.#clock.set(this, this.#clock.now() + this.#tickMs);
  }

  stop(): void {
    this.#clock.clear(this);
  }

  heard(): void {
    this.#silentTicks = 0;
    this.#askedTicks = undefined;
  }

  ring(): void {
    this.#silentTicks++;
    if (this.#askedTicks !== undefined) this.#askedTicks++;
    if (this.#silentTicks >= ticks && (this.#askedTicks ?? 0) >= ticks / 2) {
      this.#owner.silent();
      return;
    }
    this.#clock.set(this, this.#clock.now() + this.#tickMs);
    if (this.#silentTicks >= ticks / 2 && this.#askedTicks === undefined) {
      this.#askedTicks = 0;
      this.#owner.ask();
    }
  }
}
