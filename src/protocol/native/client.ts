/** The client half of the native protocol: one connection that many calls share. */
import type { Context } from "../../core/context.ts";
import { expected, RpcError } from "../../core/error.ts";
import type { AttemptObserver, Connect, Connection, ConnectionEvents } from "../../core/connection.ts";
import type { LoadReport } from "../../core/load.ts";
import { emptyMetadata } from "../../core/metadata.ts";
import type { MethodInfo } from "../../core/method.ts";
import type { Timer } from "../../core/alarm.ts";
import type { Runtime } from "../../core/runtime.ts";
import type { MethodCoders } from "../../contract/coders.ts";
import { frameHeaderBytes } from "../../wire/frame-reader.ts";
import { writeText } from "../../wire/text.ts";
import { CallTable } from "../call-table.ts";
import { Channel, type Role } from "./channel.ts";
import { Deadlines } from "./deadlines.ts";
import { StreamCall } from "./client-stream.ts";
import { type ClientCall, refuseDirection, UnaryCall } from "./client-unary.ts";
import { writeExtras } from "../extras.ts";
import { criticalityByNumber, Flag, FrameType, idempotencyByNumber, kindsByNumber } from "./frame-types.ts";
import { type NativeSettings, resolveSettings } from "./settings.ts";

/** A method as this connection knows it: its number and its coders. */
export interface Binding {
  readonly id: number;
  readonly coders: MethodCoders;
}

export interface NativeClientOptions {
  /** Compiles, or finds, the coders of a method. */
  readonly coders: (method: MethodInfo) => MethodCoders;
  readonly settings?: Partial<NativeSettings> | undefined;
}

/** Connects endpoints by the native protocol. */
export function nativeConnect(options: NativeClientOptions): Connect {
  const settings = resolveSettings(options.settings);
  return (runtime, address, events) => new NativeConnection(runtime, address, events, options.coders, settings);
}

/** While a ping is unanswered, no other follows within so many milliseconds. */
const leastPingGapMs = 20;

/** A server that was asked for its load so often in a row and told none is asked again so many milliseconds later. */
const mostUntold = 5;
const untoldGapMs = 10_000;

/** Most methods one connection may number. */
const maxBindings = 10_000;

export class NativeConnection implements Connection, Role {
  readonly side = "client";
  readonly channel: Channel;
  readonly #events: ConnectionEvents;
  readonly #codersOf: (method: MethodInfo) => MethodCoders;
  /** By method ordinal. */
  readonly #bindings: (Binding | undefined)[] = [];
  #bindingCount = 0;
  readonly calls = new CallTable<ClientCall>();
  readonly deadlines = new Deadlines(this);
  #closing = false;
  #closeTimer: Timer | undefined = undefined;
  /** When a ping left that has not been answered. */
  #pingedMs = -Infinity;
  /** When the server was asked for its load last, and how often in a row it told none. */
  #askedMs = -Infinity;
  #asked = 0;

  constructor(
    runtime: Runtime, address: string, events: ConnectionEvents, coders: (method: MethodInfo) => MethodCoders,
    settings: NativeSettings,
  ) {
    this.#events = events;
    this.#codersOf = coders;
    this.channel = new Channel(runtime.clock, settings, (sink) => runtime.network.connect(address, sink), this);
  }

  get inFlight(): number {
    return this.calls.size;
  }

  get lastReceivedMs(): number {
    return this.channel.heardMs;
  }

  readonly pingsSparingly = false;

  ping(): boolean {
    const { channel } = this;
    if (channel.peer === undefined || channel.ended) return true;
    // One answer serves all who ask at the same time: calls that end a long silence, endpoints that share this.
    const nowMs = channel.clock.now();
    if (nowMs - this.#pingedMs < leastPingGapMs) return true;
    this.#pingedMs = nowMs;
    channel.ping(nowMs);
    return true;
  }

  askLoad(): boolean {
    const { channel } = this;
    if (channel.peer === undefined || channel.ended || this.#closing) return false;
    const nowMs = channel.clock.now();
    const sinceMs = nowMs - this.#askedMs;
    // One that knows nothing of such questions, or tells its load to nobody, is left alone: it may be told otherwise.
    if (sinceMs < leastPingGapMs || this.#asked >= mostUntold && sinceMs < untoldGapMs) return false;
    this.#asked++;
    this.#askedMs = nowMs;
    channel.ping(nowMs, true);
    return true;
  }

  call(request: unknown, context: Context, observer: AttemptObserver): unknown {
    const peer = this.channel.peer;
    if (peer === undefined || this.#closing || this.channel.ended) {
      throw expected("unavailable", "the connection takes no calls", { neverStarted: true, phase: "connect" });
    }
    if (this.calls.size >= peer.maxConcurrentCalls) {
      throw expected("resource_exhausted",
        `${this.calls.size} calls are in flight on this connection, the server's limit (maxConcurrentCalls)`,
        { neverStarted: true, phase: "queue" });
    }
    if (this.calls.spent) this.#retire();
    if (context.cancelReason !== undefined) throw context.cancelReason;
    const binding = this.#bindings[context.method.ordinal] ?? this.#bind(context.method);
    return context.method.kind === "unary"
      ? new UnaryCall(this, binding, context, observer).start(request)
      : new StreamCall(this, binding, context, observer).start(request);
  }

  /** Ids have run out, after four billion calls: those in flight end here, the next take another connection. */
  #retire(): never {
    const reason = expected("unavailable", "the connection has used up its call ids", { neverStarted: true });
    this.#events.draining(reason.message);
    this.close(Infinity);
    throw reason;
  }

  /** Tells the server the number that requests will call this method by; no answer is awaited. */
  #bind(method: MethodInfo): Binding {
    if (this.#bindingCount === maxBindings) {
      throw new RpcError("resource_exhausted", `more than ${maxBindings} methods on one connection`);
    }
    const binding = { id: this.#bindingCount, coders: this.#codersOf(method) };
    const { outbox } = this.channel;
    outbox.begin();
    outbox.writeVarint(binding.id);
    outbox.writeByte(shapeByte(method));
    for (const text of [binding.coders.codec, method.path]) {
      const bytes = new Uint8Array(text.length * 3);
      const length = writeText(bytes, 0, text);
      outbox.writeVarint(length);
      outbox.writeBytes(bytes.subarray(0, length));
    }
    outbox.end(FrameType.bind, 0, 0);
    this.#bindingCount++;
    this.#bindings[method.ordinal] = binding;
    return binding;
  }

  /** Begins a request frame: everything before the message. Returns the frame's flags. */
  beginRequest(binding: Binding, context: Context): number {
    const { outbox } = this.channel;
    outbox.begin();
    outbox.writeVarint(binding.id);
    outbox.writeVarint(timeoutMs(context.deadline, context.startedMs));
    if (!hasExtras(context)) return 0;
    writeExtras(outbox, {
      header: hasEntries(context.metadata) ? context.metadata : undefined,
      routeKey: context.routeKey,
      idempotencyKey: context.idempotencyKey,
      hops: context.hops === 0 ? undefined : context.hops,
      attempt: context.attempt === 0 ? undefined : context.attempt,
      priorAttempts: context.priorAttempts === 0 ? undefined : context.priorAttempts,
    });
    return Flag.extras;
  }

  /** Takes an ended call out of the table. */
  release(id: number): void {
    this.calls.remove(id);
    if (this.calls.size > 0) return;
    this.deadlines.stop();
    if (this.#closing) this.channel.end();
  }

  callFrame(type: number, flags: number, id: number, bytes: Uint8Array, start: number, end: number): void {
    const call = this.calls.get(id);
    if (call !== undefined) call.frame(type, flags, bytes, start, end);
    // Data of a call that has ended here still used up the connection's credit.
    else if (type === FrameType.data) this.channel.consumed(end - start + frameHeaderBytes);
    else refuseDirection(type);
  }

  credited(id: number, bytes: number): void {
    this.calls.get(id)?.credited(bytes);
  }

  opened(): void {
    this.#events.opened();
  }

  pinged(roundTripMs: number): void {
    this.#pingedMs = -Infinity;
    this.#events.pinged(roundTripMs);
  }

  reported(load: LoadReport): void {
    this.#askedMs = -Infinity;
    this.#asked = 0;
    this.#events.reported(load);
  }

  goingAway(lastId: number, error: RpcError): void {
    this.#events.draining(error.message);
    for (const call of this.calls.above(lastId)) {
      call.fail(expected("unavailable", `the server is going away: ${error.message}`, { neverStarted: true }));
    }
    this.close(Infinity);
  }

  closed(error: RpcError | undefined): void {
    this.#closeTimer?.cancel();
    for (const call of this.calls.above(0)) {
      call.fail(expected("unavailable", `the connection was lost before the reply: ${error?.message ?? "closed"}`, {
        cause: error, phase: "network", retryable: true,
      }));
    }
    this.#events.closed(error);
  }

  close(graceMs: number): void {
    if (this.channel.ended) return;
    this.#closing = true;
    if (this.calls.size === 0 || graceMs <= 0) this.channel.end();
    else if (graceMs < Infinity) {
      this.#closeTimer?.cancel();
      this.#closeTimer = this.channel.clock.after(graceMs, () => this.channel.end());
    }
  }

  gone(): void {
    // Whoever owns the connection heard all there is to hear when it closed.
  }

  failRepeatable(error: RpcError): void {
    for (const call of this.calls.above(0)) {
      if (call.repeatable) call.abandon(expected(error.code, error.message, { phase: "network", retryable: true }));
    }
  }

  abort(error: RpcError): void {
    this.channel.abort(error);
  }
}

function shapeByte(method: MethodInfo): number {
  return kindsByNumber.indexOf(method.kind) | idempotencyByNumber.indexOf(method.idempotent) << 2 |
    criticalityByNumber.indexOf(method.criticality) << 4;
}

/** What is left of the deadline in whole milliseconds, at least 1; 0 means none. */
function timeoutMs(deadline: number, nowMs: number): number {
  const leftMs = deadline - nowMs;
  // Also Infinity: what a varint cannot say is no deadline anybody will live to see.
  if (leftMs > Number.MAX_SAFE_INTEGER) return 0;
  return Math.max(1, Math.ceil(leftMs));
}

function hasExtras(context: Context): boolean {
  return context.idempotencyKey !== undefined || context.routeKey !== undefined || context.attempt !== 0 ||
    context.hops !== 0 || context.priorAttempts !== 0 || hasEntries(context.metadata);
}

function hasEntries(metadata: Readonly<Record<string, string>>): boolean {
  // That of most calls, which to enumerate would cost some ns.
  if (metadata === emptyMetadata) return false;
  for (const _ in metadata) return true;
  return false;
}

