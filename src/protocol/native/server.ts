/** The server half of the native protocol: one accepted connection and the calls it carries. */
import type { Accept, AcceptOwner, ServedConnection } from "../../core/connection.ts";
import { Context, type ContextFields } from "../../core/context.ts";
import { expected, RpcError } from "../../core/error.ts";
import { endIsTold } from "../../core/gate.ts";
import type { LoadReport } from "../../core/load.ts";
import { emptyMetadata } from "../../core/metadata.ts";
import { type Peer, peerOf } from "../../core/peer.ts";
import type { ByteStream } from "../../core/runtime.ts";
import { isPromise } from "../../core/service.ts";
import type { Cursor } from "../../wire/cursor.ts";
import { frameHeaderBytes } from "../../wire/frame-reader.ts";
import type { Route, Serving } from "../router.ts";
import { Channel, type Role } from "./channel.ts";
import { readExtras, writeExtras, writeLoad } from "../extras.ts";
import { sendFailure } from "./failure.ts";
import { criticalityByNumber, Flag, FrameType, idempotencyByNumber, kindsByNumber } from "./frame-types.ts";
import { type Assembly, receiveMessage, sendMessage } from "./message.ts";
import { refuseDirection, ServerCall } from "./server-call.ts";
import { Sender } from "./sender.ts";
import { type NativeSettings, resolveSettings } from "./settings.ts";

export interface AcceptOptions extends AcceptOwner {
  readonly settings?: Partial<NativeSettings> | undefined;
}

/** Makes the acceptor of native connections of one server. */
export function nativeAccept(serving: Serving, options: AcceptOptions): Accept {
  const settings = resolveSettings(options.settings);
  return (stream) => {
    const connection = new NativeServerConnection(serving, settings, stream, options);
    return { connection, sink: connection.channel };
  };
}

interface Bound {
  readonly route: Route | RpcError;
}

const maxBindings = 10_000;
const maxPathBytes = 1_024;
/** At most so often does a connection carry a load report. */
const reportIntervalMs = 5;

export class NativeServerConnection implements Role, ServedConnection {
  readonly side = "server";
  readonly serving: Serving;
  readonly channel: Channel;
  readonly #from: Peer;
  readonly #owner: AcceptOptions;
  readonly #bindings: Bound[] = [];
  /** Only calls that did not end within the turn they came in. */
  readonly calls = new Map<number, ServerCall>();
  /** Replies of several frames that are still going out; their calls are over. */
  readonly tails = new Map<number, Tail>();
  #tailBytes = 0;
  /** Handlers at work: also those whose callers have gone, which `calls` no longer has. */
  #handling = 0;
  #lastId = 0;
  #draining: RpcError | undefined = undefined;
  #reportedMs = -Infinity;
  /** The clock as last read on this connection: at most a handler's run old. */
  #nowMs = 0;
  /** A message in one frame is never kept between frames. */
  assembly: Assembly | undefined = undefined;

  constructor(
    serving: Serving, settings: NativeSettings, stream: ByteStream, owner: AcceptOptions,
  ) {
    this.serving = serving;
    this.#owner = owner;
    this.#from = peerOf(stream);
    this.channel = new Channel(serving.runtime.clock, settings, () => stream, this);
  }

  get peer(): string {
    return this.channel.peerAddress;
  }

  get inFlight(): number {
    return this.calls.size;
  }

  opened(): void {
    // The client opens; our hello left with the preface.
  }

  pinged(): void {
    // Servers answer pings and send none: a client that is gone shows when its calls' deadlines pass.
  }

  load(): LoadReport | undefined {
    try {
      return this.serving.load();
    } catch {
      // Replies fail by it, where somebody hears of that; whoever asks for a sign of life has one.
      return undefined;
    }
  }

  goingAway(): void {
    // The client will open no more calls; those in flight go on.
  }

  callFrame(type: number, flags: number, id: number, bytes: Uint8Array, start: number, end: number): void {
    if (type === FrameType.request) {
      this.#request(flags, id, bytes, start, end);
    } else if (type === FrameType.bind) {
      this.#bind(bytes, start, end);
    } else {
      const call = this.calls.get(id);
      if (call !== undefined) call.frame(type, flags, bytes, start, end);
      else if (type === FrameType.data) this.channel.consumed(end - start + frameHeaderBytes);
      else if (type === FrameType.cancel) this.tails.get(id)?.sender.stop();
      else refuseDirection(type);
    }
  }

  #bind(bytes: Uint8Array, start: number, end: number): void {
    const cursor = this.channel.cursor.over(bytes, start, end);
    const id = cursor.varint();
    if (id !== this.#bindings.length || id >= maxBindings) {
      throw new RpcError("invalid_argument",
        `bind frame numbers a method ${id}; expected ${this.#bindings.length}, below ${maxBindings}`);
    }
    const shape = cursor.byte();
    const codec = cursor.text(64);
    const path = cursor.text(maxPathBytes);
    this.#bindings.push({
      route: this.serving.router({
        path, namedByContract: true, codec, kind: kindsByNumber[shape & 3] ?? "unary",
        idempotent: idempotencyByNumber[shape >> 2 & 3] ?? false,
        criticality: criticalityByNumber[shape >> 4 & 3] ?? "default",
      }),
    });
  }

  #request(flags: number, id: number, bytes: Uint8Array, start: number, end: number): void {
    const channel = this.channel;
    if (id <= this.#lastId) {
      throw new RpcError("invalid_argument", `request ids must grow: ${id} after ${this.#lastId}`);
    }
    this.#lastId = id;
    const cursor = channel.cursor.over(bytes, start, end);
    const bound = this.#bindings[cursor.varint()];
    if (bound === undefined) throw new RpcError("invalid_argument", "a request for a method that was not bound");
    const timeoutMs = cursor.varint();
    const deadline = timeoutMs === 0 ? Infinity : channel.receivedMs + timeoutMs;
    let fields: ContextFields | undefined;
    let refusal = this.#refusal(bound, deadline);
    if ((flags & Flag.extras) !== 0 && refusal === undefined) {
      const extras = extrasOf(cursor);
      if (RpcError.is(extras)) refusal = extras;
      else fields = extras;
    }
    if (refusal !== undefined) {
      this.#refuse(id, bound, refusal);
      return;
    }
    const route = bound.route as Route;
    const context = new Context(route.method, channel.receivedMs, deadline, fields);
    context.peer = this.#from;
    if (route.gate?.isShut === true) {
      const shed = route.gate.refuse(context);
      if (shed !== undefined) {
        // Without an event: there may be thousands a second, and admission tells of them all together.
        sendFailure(channel.outbox, id, shed, undefined, undefined);
        return;
      }
    }
    this.serving.admission.inFlight++;
    this.#handling++;
    if (route.method.kind === "unary" && (flags & Flag.more) === 0) {
      this.#unary(route, context, flags, id, bytes, cursor.position, end);
    } else {
      const call = new ServerCall(this, route, context, id);
      this.calls.set(id, call);
      call.begin(flags, bytes, cursor.position, end);
    }
  }

  #refuse(id: number, { route }: Bound, refusal: RpcError): void {
    sendFailure(this.channel.outbox, id, refusal, undefined, undefined);
    this.serving.observer.event?.("server.call.refused", {
      peer: this.peer, method: RpcError.is(route) ? undefined : route.method.path,
      code: refusal.code, error: refusal.message,
    });
  }

  /** Why a request is not even decoded. All of these are certain not to have reached a handler. */
  #refusal(bound: Bound, deadline: number): RpcError | undefined {
    const { channel, serving } = this;
    if (this.#draining !== undefined) {
      return expected("unavailable", this.#draining.message, { neverStarted: true });
    }
    // Handlers, not open calls: or whoever cancels what it began could begin without end.
    if (this.#handling >= channel.settings.maxConcurrentCalls) {
      return expected("resource_exhausted",
        `more than ${channel.settings.maxConcurrentCalls} calls on one connection (maxConcurrentCalls)`,
        { neverStarted: true });
    }
    const { admission } = serving;
    if (admission.inFlight >= admission.maxInFlight) {
      return expected("resource_exhausted", `the server is handling ${admission.inFlight} calls (maxInFlight)`,
        { neverStarted: true });
    }
    // Work whose deadline passed while it waited would be done for nobody.
    if (deadline < Infinity) {
      const nowMs = this.#nowMs < channel.receivedMs ? channel.receivedMs : this.#nowMs;
      if (nowMs >= deadline) {
        return expected("deadline_exceeded", "the deadline passed before the call was begun",
          { neverStarted: true, retryable: false });
      }
    }
    return RpcError.is(bound.route) ? bound.route : undefined;
  }

  /** The common case: one frame in; if the handler answers at once, one frame out, and no trace left. */
  #unary(
    route: Route, context: Context, flags: number, id: number, bytes: Uint8Array, start: number, end: number,
  ): void {
    let answer: unknown;
    try {
      const request = receiveMessage(this.channel, this, route.coders.request, flags, bytes, start, end);
      if (this.serving.gate !== undefined) context.atWork = endIsTold;
      answer = route.service(request, context);
    } catch (error) {
      this.failed(route, context, id, error, this.channel.receivedMs);
      return;
    }
    if (isPromise(answer)) {
      const call = new ServerCall(this, route, context, id);
      this.calls.set(id, call);
      call.answering(answer);
    } else {
      this.answered(route, context, id, answer, this.channel.receivedMs);
    }
  }

  /** Sends the reply of a call that takes one, and counts it. */
  answered(route: Route, context: Context, id: number, answer: unknown, startedMs: number): void {
    const { channel } = this;
    if (!channel.ended) {
      try {
        channel.outbox.begin();
        const flags = this.replyExtras(context);
        const rest = sendMessage(channel, FrameType.response, flags, id, route.coders.response, answer);
        if (rest !== undefined) this.#sendRest(id, rest);
      } catch (error) {
        channel.outbox.abort();
        const failure = RpcError.from(error, "internal");
        this.failed(route, context, id, new RpcError("internal", `the reply cannot be encoded: ${failure.message}`,
          { cause: error, phase: "encode", retryable: false }), startedMs);
        return;
      }
    }
    this.count(context, startedMs, undefined);
  }

  /** A reply of several frames goes on under the call's credit, though the call is over. */
  #sendRest(id: number, rest: Uint8Array): void {
    const { maxUnfinishedBytes } = this.channel.settings;
    if (this.#tailBytes + rest.length > maxUnfinishedBytes) {
      this.#cut(id, `${maxUnfinishedBytes} bytes of replies wait for the caller to take them (maxUnfinishedBytes)`);
      return;
    }
    const sender = new Sender(this.channel, id);
    this.tails.set(id, { sender, sentBytes: -1, sentMs: 0 });
    this.#tailBytes += rest.length;
    void sender.continue(rest).then(() => {
      this.tails.delete(id);
      this.#tailBytes -= rest.length;
      this.release(id);
    });
  }

  /** Ends a call whose reply has begun to leave. */
  #cut(id: number, why: string): void {
    const failure = expected("resource_exhausted", why, { phase: "server" });
    sendFailure(this.channel.outbox, id, failure, undefined, undefined);
    this.serving.observer.event?.("server.reply.cut", { peer: this.peer, error: why });
  }

  /** Metadata that the handler set, and the load report when it is due. */
  replyExtras(context: Context): number {
    const dueMs = this.channel.receivedMs - reportIntervalMs;
    const load = this.#reportedMs <= dueMs ? this.serving.load(1) : undefined;
    if (load !== undefined) this.#reportedMs = this.channel.receivedMs;
    if (context.reply !== undefined) {
      writeExtras(this.channel.outbox, { load, header: context.reply.header, trailer: context.reply.trailer });
    } else if (load !== undefined) {
      writeLoad(this.channel.outbox, load);
    } else {
      return 0;
    }
    return Flag.extras;
  }

  /** Sends the failure of a call and counts it. What is no RpcError is a bug of the handler's. */
  failed(route: Route, context: Context, id: number, error: unknown, startedMs: number): void {
    const failure = RpcError.is(error) ? error : unexpected(error);
    if (!this.channel.ended) {
      sendFailure(this.channel.outbox, id, failure, route.coders, context.reply?.trailer);
    }
    this.count(context, startedMs, failure);
  }

  /** The handler of a call has finished, whether or not anybody still waits for it. */
  count(context: Context, startedMs: number, error: RpcError | undefined): void {
    this.serving.admission.inFlight--;
    this.#handling--;
    this.#nowMs = this.channel.clock.now();
    if (context.atWork > 0) this.serving.gate?.ended(context, this.#nowMs, error);
    this.serving.observer.handled?.(context, this.#nowMs - startedMs, error);
  }

  release(id: number): void {
    this.calls.delete(id);
    if (this.#draining !== undefined && this.calls.size === 0 && this.tails.size === 0) this.channel.end();
  }

  credited(id: number, bytes: number): void {
    (this.calls.get(id) ?? this.tails.get(id)?.sender)?.credited(bytes);
  }

  drain(reason: RpcError): void {
    if (this.#draining !== undefined || this.channel.ended) return;
    this.#draining = reason;
    if (this.channel.peer !== undefined) this.channel.sendGoAway(this.#lastId, reason);
    if (this.calls.size === 0 && this.tails.size === 0) this.channel.end();
  }

  close(reason: RpcError): void {
    this.#draining ??= reason;
    for (const call of [...this.calls.values()]) call.abort(reason);
    for (const { sender } of this.tails.values()) sender.stop();
    this.channel.end();
  }

  sweep(nowMs: number): void {
    const { channel } = this;
    channel.sweep(nowMs);
    if (channel.unfinished > 0) for (const call of [...this.calls.values()]) call.sweep(nowMs);
    for (const [id, tail] of this.tails) {
      if (tail.sender.sentBytes !== tail.sentBytes || channel.sendCredit <= 0) {
        tail.sentBytes = tail.sender.sentBytes;
        tail.sentMs = nowMs;
      } else if (nowMs - tail.sentMs >= channel.settings.stallTimeoutMs) {
        const { stallTimeoutMs } = channel.settings;
        this.#cut(id, `no credit for the rest of the reply for ${stallTimeoutMs} ms (stallTimeoutMs)`);
        tail.sender.stop();
      }
    }
  }

  closed(error: RpcError | undefined): void {
    for (const { sender } of this.tails.values()) sender.stop();
    const { size } = this.calls;
    const isOrderly = size === 0 || this.#draining !== undefined;
    const why = error ?? (isOrderly ? undefined : expected("unavailable",
      `the caller closed the connection with calls in flight (${size})`, { phase: "network" }));
    const reason = expected("cancelled", "the caller's connection is gone", { cause: why });
    for (const call of [...this.calls.values()]) call.abort(reason);
    this.calls.clear();
    this.#owner.ended(this, why);
  }

  gone(): void {
    this.#owner.gone?.(this);
  }
}

/** A reply on its way, and how far it had come when that was last looked at. */
interface Tail {
  readonly sender: Sender;
  sentBytes: number;
  sentMs: number;
}

/** What a context takes from a request's extras. What is wrong with them concerns that call alone. */
function extrasOf(cursor: Cursor): ContextFields | RpcError {
  try {
    const { header, routeKey, idempotencyKey, hops, attempt, priorAttempts } = readExtras(cursor);
    return {
      routeKey, idempotencyKey, metadata: header ?? emptyMetadata,
      hops: hops ?? 0, attempt: attempt ?? 0, priorAttempts: priorAttempts ?? 0,
    };
  } catch (error) {
    const { code, message } = RpcError.from(error, "internal");
    return expected(code, `the extras of the request cannot be read: ${message}`,
      { neverStarted: true, retryable: false, phase: "decode" });
  }
}

/** A handler's own exception: its text may hold secrets, so the caller learns only that there was one. */
function unexpected(error: unknown): RpcError {
  return new RpcError("internal", "the handler failed unexpectedly",
    { cause: error, phase: "handler", retryable: false });
}
