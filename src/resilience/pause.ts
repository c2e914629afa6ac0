/** A pause is a wait that ends at its time or with the call, whichever comes first. */
import { Alarm, type Clock, type Context, type RpcError } from "../core/index.ts";

/** Resolves after `delayMs`; rejects with the call's reason as soon as the call is cancelled. */
export function pause(clock: Clock, delayMs: number, context: Context): Promise<void> {
  return new Promise((resolve, reject) => {
    const alarm = new Pause(resolve, reject, clock, context);
    clock.set(alarm, clock.now() + delayMs);
    context.onCancel(alarm);
  });
}

class Pause extends Alarm {
  readonly #resolve: () => void;
  readonly #reject: (reason: RpcError) => void;
  readonly #clock: Clock;
  readonly #context: Context;

  constructor(resolve: () => void, reject: (reason: RpcError) => void, clock: Clock, context: Context) {
    super();
    this.#resolve = resolve;
    this.#reject = reject;
    this.#clock = clock;
    this.#context = context;
  }

  override ring(): void {
    this.#context.offCancel(this);
    this.#resolve();
  }

  cancelled(reason: RpcError): void {
    this.#clock.clear(this);
    this.#reject(reason);
  }
}
