/**
 * The client half of HTTP/1.1: one connection is a small set of sockets to one address, made as they are needed.
 *
 * To its owner it behaves as one connection of HTTP/2 does. A socket that closes between two exchanges is no loss, for
 * that is how HTTP/1.1 ends them; that none can be made any more is.
 */
import { Alarm } from "../../core/alarm.ts";
import { expected, type RpcError } from "../../core/error.ts";
import type { Clock, Runtime, Security } from "../../core/runtime.ts";
import type { Timer } from "../../core/alarm.ts";
import type {
  Exchange, Head, HttpConnect, HttpConnection, HttpConnectionEvents, HttpSink,
} from "../message.ts";
import { ClientSocket, type SocketOwner } from "./client-socket.ts";
import { misuse } from "./exchange.ts";
import { SentHeads } from "./sent-heads.ts";
import { type Http1ClientSettings, resolveClientSettings } from "./settings.ts";
import { encodeRequestHead } from "./write-head.ts";

export interface Http1ConnectOptions {
  readonly settings?: Partial<Http1ClientSettings> | undefined;
  /** How sockets are secured; `http/1.1` is offered. Default: not at all. */
  readonly security?: Security | undefined;
}

/** Makes the opener of HTTP/1.1 connections. */
export function http1Connect(options: Http1ConnectOptions = {}): HttpConnect {
  const settings = resolveClientSettings(options.settings);
  const security = options.security?.offering(["http/1.1"]);
  return (runtime, address, events) => new Http1Connection(runtime, address, events, settings, security);
}

/** A server that closes a fresh, unused socket within this time does not want us, in milliseconds. */
const reopenMs = 1_000;
/** A socket is given up so long before the server does: a request must not meet its close half way. */
const keepAliveMarginMs = 1_000;

class Http1Connection implements HttpConnection, SocketOwner {
  readonly peer: string;
  memo: unknown = undefined;
  readonly settings: Http1ClientSettings;
  readonly clock: Clock;
  readonly #heads = new SentHeads(encodeRequestHead);
  readonly pingsSparingly = false;
  lastReceivedMs: number;
  readonly #runtime: Runtime;
  readonly #events: HttpConnectionEvents;
  readonly #security: Security | undefined;
  readonly #sockets = new Set<ClientSocket>();
  /** Open and unused, the one used last at the end. */
  readonly #free: ClientSocket[] = [];
  /** The socket being opened as a sign of life. */
  #probe: ClientSocket | undefined = undefined;
  readonly #expiry: Expiry;
  inFlight = 0;
  #isOpened = false;
  #isClosed = false;
  /** Whether no more requests are taken: asked to close, or the server cannot be reached any more. */
  #isLeaving = false;
  #wasAvailable = false;
  #failure: RpcError | undefined = undefined;
  #graceTimer: Timer | undefined = undefined;
  #probedMs: number;

  constructor(
    runtime: Runtime, address: string, events: HttpConnectionEvents, settings: Http1ClientSettings,
    security: Security | undefined,
  ) {
    this.#runtime = runtime;
    this.clock = runtime.clock;
    this.peer = address;
    this.#events = events;
    this.settings = settings;
    this.#security = security;
    this.#expiry = new Expiry(() => this.#expire());
    this.lastReceivedMs = this.#probedMs = runtime.clock.now();
    this.#openProbe();
  }

  get available(): boolean {
    return this.#isOpened && !this.#isLeaving && this.inFlight < this.settings.maxSockets;
  }

  request(head: Head, last: boolean, sink: HttpSink): Exchange {
    if (!this.available) {
      throw expected("unavailable", this.#isLeaving || !this.#isOpened ? "the connection is not open"
        : `${this.settings.maxSockets} exchanges are under way (maxSockets)`, { neverStarted: true, phase: "queue" });
    }
    const sent = this.#heads.find(head);
    if (last && sent.contentLength > 0) {
      throw misuse(`a request without body, but with content-length ${sent.contentLength}`);
    }
    const exchange = this.#take().request(head, sent, last, sink);
    this.inFlight++;
    this.#wasAvailable = this.available;
    return exchange;
  }

  /** The socket used last, since the server closes the others first; or a new one. */
  #take(): ClientSocket {
    const nowMs = this.clock.now();
    for (let socket = this.#free.pop(); socket !== undefined; socket = this.#free.pop()) {
      // The alarm may be late; the server's is not.
      if (this.#expiresMs(socket) > nowMs) return socket;
      socket.retire();
    }
    return this.#open();
  }

  #open(): ClientSocket {
    const { network } = this.#runtime;
    const socket = new ClientSocket(this, (sink) => network.connect(this.peer, sink, this.#security));
    this.#sockets.add(socket);
    return socket;
  }

  #openProbe(): void {
    this.#probedMs = this.clock.now();
    this.#probe = this.#open();
    this.#probe.isProbe = true;
  }

  /** Opens one more socket: that the server takes it shows that it lives, and disturbs no exchange. */
  ping(): boolean {
    if (this.#isClosed || this.#isLeaving || this.#probe !== undefined) return false;
    this.#openProbe();
    return true;
  }

  socketOpened(socket: ClientSocket): void {
    const nowMs = this.lastReceivedMs = this.clock.now();
    if (socket.isProbe) {
      this.#probe = undefined;
      socket.isProbe = false;
      const hadFree = this.#free.length > 0 || this.#sockets.size > this.settings.maxSockets;
      if (this.#isLeaving || (hadFree && this.#isOpened)) socket.retire();
      else this.#keep(socket);
      if (this.#isClosed) return;
      if (!this.#isOpened) {
        this.#isOpened = this.#wasAvailable = true;
        this.#events.opened();
      }
      this.#events.pinged(nowMs - socket.startedMs);
    }
  }

  socketFree(socket: ClientSocket): void {
    this.inFlight--;
    if (this.#isLeaving) socket.retire();
    else this.#keep(socket);
    this.#changed();
  }

  #keep(socket: ClientSocket): void {
    socket.freeSinceMs = this.clock.now();
    this.#free.push(socket);
    if (!this.#expiry.isSet) this.clock.set(this.#expiry, this.#expiresMs(socket));
  }

  #expiresMs(socket: ClientSocket): number {
    const hintMs = socket.keepAliveMs - keepAliveMarginMs;
    return socket.freeSinceMs + Math.max(0, Math.min(this.settings.keepAliveMs, hintMs));
  }

  #expire(): void {
    const nowMs = this.clock.now();
    let nextMs = Infinity;
    for (const socket of [...this.#free]) {
      const atMs = this.#expiresMs(socket);
      if (atMs <= nowMs) socket.retire();
      else nextMs = Math.min(nextMs, atMs);
    }
    if (nextMs < Infinity) this.clock.set(this.#expiry, nextMs);
  }

  socketLost(socket: ClientSocket, error: RpcError | undefined): void {
    this.#sockets.delete(socket);
    const free = this.#free.indexOf(socket);
    if (free >= 0) this.#free.splice(free, 1);
    const wasProbe = socket === this.#probe;
    if (wasProbe) this.#probe = undefined;
    else if (free < 0 && this.inFlight > 0 && socket.wasCarrying) this.inFlight--;
    if (this.#isClosed) return;
    if (!socket.isRetired) {
      if (!socket.isOpen) this.#unreachable(error);
      else if (this.#sockets.size === 0) this.#lastLost(error, free >= 0);
    }
    this.#changed();
  }

  /** A new socket could not be made: so nothing new begins here; what is under way goes on. */
  #unreachable(error: RpcError | undefined): void {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    this.#failure = error;
    for (const free of [...this.#free]) free.retire();
    if (this.inFlight > 0) this.#events.draining(error?.message ?? "the server takes no more connections");
  }

  /** The server closed the last socket: either it does so with all of them after a while, or it is gone. */
  #lastLost(error: RpcError | undefined, wasUnused: boolean): void {
    if (this.#isLeaving || !this.#isOpened) return;
    if (this.clock.now() - this.#probedMs >= reopenMs) {
      this.#openProbe();
    } else if (wasUnused || error !== undefined) {
      this.#isLeaving = true;
      this.#failure = error ?? expected("unavailable", "the server closed the connection unused", { phase: "network" });
    }
  }

  /** Tells what follows from sockets' comings and goings. */
  #changed(): void {
    if (this.#isClosed) return;
    if (this.#isLeaving && this.inFlight === 0) {
      this.#close(this.#failure);
      return;
    }
    const { available } = this;
    if (available && !this.#wasAvailable) {
      this.#wasAvailable = true;
      this.#events.available();
    }
  }

  abort(error: RpcError): void {
    if (this.#isClosed) return;
    this.#isLeaving = true;
    this.#failure = error;
    this.#close(error);
  }

  close(graceMs: number): void {
    if (this.#isClosed) return;
    this.#isLeaving = true;
    this.#failure = undefined;
    for (const socket of [...this.#free]) socket.retire();
    this.#changed();
    if (this.#isClosed as boolean) return;
    this.#graceTimer?.cancel();
    this.#graceTimer = this.clock.after(graceMs, () => {
      this.abort(expected("unavailable", `the connection was closed, and ${graceMs} ms of grace were over`,
        { phase: "network" }));
    });
  }

  #close(error: RpcError | undefined): void {
    this.#graceTimer?.cancel();
    this.clock.clear(this.#expiry);
    const why = error ?? expected("unavailable", "the connection was closed", { phase: "network" });
    // Those in use first: every exchange is told before the connection's end.
    this.#isClosed = true;
    for (const socket of [...this.#sockets]) socket.abandon(why);
    this.inFlight = 0;
    this.#events.closed(error);
  }
}

/** Rings when the first unused socket has been kept for long enough. */
class Expiry extends Alarm {
  override keepsAlive = false;
  readonly #callback: () => void;

  constructor(callback: () => void) {
    super();
    this.#callback = callback;
  }

  ring(): void {
    this.#callback();
  }
}
