/** A streaming call as the client sees it: messages out, messages in, or both, each way under credit. */
import { codeNumber } from "../../core/code.ts";
import type { AttemptObserver } from "../../core/connection.ts";
import type { Cancellable, Context } from "../../core/context.ts";
import { expected, RpcError } from "../../core/error.ts";
import type { Metadata } from "../../core/metadata.ts";
import { frameHeaderBytes } from "../../wire/frame-reader.ts";
import type { Binding, NativeConnection } from "./client.ts";
import { type ClientCall, refuseDirection } from "./client-unary.ts";
import { readExtras } from "../extras.ts";
import { readFailure } from "./failure.ts";
import { Flag, frameName, FrameType } from "./frame-types.ts";
import { Inbox } from "./inbox.ts";
import { type Assembly, dropAssembly, incomplete, receiveMessage, sendMessage } from "./message.ts";
import { sendAll, Sender } from "./sender.ts";

export class StreamCall implements ClientCall, Cancellable {
  readonly #connection: NativeConnection;
  readonly #binding: Binding;
  readonly #context: Context;
  readonly #observer: AttemptObserver;
  #id = 0;
  #sender!: Sender;
  #inbox!: Inbox;
  #ended = false;
  assembly: Assembly | undefined = undefined;

  constructor(connection: NativeConnection, binding: Binding, context: Context, observer: AttemptObserver) {
    this.#connection = connection;
    this.#binding = binding;
    this.#context = context;
    this.#observer = observer;
  }

  /** An AsyncIterable, or a promise for a client stream. Throws when a single request cannot be encoded. */
  start(request: unknown): unknown {
    const connection = this.#connection;
    const channel = connection.channel;
    const context = this.#context;
    const kind = context.method.kind;
    const id = this.#id = connection.calls.add(this, context.deadline);
    this.#sender = new Sender(channel, id);
    this.#inbox = new Inbox(channel, id, () => this.cancelled(expected("cancelled", "the reader left the stream")));
    try {
      const flags = connection.beginRequest(this.#binding, context);
      if (kind === "server_stream") {
        const rest = sendMessage(channel, FrameType.request, flags, id, this.#binding.coders.request, request);
        if (rest !== undefined) void this.#sender.continue(rest);
      } else {
        channel.outbox.end(FrameType.request, flags, id);
        void this.#sendItems(request as AsyncIterable<unknown>);
      }
    } catch (error) {
      connection.calls.remove(id);
      throw error;
    }
    connection.deadlines.watch(context.deadline);
    context.onCancel(this);
    return kind === "client_stream" ? this.#single() : this.#inbox;
  }

  async #sendItems(items: AsyncIterable<unknown>): Promise<void> {
    try {
      await sendAll(this.#sender, this.#binding.coders.request, items);
      const { channel } = this.#connection;
      if (this.#ended || channel.ended) return;
      channel.outbox.begin();
      channel.outbox.end(FrameType.end, 0, this.#id);
    } catch (error) {
      if (this.#ended) return;
      this.#sendCancel("cancelled");
      this.fail(RpcError.from(error, "cancelled"));
    }
  }

  async #single(): Promise<unknown> {
    const step = await this.#inbox.next();
    if (step.done === true) throw expected("internal", "the server ended the call without a reply", { remote: true });
    return step.value;
  }

  frame(type: number, flags: number, bytes: Uint8Array, start: number, end: number): void {
    const channel = this.#connection.channel;
    const cost = end - start + frameHeaderBytes;
    try {
      if (type === FrameType.error) {
        this.fail(readFailure(channel.cursor.over(bytes, start, end), this.#binding.coders));
        return;
      }
      if (type === FrameType.data) this.#inbox.arrived(cost);
      if ((flags & Flag.extras) !== 0) start = this.#extras(bytes, start, end);
      if (type === FrameType.end) {
        this.#end();
      } else if (type === FrameType.data || type === FrameType.response) {
        this.#message(type, flags, bytes, start, end, cost);
      } else {
        refuseDirection(type);
      }
    } catch (error) {
      if (type === FrameType.data) channel.consumed(cost);
      const failure = RpcError.from(error, "internal");
      this.#sendCancel("internal");
      this.fail(expected("internal", `a message of the stream cannot be read: ${failure.message}`,
        { cause: failure, phase: "decode", retryable: false }));
    }
  }

  #message(type: number, flags: number, bytes: Uint8Array, start: number, end: number, cost: number): void {
    // A client stream is answered by one response, which data frames may continue; the others by data alone.
    const isSingle = this.#context.method.kind === "client_stream";
    if ((type === FrameType.response) !== (isSingle && this.assembly === undefined)) {
      throw new RpcError("internal", `the server sent a ${frameName(type)} frame out of turn`);
    }
    const { channel } = this.#connection;
    const value = receiveMessage(channel, this, this.#binding.coders.response, flags, bytes, start, end);
    if (value === incomplete) {
      if (type === FrameType.data) this.#inbox.partial(cost);
      return;
    }
    this.#inbox.push(value, type === FrameType.data ? cost : 0);
    if (isSingle) this.#succeed();
  }

  #end(): void {
    if (this.assembly !== undefined) throw new RpcError("internal", "the stream ended within a message");
    this.#succeed();
  }

  #extras(bytes: Uint8Array, start: number, end: number): number {
    const cursor = this.#connection.channel.cursor.over(bytes, start, end);
    const extras = readExtras(cursor);
    if (extras.load !== undefined) this.#connection.reported(extras.load);
    this.#metadata("header", extras.header);
    this.#metadata("trailer", extras.trailer);
    return cursor.position;
  }

  #metadata(kind: "header" | "trailer", metadata: Metadata | undefined): void {
    if (metadata !== undefined) this.#context.onMetadata?.(kind, metadata);
  }

  credited(bytes: number): void {
    this.#sender.credited(bytes);
  }

  #succeed(): void {
    this.#finish(undefined);
    this.#inbox.close();
  }

  fail(error: RpcError): void {
    if (this.#ended) return;
    this.#metadata("trailer", error.metadata);
    this.#finish(error);
    this.#inbox.close(error);
  }

  #finish(error: RpcError | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    const connection = this.#connection;
    this.#context.offCancel(this);
    this.#sender.stop();
    dropAssembly(connection.channel, this);
    this.#inbox.settle();
    connection.release(this.#id);
    this.#observer.attemptEnded(this.#context, this.#context.startedMs, connection.channel.clock.now(), error);
  }

  ring(): void {
    if (this.#ended) return;
    this.#sendCancel("deadline_exceeded");
    const ranMs = Math.round(this.#connection.channel.clock.now() - this.#context.startedMs);
    this.fail(expected("deadline_exceeded", `the deadline passed ${ranMs} ms into the stream`, { phase: "network" }));
  }

  cancelled(reason: RpcError): void {
    this.abandon(reason);
  }

  /** A stream that has begun is never repeated, so a suspicion does not end it. */
  readonly repeatable = false;

  abandon(error: RpcError): void {
    if (this.#ended) return;
    this.#sendCancel("cancelled");
    this.fail(error);
  }

  #sendCancel(code: "cancelled" | "deadline_exceeded" | "internal"): void {
    const { channel } = this.#connection;
    if (channel.ended) return;
    channel.outbox.begin();
    channel.outbox.writeVarint(codeNumber(code));
    channel.outbox.end(FrameType.cancel, 0, this.#id);
  }
}
