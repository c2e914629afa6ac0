/** The client half of Thrift: one connection on which many calls are in flight, told apart by their sequence ids. */
import type { Timer } from "../../core/alarm.ts";
import type { AttemptObserver, Connect, Connection, ConnectionEvents } from "../../core/connection.ts";
import type { Context } from "../../core/context.ts";
import { expected, RpcError } from "../../core/error.ts";
import type { MethodInfo } from "../../core/method.ts";
import type { ByteSink, ByteStream, Runtime } from "../../core/runtime.ts";
import type { MethodCoders } from "../../contract/coders.ts";
import { Writer } from "../../wire/writer.ts";
import { CallTable } from "../call-table.ts";
import { writeCallFields } from "./call-fields.ts";
import { ThriftCall } from "./client-call.ts";
import { hasHeader, readHeader, type ThriftHeader, writeHeader } from "./header.ts";
import {
  checkSize, malformed, MessageHead, MessageType, nameBytes, type ThriftEncoding, writeHead, writeTail,
} from "./message.ts";
import type { Spoken } from "./opening.ts";
import { ThriftOutbox } from "./outbox.ts";
import { MessageReader } from "./reader.ts";
import { readException } from "./failure.ts";
import type { ThriftSettings } from "./settings.ts";

/** A method as this connection calls it. */
export interface Binding {
  readonly coders: MethodCoders;
  readonly name: Uint8Array;
  readonly method: MethodInfo;
}

export interface ThriftClientOptions extends Spoken {
  readonly coders: (method: MethodInfo) => MethodCoders;
  /** What goes before a method's name: `Service:`, or nothing. */
  readonly prefixOf: (method: MethodInfo) => string;
  readonly settings: ThriftSettings;
}

/** Sequence ids are signed. Beyond this a connection is used up. */
const lastSeqid = 0x7fff_0000;
const lingerMs = 1_000;

/** Connects endpoints by Thrift over byte streams. */
export function thriftConnect(options: ThriftClientOptions): Connect {
  return (runtime, address, events) => new ThriftConnection(runtime, address, events, options);
}

export class ThriftConnection implements Connection, ByteSink {
  readonly runtime: Runtime;
  readonly encoding: ThriftEncoding;
  readonly #options: ThriftClientOptions;
  readonly #events: ConnectionEvents;
  readonly #stream: ByteStream;
  readonly outbox: ThriftOutbox;
  readonly #reader: MessageReader;
  readonly #head = new MessageHead();
  /** By method ordinal. */
  readonly #bindings: (Binding | undefined)[] = [];
  readonly calls = new CallTable<ThriftCall>();
  /** The last sequence id given out, by which an answer to nothing shows. */
  #lastSeqid = 0;
  #opened = false;
  #closing = false;
  #ended = false;
  #closeTimer: Timer | undefined = undefined;
  #linger: Timer | undefined = undefined;
  lastReceivedMs: number;

  constructor(runtime: Runtime, address: string, events: ConnectionEvents, options: ThriftClientOptions) {
    this.runtime = runtime;
    this.encoding = options.encoding;
    this.#options = options;
    this.#events = events;
    this.lastReceivedMs = runtime.clock.now();
    this.#reader = new MessageReader(this, options, options.settings.maxMessageBytes);
    this.#stream = runtime.network.connect(address, this);
    this.outbox = new ThriftOutbox(this.#stream, runtime.clock, options.transport !== "buffered");
  }

  get inFlight(): number {
    return this.calls.size;
  }

  /** Thrift has no way of asking for a sign of life. */
  readonly pingsSparingly = true;

  ping(): boolean {
    return false;
  }

  opened(): void {
    this.#opened = true;
    this.#events.opened();
  }

  call(request: unknown, context: Context, observer: AttemptObserver): unknown {
    if (!this.#opened || this.#closing || this.#ended) {
      throw expected("unavailable", "the connection takes no calls", { neverStarted: true, phase: "connect" });
    }
    const { method } = context;
    if (method.kind !== "unary") {
      throw new RpcError("unimplemented", `${method.path} is a ${method.kind}, which Thrift cannot carry`,
        { neverStarted: true, retryable: false });
    }
    if (this.#lastSeqid >= lastSeqid) this.#retire();
    if (context.cancelReason !== undefined) throw context.cancelReason;
    const binding = this.#bindings[method.ordinal] ?? this.#bind(method);
    return new ThriftCall(this, binding, context, observer).start(request);
  }

  /** Sequence ids have run out: those in flight end here, the next take another connection. */
  #retire(): never {
    const reason = expected("unavailable", "the connection has used up its sequence ids", { neverStarted: true });
    this.#events.draining(reason.message, true);
    this.close(Infinity);
    throw reason;
  }

  #bind(method: MethodInfo): Binding {
    const { coders, prefixOf } = this.#options;
    const found = coders(method);
    if (found.codec !== `thrift-${this.encoding}`) {
      throw new RpcError("invalid_argument",
        `Thrift's ${this.encoding} protocol cannot carry messages of the codec ${found.codec}: leave \`codec\` out`);
    }
    if (method.oneway === true) checkOneway(method, found, this.encoding);
    const binding = { coders: found, name: nameBytes(this.encoding, prefixOf(method) + method.name), method };
    this.#bindings[method.ordinal] = binding;
    return binding;
  }

  /** Sends the request of call `id`; throws, and leaves no trace, when it cannot be encoded. */
  send({ coders, name, method }: Binding, id: number, context: Context, request: unknown): void {
    const { outbox, encoding } = this;
    this.#lastSeqid = id;
    const type = method.oneway === true ? MessageType.oneway : MessageType.call;
    if (this.#options.transport === "header") {
      this.#sendHeaded({ coders, name, method }, id, context, request);
      return;
    }
    try {
      outbox.begin();
      writeHead(outbox, encoding, name, type, id);
      coders.request.encode(request, outbox);
      writeTail(outbox, encoding);
      checkSize(outbox.payloadBytes, this.#options.settings.maxMessageBytes);
      outbox.end();
    } catch (error) {
      outbox.abort();
      throw error;
    }
  }

  #sendHeaded({ coders, name, method }: Binding, id: number, context: Context, request: unknown): void {
    const { outbox, encoding } = this;
    const { zlib } = this.#options.settings;
    const message = new Writer(512);
    writeHead(message, encoding, name, method.oneway === true ? MessageType.oneway : MessageType.call, id);
    coders.request.encode(request, message);
    writeTail(message, encoding);
    checkSize(message.position, this.#options.settings.maxMessageBytes);
    const left = context.deadline - context.startedMs;
    const timeoutMs = left > Number.MAX_SAFE_INTEGER ? undefined : Math.max(1, Math.ceil(left));
    const fields = writeCallFields(context, timeoutMs);
    const plain = message.bytes.subarray(0, message.position);
    const bytes = zlib === undefined ? plain : zlib.compress(plain);
    try {
      outbox.begin();
      writeHeader(outbox, encoding, id, zlib !== undefined, fields);
      outbox.writeBytes(bytes);
      outbox.end();
    } catch (error) {
      outbox.abort();
      throw error;
    }
  }

  received(bytes: Uint8Array): void {
    if (this.#ended) return;
    this.lastReceivedMs = this.runtime.clock.now();
    try {
      this.#reader.push(bytes);
    } catch (error) {
      const { message } = RpcError.from(error, "internal");
      this.abort(expected("internal", `what the server sent cannot be read: ${message}`,
        { cause: error, phase: "decode", retryable: false }));
    }
  }

  message(bytes: Uint8Array, start: number, end: number): boolean {
    const head = this.#head;
    let header: ThriftHeader | undefined;
    let encoding = this.encoding;
    if (this.#options.transport === "header" && hasHeader(bytes, start)) {
      const { zlib, maxMessageBytes } = this.#options.settings;
      header = readHeader(bytes, start, end, zlib, maxMessageBytes);
      ({ encoding, bytes, start, end } = header);
      if (encoding !== this.encoding) throw malformed(`an answer in ${encoding}, the call was in ${this.encoding}`);
    }
    head.read(encoding, bytes, start, end);
    const call = this.calls.get(head.seqid);
    if (call !== undefined) {
      call.answered(head, bytes, header?.fields);
    } else if (head.seqid <= 0 || head.seqid > this.#lastSeqid) {
      // What a server says that could not even read a call.
      if (head.type === MessageType.exception) throw readException(encoding, bytes, head.bodyStart, head.bodyEnd);
      throw malformed(`an answer with the sequence id ${head.seqid}, which no call has`);
    }
    return !this.#ended;
  }

  drained(): void {
    this.outbox.full = false;
  }

  release(id: number): void {
    this.calls.remove(id);
    if (this.#closing && this.calls.size === 0) this.#end();
  }

  closed(error?: Error): void {
    this.#linger?.cancel();
    const what = this.#reader.midMessage ? "the server closed the connection in the middle of a message"
      : "the server closed the connection";
    this.#finish(this.#closing && error === undefined ? undefined
      : expected("unavailable", error?.message ?? what, { cause: error, phase: "network" }));
  }

  #finish(error: RpcError | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#closeTimer?.cancel();
    this.outbox.close();
    const why = error?.code === "internal" ? error : expected("unavailable",
      `the connection was lost before the reply: ${error?.message ?? "closed"}`,
      { cause: error, phase: "network", retryable: true });
    for (const call of this.calls.above(0)) call.fail(why);
    this.#events.closed(error);
  }

  close(graceMs: number): void {
    if (this.#ended) return;
    this.#closing = true;
    if (this.calls.size === 0 || graceMs <= 0) this.#end();
    else if (graceMs < Infinity) {
      this.#closeTimer?.cancel();
      this.#closeTimer = this.runtime.clock.after(graceMs, () => this.#end());
    }
  }

  #end(): void {
    if (this.#ended) return;
    this.outbox.flush();
    this.#linger = this.runtime.clock.after(lingerMs, () => this.#stream.destroy()).unref();
    this.#stream.end();
    this.#finish(undefined);
  }

  abort(error: RpcError): void {
    if (this.#ended) return;
    this.#stream.destroy();
    this.#finish(error);
  }

  failRepeatable(error: RpcError): void {
    for (const call of this.calls.above(0)) {
      if (call.repeatable) call.fail(expected(error.code, error.message, { phase: "network", retryable: true }));
    }
  }
}

/** The answer of a one-way method is what an empty result reads as. */
function checkOneway(method: MethodInfo, coders: MethodCoders, encoding: ThriftEncoding): void {
  const empty = encoding === "json" ? new TextEncoder().encode("{}") : Uint8Array.of(0);
  try {
    coders.response.decode(empty, 0, empty.length);
  } catch {
    throw new RpcError("invalid_argument", `${method.path} is one-way: its output must be z.object({})`);
  }
}
