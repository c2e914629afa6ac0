/** The client half of Avro's RPC over HTTP: each request begins with a handshake, and so does each response. */
import type { AttemptObserver, Connect, Connection, ConnectionEvents } from "../../core/connection.ts";
import type { Context } from "../../core/context.ts";
import { expected, RpcError } from "../../core/error.ts";
import type { MethodInfo } from "../../core/method.ts";
import type { Clock, Runtime } from "../../core/runtime.ts";
import type { MethodCoders } from "../../contract/coders.ts";
import type { ContractProtocol } from "../../contract/avro/export.ts";
import {
  type Exchange, type Head, type HttpConnect, type HttpConnection, type HttpConnectionEvents, type HttpSink,
    requestHead,
} from "../../http/message.ts";
import { OpenCall, type OpenCallOwner } from "../open-call.ts";
import { AvroCursor, malformed } from "./binary.ts";
import { bodyHeadBytes, endBody, joined, outOfFrames } from "./frames.ts";
import { readHandshakeResponse, writeHandshakeRequest } from "./handshake.ts";
import { HeadsByLength } from "./heads.ts";
import { type Binding, ownProtocol, readAnswer, Remote, type ServerKnowledge, writeRequestHead } from "./remote.ts";
import { borrowWriter, returnWriter } from "./scratch.ts";

export interface AvroHttpOptions {
  readonly coders: (method: MethodInfo) => MethodCoders;
  readonly http: HttpConnect;
  readonly knowledge: ServerKnowledge;
  readonly scheme: "http" | "https";
  /** Default: `/` and the service's name. */
  readonly path: string | undefined;
}

/** Connects endpoints by Avro's RPC over HTTP. */
export function avroHttpConnect(options: AvroHttpOptions): Connect {
  return (runtime, address, events) => new AvroHttpConnection(runtime, address, events, options);
}

class AvroHttpConnection implements Connection, HttpConnectionEvents, OpenCallOwner {
  readonly clock: Clock;
  readonly options: AvroHttpOptions;
  readonly http: HttpConnection;
  readonly authority: string;
  readonly #events: ConnectionEvents;
  readonly #remotes = new Map<ContractProtocol, Remote>();
  /** By service, of which there are as many as contracts of ours. */
  readonly #heads = new Map<string, HeadsByLength>();
  readonly calls = new Set<AvroHttpCall>();
  /** Calls that wait until the server takes more at once. */
  readonly #waiting = new Set<AvroHttpCall>();
  #state: "connecting" | "open" | "closing" | "closed" = "connecting";

  constructor(runtime: Runtime, address: string, events: ConnectionEvents, options: AvroHttpOptions) {
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
      throw new RpcError("unimplemented", `${method.path} is ${method.kind}, which Avro cannot carry: its messages ` +
        "have one request and one response", { neverStarted: true, retryable: false });
    }
    const { maxConcurrentCalls } = this.options.knowledge.settings;
    if (this.calls.size >= maxConcurrentCalls) {
      throw expected("resource_exhausted", `${maxConcurrentCalls} calls are in flight on this connection ` +
        "(maxConcurrentCalls)", { neverStarted: true, phase: "queue" });
    }
    const own = ownProtocol(method);
    let remote = this.#remotes.get(own);
    if (remote === undefined) {
      this.#remotes.set(own, remote = new Remote(own, this.options.knowledge, this.options.coders));
    }
    const binding = remote.binding(method);
    const message = messageOf(binding, request, context);
    const call = new AvroHttpCall(this, remote, binding, message, { context, observer });
    this.calls.add(call);
    const answer = call.wait();
    if (this.http.available) call.send(false);
    else this.#waiting.add(call);
    return answer;
  }

  /** The head of a request to a service. */
  head(service: string, length: number): Head {
    let heads = this.#heads.get(service);
    if (heads === undefined) {
      const { path = `/${service}`, scheme } = this.options;
      this.#heads.set(service, heads = new HeadsByLength((bytes) => requestHead("POST", path, scheme, this.authority, {
        "content-type": "avro/binary", accept: "avro/binary", "content-length": String(bytes),
      })));
    }
    return heads.of(length);
  }

  ended(call: OpenCall): void {
    this.calls.delete(call as AvroHttpCall);
    this.#waiting.delete(call as AvroHttpCall);
  }

  takenBack(call: OpenCall): void {
    (call as AvroHttpCall).exchange?.reset("cancel");
  }

  opened(): void {
    this.#state = "open";
    this.#events.opened();
  }

  available(): void {
    for (const call of this.#waiting) {
      if (!this.http.available) return;
      this.#waiting.delete(call);
      call.send(call.isProtocolWanted);
    }
  }

  /** A call goes out again, with its protocol. */
  again(call: AvroHttpCall): void {
    if (this.http.available) call.send(true);
    else this.#waiting.add(call);
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

/** The message without its handshake: kept, since it goes out again if the server must first be told our protocol. */
function messageOf(binding: Binding, request: unknown, context: Context): Uint8Array {
  const writer = borrowWriter();
  writeRequestHead(writer, binding, context);
  binding.coders.request.encode(request, writer);
  const message = writer.finish();
  returnWriter(writer);
  return message;
}

/** Of what is no message of Avro so much is told. */
const maxShownChars = 200;

class AvroHttpCall extends OpenCall implements HttpSink {
  readonly #connection: AvroHttpConnection;
  readonly #remote: Remote;
  #binding: Binding;
  readonly #message: Uint8Array;
  exchange: Exchange | undefined = undefined;
  isProtocolWanted = false;
  #status = 0;
  #type = "";
  #parts: Uint8Array[] = [];
  #length = 0;

  constructor(
    connection: AvroHttpConnection, remote: Remote, binding: Binding, message: Uint8Array,
    made: { context: Context; observer: AttemptObserver },
  ) {
    super(connection, 0, binding.coders, made.context, made.observer);
    this.#connection = connection;
    this.#remote = remote;
    this.#binding = binding;
    this.#message = message;
  }

  send(withProtocol: boolean): void {
    const { http } = this.#connection;
    this.isProtocolWanted = withProtocol;
    this.#parts = [];
    this.#length = 0;
    const writer = borrowWriter();
    writer.position = bodyHeadBytes;
    writeHandshakeRequest(writer, this.#remote.request(withProtocol));
    writer.writeBytes(this.#message);
    const body = endBody(writer);
    try {
      this.exchange = http.request(this.#connection.head(this.context.method.service, body.length), false, this);
      this.exchange.begin().writeBytes(body);
      this.exchange.end(true);
    } catch (error) {
      this.fail(RpcError.from(error, "internal"));
    }
    returnWriter(writer);
  }

  head(head: Head, last: boolean): void {
    this.#status = head.status;
    this.#type = head.fields["content-type"] ?? "";
    if (last) this.#complete();
  }

  data(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    this.exchange?.consumed(end - start);
    this.#length += end - start;
    this.#parts.push(bytes.subarray(start, end));
    const { maxMessageBytes } = this.#connection.options.knowledge.settings;
    if (this.#length > maxMessageBytes + 65_536) {
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
    try {
      if (this.#status !== 200) throw this.#httpFailure(body);
      const { settings } = this.#connection.options.knowledge;
      const message = outOfFrames(body, settings.maxMessageBytes);
      const cursor = new AvroCursor().over(message, 0, message.length);
      if (!this.#remote.accept(readHandshakeResponse(cursor, settings.maxProtocolChars))) {
        if (this.isProtocolWanted) throw malformed("the server does not take our protocol in its handshake");
        this.#connection.again(this);
        return;
      }
      // What the server is may have shown by this answer only.
      this.#binding = this.#remote.binding(this.context.method);
      this.coders = this.#binding.coders;
      if (this.#binding.isOneWay) this.succeed({});
      else readAnswer(cursor, this, this.#binding.errors);
    } catch (error) {
      const failure = RpcError.from(error, "internal");
      this.fail(failure.code === "invalid_argument" ? expected("internal",
        `the reply cannot be read: ${failure.message}`, { cause: failure, phase: "decode", retryable: false })
          : failure);
    }
  }

  #httpFailure(body: Uint8Array): RpcError {
    const shown = this.#type.startsWith("text/") ? `: ${new TextDecoder().decode(body).slice(0, maxShownChars).trim()}`
      : "";
    const code = this.#status === 404 || this.#status === 405 || this.#status === 415 ? "unimplemented"
      : this.#status === 413 ? "resource_exhausted" : this.#status === 400 ? "invalid_argument"
      : this.#status === 503 || this.#status === 502 || this.#status === 429 ? "unavailable" : "unknown";
    return expected(code, `the server answered with HTTP status ${this.#status}${shown}`,
      { remote: true, phase: "server" });
  }
}
