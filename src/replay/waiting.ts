/** Waits that end at their time: for the end of a call in the same process, and for a store's answer. */
import { Alarm, type Clock, type Context, expected, type RpcError } from "../core/index.ts";

/** One repeat that waits for the first call of its key. It ends with its own call, too. */
export class Joiner extends Alarm {
  readonly #clock: Clock;
  readonly #context: Context;
  #resolve: (outcome: Uint8Array | "late" | undefined) => void = () => undefined;
  #reject: (reason: RpcError) => void = () => undefined;

  constructor(clock: Clock, context: Context) {
    super();
    this.#clock = clock;
    this.#context = context;
  }

  /** The outcome; undefined where the first call ended without one; `late` at `untilMs`. */
  ended(untilMs: number): Promise<Uint8Array | "late" | undefined> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      if (untilMs < Infinity) this.#clock.set(this, untilMs);
      this.#context.onCancel(this);
    });
  }

  settle(outcome: Uint8Array | undefined): void {
    this.#clock.clear(this);
    this.#context.offCancel(this);
    this.#resolve(outcome);
  }

  override ring(): void {
    this.#context.offCancel(this);
    this.#resolve("late");
  }

  cancelled(reason: RpcError): void {
    this.#clock.clear(this);
    this.#reject(reason);
  }
}

/** What `promise` gives within `timeoutMs`; else `deadline_exceeded`, and `late` is given what comes after all. */
export function within<T>(clock: Clock, timeoutMs: number, promise: Promise<T>, late?: (value: T) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    let isOver = false;
    const timer = clock.after(timeoutMs, () => {
      isOver = true;
      reject(expected("deadline_exceeded", `no answer within ${timeoutMs} ms`));
    });
    promise.then((value) => {
      timer.cancel();
      if (isOver) late?.(value);
      else resolve(value);
    }, (error: unknown) => {
      timer.cancel();
      reject(error);
    });
  });
}
