/**
 * A whole exchange is the server's side of a wire that POSTs one message as a request's body and answers with one: the
 * body is gathered, answered whole, and what is no message is refused in words.
 */
import { Alarm } from "../core/alarm.ts";
import { expected, RpcError } from "../core/error.ts";
import { type Carrier, type Exchange, Head, type HttpSink } from "../http/message.ts";
import { sendReply } from "./http-message.ts";
import { Remainder } from "./http-remainder.ts";
import type { Serving } from "./router.ts";
import { type UnaryCall, UnaryCalls } from "./unary-calls.ts";
import { WholeBody } from "./whole-body.ts";

/** Finds the calls of an exchange's connection, which share its limits. */
export function callsByConnection(serving: Serving, maxConcurrentCalls: number): (exchange: Exchange) => UnaryCalls {
  const calls = new WeakMap<Carrier, UnaryCalls>();
  return ({ carrier, peer }) => {
    let own = calls.get(carrier);
    if (own === undefined) {
      calls.set(carrier, own = new UnaryCalls(serving, { peer, from: carrier.from, maxConcurrentCalls }));
    }
    return own;
  };
}

export interface WholeLimits {
  readonly maxMessageBytes: number;
  /** What a body may have above its message. Default: 0. */
  readonly besideBytes?: number;
  /** How long a request may take to come. */
  readonly stallTimeoutMs: number;
}

/** One message and its answer. As an alarm it ends a request that stalls. */
export abstract class WholeExchange extends Alarm implements HttpSink {
  protected readonly serving: Serving;
  protected readonly exchange: Exchange;
  /** Whether it is answered, or nobody waits for an answer. */
  protected isOver = false;
  readonly #body: WholeBody;
  readonly #maxMessageBytes: number;
  #call: UnaryCall | undefined = undefined;
  #rest: Remainder | undefined = undefined;

  constructor(serving: Serving, exchange: Exchange, limits: WholeLimits) {
    super();
    this.serving = serving;
    this.exchange = exchange;
    this.#maxMessageBytes = limits.maxMessageBytes;
    this.#body = new WholeBody(limits.maxMessageBytes + (limits.besideBytes ?? 0));
    this.keepsAlive = false;
    const { clock } = serving.runtime;
    clock.set(this, clock.now() + limits.stallTimeoutMs);
  }

  /** Begins the call that the body asks for, unless it ends at once. Throws at what is no message. */
  protected abstract received(body: Uint8Array): UnaryCall | undefined;

  data(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    if (this.#rest !== undefined) {
      this.#rest.data(bytes, start, end, last);
      return;
    }
    this.exchange.consumed(end - start);
    let body: Uint8Array | undefined;
    try {
      body = this.#body.add(bytes, start, end, last);
    } catch (cause) {
      const why = `a message has more than ${this.#maxMessageBytes} bytes (maxMessageBytes)`;
      this.#refuse(413, expected("resource_exhausted", why, { cause }), last);
      return;
    }
    if (body !== undefined) this.#complete(body);
  }

  #complete(body: Uint8Array): void {
    this.#unset();
    try {
      this.#call = this.received(body);
    } catch (error) {
      this.#refuse(400, RpcError.from(error, "internal"), true);
    }
  }

  /** Answers. */
  protected answer(head: Head, body: Uint8Array): void {
    this.isOver = true;
    sendReply(this.exchange, { head, body });
  }

  #refuse(status: number, error: RpcError, last: boolean): void {
    this.#unset();
    if (this.isOver) return;
    this.#body.drop();
    this.serving.observer.event?.("server.call.refused", {
      peer: this.exchange.peer, method: undefined, code: error.code, error: error.message,
    });
    const body = new TextEncoder().encode(`${error.message}\n`);
    this.answer(new Head(Object.assign(Object.create(null) as Record<string, string>, {
      "content-type": "text/plain; charset=utf-8", "content-length": String(body.length),
    }), status), body);
    this.#rest = new Remainder(this.serving.runtime.clock, this.exchange, last);
  }

  #unset(): void {
    if (this.isSet) this.serving.runtime.clock.clear(this);
  }

  trailers(): void {
    if (this.#rest !== undefined) this.#rest.trailers();
    else this.#complete(this.#body.end());
  }

  writable(): void {
    // An answer is one piece, which the exchange keeps until it is taken.
  }

  failed(error: RpcError): void {
    this.#unset();
    if (this.#rest !== undefined) {
      this.#rest.failed();
      return;
    }
    this.isOver = true;
    this.#body.drop();
    this.#call?.stop(expected("cancelled", "the caller's connection is gone", { cause: error }), false);
  }

  /** The request does not end. */
  ring(): void {
    this.#refuse(408, expected("deadline_exceeded", "the request was left unfinished (stallTimeoutMs)"), false);
  }
}
