/**
 * A ClientEndpoint is one server as a client sees it: it keeps a connection, counts attempts, and knows
 * whether the server is fit to be picked.
 */
import type { AttemptObserver, Connect, Connection } from "../core/connection.ts";
import type { Context } from "../core/context.ts";
import { describeEndpoint, type Endpoint, type EndpointAddress, type EndpointStatus } from "../core/endpoint.ts";
import { expected, RpcError } from "../core/error.ts";
import { createLoad, type Load, type LoadReport, recordSuccess } from "../core/load.ts";
import type { Observer } from "../core/observer.ts";
import type { Picker } from "../core/picker.ts";
import type { Runtime } from "../core/runtime.ts";
import type { Timer } from "../core/alarm.ts";
import {
  type Detector, detector, type Evidence, type LoadMark, type LoadMember, type LoopGuard, type OutlierMember,
} from "../health/index.ts";
import { recordFailure } from "./failures.ts";
import { Heart, type HeartOptions, type HeartOwner } from "./heart.ts";
import { Leg, type LegOwner } from "./leg.ts";
import { tellSpent } from "./spent.ts";
import { Waiters } from "./waiters.ts";

export interface EndpointOptions extends HeartOptions {
  /** Time for a connection to open, hello included, in milliseconds. Default 3,000. */
  readonly connectTimeoutMs?: number | undefined;
  /** First and longest pause before connecting again, in milliseconds; between them it grows by 1.6. 50 and 3,000. */
  readonly reconnectMinMs?: number | undefined;
  readonly reconnectMaxMs?: number | undefined;
  /** A connection silent for so long is asked for a sign of life before a call goes out on it. Default 10,000. */
  readonly idleCheckMs?: number | undefined;
}

/** The last change of an endpoint's status. */
export interface EndpointChange {
  /** Clock time, in milliseconds. */
  readonly atMs: number;
  readonly from: EndpointStatus;
  readonly to: EndpointStatus;
  readonly why: string;
}

/** What an endpoint tells the balancer that owns it. */
export interface EndpointOwner {
  readonly observer: Observer;
  /** By what it is chosen, usually. */
  readonly picker?: Picker | undefined;
  /** Somebody's status changed: picks must look again. */
  statusChanged(endpoint: ClientEndpoint): void;
  readonly loopGuard: LoopGuard;
  /** The endpoint's answer to a ping is overdue. */
  doubted?(endpoint: ClientEndpoint): void;
  /** The endpoint has been silent for too long. */
  suspected(endpoint: ClientEndpoint, error: RpcError): void;
}

type Link =
  | { readonly state: "idle" }
  | { readonly state: "connecting"; readonly leg: Leg; readonly timer: Timer }
  | { readonly state: "open"; readonly leg: Leg }
  /** `patient`: a connection was open until now, so calls wait for the next; after a failed try they fail at once. */
  | { readonly state: "waiting"; readonly timer: Timer; readonly error: RpcError; readonly patient: boolean }
  | { readonly state: "closed" };

const idle: Link = { state: "idle" };
const defaultReconnectMinMs = 50;

export class ClientEndpoint implements Endpoint, AttemptObserver, LegOwner, HeartOwner {
  readonly #runtime: Runtime;
  readonly #connect: Connect;
  /** What a server said last when it wanted no more calls on a connection. */
  #farewell = "";
  readonly #owner: EndpointOwner;
  readonly #options: EndpointOptions;
  readonly #heart: Heart;
  readonly #waiters: Waiters;
  address: EndpointAddress;
  status: EndpointStatus = "idle";
  readonly load: Load = createLoad();
  /** The number of the last snapshot that named it. */
  snapshot = 0;
  /** What a view of many endpoints keeps with each, to find it again without a look-up. */
  viewed: unknown = undefined;
  /** What the outlier detector keeps of this endpoint, if there is one. */
  outlier: OutlierMember | undefined = undefined;
  /** What hears of the load that the server reports, if somebody does. */
  loadMember: LoadMember | undefined = undefined;
  /** Why there is no connection, since the last try failed or the last one broke; undefined while there is one. */
  connectionFailure: string | undefined = undefined;
  /** Undefined until the first change. */
  lastChange: EndpointChange | undefined = undefined;
  #link: Link = idle;
  /** The open connection: what a call reads first, so it stands apart from `#link`. */
  #open: Connection | undefined = undefined;
  /** Connections that were replaced and whose calls go on. */
  readonly #replaced = new Set<Leg>();
  #failures = 0;
  readonly #detector: Detector = detector();
  /** When a call is next preceded by a sign of life, unless something is heard before. */
  readonly #idleCheckMs: number;

  constructor(
    runtime: Runtime, connect: Connect, address: EndpointAddress, owner: EndpointOwner, options: EndpointOptions,
  ) {
    this.#runtime = runtime;
    this.#connect = connect;
    this.#owner = owner;
    this.#options = options;
    this.#idleCheckMs = options.idleCheckMs ?? 10_000;
    this.address = address;
    this.#heart = new Heart(runtime.clock, owner.loopGuard, options, this.load, this);
    this.#waiters = new Waiters(runtime.clock);
  }

  readonly call = (request: unknown, context: Context): unknown => {
    const connection = this.#open;
    if (connection === undefined) return this.#callWhenOpen(request, context);
    if (this.load.inFlight === 0) {
      const nowMs = this.#runtime.clock.now();
      const silentMs = nowMs - connection.lastReceivedMs;
      this.#heart.quicken(nowMs);
      if (silentMs > this.#idleCheckMs) return this.#callWhenAnswered(connection, request, context);
    }
    return this.#attempt(connection, request, context);
  };

  #attempt(connection: Connection, request: unknown, context: Context): unknown {
    const { load } = this;
    const isUnary = context.method.kind === "unary";
    load.inFlight++;
    load.sinceReport++;
    if (isUnary) load.outstanding.begin(context.startedMs);
    try {
      return connection.call(request, context, this);
    } catch (error) {
      load.inFlight--;
      if (isUnary) load.outstanding.end(context.startedMs);
      throw this.#label(RpcError.from(error, "internal"));
    }
  }

  #callWhenOpen(request: unknown, context: Context): unknown {
    const link = this.#link;
    if (link.state === "waiting" && !link.patient) throw this.#label(link.error);
    if (link.state === "closed") throw this.#label(removed());
    if (link.state !== "waiting") this.connect();
    return this.#afterWaiting(request, context);
  }

  /** After a long silence the connection may be dead without our knowing: ask before risking a call on it. */
  #callWhenAnswered(connection: Connection, request: unknown, context: Context): unknown {
    if (this.#waiters.size === 0 && !connection.ping()) return this.#attempt(connection, request, context);
    return this.#afterWaiting(request, context);
  }

  #afterWaiting(request: unknown, context: Context): unknown {
    const sinceMs = this.#runtime.clock.now();
    const ready = this.#waiters.wait(context).then(() => {
      context.traced().phase("connect", sinceMs, this.#runtime.clock.now());
      const connection = this.#open;
      if (connection === undefined) {
        const why = this.#farewell === "" ? "" : `: ${this.#farewell}`;
        throw expected("unavailable", `the connection closed again at once${why}`,
          { neverStarted: true, phase: "connect" });
      }
      return connection;
    }).catch((error: unknown) => {
      throw this.#label(RpcError.from(error));
    });
    const { kind } = context.method;
    if (kind === "server_stream" || kind === "bidi_stream") return this.#streamLater(ready, request, context);
    return ready.then((connection) => this.#attempt(connection, request, this.#beginning(context)));
  }

  /** The time of waiting for a connection is the call's, not the attempt's. */
  #beginning(context: Context): Context {
    return context.with({ startedMs: this.#runtime.clock.now() });
  }

  async *#streamLater(ready: Promise<Connection>, request: unknown, context: Context): AsyncGenerator {
    yield* this.#attempt(await ready, request, this.#beginning(context)) as AsyncIterable<unknown>;
  }

  /** Names the place of a failure, for people and for retries. */
  #label(error: RpcError): RpcError {
    error.endpoint ??= describeEndpoint(this.address);
    error.region ??= this.address.region;
    error.candidate ??= this;
    return error;
  }

  attemptEnded(context: Context, startedMs: number, endedMs: number, error: RpcError | undefined): void {
    const { load } = this;
    load.inFlight--;
    // How long a stream lasts is its users' affair.
    const isUnary = context.method.kind === "unary";
    if (isUnary) load.outstanding.end(startedMs);
    const tookMs = endedMs - startedMs;
    if (error === undefined) {
      recordSuccess(load, tookMs, endedMs);
      this.outlier?.succeeded(endedMs, isUnary ? tookMs : -1);
    } else {
      recordFailure(this, startedMs, endedMs, error, { isUnary, isSilent: this.#isSilent });
      if (error.code === "deadline_exceeded") tellSpent(error, context, { startedMs, endedMs }, this);
      this.#label(error);
    }
    context.onAttemptEnded?.(error);
    this.#owner.observer.attemptEnded?.(context, this.address, tookMs, error);
  }

  askLoad(): boolean {
    return this.#open?.askLoad?.() ?? false;
  }

  connect(): void {
    if (this.#link.state !== "idle" && this.#link.state !== "waiting") return;
    if (this.#link.state === "waiting") this.#link.timer.cancel();
    const timeoutMs = this.#options.connectTimeoutMs ?? 3_000;
    const timer = this.#runtime.clock.after(timeoutMs, () => {
      if (this.#link.state === "connecting") {
        this.#link.leg.connection.abort(expected("unavailable", `no connection within ${timeoutMs} ms`,
          { neverStarted: true, phase: "connect" }));
      }
    });
    const leg = new Leg(this);
    this.#link = { state: "connecting", timer, leg };
    leg.connection = this.#connect(this.#runtime, this.address.address, leg, this.address.attributes);
    this.#update("connecting");
  }

  opened(leg: Leg): void {
    if (this.#link.state !== "connecting" || this.#link.leg !== leg) return;
    this.#link.timer.cancel();
    const { connection } = leg;
    this.#link = { state: "open", leg };
    this.#open = connection;
    this.#acquitConnection();
    this.connectionFailure = undefined;
    this.loadMember?.reset();
    this.#failures = 0;
    this.load.readySinceMs = this.#runtime.clock.now();
    this.#heart.start(connection);
    this.#update("connected");
    this.#waiters.release();
  }

  draining(leg: Leg, why: string, reconnect: boolean): void {
    if (!this.#isCurrent(leg)) return;
    this.#farewell = why;
    if (reconnect && this.#link.state === "open") {
      this.#replaced.add(leg);
      this.#open = undefined;
      this.#heart.stop();
      this.#link = idle;
      // Of a server that ends every connection at once none is asked for faster than of one that cannot be reached.
      const openMs = this.#runtime.clock.now() - this.load.readySinceMs;
      if (openMs >= (this.#options.reconnectMinMs ?? defaultReconnectMinMs)) this.connect();
      else this.#retryLater(expected("unavailable", why, { neverStarted: true, phase: "connect" }), true);
      return;
    }
    this.#accuse("server", "draining", `draining: ${why}`);
  }

  #isCurrent(leg: Leg): boolean {
    const link = this.#link;
    return (link.state === "open" || link.state === "connecting") && link.leg === leg;
  }

  pinged(leg: Leg, roundTripMs: number): void {
    if (!this.#isCurrent(leg)) return;
    this.#heart.answered(roundTripMs);
    if (this.#open !== undefined) this.#waiters.release();
  }

  reported(report: LoadReport): void {
    this.load.report = report;
    this.load.sinceReport = 0;
    this.load.reportAtMs = this.#runtime.clock.now();
    this.loadMember?.reported(report);
  }

  closed(leg: Leg, error: RpcError | undefined): void {
    this.#replaced.delete(leg);
    if (!this.#isCurrent(leg)) return;
    const { state } = this.#link;
    if (state === "connecting") this.#link.timer.cancel();
    this.#open = undefined;
    this.#heart.stop();
    const reason = expected("unavailable", state === "connecting"
      ? `cannot connect: ${error?.message ?? "closed"}`
      : `the connection was lost: ${error?.message ?? "closed by the peer"}`,
      { cause: error, neverStarted: true, phase: "connect" });
    this.#acquitConnection();
    this.#retryLater(reason, state === "open");
    if (error !== undefined) {
      // The status need not change: a server that never answers well stays "connecting".
      this.#owner.observer.event?.("client.connection.failed",
        { endpoint: describeEndpoint(this.address), code: error.code, error: reason.message });
    }
    if (state === "connecting") this.#waiters.fail(reason);
  }

  #retryLater(error: RpcError, patient: boolean): void {
    this.connectionFailure = error.message;
    this.#link = { state: "waiting", error, timer: this.#reconnectLater(), patient };
    this.#update(error.message);
  }

  #reconnectLater(): Timer {
    const leastMs = this.#options.reconnectMinMs ?? defaultReconnectMinMs;
    const mostMs = this.#options.reconnectMaxMs ?? 3_000;
    const delayMs = Math.min(mostMs, leastMs * 1.6 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 64);
    // Spread over 80 to 120 %: clients that lost one server together must not come back together.
    const jitteredMs = delayMs * (0.8 + 0.4 * this.#runtime.random.next());
    return this.#runtime.clock.after(jitteredMs, () => this.connect()).unref();
  }

  /** Calls that wait for a connection, or for a sign of life on it. */
  get waiting(): number {
    return this.#waiters.size;
  }

  doubted(): void {
    this.#owner.doubted?.(this);
  }

  /** How late this process's event loop ran when it was last looked at, in milliseconds. */
  get loopLagMs(): number {
    return this.#owner.loopGuard.lagMs();
  }

  /** When anything last came from it; -Infinity while it is not connected. */
  get heardAtMs(): number {
    return this.#open?.lastReceivedMs ?? -Infinity;
  }

  /** Whether its answer to a ping is overdue. */
  isDoubted(nowMs: number): boolean {
    return this.#heart.isDoubted(nowMs);
  }

  /** Asks for a sign of life if it is idle, owes none and has been silent for so long; whether it was asked. */
  ask(nowMs: number, silentMs: number): boolean {
    return this.#open !== undefined && nowMs - this.#open.lastReceivedMs >= silentMs && this.#heart.ask(nowMs);
  }

  suspected(error: RpcError): void {
    // Nothing is lost with a connection on which nothing is in flight, and another tells sooner whether they are there.
    if (this.load.inFlight === 0 && this.waiting > 0) this.dead(error);
    else this.#owner.suspected(this, error);
  }

  /** How long the server has owed a sign of life, in milliseconds. */
  quietMs(nowMs: number): number {
    return this.#heart.quietMs(nowMs);
  }

  /** Takes it out of the picks until it is heard again. */
  suspect(why: string): void {
    this.#heart.suspect(this.#runtime.clock.now());
    this.#accuse("silence", "suspect", why);
  }

  /** Lets the calls in flight that bear a repeat be made elsewhere. */
  failRepeatable(error: RpcError): void {
    this.#open?.failRepeatable(error);
  }

  recovered(): void {
    this.#acquit("silence", "heard again");
  }

  dead(error: RpcError): void {
    this.#open?.abort(error);
  }

  /** Keeps it out of, or lets it back into, the set that is picked from, by what its calls were like. */
  eject(ejected: boolean, why: string): void {
    if (ejected) this.#accuse("outlier", "ejected", why);
    else this.#acquit("outlier", why);
  }

  /** Takes in what probes have found: undefined when it answers as it should, else what it did instead. */
  probed(failure: string | undefined): void {
    if (failure === undefined) this.#acquit("probe", "probes succeed again");
    else this.#accuse("probe", "ejected", failure);
  }

  /** Takes in what the server reports of its load: undefined when it has room. */
  marked(mark: LoadMark | undefined, why: string): void {
    if (mark === undefined) this.#acquit("load", why);
    else this.#accuse("load", mark, why);
  }

  /** Takes it out of service, or lets it back, because somebody here wants it. */
  drained(isDrained: boolean): void {
    if (isDrained) this.#accuse("operator", "draining", "drained by the operator");
    else this.#acquit("operator", "let back by the operator");
  }

  /** What is held against it now, gravest first. */
  get evidence(): readonly Evidence[] {
    return this.#detector.evidence;
  }

  /** Whether there is a connection on which calls could go out. */
  get isConnected(): boolean {
    return this.#open !== undefined;
  }

  get #isSilent(): boolean {
    return this.#detector.evidence.some(({ kind }) => kind === "silence");
  }

  /** By what it is chosen, for those who ask why. */
  get picker(): Picker | undefined {
    return this.#owner.picker;
  }

  /** Whether somebody here took it out of service. */
  get isDrained(): boolean {
    return this.#detector.evidence.some(({ kind }) => kind === "operator");
  }

  /** Whether it is being connected to for the first time, and nothing speaks against it. */
  get isNew(): boolean {
    return this.load.readySinceMs === 0 && this.#failures === 0;
  }

  #accuse(kind: Evidence["kind"], verdict: Evidence["verdict"], why: string): void {
    const before = this.#detector.verdict;
    if (this.#detector.accuse(kind, verdict, why, this.#runtime.clock.now())) this.#judged(before, why);
  }

  #acquit(kind: Evidence["kind"], why: string): void {
    const before = this.#detector.verdict;
    if (this.#detector.acquit(kind)) this.#judged(before, why);
  }

  /** What was held against a connection went with it. */
  #acquitConnection(): void {
    this.#detector.acquit("silence");
    this.#detector.acquit("server");
  }

  #judged(before: Detector["verdict"], why: string): void {
    const { verdict, evidence } = this.#detector;
    // Who was kept out for how it behaved begins again with little; a suspicion that was wrong costs nothing.
    const wasOut = before === "ejected" || before === "busy" || before === "draining";
    if (verdict === "fit" && wasOut) this.load.returnedAtMs = this.#runtime.clock.now();
    this.#update(why);
    this.#owner.observer.event?.("endpoint.judged", {
      endpoint: describeEndpoint(this.address), from: before, to: verdict, status: this.status, why,
      evidence: evidence.map((one) => `${one.kind}: ${one.why}`),
    });
  }

  close(graceMs = 0): void {
    const link = this.#link;
    if (link.state === "closed") return;
    this.#link = { state: "closed" };
    this.#open = undefined;
    this.#heart.stop();
    if (link.state === "connecting" || link.state === "waiting") link.timer.cancel();
    if (link.state === "connecting" || link.state === "open") link.leg.connection.close(graceMs);
    for (const leg of this.#replaced) leg.connection.close(graceMs);
    this.#replaced.clear();
    this.#update("removed");
    this.#waiters.fail(removed());
  }

  #update(why: string): void {
    const status = this.#statusNow();
    if (status === this.status) return;
    this.lastChange = { atMs: this.#runtime.clock.now(), from: this.status, to: status, why };
    this.status = status;
    this.loadMember?.serves(status === "ready" || status === "busy" || status === "idle");
    this.#owner.statusChanged(this);
    this.#owner.observer.endpointChanged?.(this.address, status, why);
  }

  #statusNow(): EndpointStatus {
    switch (this.#link.state) {
      case "idle": return "idle";
      case "connecting": return "connecting";
      case "waiting": return "connecting";
      case "closed": return "closed";
      case "open": return this.#detector.verdict === "fit" ? "ready" : this.#detector.verdict;
    }
  }
}

function removed(): RpcError {
  return expected("unavailable", "the endpoint is closed: discovery no longer names it, or its client was closed",
    { neverStarted: true, phase: "connect" });
}
