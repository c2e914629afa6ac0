/** The client half of Thrift over HTTP: each call is a POST of one message, and its answer the response's body. */
import type { AttemptObserver, Connect, Connection, ConnectionEvents } from "../../core/connection.ts";
import type { Context } from "../../core/context.ts";
import { expected, RpcError } from "../../core/error.ts";
import type { MethodInfo } from "../../core/method.ts";
import type { Clock, Runtime } from "../../core/runtime.ts";
import {
  type Exchange, type Head, type HttpConnect, type HttpConnection, type HttpConnectionEvents, type HttpSink,
  requestHead,
} from "../../http/message.ts";
import { Writer } from "../../wire/writer.ts";
import { OpenCall, type OpenCallOwner } from "../open-call.ts";
import { joined } from "../../wire/joined.ts";
import { readAnswer } from "./answer.ts";
import { readReplyFields, writeCallFields } from "./call-fields.ts";
import type { ThriftClientOptions } from "./client.ts";
import { checkSize, MessageHead, MessageType, nameBytes, writeHead, writeTail } from "./message.ts";

export interface ThriftHttpOptions extends Omit<ThriftClientOptions, "transport"> {
  readonly http: HttpConnect;
  readonly scheme: "http" | "https";
  readonly path: string;
}

/** Connects endpoints by Thrift over HTTP. */
export function thriftHttpConnect(options: ThriftHttpOptions): Connect {
  return (runtime, address, events) => new ThriftHttpConnection(runtime, address, events, options);
}

class ThriftHttpConnection implements Connection, HttpConnectionEvents, OpenCallOwner {
  readonly clock: Clock;
  readonly options: ThriftHttpOptions;
  readonly http: HttpConnection;
  readonly authority: string;
  readonly #events: ConnectionEvents;
  readonly calls = new Set<ThriftHttpCall>();
  /** Calls that wait until the server takes more at once. */
  readonly #waiting = new Set<ThriftHttpCall>();
  #state: "connecting" | "open" | "closing" | "closed" = "connecting";

  constructor(runtime: Runtime, address: string, events: ConnectionEvents, options: ThriftHttpOptions) {
    this.clock = runtime.clock;
    this.options = options;
    this.#events = events;
    this.authority = address.startsWith("unix:") ? "localhost" : address;
    this.http = options.http(runtime, address, this);
  }

  get inFlight(): number {
    return this.calls.size;
  }

  get lastReceivedMs(): number {
    return this.http.lastReceivedMs;
  }

  get pingsSparingly(): boolean {
    return this.http.pingsSparingly;
  }

  ping(): boolean {
    return this.http.ping();
  }

  call(request: unknown, context: Context, observer: AttemptObserver): unknown {
    if (this.#state !== "open") {
      throw expected("unavailable", "the connection takes no calls", { neverStarted: true, phase: "connect" });
    }
    if (context.cancelReason !== undefined) throw context.cancelReason;
    const { method } = context;
    if (method.kind !== "unary") {
      throw new RpcError("unimplemented", `${method.path} is a ${method.kind}, which Thrift cannot carry`,
        { neverStarted: true, retryable: false });
    }
    const { maxConcurrentCalls } = this.options.settings;
    if (this.calls.size >= maxConcurrentCalls) {
      throw expected("resource_exhausted",
        `${maxConcurrentCalls} calls are in flight on this connection (maxConcurrentCalls)`,
        { neverStarted: true, phase: "queue" });
    }
    const call = new ThriftHttpCall(this, request, context, observer);
    this.calls.add(call);
    const answer = call.wait();
    if (this.http.available) call.send();
    else this.#waiting.add(call);
    return answer;
  }

  ended(call: OpenCall): void {
    this.calls.delete(call as ThriftHttpCall);
    this.#waiting.delete(call as ThriftHttpCall);
  }

  takenBack(call: OpenCall): void {
    (call as ThriftHttpCall).exchange?.reset("cancel");
  }

  opened(): void {
    this.#state = "open";
    this.#events.opened();
  }

  available(): void {
    for (const call of this.#waiting) {
      if (!this.http.available) return;
      this.#waiting.delete(call);
      call.send();
    }
  }

  draining(why: string): void {
    if (this.#state === "closed") return;
    this.#state = "closing";
    this.#events.draining(why, true);
    this.#failWaiting(`the server is going away: ${why}`);
  }

  closed(error: RpcError | undefined): void {
    this.#state = "closed";
    this.#failWaiting(`the connection was lost: ${error?.message ?? "closed"}`);
    this.#events.closed(error);
  }

  #failWaiting(why: string): void {
    for (const call of this.#waiting) {
      call.fail(expected("unavailable", why, { neverStarted: true, phase: "queue" }));
    }
  }

  pinged(roundTripMs: number): void {
    this.#events.pinged(roundTripMs);
  }

  failRepeatable(error: RpcError): void {
    for (const call of this.calls) {
      if (call.repeatable) call.abandon(expected(error.code, error.message, { phase: "network", retryable: true }));
    }
  }

  abort(error: RpcError): void {
    this.#state = "closed";
    this.#failWaiting(error.message);
    this.http.abort(error);
  }

  close(graceMs: number): void {
    if (this.#state === "closed") return;
    this.#state = "closing";
    this.#failWaiting("the connection was closed before the call was sent");
    this.http.close(graceMs);
  }
}

class ThriftHttpCall extends OpenCall implements HttpSink {
  readonly #connection: ThriftHttpConnection;
  readonly #message: Uint8Array;
  exchange: Exchange | undefined = undefined;
  #head: Head | undefined = undefined;
  #parts: Uint8Array[] = [];
  #length = 0;

  /** Throws when the request cannot be encoded. */
  constructor(connection: ThriftHttpConnection, request: unknown, context: Context, observer: AttemptObserver) {
    const { options } = connection;
    const { encoding, settings } = options;
    const coders = options.coders(context.method);
    super(connection, 0, coders, context, observer);
    this.#connection = connection;
    const writer = new Writer(512);
    const { method } = context;
    writeHead(writer, encoding, nameBytes(encoding, options.prefixOf(method) + method.name), typeOf(method), 1);
    coders.request.encode(request, writer);
    writeTail(writer, encoding);
    checkSize(writer.position, settings.maxMessageBytes);
    this.#message = writer.finish();
  }

  send(): void {
    const { options, http, authority } = this.#connection;
    const left = this.context.deadline - this.context.startedMs;
    try {
      const fields = Object.assign(Object.create(null) as Record<string, string>,
        writeCallFields(this.context, left > Number.MAX_SAFE_INTEGER ? undefined : Math.max(1, Math.ceil(left))), {
          "content-type": `application/vnd.apache.thrift.${options.encoding}`,
          "content-length": String(this.#message.length),
        });
      this.exchange = http.request(requestHead("POST", options.path, options.scheme, authority, fields), false, this);
      this.exchange.begin().writeBytes(this.#message);
      this.exchange.end(true);
    } catch (error) {
      this.fail(RpcError.from(error, "internal"));
    }
  }

  head(head: Head, last: boolean): void {
    this.#head = head;
    if (last) this.#complete();
  }

  data(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    this.exchange?.consumed(end - start);
    this.#length += end - start;
    this.#parts.push(bytes.subarray(start, end));
    const { maxMessageBytes } = this.#connection.options.settings;
    if (this.#length > maxMessageBytes) {
      this.exchange?.reset("cancel");
      this.fail(expected("resource_exhausted", `the reply has more than ${maxMessageBytes} bytes (maxMessageBytes)`,
        { phase: "decode" }));
    } else if (last) this.#complete();
  }

  trailers(): void {
    this.#complete();
  }

  writable(): void {
    // A request is one piece.
  }

  failed(error: RpcError): void {
    this.fail(expected("unavailable", `the connection was lost before the reply: ${error.message}`, {
      cause: error, phase: "network", retryable: true, neverStarted: error.neverStarted,
    }));
  }

  #complete(): void {
    const body = joined(this.#parts, this.#length);
    const { encoding } = this.#connection.options;
    const status = this.#head?.status ?? 0;
    const { method, onMetadata } = this.context;
    if (status !== 200) {
      this.fail(httpFailure(status, this.#head?.fields["content-type"] ?? "", body));
      return;
    }
    const { header, trailer } = readReplyFields(this.#head?.fields ?? {});
    for (const _ in header) {
      onMetadata?.("header", header);
      break;
    }
    for (const _ in trailer) {
      onMetadata?.("trailer", trailer);
      break;
    }
    if (method.oneway === true) {
      this.succeed({});
      return;
    }
    const head = new MessageHead();
    try {
      head.read(encoding, body, 0, body.length);
    } catch (error) {
      this.fail(expected("internal", `the reply cannot be read: ${RpcError.from(error).message}`,
        { cause: error, phase: "decode", retryable: false }));
      return;
    }
    const { error, value } = readAnswer(encoding, head, body, { coders: this.coders, method });
    if (error === undefined) this.succeed(value);
    else this.fail(error);
  }
}

function typeOf(method: MethodInfo): number {
  return method.oneway === true ? MessageType.oneway : MessageType.call;
}

const maxShownChars = 200;

function httpFailure(status: number, type: string, body: Uint8Array): RpcError {
  const shown = type.startsWith("text/") ? `: ${new TextDecoder().decode(body).slice(0, maxShownChars).trim()}` : "";
  const code = status === 404 || status === 405 || status === 415 ? "unimplemented"
    : status === 413 ? "resource_exhausted" : status === 400 ? "invalid_argument"
    : status === 429 || status === 502 || status === 503 ? "unavailable" : "unknown";
  return expected(code, `the server answered with HTTP status ${status}${shown}`, { remote: true, phase: "server" });
}
