/**
 * The client's side of wires that POST one message as a request's body and are answered by one: a connection whose
 * calls wait for the server's leave to go, and a call that gathers its reply whole.
 */
import type { AttemptObserver, Connection, ConnectionEvents } from "../core/connection.ts";
import type { Context } from "../core/context.ts";
import { expected, RpcError } from "../core/error.ts";
import type { Clock, Runtime } from "../core/runtime.ts";
import type { MethodCoders } from "../contract/coders.ts";
import type {
  Exchange, Head, HttpConnect, HttpConnection, HttpConnectionEvents, HttpSink,
} from "../http/message.ts";
import { OpenCall, type OpenCallOwner } from "./open-call.ts";
import { WholeBody } from "./whole-body.ts";

export interface WholeClientSettings {
  /** As users know the wire. */
  readonly name: string;
  readonly http: HttpConnect;
  readonly maxConcurrentCalls: number;
  readonly maxMessageBytes: number;
  /** What a body may have above its message. Default: 0. */
  readonly besideBytes?: number;
}

export abstract class WholeConnection<Call extends WholeCall> implements Connection, HttpConnectionEvents,
  OpenCallOwner {
  readonly clock: Clock;
  readonly settings: WholeClientSettings;
  readonly http: HttpConnection;
  readonly authority: string;
  readonly #events: ConnectionEvents;
  readonly #calls = new Set<Call>();
  /** Calls that wait until the server takes more at once. */
  readonly #waiting = new Set<Call>();
  #state: "connecting" | "open" | "closing" | "closed" = "connecting";

  constructor(runtime: Runtime, address: string, events: ConnectionEvents, settings: WholeClientSettings) {
    this.clock = runtime.clock;
    this.settings = settings;
    this.#events = events;
    this.authority = address.startsWith("unix:") ? "localhost" : address;
    this.http = settings.http(runtime, address, this);
  }

  /** A call of a unary method. Throws when its request cannot be encoded. */
  protected abstract open(request: unknown, context: Context, observer: AttemptObserver): Call;

  get inFlight(): number {
    return this.#calls.size;
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
    const { maxConcurrentCalls, name } = this.settings;
    if (method.kind !== "unary") {
      throw new RpcError("unimplemented", `${method.path} is a ${method.kind}, which ${name} cannot carry: its ` +
        "messages have one request and one response", { neverStarted: true, retryable: false });
    }
    if (this.#calls.size >= maxConcurrentCalls) {
      throw expected("resource_exhausted", `${maxConcurrentCalls} calls are in flight on this connection ` +
        "(maxConcurrentCalls)", { neverStarted: true, phase: "queue" });
    }
    const call = this.open(request, context, observer);
    this.#calls.add(call);
    const answer = call.wait();
    this.sendWhenAvailable(call);
    return answer;
  }

  /** Sends a call, now or once the server takes more. */
  sendWhenAvailable(call: Call): void {
    if (this.http.available) call.send();
    else this.#waiting.add(call);
  }

  ended(call: OpenCall): void {
    this.#calls.delete(call as Call);
    this.#waiting.delete(call as Call);
  }

  takenBack(call: OpenCall): void {
    (call as Call).exchange?.reset("cancel");
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
    // Of this connection alone: the server may take others.
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
    for (const call of this.#calls) {
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

/** What a call asks of its connection. */
interface WholeCallOwner extends OpenCallOwner {
  readonly http: HttpConnection;
  readonly settings: WholeClientSettings;
}

export abstract class WholeCall extends OpenCall implements HttpSink {
  exchange: Exchange | undefined = undefined;
  readonly #owner: WholeCallOwner;
  readonly #body: WholeBody;
  #head: Head | undefined = undefined;

  constructor(owner: WholeCallOwner, coders: MethodCoders, context: Context, observer: AttemptObserver) {
    super(owner, 0, coders, context, observer);
    this.#owner = owner;
    const { maxMessageBytes, besideBytes = 0 } = owner.settings;
    this.#body = new WholeBody(maxMessageBytes + besideBytes);
  }

  /** Sends its request: by {@link post}, once. */
  protected abstract begin(): void;

  /** The reply's whole body, of status 200. */
  protected abstract replied(head: Head, body: Uint8Array): void;

  /** Sends the call, perhaps again. */
  send(): void {
    this.#head = undefined;
    try {
      this.begin();
    } catch (error) {
      this.fail(RpcError.from(error, "internal"));
    }
  }

  protected post(head: Head, body: Uint8Array): void {
    this.exchange = this.#owner.http.request(head, false, this);
    this.exchange.begin().writeBytes(body);
    this.exchange.end(true);
  }

  head(head: Head, last: boolean): void {
    this.#head = head;
    if (last) this.#complete(this.#body.end());
  }

  data(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    this.exchange?.consumed(end - start);
    let body: Uint8Array | undefined;
    try {
      body = this.#body.add(bytes, start, end, last);
    } catch (cause) {
      const { maxMessageBytes } = this.#owner.settings;
      this.exchange?.reset("cancel");
      this.fail(expected("resource_exhausted", `the reply has more than ${maxMessageBytes} bytes (maxMessageBytes)`,
        { cause, phase: "decode" }));
      return;
    }
    if (body !== undefined) this.#complete(body);
  }

  trailers(): void {
    this.#complete(this.#body.end());
  }

  writable(): void {
    // A request is one piece.
  }

  failed(error: RpcError): void {
    this.#body.drop();
    this.fail(expected("unavailable", `the connection was lost before the reply: ${error.message}`, {
      cause: error, phase: "network", retryable: true, neverStarted: error.neverStarted,
    }));
  }

  #complete(body: Uint8Array): void {
    const head = this.#head;
    if (head?.status === 200) this.replied(head, body);
    else this.refused(refusal(head, body));
  }

  /** Another status than 200. */
  protected refused(error: RpcError): void {
    this.fail(error);
  }

  /** The reply is no message. */
  protected unreadable(cause: RpcError): void {
    this.fail(expected("internal", `the reply cannot be read: ${cause.message}`,
      { cause, phase: "decode", retryable: false }));
  }
}

/** Of what is no message so much is told. */
const maxShownChars = 200;

function refusal(head: Head | undefined, body: Uint8Array): RpcError {
  const status = head?.status ?? 0;
  const isText = head?.fields["content-type"]?.startsWith("text/") === true;
  const shown = isText ? `: ${new TextDecoder().decode(body).slice(0, maxShownChars).trim()}` : "";
  const code = status === 404 || status === 405 || status === 415 ? "unimplemented"
    : status === 413 ? "resource_exhausted" : status === 400 ? "invalid_argument"
    : status === 429 || status === 502 || status === 503 ? "unavailable" : "unknown";
  return expected(code, `the server answered with HTTP status ${status}${shown}`, { remote: true, phase: "server" });
}
