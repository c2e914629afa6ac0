/** A call that a server cannot answer within the turn it came in: asynchronous, large, or streaming. */
import { Alarm } from "../../core/alarm.ts";
import type { Context } from "../../core/context.ts";
import { codeFromNumber } from "../../core/code.ts";
import { expected, RpcError } from "../../core/error.ts";
import { isPromise } from "../../core/service.ts";
import { frameHeaderBytes } from "../../wire/frame-reader.ts";
import type { Route } from "../router.ts";
import { sendFailure } from "./failure.ts";
import { Flag, frameName, FrameType } from "./frame-types.ts";
import { writeExtras } from "../extras.ts";
import { Inbox } from "./inbox.ts";
import { type Assembly, dropAssembly, incomplete, receiveMessage } from "./message.ts";
import { sendAll, Sender } from "./sender.ts";
import type { NativeServerConnection } from "./server.ts";

export class ServerCall extends Alarm {
  readonly #connection: NativeServerConnection;
  readonly #route: Route;
  readonly #context: Context;
  readonly #id: number;
  readonly #startedMs: number;
  /** Messages of a request stream. */
  #inbox: Inbox | undefined = undefined;
  #sender: Sender | undefined = undefined;
  /** Whether the handler has been started. */
  #running = false;
  /** Whether the caller has been told, or is gone: nothing more is sent. */
  #over = false;
  assembly: Assembly | undefined = undefined;
  /** How long the unfinished message was when it last grew, and when that was seen. */
  #grownTo = -1;
  #grownMs = 0;

  constructor(connection: NativeServerConnection, route: Route, context: Context, id: number) {
    super();
    this.#connection = connection;
    this.#route = route;
    this.#context = context;
    this.#id = id;
    this.#startedMs = connection.channel.receivedMs;
    if (context.deadline !== Infinity) connection.channel.clock.set(this, context.deadline);
  }

  /** Takes the request frame of a call that is not a unary one of one frame. */
  begin(flags: number, bytes: Uint8Array, start: number, end: number): void {
    const { channel } = this.#connection;
    const { kind } = this.#route.method;
    if (kind === "client_stream" || kind === "bidi_stream") {
      // A reader that leaves early stops the messages, not the call.
      this.#inbox = new Inbox(channel, this.#id, () => undefined);
      this.#run(this.#inbox);
      return;
    }
    this.#receive(FrameType.request, flags, bytes, start, end);
  }

  /** Takes over a unary call whose handler answered with a promise. */
  answering(answer: Promise<unknown>): void {
    this.#running = true;
    answer.then(this.#answered, this.#failed);
  }

  frame(type: number, flags: number, bytes: Uint8Array, start: number, end: number): void {
    switch (type) {
      case FrameType.data:
        this.#receive(type, flags, bytes, start, end);
        break;
      case FrameType.end:
        if (this.assembly === undefined) this.#inbox?.close();
        else this.#refuse(new RpcError("invalid_argument", "the stream ended within a message", { phase: "decode" }));
        break;
      case FrameType.cancel: {
        const code = codeFromNumber(this.#connection.channel.cursor.over(bytes, start, end).varint());
        this.#stop(expected(code, "the caller cancelled the call", { remote: true }), false);
        break;
      }
      default:
        refuseDirection(type);
    }
  }

  #receive(type: number, flags: number, bytes: Uint8Array, start: number, end: number): void {
    const { channel } = this.#connection;
    const inbox = this.#inbox;
    const cost = type === FrameType.data ? end - start + frameHeaderBytes : 0;
    if (inbox === undefined && cost > 0) channel.consumed(cost);
    try {
      inbox?.arrived(cost);
      if (inbox === undefined && this.#running) throw superfluous();
      const value = receiveMessage(channel, this, this.#route.coders.request, flags, bytes, start, end);
      if (value === incomplete) {
        if (inbox !== undefined) inbox.partial(cost);
        else if (cost > 0) channel.sendCreditFrame(this.#id, cost);
      } else if (inbox !== undefined) {
        inbox.push(value, cost);
      } else {
        this.#run(value);
      }
    } catch (error) {
      if (inbox !== undefined) channel.consumed(cost);
      this.#refuse(RpcError.from(error, "internal"));
    }
  }

  /** Ends the call because of what its caller sent. */
  #refuse(failure: RpcError): void {
    if (this.#running) {
      this.#stop(failure, true);
      return;
    }
    this.#over = true;
    this.#connection.failed(this.#route, this.#context, this.#id, failure, this.#startedMs);
    this.#leave();
  }

  /** Ends the call if a message of it has begun and not grown for stallTimeoutMs, though it might have. */
  sweep(nowMs: number): void {
    const { channel } = this.#connection;
    if (this.assembly === undefined) return;
    const isStarving = channel.starving || this.#inbox?.starving === true;
    if (this.assembly.length !== this.#grownTo || isStarving) {
      this.#grownTo = this.assembly.length;
      this.#grownMs = nowMs;
    } else if (nowMs - this.#grownMs >= channel.settings.stallTimeoutMs) {
      this.#refuse(expected("unavailable",
        `a message of the call was left unfinished for ${channel.settings.stallTimeoutMs} ms (stallTimeoutMs)`,
        { phase: "network" }));
    }
  }

  #run(request: unknown): void {
    this.#running = true;
    const { kind } = this.#route.method;
    let answer: unknown;
    try {
      answer = this.#route.service(request, this.#context);
    } catch (error) {
      this.#failed(error);
      return;
    }
    if (kind === "server_stream" || kind === "bidi_stream") {
      this.#sender = new Sender(this.#connection.channel, this.#id);
      this.#stream(answer).then(this.#streamed, this.#failed);
    } else if (isPromise(answer)) {
      answer.then(this.#answered, this.#failed);
    } else {
      this.#answered(answer);
    }
  }

  async #stream(answer: unknown): Promise<void> {
    const items = (isPromise(answer) ? await answer : answer) as AsyncIterable<unknown>;
    const header = this.#context.reply?.header;
    if (header !== undefined && !this.#over) {
      const { outbox } = this.#connection.channel;
      outbox.begin();
      writeExtras(outbox, { header });
      outbox.end(FrameType.header, Flag.extras, this.#id);
    }
    await sendAll(this.#sender as Sender, this.#route.coders.response, items);
  }

  readonly #streamed = (): void => {
    if (!this.#over) {
      this.#over = true;
      const { outbox } = this.#connection.channel;
      outbox.begin();
      const trailer = this.#context.reply?.trailer;
      if (trailer !== undefined) writeExtras(outbox, { trailer });
      outbox.end(FrameType.end, trailer === undefined ? 0 : Flag.extras, this.#id);
    }
    this.#leave();
    this.#connection.count(this.#context, this.#startedMs, undefined);
  };

  readonly #answered = (answer: unknown): void => {
    if (this.#over) {
      this.#connection.count(this.#context, this.#startedMs, this.#context.cancelReason);
      return;
    }
    this.#over = true;
    // The reply first: leaving may be what a draining connection waited for to end.
    this.#connection.answered(this.#route, this.#context, this.#id, answer, this.#startedMs);
    this.#leave();
  };

  readonly #failed = (error: unknown): void => {
    if (this.#over) {
      this.#leave();
      this.#connection.count(this.#context, this.#startedMs, RpcError.from(error, "internal"));
      return;
    }
    this.#over = true;
    this.#connection.failed(this.#route, this.#context, this.#id, error, this.#startedMs);
    this.#leave();
  };

  credited(bytes: number): void {
    this.#sender?.credited(bytes);
  }

  /** The deadline has come: the handler is told to stop, the caller that time is up. */
  ring(): void {
    this.#stop(expected("deadline_exceeded", "the deadline passed while the server was at work",
      { phase: "handler", retryable: false }), true);
  }

  /** The connection is gone, or the server will wait no longer. */
  abort(reason: RpcError): void {
    this.#stop(reason, true);
  }

  /** Stops the handler as far as it listens. It is counted when it ends, since until then it uses the server. */
  #stop(reason: RpcError, tell: boolean): void {
    if (this.#over) return;
    this.#over = true;
    const { channel } = this.#connection;
    if (tell && !channel.ended) sendFailure(channel.outbox, this.#id, reason, this.#route.coders, undefined);
    this.#leave();
    this.#inbox?.close(reason);
    this.#context.cancel(reason);
    if (!this.#running) this.#connection.count(this.#context, this.#startedMs, reason);
  }

  #leave(): void {
    const { channel } = this.#connection;
    if (this.isSet) channel.clock.clear(this);
    this.#sender?.stop();
    dropAssembly(channel, this);
    this.#inbox?.settle();
    this.#connection.release(this.#id);
  }
}

function superfluous(): RpcError {
  return new RpcError("invalid_argument", "data came after the request was complete", { phase: "decode" });
}

/** Throws for frames that only servers send. */
export function refuseDirection(type: number): void {
  if (type === FrameType.response || type === FrameType.error || type === FrameType.header) {
    throw new RpcError("invalid_argument", `a client sent a frame of type ${type} (${frameName(type)})`);
  }
}
