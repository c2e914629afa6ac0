/** A call as the client sees it: one message out, one message in, one promise. */
import { Alarm } from "../../core/alarm.ts";
import type { AttemptObserver } from "../../core/connection.ts";
import type { Cancellable, Context } from "../../core/context.ts";
import { expected, type RpcError } from "../../core/error.ts";
import type { Metadata } from "../../core/metadata.ts";
import { readAnswer } from "./answer.ts";
import { readReplyFields } from "./call-fields.ts";
import type { Binding, ThriftConnection } from "./client.ts";
import type { MessageHead } from "./message.ts";

export class ThriftCall extends Alarm implements Cancellable {
  readonly #connection: ThriftConnection;
  readonly #binding: Binding;
  readonly #context: Context;
  readonly #observer: AttemptObserver;
  #id = 0;
  #resolve!: (value: unknown) => void;
  #reject!: (error: RpcError) => void;

  constructor(connection: ThriftConnection, binding: Binding, context: Context, observer: AttemptObserver) {
    super();
    this.#connection = connection;
    this.#binding = binding;
    this.#context = context;
    this.#observer = observer;
  }

  /** Throws, and leaves no trace, when the request cannot be encoded. */
  start(request: unknown): Promise<unknown> {
    const connection = this.#connection;
    const context = this.#context;
    const id = this.#id = connection.calls.add(this);
    try {
      connection.send(this.#binding, id, context, request);
    } catch (error) {
      connection.calls.remove(id);
      throw error;
    }
    if (this.#binding.method.oneway === true) {
      this.#finish(connection.runtime.clock.now(), undefined);
      return Promise.resolve({});
    }
    if (context.deadline !== Infinity) connection.runtime.clock.set(this, context.deadline);
    context.onCancel(this);
    return context.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Takes the answer; what is wrong with it concerns this call alone. */
  answered(head: MessageHead, bytes: Uint8Array, fields: Metadata | undefined): void {
    const { encoding, lastReceivedMs } = this.#connection;
    const { error: failure, value } = readAnswer(encoding, head, bytes, this.#binding);
    if (fields !== undefined) this.#tell(fields);
    if (failure !== undefined) {
      this.fail(failure);
      return;
    }
    this.#finish(lastReceivedMs, undefined);
    this.#context.recovery?.answered(this.#context, lastReceivedMs);
    this.#resolve(value);
  }

  #tell(fields: Metadata): void {
    const { header, trailer } = readReplyFields(fields);
    const { onMetadata } = this.#context;
    if (onMetadata === undefined) return;
    if (hasEntries(header)) onMetadata("header", header);
    if (hasEntries(trailer)) onMetadata("trailer", trailer);
  }

  fail(error: RpcError): void {
    // Over already: what was told of an earlier call's end may have ended this one.
    if (this.#id === 0) return;
    const context = this.#context;
    context.answer = undefined;
    this.#finish(this.#connection.runtime.clock.now(), error);
    const { recovery } = context;
    // Not at once: whoever ends many calls has not yet said what became of the connection.
    if (recovery === undefined) this.#reject(error);
    else this.#resolve(Promise.resolve(error).then((failure) => recovery.failed(context, failure)));
  }

  #finish(endedMs: number, error: RpcError | undefined): void {
    const connection = this.#connection;
    if (this.isSet) connection.runtime.clock.clear(this);
    this.#context.offCancel(this);
    const id = this.#id;
    this.#id = 0;
    connection.release(id);
    this.#observer.attemptEnded(this.#context, this.#context.startedMs, endedMs, error);
  }

  /** The deadline has come. The server is not told, since Thrift has no words for it: its answer is passed over. */
  ring(): void {
    const waitedMs = Math.round(this.#connection.runtime.clock.now() - this.#context.startedMs);
    this.fail(expected("deadline_exceeded",
      `the deadline passed: no reply ${waitedMs} ms after the request was sent`, { phase: "network" }));
  }

  cancelled(reason: RpcError): void {
    this.fail(reason);
  }

  get repeatable(): boolean {
    const { idempotent } = this.#context.method;
    return idempotent === true || (idempotent === "keyed" && this.#context.idempotencyKey !== undefined);
  }
}

function hasEntries(metadata: Metadata): boolean {
  for (const _ in metadata) return true;
  return false;
}
