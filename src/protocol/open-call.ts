/**
 * An open call is a unary call as the client of a simple wire sees it: sent whole, it waits for one answer, its
 * deadline or its cancellation.
 */
import { Alarm } from "../core/alarm.ts";
import type { AttemptObserver } from "../core/connection.ts";
import type { Cancellable, Context } from "../core/context.ts";
import { expected, RpcError } from "../core/error.ts";
import type { Clock } from "../core/runtime.ts";
import type { MethodCoders } from "../contract/coders.ts";

/** What carries open calls. */
export interface OpenCallOwner {
  readonly clock: Clock;
  /** The call is over: it has its answer, or nobody waits for one. */
  ended(call: OpenCall): void;
  /** Nobody waits for the answer any more: the server may be told. Before `ended`. */
  takenBack(call: OpenCall): void;
}

export class OpenCall extends Alarm implements Cancellable {
  readonly context: Context;
  /** Those of its answer; a wire on which they are not known before sets them later. */
  coders: MethodCoders;
  /** By which its owner finds it. */
  readonly id: number;
  readonly #owner: OpenCallOwner;
  readonly #observer: AttemptObserver;
  #resolve!: (value: unknown) => void;
  #reject!: (error: RpcError) => void;
  #over = false;

  constructor(owner: OpenCallOwner, id: number, coders: MethodCoders, context: Context, observer: AttemptObserver) {
    super();
    this.#owner = owner;
    this.id = id;
    this.coders = coders;
    this.context = context;
    this.#observer = observer;
  }

  /** Begins to wait, once the request has been sent. */
  wait(): Promise<unknown> {
    const { context } = this;
    if (context.deadline !== Infinity) this.#owner.clock.set(this, context.deadline);
    context.onCancel(this);
    return context.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** The answer in `bytes[start, end)`; one that cannot be read fails the call. */
  answered(bytes: Uint8Array, start: number, end: number): void {
    let value: unknown;
    try {
      value = this.coders.response.decode(bytes, start, end);
    } catch (error) {
      const failure = RpcError.from(error, "internal");
      this.fail(expected("internal", `the reply cannot be read: ${failure.message}`,
        { cause: failure, phase: "decode", retryable: false }));
      return;
    }
    this.succeed(value);
  }

  succeed(value: unknown): void {
    if (this.#over) return;
    const nowMs = this.#owner.clock.now();
    this.#end(nowMs, undefined);
    this.context.recovery?.answered(this.context, nowMs);
    this.#resolve(value);
  }

  fail(error: RpcError): void {
    if (this.#over) return;
    const { context } = this;
    if (error.metadata !== undefined) context.onMetadata?.("trailer", error.metadata);
    context.answer = undefined;
    this.#end(this.#owner.clock.now(), error);
    const { recovery } = context;
    // Not at once: whoever ends many calls has not yet said what became of the connection.
    if (recovery === undefined) this.#reject(error);
    else this.#resolve(Promise.resolve(error).then((failure) => recovery.failed(context, failure)));
  }

  #end(endedMs: number, error: RpcError | undefined): void {
    this.#over = true;
    if (this.isSet) this.#owner.clock.clear(this);
    this.context.offCancel(this);
    this.#owner.ended(this);
    this.#observer.attemptEnded(this.context, this.context.startedMs, endedMs, error);
  }

  /** The deadline has come. */
  ring(): void {
    this.#owner.takenBack(this);
    const waitedMs = Math.round(this.#owner.clock.now() - this.context.startedMs);
    this.fail(expected("deadline_exceeded",
      `the deadline passed: no reply ${waitedMs} ms after the request was sent`, { phase: "network" }));
  }

  cancelled(reason: RpcError): void {
    this.abandon(reason);
  }

  /** Whether its method bears a repeat. */
  get repeatable(): boolean {
    const { idempotent } = this.context.method;
    return idempotent === true || (idempotent === "keyed" && this.context.idempotencyKey !== undefined);
  }

  /** Gives it up: the server is told, the caller sees `error`. */
  abandon(error: RpcError): void {
    if (this.#over) return;
    this.#owner.takenBack(this);
    this.fail(error);
  }
}
