/**
 * The modelled wire: a Protocol whose connections carry calls between simulated hosts without bytes or codec.
 *
 * It behaves as the native wire does over the same links: opening takes two round trips, messages of a connection stay
 * in order, cancellations and what is left of deadlines travel, replies carry load reports, pings are answered by the
 * program. Requests and replies pass by reference and are not validated. Unary calls only: streams need bytes.
 */
import { Alarm } from "../core/alarm.ts";
import type { AttemptObserver, Connection, ConnectionEvents } from "../core/connection.ts";
import type { Cancellable, Context } from "../core/context.ts";
import { expected, type RpcError } from "../core/error.ts";
import type { LoadReport } from "../core/load.ts";
import type { Timer } from "../core/alarm.ts";
import type { Runtime } from "../core/runtime.ts";
import type { Protocol } from "../protocol/protocol.ts";
import { programOf } from "../runtime/sim/inside.ts";
import { Call, type Program, type World } from "../runtime/sim/world.ts";
import { Lane } from "./lane.ts";
import type { ServedModelled } from "./served.ts";
import { type Answer, type Ask, Close, Opening, Ping, Reset, Request, Stop, trafficOf } from "./messages.ts";

export type MessageSize = (message: unknown, context: Context) => number;

export interface WireOptions {
  /** Sizes of messages on links of limited bandwidth, in bytes. Default 256 for either. */
  readonly requestBytes?: MessageSize | undefined;
  readonly responseBytes?: MessageSize | undefined;
}

/** The name by which endpoints' attribute `protocol` chooses it. */
export const modelledWireName = "modelled";

/** Makes the protocol; a world has one, so that its clients on one host share connections. */
export function modelledWire(options: WireOptions = {}): Protocol {
  return {
    name: modelledWireName,
    connector: () => (runtime, address, events) => new ModelledConnection(runtime, address, events, options),
  };
}

/** While a ping is unanswered, no other follows within so many milliseconds. These are the native wire's. */
const leastPingGapMs = 20;
/** A server that was asked for its load so often in a row and told none is asked again so many milliseconds later. */
const mostUntold = 5;
const untoldGapMs = 10_000;
/** A connection request is repeated after a second rather than after the usual retransmission time. */
const synRetransmitMs = 1_000;
const controlBytes = 32;
const defaultBytes: MessageSize = () => 256;

export class ModelledConnection implements Connection {
  readonly program: Program;
  readonly runtime: Runtime;
  readonly address: string;
  /** Sizes of messages, in bytes. */
  readonly sizes: { readonly request: MessageSize; readonly response: MessageSize };
  readonly outgoing: Lane;
  readonly incoming: Lane;
  /** The server's half, once it has accepted. */
  served: ServedModelled | undefined = undefined;
  readonly #events: ConnectionEvents;
  readonly #world: World;
  readonly #calls = new Map<number, ModelledCall>();
  #state: "connecting" | "open" | "closing" | "closed" = "connecting";
  #lastId = 0;
  #pingedMs = -Infinity;
  #askedMs = -Infinity;
  #asked = 0;
  #closeTimer: Timer | undefined = undefined;
  lastReceivedMs = 0;
  readonly pingsSparingly = false;

  constructor(runtime: Runtime, address: string, events: ConnectionEvents, options: WireOptions) {
    const program = this.program = programOf(runtime);
    const { world, host } = program;
    this.runtime = runtime;
    this.address = address;
    this.#world = world;
    this.#events = events;
    this.sizes = { request: options.requestBytes ?? defaultBytes, response: options.responseBytes ?? defaultBytes };
    const colon = address.lastIndexOf(":");
    const name = address.slice(0, colon);
    const target = world.hosts.get(name === "localhost" ? host.name : name);
    this.outgoing = new Lane(world, host, target ?? host);
    this.incoming = new Lane(world, target ?? host, host);
    program.streams.add(this);
    if (target === undefined || colon < 0) {
      world.agenda.plan(new Call(program, () => this.broke(
        expected("unavailable", `cannot connect to ${address}: the host name is unknown`, unstarted))),
        world.agenda.nowMs);
      return;
    }
    this.#send(new Opening(this, address.slice(colon + 1)), synRetransmitMs);
  }

  get inFlight(): number {
    return this.#calls.size;
  }

  #send(message: Ask, retransmitMs?: number): void {
    if (this.program.isAlive) this.outgoing.send(message, controlBytes, retransmitMs);
  }

  /** Hears anything at all from the server. */
  heard(): boolean {
    if (this.#state === "closed") return false;
    this.lastReceivedMs = this.runtime.clock.now();
    return true;
  }

  opened(): void {
    if (this.#state !== "connecting") return;
    this.#state = "open";
    this.#events.opened();
  }

  ping(): boolean {
    if (this.#state !== "open" && this.#state !== "closing") return true;
    const nowMs = this.runtime.clock.now();
    if (nowMs - this.#pingedMs < leastPingGapMs) return true;
    this.#pingedMs = nowMs;
    trafficOf(this.#world, this.program.host).pings++;
    this.#send(new Ping(this, nowMs, false));
    return true;
  }

  askLoad(): boolean {
    if (this.#state !== "open") return false;
    const nowMs = this.runtime.clock.now();
    const sinceMs = nowMs - this.#askedMs;
    if (sinceMs < leastPingGapMs || this.#asked >= mostUntold && sinceMs < untoldGapMs) return false;
    this.#asked++;
    this.#askedMs = nowMs;
    trafficOf(this.#world, this.program.host).probes++;
    this.#send(new Ping(this, nowMs, true));
    return true;
  }

  reported(load: LoadReport): void {
    this.#askedMs = -Infinity;
    this.#asked = 0;
    this.#events.reported(load);
  }

  ponged(sentMs: number): void {
    this.#pingedMs = -Infinity;
    this.#events.pinged(this.lastReceivedMs - sentMs);
  }

  call(request: unknown, context: Context, observer: AttemptObserver): unknown {
    if (this.#state !== "open") {
      throw expected("unavailable", "the connection takes no calls", unstarted);
    }
    if (context.cancelReason !== undefined) throw context.cancelReason;
    if (context.method.kind !== "unary") {
      throw expected("unimplemented", `${context.method.path} streams, which the modelled wire does not carry: give ` +
        "its client and server `wire: \"bytes\"`", { neverStarted: true, retryable: false });
    }
    const id = ++this.#lastId;
    const call = new ModelledCall(this, id, context, observer);
    this.#calls.set(id, call);
    trafficOf(this.#world, this.program.host).requests++;
    if (this.program.isAlive) {
      this.outgoing.send(new Request(this, id, request, context), this.sizes.request(request, context));
    }
    return call.start();
  }

  /** An answer has come: gives it to its call, unless that is over. */
  answered(answer: Answer): void {
    if (answer.load !== undefined) this.reported(answer.load);
    this.#calls.get(answer.id)?.answered(answer);
  }

  /** The server wants no calls after `lastId`. */
  goingAway(lastId: number, why: string): void {
    this.#events.draining(why);
    for (const [id, call] of [...this.#calls]) {
      if (id > lastId) call.fail(expected("unavailable", `the server is going away: ${why}`, { neverStarted: true }));
    }
    this.close(Infinity);
  }

  release(id: number): void {
    this.#calls.delete(id);
    if (this.#state === "closing" && this.#calls.size === 0) this.#end();
  }

  /** Tells the server that a call was given up. */
  stop(id: number, reason: "cancelled" | "deadline_exceeded"): void {
    if (this.#state !== "open" && this.#state !== "closing") return;
    trafficOf(this.#world, this.program.host).cancels++;
    this.#send(new Stop(this, id, reason));
  }

  failRepeatable(error: RpcError): void {
    for (const call of [...this.#calls.values()]) {
      if (call.repeatable) call.abandon(expected(error.code, error.message, { phase: "network", retryable: true }));
    }
  }

  abort(error: RpcError): void {
    if (this.#state === "closed") return;
    this.#send(new Reset(this));
    this.broke(error);
  }

  close(graceMs: number): void {
    if (this.#state === "closed") return;
    this.#state = "closing";
    if (this.#calls.size === 0 || graceMs <= 0) this.#end();
    else if (graceMs < Infinity) {
      this.#closeTimer?.cancel();
      this.#closeTimer = this.runtime.clock.after(graceMs, () => this.#end());
    }
  }

  #end(): void {
    if (this.#state === "closed") return;
    this.#send(new Close(this));
    this.broke(undefined);
  }

  /** It is over: every call in flight learns it, then the endpoint. */
  broke(error: RpcError | undefined): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#closeTimer?.cancel();
    this.program.streams.delete(this);
    this.outgoing.close();
    this.incoming.close();
    for (const call of [...this.#calls.values()]) {
      call.fail(expected("unavailable", `the connection was lost before the reply: ${error?.message ?? "closed"}`,
        { cause: error, phase: "network", retryable: true }));
    }
    this.#events.closed(error);
  }

  /** The client's program died; with `isReset` its machine tells the server. */
  abandon(isReset: boolean): void {
    this.#state = "closed";
    this.#calls.clear();
    if (isReset) this.outgoing.send(new Reset(this), controlBytes);
  }
}

export const unstarted = { neverStarted: true, phase: "connect" } as const;

/** A unary call as the client sees it. */
class ModelledCall extends Alarm implements Cancellable {
  readonly #connection: ModelledConnection;
  readonly #id: number;
  readonly #context: Context;
  readonly #observer: AttemptObserver;
  #isOver = false;
  #resolve!: (value: unknown) => void;
  #reject!: (error: RpcError) => void;

  constructor(connection: ModelledConnection, id: number, context: Context, observer: AttemptObserver) {
    super();
    this.#connection = connection;
    this.#id = id;
    this.#context = context;
    this.#observer = observer;
  }

  start(): Promise<unknown> {
    const context = this.#context;
    if (context.deadline !== Infinity) this.#connection.runtime.clock.set(this, context.deadline);
    context.onCancel(this);
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  answered({ error, value, header, trailer }: Answer): void {
    if (error !== undefined) {
      this.fail(error);
      return;
    }
    if (header !== undefined) this.#context.onMetadata?.("header", header);
    if (trailer !== undefined) this.#context.onMetadata?.("trailer", trailer);
    this.#finish(this.#connection.lastReceivedMs, undefined);
    this.#resolve(value);
  }

  fail(error: RpcError): void {
    if (this.#isOver) return;
    if (error.metadata !== undefined) this.#context.onMetadata?.("trailer", error.metadata);
    this.#finish(this.#connection.runtime.clock.now(), error);
    this.#reject(error);
  }

  #finish(endedMs: number, error: RpcError | undefined): void {
    this.#isOver = true;
    const connection = this.#connection;
    if (this.isSet) connection.runtime.clock.clear(this);
    this.#context.offCancel(this);
    connection.release(this.#id);
    this.#observer.attemptEnded(this.#context, this.#context.startedMs, endedMs, error);
  }

  ring(): void {
    const connection = this.#connection;
    connection.stop(this.#id, "deadline_exceeded");
    const waitedMs = Math.round(connection.runtime.clock.now() - this.#context.startedMs);
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
    this.#connection.stop(this.#id, "cancelled");
    this.fail(error);
  }
}
