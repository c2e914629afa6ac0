/** The client half of every protocol over HTTP: one connection that many calls share. */
import type { AttemptObserver, Connect, Connection, ConnectionEvents } from "../core/connection.ts";
import type { Context } from "../core/context.ts";
import { expected, type RpcError } from "../core/error.ts";
import type { Metadata } from "../core/metadata.ts";
import type { MethodInfo } from "../core/method.ts";
import type { Clock, Runtime } from "../core/runtime.ts";
import type { MethodCoders } from "../contract/coders.ts";
import type { HttpConnect, HttpConnection, HttpConnectionEvents } from "../http/message.ts";
import type { Compression } from "../wire/compression.ts";
import type { ClientDialect, Target } from "./dialect.ts";
import { CallList, type ListedCall } from "./http-call-list.ts";
import { HttpStreamCall } from "./http-client-stream.ts";
import { HttpUnaryCall } from "./http-client-unary.ts";
import { compressionNamed } from "./http-message.ts";
import { type HttpProtocolSettings, resolveHttpProtocolSettings } from "./http-settings.ts";
import { loadReportName, readLoadReport } from "./orca.ts";

export interface HttpProtocolOptions {
  /** Compiles, or finds, the coders of a method. */
  readonly coders: (method: MethodInfo) => MethodCoders;
  /** What can be decompressed, best first. */
  readonly compressions?: readonly Compression[] | undefined;
  /**
   * The name of one of them to compress requests with, until the server says that it cannot read it. Default: none,
   * since within a data centre compression costs more time than it saves.
   */
  readonly requestCompression?: string | undefined;
  readonly settings?: Partial<HttpProtocolSettings> | undefined;
  /** The host that requests name. Default: the endpoint's address. */
  readonly authority?: string | undefined;
  /** Whether requests name the scheme `https`. Default false. */
  readonly secure?: boolean | undefined;
}

/** Connects endpoints by `dialect` over the HTTP connections that `http` makes. */
export function httpProtocol(dialect: ClientDialect, http: HttpConnect, options: HttpProtocolOptions): Connect {
  const settings = resolveHttpProtocolSettings(options.settings);
  return (runtime, address, events) =>
    new HttpClientConnection(runtime, address, events, { dialect, http, options, settings });
}

interface Parts {
  readonly dialect: ClientDialect;
  readonly http: HttpConnect;
  readonly options: HttpProtocolOptions;
  readonly settings: HttpProtocolSettings;
}

/** A method as a connection calls it, with the compression by name and in deed. */
export interface BoundTarget extends Target {
  readonly compressor: Compression | undefined;
}

/** While a ping is unanswered, no other follows within so many milliseconds. */
const leastPingGapMs = 20;

export class HttpClientConnection implements Connection, HttpConnectionEvents {
  readonly clock: Clock;
  readonly dialect: ClientDialect;
  readonly settings: HttpProtocolSettings;
  readonly compressions: readonly Compression[];
  readonly http: HttpConnection;
  readonly #events: ConnectionEvents;
  readonly #options: HttpProtocolOptions;
  readonly #scheme: string;
  readonly #authority: string;
  readonly #accepts: readonly string[];
  /** By method ordinal. */
  #targets: (BoundTarget | undefined)[] = [];
  #compression: Compression | undefined;
  /** Calls whose requests have been sent, and those that wait for the peer to take more. */
  readonly active = new CallList();
  readonly #waiting = new CallList();
  #state: "connecting" | "open" | "closing" | "closed" = "connecting";
  /** When a ping left that has not been answered. */
  #pingedMs = -Infinity;

  constructor(runtime: Runtime, address: string, events: ConnectionEvents, parts: Parts) {
    const { options } = parts;
    this.clock = runtime.clock;
    this.dialect = parts.dialect;
    this.settings = parts.settings;
    this.compressions = options.compressions ?? [];
    this.#events = events;
    this.#options = options;
    this.#scheme = options.secure === true ? "https" : "http";
    this.#authority = options.authority ?? (address.startsWith("unix:") ? "localhost" : address);
    this.#accepts = this.compressions.map((one) => one.name);
    this.#compression = compressionNamed(this.compressions, options.requestCompression);
    this.http = parts.http(runtime, address, this);
  }

  get inFlight(): number {
    return this.active.size + this.#waiting.size;
  }

  get lastReceivedMs(): number {
    return this.http.lastReceivedMs;
  }

  get pingsSparingly(): boolean {
    return this.http.pingsSparingly;
  }

  ping(): boolean {
    if (this.#state === "connecting" || this.#state === "closed") return true;
    // One answer serves all who ask at the same time: calls that end a long silence, endpoints that share this.
    const nowMs = this.clock.now();
    if (nowMs - this.#pingedMs < leastPingGapMs) return true;
    // A peer that bears no more still owes the answer to the last: refused, the question has been asked all the same.
    if (!this.http.ping()) return this.#pingedMs > this.http.lastReceivedMs;
    this.#pingedMs = nowMs;
    return true;
  }

  call(request: unknown, context: Context, observer: AttemptObserver): unknown {
    if (this.#state !== "open") {
      throw expected("unavailable", "the connection takes no calls", { neverStarted: true, phase: "connect" });
    }
    if (context.cancelReason !== undefined) throw context.cancelReason;
    const target = this.#targets[context.method.ordinal] ?? this.#bind(context.method);
    return context.method.kind === "unary"
      ? new HttpUnaryCall(this, target, context, observer).start(request)
      : new HttpStreamCall(this, target, context, observer).start(request);
  }

  #bind(method: MethodInfo): BoundTarget {
    const target: BoundTarget = {
      method, coders: this.#options.coders(method), scheme: this.#scheme, authority: this.#authority,
      compression: this.#compression?.name, compressor: this.#compression, accepts: this.#accepts, memo: undefined,
    };
    this.#targets[method.ordinal] = target;
    return target;
  }

  /** Whether a request may leave now; those that wait go first. */
  get mayCall(): boolean {
    return this.#waiting.size === 0 && this.http.available;
  }

  /** Keeps a call until the peer takes more. Throws when too many wait. */
  wait(call: ListedCall): void {
    const { maxWaitingCalls } = this.settings;
    if (this.#waiting.size >= maxWaitingCalls) {
      throw expected("resource_exhausted", `${maxWaitingCalls} calls wait on this connection until the server takes ` +
        "more at once (maxWaitingCalls)", { neverStarted: true, phase: "queue" });
    }
    this.#waiting.add(call);
  }

  /** The server told what it can decompress: what it cannot is used no more. */
  serverAccepts(names: readonly string[]): void {
    if (this.#compression === undefined || names.includes(this.#compression.name)) return;
    this.#compression = undefined;
    // Targets are bound anew; what was bound before serves the calls that have it.
    this.#targets = [];
  }

  /** Takes the load report out of trailing metadata, and tells of it. */
  withoutLoad(trailer: Metadata): Metadata {
    const text = trailer[loadReportName];
    if (text === undefined) return trailer;
    const report = readLoadReport(text);
    if (report !== undefined) this.#events.reported(report);
    const { [loadReportName]: _, ...rest } = trailer;
    return rest;
  }

  opened(): void {
    this.#state = "open";
    this.#events.opened();
  }

  available(): void {
    while (this.http.available) {
      const call = this.#waiting.first;
      if (call === undefined) return;
      this.#waiting.remove(call);
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
    for (const call of this.#waiting.all()) {
      call.fail(expected("unavailable", why, { neverStarted: true, phase: "queue" }));
    }
  }

  pinged(roundTripMs: number): void {
    this.#pingedMs = -Infinity;
    this.#events.pinged(roundTripMs);
  }

  close(graceMs: number): void {
    if (this.#state === "closed") return;
    this.#state = "closing";
    this.#failWaiting("the connection was closed before the call was sent");
    this.http.close(graceMs);
  }

  failRepeatable(error: RpcError): void {
    for (const call of [...this.active.all(), ...this.#waiting.all()]) {
      if (call.repeatable) call.abandon(expected(error.code, error.message, { phase: "network", retryable: true }));
    }
  }

  abort(error: RpcError): void {
    this.http.abort(error);
  }
}
