/** What hears the rest of a request that is answered already: passes it over, and ends what does not end. */
import { Alarm } from "../core/alarm.ts";
import type { Clock } from "../core/runtime.ts";
import type { Exchange, HttpSink } from "../http/message.ts";

/** How long a caller may go on sending what nobody will read before it is told to stop. */
export const lingerMs = 1_000;

export class Remainder extends Alarm implements HttpSink {
  readonly #clock: Clock;
  readonly #exchange: Exchange;

  constructor(clock: Clock, exchange: Exchange, last: boolean) {
    super();
    this.#clock = clock;
    this.#exchange = exchange;
    this.keepsAlive = false;
    if (!last) clock.set(this, clock.now() + lingerMs);
  }

  data(_bytes: Uint8Array, start: number, end: number, last: boolean): void {
    if (end > start) this.#exchange.consumed(end - start);
    if (last) this.#done();
  }

  trailers(): void {
    this.#done();
  }

  writable(): void {
    // All was said.
  }

  failed(): void {
    this.#done();
  }

  ring(): void {
    this.#exchange.reset("none");
  }

  #done(): void {
    if (this.isSet) this.#clock.clear(this);
  }
}
