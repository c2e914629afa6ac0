/** A Caller is a call in line, and what becomes of it. */
import type { Cancellable, Context, RpcError, Service } from "../core/index.ts";
import { userLevels } from "./priority.ts";
import type { Row, Waiter } from "./waiting-line.ts";

/** A call, and what its server does with those that wait. */
export interface Waiting {
  readonly next: Service;
  readonly request: unknown;
  readonly context: Context;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly work: (waiting: Waiting, nowMs: number) => unknown;
  readonly refuse: (context: Context, why: string) => RpcError;
  readonly leave: (waiter: Waiter) => void;
}

export class Caller implements Waiter, Cancellable {
  readonly rank: number;
  readonly level: number;
  enteredMs: number;
  row: Row | undefined = undefined;
  before: Waiter | undefined = undefined;
  behind: Waiter | undefined = undefined;
  readonly #waiting: Waiting;

  constructor(waiting: Waiting, level: number, enteredMs: number) {
    this.#waiting = waiting;
    this.level = level;
    this.rank = Math.floor(level / userLevels);
    this.enteredMs = enteredMs;
  }

  begin(nowMs: number): void {
    const { context, resolve, reject, work } = this.#waiting;
    context.offCancel(this);
    try {
      resolve(work(this.#waiting, nowMs));
    } catch (error) {
      reject(error);
    }
  }

  turnedAway(why: string): void {
    const { context, reject, refuse } = this.#waiting;
    context.offCancel(this);
    reject(refuse(context, why));
  }

  /** Nobody waits for it any more. */
  cancelled(reason: RpcError): void {
    this.#waiting.leave(this);
    this.#waiting.reject(reason);
  }
}
