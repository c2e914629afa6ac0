/**
 * A channel is one stream to a server with one service's handshake on it: first the handshake, by a ping of its own,
 * and
 * then the calls, many at once where answers have serial numbers, in order where they have none.
 */
import type { Timer } from "../../core/alarm.ts";
import type { AttemptObserver } from "../../core/connection.ts";
import type { Context } from "../../core/context.ts";
import { expected, RpcError } from "../../core/error.ts";
import type { ByteSink, ByteStream, Clock, Runtime } from "../../core/runtime.ts";
import { OpenCall, type OpenCallOwner } from "../open-call.ts";
import { AvroCursor } from "./binary.ts";
import { AvroOutbox, MessageReader, type Transport } from "./frames.ts";
import { readHandshakeResponse, writeHandshakeRequest } from "./handshake.ts";
import { type Binding, readAnswer, type Remote, writeRequestHead } from "./remote.ts";
import type { AvroSettings } from "./settings.ts";

/** A call that waits for the handshake, or whose answer is waited for. */
class AvroCall extends OpenCall {
  binding: Binding | undefined = undefined;
  request: unknown = undefined;
}

export interface ChannelEvents {
  opened(): void;
  ended(): void;
  closed(error: RpcError | undefined): void;
}

const lingerMs = 1_000;
/** Serial numbers are signed. Beyond this a connection is used up. */
const lastSerial = 0x7fff_0000;

export class AvroChannel implements ByteSink, OpenCallOwner {
  readonly clock: Clock;
  readonly #settings: AvroSettings;
  readonly #transport: Transport;
  readonly #events: ChannelEvents;
  readonly #stream: ByteStream;
  readonly #outbox: AvroOutbox;
  readonly #reader: MessageReader;
  readonly #cursor = new AvroCursor();
  #remote: Remote | undefined = undefined;
  #state: "connecting" | "open" | "shaking" | "ready" | "ended" = "connecting";
  #isProtocolSent = false;
  readonly #calls = new Map<number, AvroCall>();
  /** Calls that wait for the handshake. */
  #waiting: AvroCall[] = [];
  /** Of a framed channel: the numbers of the calls whose answers come next, in order. */
  readonly #order: number[] = [];
  #lastSerial = 0;
  #timer: Timer | undefined = undefined;
  #linger: Timer | undefined = undefined;
  lastReceivedMs: number;

  constructor(runtime: Runtime, address: string, transport: Transport, settings: AvroSettings, events: ChannelEvents) {
    this.clock = runtime.clock;
    this.#settings = settings;
    this.#transport = transport;
    this.#events = events;
    this.lastReceivedMs = runtime.clock.now();
    this.#reader = new MessageReader(transport, settings.maxMessageBytes,
      (serial, bytes, start, end) => this.#message(serial, bytes, start, end));
    this.#stream = runtime.network.connect(address, this);
    this.#outbox = new AvroOutbox(this.#stream, runtime.clock, transport);
  }

  get inFlight(): number {
    return this.#calls.size;
  }

  /** The service whose channel this is; undefined while it is nobody's. */
  get remote(): Remote | undefined {
    return this.#remote;
  }

  get spent(): boolean {
    return this.#lastSerial >= lastSerial;
  }

  opened(): void {
    if (this.#state !== "connecting") return;
    this.#state = "open";
    if (this.#remote !== undefined) this.#shake(this.#remote);
    this.#events.opened();
  }

  /** Makes it the channel of a service. Once. */
  serve(remote: Remote): void {
    this.#remote = remote;
    if (this.#state === "open") this.#shake(remote);
  }

  #shake(remote: Remote): void {
    this.#state = "shaking";
    const { handshakeTimeoutMs } = this.#settings;
    this.#timer ??= this.clock.after(handshakeTimeoutMs, () => this.abort(expected("unavailable",
      `no answer to the handshake within ${handshakeTimeoutMs} ms (handshakeTimeoutMs)`,
      { neverStarted: true, phase: "connect" })));
    this.#outbox.begin();
    writeHandshakeRequest(this.#outbox, remote.request(this.#isProtocolSent));
    // No metadata, no name: a ping.
    this.#outbox.writeBytes(ping);
    this.#outbox.end(0);
    if (this.#transport === "framed") this.#order.push(0);
  }

  call(request: unknown, context: Context, observer: AttemptObserver): Promise<unknown> {
    const remote = this.#remote as Remote;
    const serial = ++this.#lastSerial;
    if (this.#state === "ready") {
      const binding = remote.binding(context.method);
      const call = new AvroCall(this, serial, binding.coders, context, observer);
      call.binding = binding;
      this.#calls.set(serial, call);
      try {
        this.#send(call, binding, request);
      } catch (error) {
        this.#calls.delete(serial);
        throw error;
      }
      const answer = call.wait();
      if (binding.isOneWay) call.succeed({});
      return answer;
    }
    const call = new AvroCall(this, serial, noCoders, context, observer);
    call.request = request;
    this.#calls.set(serial, call);
    this.#waiting.push(call);
    return call.wait();
  }

  #send(call: AvroCall, binding: Binding, request: unknown): void {
    const outbox = this.#outbox;
    try {
      outbox.begin();
      writeRequestHead(outbox, binding, call.context);
      binding.coders.request.encode(request, outbox);
      if (outbox.payloadBytes > this.#settings.maxMessageBytes) {
        throw new RpcError("resource_exhausted", `the request has ${outbox.payloadBytes} bytes; at most ` +
          `${this.#settings.maxMessageBytes} are sent (maxMessageBytes)`, { phase: "encode", neverStarted: true });
      }
      outbox.end(call.id);
    } catch (error) {
      outbox.abort();
      throw error;
    }
    if (this.#transport === "framed" && !binding.isOneWay) this.#order.push(call.id);
  }

  received(bytes: Uint8Array): void {
    if (this.#state === "ended") return;
    this.lastReceivedMs = this.clock.now();
    try {
      this.#reader.push(bytes);
    } catch (error) {
      const { message } = RpcError.from(error, "internal");
      this.abort(expected("internal", `what the server sent cannot be read: ${message}`,
        { cause: error, phase: "decode", retryable: false }));
    }
  }

  #message(serial: number, bytes: Uint8Array, start: number, end: number): boolean {
    const cursor = this.#cursor.over(bytes, start, end);
    const id = this.#transport === "framed" ? this.#order.shift() : serial;
    if (this.#state === "shaking") {
      this.#shaken(cursor);
      return true;
    }
    const call = id === undefined ? undefined : this.#calls.get(id);
    if (call?.binding !== undefined) readAnswer(cursor, call, call.binding.errors);
    return (this.#state as string) !== "ended";
  }

  #shaken(cursor: AvroCursor): void {
    const remote = this.#remote as Remote;
    const response = readHandshakeResponse(cursor, this.#settings.maxProtocolChars);
    if (!remote.accept(response)) {
      if (this.#isProtocolSent) {
        throw expected("unavailable", "the server does not take our protocol in its handshake", { neverStarted: true });
      }
      this.#isProtocolSent = true;
      this.#shake(remote);
      return;
    }
    this.#timer?.cancel();
    this.#state = "ready";
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const call of waiting) this.#begin(remote, call);
  }

  /** Sends a call that waited, unless nobody waits for it any more. */
  #begin(remote: Remote, call: AvroCall): void {
    if (!this.#calls.has(call.id)) return;
    try {
      const binding = remote.binding(call.context.method);
      call.binding = binding;
      call.coders = binding.coders;
      this.#send(call, binding, call.request);
      call.request = undefined;
      if (binding.isOneWay) call.succeed({});
    } catch (error) {
      call.fail(RpcError.from(error, "internal"));
    }
  }

  drained(): void {
    this.#outbox.full = false;
  }

  ended(call: OpenCall): void {
    this.#calls.delete(call.id);
    this.#events.ended();
  }

  takenBack(): void {
    // Avro has no word for it: the answer will be passed over.
  }

  get open(): readonly OpenCall[] {
    return [...this.#calls.values()];
  }

  end(): void {
    if (this.#state === "ended") return;
    this.#outbox.flush();
    this.#linger = this.clock.after(lingerMs, () => this.#stream.destroy()).unref();
    this.#stream.end();
    this.#finish(undefined);
  }

  abort(error: RpcError): void {
    if (this.#state === "ended") return;
    this.#stream.destroy();
    this.#finish(error);
  }

  closed(error?: Error): void {
    this.#linger?.cancel();
    const what = this.#reader.midMessage ? "the server closed the connection within a message"
      : "the server closed the connection";
    this.#finish(expected("unavailable", error?.message ?? what, { cause: error, phase: "network" }));
  }

  #finish(error: RpcError | undefined): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#timer?.cancel();
    this.#outbox.close();
    const waiting = new Set(this.#waiting);
    const lost = `the connection was lost before the reply: ${error?.message ?? "closed"}`;
    for (const call of this.open) {
      call.fail(error?.code === "internal" ? error : expected("unavailable", lost, {
        cause: error, phase: "network", retryable: true, neverStarted: waiting.has(call as AvroCall),
      }));
    }
    this.#events.closed(error);
  }
}

const ping = Uint8Array.of(0, 0);
const noCoders = { codec: "avro" } as Binding["coders"];
