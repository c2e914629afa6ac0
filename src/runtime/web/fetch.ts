/**
 * HTTP by `fetch`, for where nothing else is to be had: browsers, workers, edges.
 *
 * A fetch sends its body whole, before it hears the response, in all browsers but one. So the body is collected, and a
 * protocol that would stream requests must say so to its user instead of hanging.
 */
import { expected, type RpcError } from "../../core/error.ts";
import type { Clock } from "../../core/runtime.ts";
import {
  type Carrier, type Exchange, type Head, type HttpConnect, type HttpConnection, type HttpConnectionEvents,
  type HttpSink,
} from "../../http/message.ts";
import { type ExchangeOwner, FetchExchange, type FetchOptions } from "./fetch-exchange.ts";

/** Connects by `fetch`. An address is a base URL, e.g. `https://api.example.test/rpc`; heads' paths follow it. */
export function fetchConnect(options: FetchOptions = {}): HttpConnect {
  return (runtime, address, events) => new FetchConnection(runtime.clock, address, events, options);
}

class FetchConnection implements HttpConnection, Carrier, ExchangeOwner {
  readonly peer: string;
  readonly clock: Clock;
  readonly options: FetchOptions;
  readonly #events: HttpConnectionEvents;
  readonly #exchanges = new Set<FetchExchange>();
  readonly #maxInFlight: number;
  readonly pingsSparingly = true;
  memo: unknown = undefined;
  lastReceivedMs: number;
  #state: "opening" | "open" | "closing" | "closed" = "opening";

  constructor(clock: Clock, address: string, events: HttpConnectionEvents, options: FetchOptions) {
    this.clock = clock;
    this.peer = address.replace(/\/+$/, "");
    this.options = options;
    this.#events = events;
    this.#maxInFlight = options.maxInFlight ?? 256;
    this.lastReceivedMs = clock.now();
    clock.defer(() => {
      if (this.#state !== "opening") return;
      this.#state = "open";
      events.opened();
    });
  }

  get available(): boolean {
    return this.#state === "open" && this.#exchanges.size < this.#maxInFlight;
  }

  get inFlight(): number {
    return this.#exchanges.size;
  }

  request(head: Head, last: boolean, sink: HttpSink): Exchange {
    if (!this.available) throw expected("unavailable", "no request can be made now", { neverStarted: true });
    const exchange = new FetchExchange(this, head, sink);
    this.#exchanges.add(exchange);
    if (last) exchange.send(undefined);
    return exchange;
  }

  left(exchange: FetchExchange): void {
    const wasAvailable = this.available;
    if (!this.#exchanges.delete(exchange)) return;
    if (this.#state === "closing" && this.#exchanges.size === 0) this.#end(undefined);
    else if (!wasAvailable && this.available) this.#events.available();
  }

  /** Whoever fetches has no connection whose life could be told. */
  ping(): boolean {
    return false;
  }

  abort(error: RpcError): void {
    for (const exchange of [...this.#exchanges]) exchange.fail(error);
    this.#end(error);
  }

  close(graceMs: number): void {
    if (this.#state === "closed") return;
    this.#state = "closing";
    if (this.#exchanges.size === 0) this.#end(undefined);
    else if (graceMs < Infinity) {
      this.clock.after(graceMs, () => this.abort(expected("unavailable", "the client was closed"))).unref();
    }
  }

  #end(error: RpcError | undefined): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#events.closed(error);
  }
}
