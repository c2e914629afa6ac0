/** Waiters are calls that wait for one thing (a connection, a first snapshot), each under its own deadline. */
import { Alarm } from "../core/alarm.ts";
import type { Cancellable, Context } from "../core/context.ts";
import { expected, type RpcError } from "../core/error.ts";
import type { Clock } from "../core/runtime.ts";
import { spentText } from "./spent.ts";

/** Most calls that wait at once; more are refused, since whatever they wait for is not coming soon. */
const maxWaiting = 10_000;

/** What is waited for, for the message of a call that waited in vain. */
export interface Awaited {
  readonly phase: "resolve" | "connect";
  /** E.g. `a connection`. */
  describe(): string;
}

const aConnection: Awaited = { phase: "connect", describe: () => "a connection" };

export class Waiters {
  readonly #clock: Clock;
  readonly #awaited: Awaited;
  #waiting = new Set<Waiter>();

  constructor(clock: Clock, awaited: Awaited = aConnection) {
    this.#clock = clock;
    this.#awaited = awaited;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Resolves at the next release; rejects at failure, cancellation or the context's deadline. */
  wait(context: Context): Promise<void> {
    if (this.#waiting.size >= maxWaiting) {
      return Promise.reject(expected("resource_exhausted",
        `${maxWaiting} calls wait for ${this.#awaited.describe()} already; make fewer at once`,
        { neverStarted: true, phase: this.#awaited.phase }));
    }
    return new Promise((resolve, reject) => {
      const waiter = new Waiter(context, this.#clock, this.#awaited, (error) => {
        this.#waiting.delete(waiter);
        if (error === undefined) resolve();
        else reject(error);
      });
      this.#waiting.add(waiter);
      waiter.begin();
    });
  }

  release(): void {
    this.#settle(undefined);
  }

  fail(error: RpcError): void {
    this.#settle(error);
  }

  #settle(error: RpcError | undefined): void {
    if (this.#waiting.size === 0) return;
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const waiter of waiting) waiter.settle(error);
  }
}

class Waiter extends Alarm implements Cancellable {
  readonly #context: Context;
  readonly #clock: Clock;
  readonly #awaited: Awaited;
  readonly #settled: (error: RpcError | undefined) => void;
  readonly #sinceMs: number;
  #over = false;

  constructor(
    context: Context, clock: Clock, awaited: Awaited, settled: (error: RpcError | undefined) => void,
  ) {
    super();
    this.#context = context;
    this.#clock = clock;
    this.#awaited = awaited;
    this.#settled = settled;
    this.#sinceMs = clock.now();
  }

  begin(): void {
    if (this.#context.deadline !== Infinity) this.#clock.set(this, this.#context.deadline);
    this.#context.onCancel(this);
  }

  settle(error: RpcError | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#clock.clear(this);
    this.#context.offCancel(this);
    this.#settled(error);
  }

  ring(): void {
    const nowMs = this.#clock.now();
    const { phase } = this.#awaited;
    const waitedMs = nowMs - this.#sinceMs;
    const totalMs = nowMs - this.#context.callStartedMs;
    const beforeMs = totalMs - waitedMs;
    const spent = {
      totalMs, ms: beforeMs > 0 ? { before: beforeMs, [phase]: waitedMs } : { [phase]: waitedMs },
      loopLagMs: Math.max(0, nowMs - this.#context.deadline),
    };
    const error = expected("deadline_exceeded",
      `the deadline passed after ${Math.round(waitedMs)} ms of waiting for ${this.#awaited.describe()}; ` +
      spentText(spent), { neverStarted: true, retryable: false, phase });
    error.spent = spent;
    this.settle(error);
  }

  cancelled(reason: RpcError): void {
    this.settle(reason);
  }
}
