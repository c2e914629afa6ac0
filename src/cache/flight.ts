/** A flight is one call that several callers wait for: who comes while it is under way follows it. */
import { Alarm, type Clock, type Context, expected, type RpcError } from "../core/index.ts";

/** How a flight ended for those who follow. */
export type Landing =
  | { readonly kind: "entry"; readonly text: string }
  | { readonly kind: "error"; readonly error: unknown }
  /** Its answer is for nobody else: each makes a call of its own. */
  | { readonly kind: "alone" }
  /** It was given up by its own caller: the next one leads. */
  | { readonly kind: "again" };

export class Flight {
  /** What it brings may be outdated: it is not kept. */
  isOutdated = false;
  #followers: Follower[] = [];

  /** Waits for the landing, no longer than the follower's own call. */
  follow(clock: Clock, context: Context): Promise<Landing> {
    return new Promise((resolve, reject) => {
      const follower = new Follower(clock, context, resolve, reject);
      this.#followers.push(follower);
      follower.begin();
    });
  }

  land(landing: Landing): void {
    const followers = this.#followers;
    this.#followers = [];
    for (const follower of followers) follower.land(landing);
  }
}

class Follower extends Alarm {
  readonly #clock: Clock;
  readonly #context: Context;
  readonly #resolve: (landing: Landing) => void;
  readonly #reject: (reason: RpcError) => void;

  constructor(
    clock: Clock, context: Context, resolve: (landing: Landing) => void, reject: (reason: RpcError) => void,
  ) {
    super();
    this.#clock = clock;
    this.#context = context;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  begin(): void {
    if (this.#context.deadline < Infinity) this.#clock.set(this, this.#context.deadline);
    this.#context.onCancel(this);
  }

  land(landing: Landing): void {
    this.#clock.clear(this);
    this.#context.offCancel(this);
    this.#resolve(landing);
  }

  override ring(): void {
    this.#context.offCancel(this);
    this.#reject(expected("deadline_exceeded", "the deadline passed while an equal call was under way",
      { phase: "queue" }));
  }

  cancelled(reason: RpcError): void {
    this.#clock.clear(this);
    this.#reject(reason);
  }
}
