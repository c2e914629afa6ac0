/** The client half of Avro's RPC on sockets: a connection is a channel, and one more for each further service. */
import type { Timer } from "../../core/alarm.ts";
import type { AttemptObserver, Connect, Connection, ConnectionEvents } from "../../core/connection.ts";
import type { Context } from "../../core/context.ts";
import { expected, RpcError } from "../../core/error.ts";
import type { MethodInfo } from "../../core/method.ts";
import type { Runtime } from "../../core/runtime.ts";
import type { MethodCoders } from "../../contract/coders.ts";
import { AvroChannel } from "./channel.ts";
import type { Transport } from "./frames.ts";
import { ownProtocol, Remote, type ServerKnowledge } from "./remote.ts";

export interface AvroClientOptions {
  readonly coders: (method: MethodInfo) => MethodCoders;
  readonly transport: Transport;
  readonly knowledge: ServerKnowledge;
}

/** Connects endpoints by Avro's RPC over byte streams. */
export function avroConnect(options: AvroClientOptions): Connect {
  return (runtime, address, events) => new AvroConnection(runtime, address, events, options);
}

/** Most services that one connection calls. */
const maxServices = 64;

class AvroConnection implements Connection {
  readonly #runtime: Runtime;
  readonly #address: string;
  readonly #options: AvroClientOptions;
  readonly #events: ConnectionEvents;
  readonly #channels: AvroChannel[] = [];
  /** By method ordinal. */
  readonly #byMethod: (AvroChannel | undefined)[] = [];
  #isOpen = false;
  #isClosing = false;
  #isOver = false;
  #closeTimer: Timer | undefined = undefined;

  constructor(runtime: Runtime, address: string, events: ConnectionEvents, options: AvroClientOptions) {
    this.#runtime = runtime;
    this.#address = address;
    this.#options = options;
    this.#events = events;
    this.#open();
  }

  #open(): AvroChannel {
    const isFirst = this.#channels.length === 0;
    const { transport, knowledge } = this.#options;
    const channel = new AvroChannel(this.#runtime, this.#address, transport, knowledge.settings, {
      opened: () => {
        if (!isFirst) return;
        this.#isOpen = true;
        this.#events.opened();
      },
      ended: () => {
        if (this.#isClosing && this.inFlight === 0) this.#end();
      },
      closed: (error) => this.#lost(error),
    });
    this.#channels.push(channel);
    return channel;
  }

  get inFlight(): number {
    return this.#channels.reduce((sum, channel) => sum + channel.inFlight, 0);
  }

  get lastReceivedMs(): number {
    return Math.max(...this.#channels.map((channel) => channel.lastReceivedMs));
  }

  readonly pingsSparingly = true;

  ping(): boolean {
    return false;
  }

  call(request: unknown, context: Context, observer: AttemptObserver): unknown {
    if (!this.#isOpen || this.#isClosing || this.#isOver) {
      throw expected("unavailable", "the connection takes no calls", { neverStarted: true, phase: "connect" });
    }
    if (context.cancelReason !== undefined) throw context.cancelReason;
    const channel = this.#byMethod[context.method.ordinal] ?? this.#bind(context.method);
    const { maxConcurrentCalls } = this.#options.knowledge.settings;
    if (channel.inFlight >= maxConcurrentCalls) {
      throw expected("resource_exhausted",
        `${channel.inFlight} calls are in flight on this connection (maxConcurrentCalls)`,
        { neverStarted: true, phase: "queue" });
    }
    if (channel.spent) this.#retire();
    return channel.call(request, context, observer);
  }

  #retire(): never {
    const reason = expected("unavailable", "the connection has used up its serial numbers", { neverStarted: true });
    this.#events.draining(reason.message, true);
    this.close(Infinity);
    throw reason;
  }

  /** A handshake is one protocol's, so each service has a channel. */
  #bind(method: MethodInfo): AvroChannel {
    if (method.kind !== "unary") {
      throw new RpcError("unimplemented", `${method.path} is ${method.kind}, which Avro cannot carry: its messages ` +
        "have one request and one response", { neverStarted: true, retryable: false });
    }
    const own = ownProtocol(method);
    let channel = this.#channels.find(({ remote }) => remote?.own === own) ??
      this.#channels.find(({ remote }) => remote === undefined);
    if (channel === undefined) {
      if (this.#channels.length >= maxServices) {
        throw new RpcError("resource_exhausted", `more than ${maxServices} services on one connection`);
      }
      channel = this.#open();
    }
    if (channel.remote === undefined) channel.serve(new Remote(own, this.#options.knowledge, this.#options.coders));
    this.#byMethod[method.ordinal] = channel;
    return channel;
  }

  #lost(error: RpcError | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#closeTimer?.cancel();
    for (const channel of this.#channels) {
      if (error === undefined) channel.end();
      else channel.abort(error);
    }
    this.#events.closed(this.#isClosing && error?.code === "unavailable" ? undefined : error);
  }

  close(graceMs: number): void {
    if (this.#isOver) return;
    this.#isClosing = true;
    if (this.inFlight === 0 || graceMs <= 0) this.#end();
    else if (graceMs < Infinity) {
      this.#closeTimer?.cancel();
      this.#closeTimer = this.#runtime.clock.after(graceMs, () => this.#end());
    }
  }

  #end(): void {
    this.#lost(undefined);
  }

  abort(error: RpcError): void {
    this.#lost(error);
  }

  failRepeatable(error: RpcError): void {
    for (const channel of this.#channels) {
      for (const call of channel.open) {
        if (call.repeatable) call.abandon(expected(error.code, error.message, { phase: "network", retryable: true }));
      }
    }
  }
}
