/** A unary call as the client sees it: one frame out, one frame in, one promise, no other allocation. */
import type { AttemptObserver } from "../../core/connection.ts";
import type { Cancellable, Context } from "../../core/context.ts";
import { expected, RpcError } from "../../core/error.ts";
import { codeNumber } from "../../core/code.ts";
import { frameHeaderBytes } from "../../wire/frame-reader.ts";
import type { Binding, NativeConnection } from "./client.ts";
import { readExtras } from "../extras.ts";
import { readFailure } from "./failure.ts";
import { Flag, frameName, FrameType } from "./frame-types.ts";
import { type Assembly, dropAssembly, incomplete, receiveMessage, sendMessage } from "./message.ts";
import { Sender } from "./sender.ts";

/** What the connection asks of a call, whatever its shape. */
export interface ClientCall {
  frame(type: number, flags: number, bytes: Uint8Array, start: number, end: number): void;
  credited(bytes: number): void;
  fail(error: RpcError): void;
  /** The deadline has come. */
  ring(): void;
  /** Whether its method bears a repeat. */
  readonly repeatable: boolean;
  /** Gives it up: the server is told, the caller sees `error`. */
  abandon(error: RpcError): void;
}

export class UnaryCall implements ClientCall, Cancellable {
  readonly #connection: NativeConnection;
  readonly #binding: Binding;
  readonly #context: Context;
  readonly #observer: AttemptObserver;
  #id = 0;
  #resolve!: (value: unknown) => void;
  #reject!: (error: RpcError) => void;
  /** Only for a request that did not fit one frame. */
  #sender: Sender | undefined = undefined;
  assembly: Assembly | undefined = undefined;

  constructor(connection: NativeConnection, binding: Binding, context: Context, observer: AttemptObserver) {
    this.#connection = connection;
    this.#binding = binding;
    this.#context = context;
    this.#observer = observer;
  }

  /** Throws, and leaves no trace, when the request cannot be encoded. */
  start(request: unknown): Promise<unknown> {
    const connection = this.#connection;
    const channel = connection.channel;
    const context = this.#context;
    const id = this.#id = connection.calls.add(this, context.deadline);
    let rest: Uint8Array | undefined;
    try {
      const flags = connection.beginRequest(this.#binding, context);
      rest = sendMessage(channel, FrameType.request, flags, id, this.#binding.coders.request, request);
    } catch (error) {
      connection.calls.remove(id);
      throw error;
    }
    if (rest !== undefined) this.#sendRest(rest);
    connection.deadlines.watch(context.deadline);
    context.onCancel(this);
    return context.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  #sendRest(rest: Uint8Array): void {
    this.#sender = new Sender(this.#connection.channel, this.#id);
    void this.#sender.continue(rest);
  }

  frame(type: number, flags: number, bytes: Uint8Array, start: number, end: number): void {
    const channel = this.#connection.channel;
    let value: unknown;
    try {
      if (type === FrameType.error) {
        this.fail(readFailure(channel.cursor.over(bytes, start, end), this.#binding.coders));
        return;
      }
      const cost = end - start + frameHeaderBytes;
      if (type === FrameType.data) channel.consumed(cost);
      if ((flags & Flag.extras) !== 0) start = this.#extras(bytes, start, end);
      // The reply begins with a response frame; if it is larger, data frames continue it.
      if (type !== (this.assembly === undefined ? FrameType.response : FrameType.data)) {
        this.#unfit(type);
        return;
      }
      value = receiveMessage(channel, this, this.#binding.coders.response, flags, bytes, start, end);
      if (value === incomplete) {
        if (type === FrameType.data) channel.sendCreditFrame(this.#id, cost);
        return;
      }
    } catch (error) {
      this.#sendCancel("internal");
      const failure = RpcError.from(error, "internal");
      this.fail(expected("internal", `the reply cannot be read: ${failure.message}`,
        { cause: failure, phase: "decode", retryable: false }));
      return;
    }
    this.#finish(channel.receivedMs, undefined);
    this.#context.recovery?.answered(this.#context, channel.receivedMs);
    this.#resolve(value);
  }

  /** Throws for a frame that no unary call gets; one that only tells something, or is of an unknown type, may come. */
  #unfit(type: number): void {
    refuseDirection(type);
    if (type === FrameType.end) throw new RpcError("internal", "the server ended a unary call without a reply");
    if (type === FrameType.data || type === FrameType.response) {
      throw new RpcError("internal", `the server sent a ${frameName(type)} frame out of turn`);
    }
  }

  #extras(bytes: Uint8Array, start: number, end: number): number {
    const cursor = this.#connection.channel.cursor.over(bytes, start, end);
    const extras = readExtras(cursor);
    if (extras.load !== undefined) this.#connection.reported(extras.load);
    if (extras.header !== undefined) this.#context.onMetadata?.("header", extras.header);
    if (extras.trailer !== undefined) this.#context.onMetadata?.("trailer", extras.trailer);
    return cursor.position;
  }

  credited(bytes: number): void {
    this.#sender?.credited(bytes);
  }

  fail(error: RpcError): void {
    // Over already: what was told of an earlier call's end may have ended this one.
    if (this.#id === 0) return;
    if (error.metadata !== undefined) this.#context.onMetadata?.("trailer", error.metadata);
    const context = this.#context;
    context.answer = undefined;
    this.#finish(this.#connection.channel.clock.now(), error);
    const { recovery } = context;
    // Not at once: whoever ends many calls has not yet said what became of the connection.
    if (recovery === undefined) this.#reject(error);
    else this.#resolve(Promise.resolve(error).then((failure) => recovery.failed(context, failure)));
  }

  #finish(endedMs: number, error: RpcError | undefined): void {
    const connection = this.#connection;
    this.#context.offCancel(this);
    this.#sender?.stop();
    if (this.assembly !== undefined) dropAssembly(connection.channel, this);
    const id = this.#id;
    this.#id = 0;
    connection.release(id);
    this.#observer.attemptEnded(this.#context, this.#context.startedMs, endedMs, error);
  }

  ring(): void {
    if (this.#id === 0) return;
    this.#sendCancel("deadline_exceeded");
    const waitedMs = Math.round(this.#connection.channel.clock.now() - this.#context.startedMs);
    this.fail(expected("deadline_exceeded",
      `the deadline passed: no reply ${waitedMs} ms after the request was sent`, { phase: "network" }));
  }

  cancelled(reason: RpcError): void {
    this.abandon(reason);
  }

  get repeatable(): boolean {
    const { idempotent } = this.#context.method;
    return idempotent === true || (idempotent === "keyed" && this.#context.idempotencyKey !== undefined);
  }

  abandon(error: RpcError): void {
    this.#sendCancel("cancelled");
    this.fail(error);
  }

  #sendCancel(code: "cancelled" | "deadline_exceeded" | "internal"): void {
    const { channel } = this.#connection;
    if (channel.ended || this.#id === 0) return;
    channel.outbox.begin();
    channel.outbox.writeVarint(codeNumber(code));
    channel.outbox.end(FrameType.cancel, 0, this.#id);
  }
}

/** Throws for frames that only clients send. */
export function refuseDirection(type: number): void {
  if (type === FrameType.request || type === FrameType.bind || type === FrameType.cancel) {
    throw new RpcError("invalid_argument", `a server sent a frame of type ${type} (${frameName(type)})`);
  }
}
