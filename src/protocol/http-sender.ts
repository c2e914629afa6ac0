/** A sender is one call's permission to send messages of a stream: it waits while the exchange takes no more. */
import { RpcError } from "../core/error.ts";
import { isPromise } from "../core/service.ts";
import type { Exchange } from "../http/message.ts";

export class HttpSender {
  readonly #exchange: Exchange;
  readonly #send: (value: unknown) => void;
  #resume: (() => void) | undefined = undefined;
  /** Set when the call has ended: whoever waits is released and must stop. */
  stopped = false;

  /** `send` encodes and sends one message. */
  constructor(exchange: Exchange, send: (value: unknown) => void) {
    this.#exchange = exchange;
    this.#send = send;
  }

  stop(): void {
    this.stopped = true;
    this.wake();
  }

  /** Looks again whether it may go on. */
  wake(): void {
    if (this.#resume === undefined || !(this.stopped || this.#exchange.writable)) return;
    const resume = this.#resume;
    this.#resume = undefined;
    resume();
  }

  /**
   * Sends every item of `items`; resolves when the last is written, or the call has ended and the items'
   * iterator was told so. Rejects with what the items or their encoding threw.
   */
  async sendAll(items: AsyncIterable<unknown> | Iterable<unknown>): Promise<void> {
    const iterator = iteratorOf(items);
    for (;;) {
      if (!this.stopped && !this.#exchange.writable) {
        await new Promise<void>((resolve) => {
          this.#resume = resolve;
        });
      }
      if (this.stopped) {
        await iterator.return?.();
        return;
      }
      const step = iterator.next();
      const item = isPromise(step) ? await step : step;
      if (item.done === true) return;
      if (this.stopped) {
        await iterator.return?.();
        return;
      }
      this.#send(item.value);
    }
  }
}

function iteratorOf(items: AsyncIterable<unknown> | Iterable<unknown>): AsyncIterator<unknown> | Iterator<unknown> {
  const source = items as Partial<AsyncIterable<unknown> & Iterable<unknown>> | null | undefined;
  const asyncIterator = source?.[Symbol.asyncIterator];
  if (asyncIterator !== undefined) return asyncIterator.call(source);
  const iterator = source?.[Symbol.iterator];
  if (iterator !== undefined && typeof source !== "string") return iterator.call(source);
  throw new RpcError("invalid_argument", "a stream must be an AsyncIterable or an Iterable", { phase: "encode" });
}
