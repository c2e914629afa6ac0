/** A heartbeat says something on a stream that is silent, so that both ends and all between know that it lives. */
import { Alarm } from "../core/alarm.ts";
import type { Clock } from "../core/runtime.ts";
import type { Exchange } from "../http/message.ts";
import type { ReplyForm } from "./dialect.ts";
import { sendPiece } from "./http-message.ts";

/** Until the first message, the head waits no longer than so: whoever asked knows then that the stream is open. */
const firstMs = 1_000;

export class Heartbeat extends Alarm {
  readonly #clock: Clock;
  readonly #exchange: Exchange;
  readonly #form: NonNullable<ReplyForm["heartbeat"]>;
  readonly #open: () => void;

  /** `open` sends the head if it has not been sent. */
  constructor(clock: Clock, exchange: Exchange, form: NonNullable<ReplyForm["heartbeat"]>, open: () => void) {
    super();
    this.keepsAlive = false;
    this.#clock = clock;
    this.#exchange = exchange;
    this.#form = form;
    this.#open = open;
    clock.set(this, clock.now() + Math.min(firstMs, form.everyMs));
  }

  ring(): void {
    this.#open();
    const { bytes, everyMs } = this.#form;
    // What does not leave at once would only lie before the next message.
    if (this.#exchange.writable) sendPiece(this.#exchange, "lines", bytes, bytes.length, false);
    this.#clock.set(this, this.#clock.now() + everyMs);
  }

  stop(): void {
    if (this.isSet) this.#clock.clear(this);
  }
}

/** The heartbeat of a reply; undefined where its form has none. */
export function heartbeat(
  form: ReplyForm | undefined, clock: Clock, exchange: Exchange, open: () => void,
): Heartbeat | undefined {
  return form?.heartbeat === undefined ? undefined : new Heartbeat(clock, exchange, form.heartbeat, open);
}
