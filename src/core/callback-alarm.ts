/** A CallbackAlarm calls a function when it rings: what every clock's `after` is made of. */
import { Alarm, type Timer } from "./alarm.ts";
import type { Clock } from "./runtime.ts";

export class CallbackAlarm extends Alarm implements Timer {
  readonly #clock: Pick<Clock, "set" | "clear">;
  readonly #callback: () => void;

  constructor(clock: Pick<Clock, "set" | "clear">, callback: () => void) {
    super();
    this.#clock = clock;
    this.#callback = callback;
  }

  override ring(): void {
    this.#callback();
  }

  cancel(): void {
    this.#clock.clear(this);
  }

  unref(): Timer {
    if (this.keepsAlive) {
      // A clock reads `keepsAlive` when it takes an alarm in and when it lets it go.
      const wasSet = this.isSet;
      this.#clock.clear(this);
      this.keepsAlive = false;
      if (wasSet) this.#clock.set(this, this.ringsAtMs);
    }
    return this;
  }
}
