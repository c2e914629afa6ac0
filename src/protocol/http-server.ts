/**
 * The server half of every protocol over HTTP: finds the dialect of each request, what serves it, and why not; the
 * calls themselves are in `http-server-call.ts`.
 */
import { Alarm } from "../core/alarm.ts";
import type { ContextFields } from "../core/context.ts";
import { Context } from "../core/context.ts";
import { expected, RpcError } from "../core/error.ts";
import { endIsTold } from "../core/gate.ts";
import { emptyMetadata, type Metadata } from "../core/metadata.ts";
import { type Carrier, type Exchange, Head, type HttpHandler, type HttpSink } from "../http/message.ts";
import type { Coder } from "../contract/codec.ts";
import type { Compression } from "../wire/compression.ts";
import type { End, Framing, Reply, RequestHead, ServerDialect } from "./dialect.ts";
import type { Budget } from "./envelope.ts";
import { compressionNamed, sendReply } from "./http-message.ts";
import { Remainder } from "./http-remainder.ts";
import { HttpServerCall } from "./http-server-call.ts";
import { type HttpProtocolSettings, resolveHttpProtocolSettings } from "./http-settings.ts";
import { loadReportName, loadWantedFormat, loadWantedName, writeLoadReport } from "./orca.ts";
import type { Route, Serving } from "./router.ts";

export interface ServeHttpOptions {
  /** Asked in this order whether they claim a request. */
  readonly dialects: readonly ServerDialect[];
  readonly settings?: Partial<HttpProtocolSettings> | undefined;
  /** What can be decompressed, and is used for replies where the caller accepts it. Default none. */
  readonly compressions?: readonly Compression[] | undefined;
  /** Serves requests that no dialect claims. Default: 405 or 415, naming what is served. */
  readonly fallback?: HttpHandler | undefined;
}

/** Makes the handler of HTTP requests of one server. */
export function serveHttp(serving: Serving, options: ServeHttpOptions): HttpHandler {
  const server = new HttpServing(serving, options);
  return (request, exchange, last) => server.begin(request, exchange, last);
}

/** What all exchanges of one server's handler share. */
export class HttpServing {
  readonly serving: Serving;
  readonly settings: HttpProtocolSettings;
  readonly compressions: readonly Compression[];
  readonly #names: readonly string[];
  readonly #dialects: readonly ServerDialect[];
  readonly #fallback: HttpHandler | undefined;

  constructor(serving: Serving, options: ServeHttpOptions) {
    this.serving = serving;
    this.settings = resolveHttpProtocolSettings(options.settings);
    this.compressions = options.compressions ?? [];
    this.#names = this.compressions.map((one) => one.name);
    this.#dialects = options.dialects;
    this.#fallback = options.fallback;
  }

  begin(head: Head, exchange: Exchange, last: boolean): HttpSink {
    const memo = head.memo;
    const reading = memo instanceof Reading && memo.server === this ? memo : this.#read(head, exchange);
    if (reading === undefined) return (this.#fallback as HttpHandler)(head, exchange, last);
    const { carrier } = exchange;
    const state = carrier.memo instanceof CarrierState ? carrier.memo : new CarrierState(this, carrier);
    if (reading.reply !== undefined) return this.#answerAtOnce(reading.reply, head, exchange, last);
    const { route, request } = reading;
    const receivedMs = carrier.lastReceivedMs;
    const deadline = request?.timeoutMs === undefined ? Infinity : receivedMs + request.timeoutMs;
    const refusal = reading.error ?? state.refusal(deadline);
    if (refusal !== undefined || route === undefined || request === undefined) {
      return this.#refuse(reading, head, refusal ?? unserved, exchange, last);
    }
    const context = new Context(route.method, receivedMs, deadline, reading.fields);
    context.peer = carrier.from;
    if (this.serving.gate !== undefined) context.atWork = endIsTold;
    if (route.gate?.isShut === true) {
      const shed = route.gate.refuse(context);
      // Without an event: there may be thousands a second, and admission tells of them all together.
      if (shed !== undefined) {
        return this.answer(reading.dialect.refusal(request, head, shed, undefined, route.coders), exchange, last);
      }
    }
    state.begun();
    const call = new HttpServerCall(state, reading, head, exchange, context);
    call.begin(last);
    return call;
  }

  /** The request is none that could be a call here: the operator should know why. */
  #answerAtOnce(reply: Reply, head: Head, exchange: Exchange, last: boolean): HttpSink {
    this.serving.observer.event?.("server.call.refused", {
      peer: exchange.peer, method: head.path.slice(1, maxPathChars), status: reply.head.status,
      error: reply.body === undefined ? undefined : new TextDecoder().decode(reply.body).trimEnd(),
    });
    return this.answer(reply, exchange, last);
  }

  /** Sends a whole reply. What still comes of the request is passed over. */
  answer(reply: Reply, exchange: Exchange, last: boolean): HttpSink {
    sendReply(exchange, reply);
    return new Remainder(this.serving.runtime.clock, exchange, last);
  }

  #refuse(reading: Reading, head: Head, refusal: RpcError, exchange: Exchange, last: boolean): HttpSink {
    this.serving.observer.event?.("server.call.refused", {
      peer: exchange.peer, method: reading.route?.method.path, code: refusal.code, error: refusal.message,
    });
    const { dialect, request, route } = reading;
    return this.answer(dialect.refusal(request, head, refusal, undefined, route?.coders), exchange, last);
  }

  /** Undefined if the fallback is to serve it. */
  #read(head: Head, exchange: Exchange): Reading | undefined {
    const dialect = this.#dialects.find((one) => one.claims(head));
    if (dialect === undefined) {
      if (this.#fallback !== undefined) return undefined;
      return head.memo = new Reading(this, nobody, { reply: this.#unclaimed(head) });
    }
    if (exchange.version === 1 && !dialect.http1) {
      return head.memo = new Reading(this, dialect, { reply: plain(505, `${dialect.name} needs HTTP/2`) });
    }
    const request = dialect.read(head, this.#names);
    if (RpcError.is(request)) return head.memo = new Reading(this, dialect, { error: request });
    if ("head" in request) return head.memo = new Reading(this, dialect, { reply: request });
    const route = this.serving.router({
      path: request.path, codec: request.codec, kind: request.kind, idempotent: false, criticality: "default",
      isDecoded: request.reply !== undefined,
    });
    // Not kept: what is not served yet may be served later, and a memory of its refusal is worth nothing.
    if (RpcError.is(route)) return new Reading(this, dialect, { request, error: route });
    // A link, a crawler or a cache may repeat what is asked without a body.
    if (request.message !== undefined && route.method.safe !== true) {
      const why = `${request.path} may have side effects: call it by POST`;
      return head.memo = new Reading(this, dialect, { reply: plain(405, why, { allow: "POST" }) });
    }
    const compression = compressionNamed(this.compressions, request.compression);
    if (request.compression !== undefined && compression === undefined) {
      return head.memo = new Reading(this, dialect, { request, route, error: this.#unknownCompression(request) });
    }
    const wantsLoad = head.fields[loadWantedName] === loadWantedFormat;
    try {
      return head.memo = new Reading(this, dialect, { request, route, compression, wantsLoad });
    } catch (error) {
      // A type that the codec of one side cannot say.
      return head.memo = new Reading(this, dialect, { request, route, error: RpcError.from(error, "internal") });
    }
  }

  #unknownCompression({ compression }: RequestHead): RpcError {
    return expected("unimplemented", `compression ${JSON.stringify(compression?.slice(0, 64))} is not supported ` +
      `here; supported: ${["identity", ...this.#names].join(", ")}`, { neverStarted: true, retryable: false });
  }

  /** What is said to a request in none of the languages spoken here. */
  #unclaimed(head: Head): Reply {
    const types = this.#dialects.flatMap((one) => one.contentTypes).join(", ");
    const { origin } = head.fields;
    if (head.method === "OPTIONS" && origin !== undefined) {
      return plain(403, `pages of ${JSON.stringify(origin.slice(0, 256))} may not call this server: ` +
        "list the origin in http.cors.origins");
    }
    if (head.method !== "POST") {
      return plain(405, `${head.method.slice(0, 16)} is not served here: calls are made by POST`, { allow: "POST" });
    }
    return plain(415, `content type ${JSON.stringify(head.fields["content-type"]?.slice(0, 64) ?? "")} is not ` +
      `served here; served: ${types}`, { "accept-post": types });
  }
}

/** So much of a path is told to observers. */
const maxPathChars = 256;
const unserved = new RpcError("internal", "the request has no route");

/** Stands for the dialect of requests that are in none. */
const nobody = { name: "none" } as ServerDialect;

function plain(status: number, text: string, fields: Readonly<Record<string, string>> = {}): Reply {
  const body = new TextEncoder().encode(`${text}\n`);
  return {
    head: new Head(Object.assign(Object.create(null) as Record<string, string>, {
      "content-type": "text/plain; charset=utf-8", "content-length": String(body.length), ...fields,
    }), status),
    body,
  };
}

interface ReadingFields {
  readonly reply?: Reply;
  readonly error?: RpcError;
  readonly request?: RequestHead;
  readonly route?: Route;
  readonly compression?: Compression | undefined;
  readonly wantsLoad?: boolean;
}

/** What was made of a request's head: kept with it, since the next call of its kind has the same head. */
export class Reading {
  readonly server: HttpServing;
  readonly dialect: ServerDialect;
  /** A whole answer that needs no call. */
  readonly reply: Reply | undefined;
  /** Why no such call can be served. */
  readonly error: RpcError | undefined;
  readonly request: RequestHead | undefined;
  readonly route: Route | undefined;
  /** What the request's messages are compressed with. */
  readonly compression: Compression | undefined;
  /** What the reply's messages may be compressed with. */
  readonly replyCompression: Compression | undefined;
  /** Whether the caller reads load reports. */
  readonly wantsLoad: boolean;
  /** What contexts take from the head; undefined when there is nothing. */
  readonly fields: ContextFields | undefined;
  /** How the messages of both ways are coded and lie in their bodies. */
  readonly requestCoder: Coder | undefined;
  readonly replyCoder: Coder | undefined;
  readonly replyFraming: Framing;
  /** The head and end of an enveloped success without metadata, once one was made. */
  okHead: Head | undefined = undefined;
  okEnd: End | undefined = undefined;

  constructor(server: HttpServing, dialect: ServerDialect, read: ReadingFields) {
    const { request } = read;
    this.server = server;
    this.dialect = dialect;
    this.reply = read.reply;
    this.error = read.error;
    this.request = request;
    this.route = read.route;
    this.compression = read.compression;
    this.wantsLoad = read.wantsLoad ?? false;
    this.replyCompression = replyCompression(server.compressions, dialect, request, read.compression);
    this.fields = request === undefined ? undefined : fieldsOf(request);
    const coders = read.error === undefined ? read.route?.coders : undefined;
    this.replyFraming = request?.reply?.framing ?? request?.framing ?? "bare";
    this.requestCoder = coders && (request?.requestCoder?.(coders) ?? coders.request);
    this.replyCoder = coders && (request?.reply === undefined ? coders.response : request.reply.coder(coders));
  }

  /** What writes the messages of one stream: lines may be numbered. */
  streamCoder(): Coder {
    const { reply } = this.request as RequestHead;
    const { coders } = this.route as Route;
    return reply === undefined ? coders.response : reply.coder(coders);
  }
}

/** What a caller compresses with it can read too; what else, it says. */
function replyCompression(
  compressions: readonly Compression[], dialect: ServerDialect, request: RequestHead | undefined,
  own: Compression | undefined,
): Compression | undefined {
  if (request === undefined) return undefined;
  const { accepts } = request;
  if (dialect.mirrorsCompression === true && (own === undefined || accepts.length === 0)) return own;
  if (own !== undefined && accepts.includes(own.name)) return own;
  for (const name of accepts) {
    const found = compressionNamed(compressions, name);
    if (found !== undefined || name === "identity") return found;
  }
  return undefined;
}

function fieldsOf(request: RequestHead): ContextFields | undefined {
  const { metadata, idempotencyKey, routeKey, hops, attempt, priorAttempts } = request;
  if (metadata === emptyMetadata && idempotencyKey === undefined && routeKey === undefined && hops === 0 &&
    attempt === 0 && priorAttempts === 0) return undefined;
  return { metadata, idempotencyKey, routeKey, hops, attempt, priorAttempts };
}

/** A call of whose message nothing has come after so long is watched by an alarm of its own. */
const watchMs = 1_000;

/** At most so often does a connection carry a load report. */
const reportIntervalMs = 100;

/**
 * What one server keeps of a connection: limits over all its calls. As an alarm it looks after the call that was begun
 * last, as long as nothing has come of its message.
 */
export class CarrierState extends Alarm implements Budget {
  readonly server: HttpServing;
  readonly #carrier: Carrier;
  /** Handlers at work: also those whose callers have gone. */
  #handling = 0;
  unfinishedBytes = 0;
  readonly maxUnfinishedBytes: number;
  /** Bytes of replies that wait for the caller to take them. */
  tailBytes = 0;
  #reportedMs = -Infinity;
  /** The clock as last read for this connection: at most a handler's run old. */
  #nowMs = 0;
  #silent: HttpServerCall | undefined = undefined;

  constructor(server: HttpServing, carrier: Carrier) {
    super();
    this.keepsAlive = false;
    this.server = server;
    this.#carrier = carrier;
    this.maxUnfinishedBytes = server.settings.maxUnfinishedBytes;
    carrier.memo = this;
  }

  /** Why a request is not even decoded. All of these are certain not to have reached a handler. */
  refusal(deadline: number): RpcError | undefined {
    const { settings, serving } = this.server;
    // Handlers, not open calls: or whoever cancels what it began could begin without end.
    if (this.#handling >= settings.maxConcurrentCalls) {
      return expected("resource_exhausted",
        `more than ${settings.maxConcurrentCalls} calls on one connection (maxConcurrentCalls)`,
        { neverStarted: true });
    }
    const { admission } = serving;
    if (admission.inFlight >= admission.maxInFlight) {
      return expected("resource_exhausted", `the server is handling ${admission.inFlight} calls (maxInFlight)`,
        { neverStarted: true });
    }
    // Work whose deadline passed while it waited would be done for nobody.
    if (deadline < Infinity && Math.max(this.#nowMs, this.#carrier.lastReceivedMs) >= deadline) {
      return expected("deadline_exceeded", "the deadline passed before the call was begun",
        { neverStarted: true, retryable: false });
    }
    return undefined;
  }

  begun(): void {
    this.server.serving.admission.inFlight++;
    this.#handling++;
  }

  /**
   * A call has begun whose message is to come. It mostly has when the next one begins, or a little later: so an alarm
   * per call, which costs more than this, is only set for those of which nothing has come until then.
   */
  awaits(call: HttpServerCall): void {
    this.#silent?.watch();
    this.#silent = call;
    const { serving: { runtime: { clock } }, settings } = this.server;
    if (!this.isSet) clock.set(this, this.#carrier.lastReceivedMs + Math.min(watchMs, settings.stallTimeoutMs));
  }

  ring(): void {
    this.#silent?.watch();
    this.#silent = undefined;
  }

  /** The handler of a call has finished, whether or not anybody still waits for it. */
  count(context: Context, startedMs: number, error: RpcError | undefined): void {
    const { serving } = this.server;
    serving.admission.inFlight--;
    this.#handling--;
    this.#nowMs = serving.runtime.clock.now();
    if (context.atWork > 0) serving.gate?.ended(context, this.#nowMs, error);
    serving.observer.handled?.(context, this.#nowMs - startedMs, error);
  }

  /** Throws if so much more of a reply could not wait for the caller to take it. */
  checkTail(bytes: number): void {
    if (this.tailBytes + bytes <= this.maxUnfinishedBytes) return;
    throw expected("resource_exhausted",
      `${this.maxUnfinishedBytes} bytes of replies wait for the caller to take them (maxUnfinishedBytes)`,
      { phase: "server" });
  }

  /** `trailer`, with the load report when one is due and the caller reads it. */
  withLoad(trailer: Metadata | undefined, { wantsLoad }: Reading): Metadata | undefined {
    if (!wantsLoad) return trailer;
    const nowMs = this.#carrier.lastReceivedMs;
    if (this.#reportedMs > nowMs - reportIntervalMs) return trailer;
    const load = this.server.serving.load(1);
    if (load === undefined) return trailer;
    this.#reportedMs = nowMs;
    return { ...trailer, [loadReportName]: writeLoadReport(load) };
  }
}
