/** A call that a server cannot answer within the turn it came in. */
import { Alarm } from "../../core/alarm.ts";
import type { Context } from "../../core/context.ts";
import { expected, type RpcError } from "../../core/error.ts";
import { failureFrom } from "./failure.ts";
import type { Asked, Outcome, ThriftServerConnection } from "./server.ts";

export class ServerCall extends Alarm {
  readonly asked: Asked;
  /** Set once it has ended, until those before it have. */
  outcome: Outcome | undefined = undefined;
  readonly #connection: ThriftServerConnection;
  readonly #context: Context;
  readonly #startedMs: number;
  /** Whether its caller has been told, or is gone. */
  #over = false;

  constructor(connection: ThriftServerConnection, asked: Asked, context: Context) {
    super();
    this.asked = asked;
    this.#connection = connection;
    this.#context = context;
    this.#startedMs = connection.receivedMs;
    if (context.deadline !== Infinity) connection.serving.runtime.clock.set(this, context.deadline);
  }

  answering(answer: Promise<unknown>): void {
    answer.then(this.#answered, this.#failed);
  }

  readonly #answered = (value: unknown): void => this.#ended({ kind: "answer", value, context: this.#context });

  readonly #failed = (error: unknown): void =>
    this.#ended({ kind: "failure", error: failureFrom(error), context: this.#context });

  #ended(outcome: Outcome): void {
    const { cancelReason } = this.#context;
    const isCancelled = this.#over && outcome.kind === "answer" && cancelReason !== undefined;
    this.#connection.counted(
      isCancelled ? { kind: "failure", error: cancelReason, context: this.#context } : outcome, this.#startedMs);
    this.#settle(outcome);
  }

  #settle(outcome: Outcome): void {
    if (this.#over) return;
    this.#over = true;
    if (this.isSet) this.#connection.serving.runtime.clock.clear(this);
    this.#connection.settled(this, outcome);
  }

  /** The deadline has come: the handler is told to stop, the caller that time is up. */
  ring(): void {
    this.abort(expected("deadline_exceeded", "the deadline passed while the server was at work",
      { phase: "handler", retryable: false }));
  }

  /** Stops the handler as far as it listens. It is counted when it ends, since until then it uses the server. */
  abort(reason: RpcError): void {
    if (this.#over) return;
    this.#settle({ kind: "failure", error: reason, context: this.#context });
    this.#context.cancel(reason);
  }
}
