/** JSON-RPC 2.0 over HTTP: a message a request, POSTed to one path. */
import { expected, RpcError } from "../../core/error.ts";
import { type Carrier, type Exchange, Head, type HttpHandler, type HttpSink } from "../../http/message.ts";
import { readCallHeaders } from "../call-headers.ts";
import type { Budget } from "../envelope.ts";
import { sendReply } from "../http-message.ts";
import { Remainder } from "../http-remainder.ts";
import type { Serving } from "../router.ts";
import { UnaryCalls } from "../unary-calls.ts";
import { WholeBody } from "../whole-body.ts";
import { JsonRpcCode } from "./codes.ts";
import { failure, invalid } from "./reply.ts";
import { JsonRpcSession } from "./session.ts";
import type { JsonRpcSettings } from "./settings.ts";

/** Serves JSON-RPC at its path, and hands all other requests to `handler`. */
export function withJsonRpc(serving: Serving, settings: JsonRpcSettings, handler: HttpHandler): HttpHandler {
  const { clock } = serving.runtime;
  const { maxConcurrentCalls } = settings;
  const shares = new WeakMap<Carrier, Shared>();
  return (request, exchange, last) => {
    if (pathOf(request.path) !== settings.path) return handler(request, exchange, last);
    const wrong = unfit(request, last);
    if (wrong !== undefined) {
      answer(exchange, wrong.status, wrong.body, wrong.fields);
      return new Remainder(clock, exchange, last);
    }
    let shared = shares.get(exchange.carrier);
    if (shared === undefined) {
      shared = {
        calls: new UnaryCalls(serving, { peer: exchange.peer, from: exchange.carrier.from, maxConcurrentCalls }),
        budget: { unfinishedBytes: 0, maxUnfinishedBytes },
      };
      shares.set(exchange.carrier, shared);
    }
    return new Posted(settings, shared, request, exchange);
  };
}

/** What the exchanges of one connection share. */
interface Shared {
  readonly calls: UnaryCalls;
  readonly budget: Budget;
}

/** Bytes of requests that have begun to arrive, over all exchanges of a connection. */
const maxUnfinishedBytes = 268_435_456;

function pathOf(target: string): string {
  const query = target.indexOf("?");
  return query < 0 ? target : target.slice(0, query);
}

interface Unfit {
  readonly status: number;
  readonly body: Uint8Array;
  readonly fields?: Record<string, string>;
}

function unfit({ method, fields }: Head, last: boolean): Unfit | undefined {
  const say = (why: string): Uint8Array => failure(null, invalid(why), JsonRpcCode.invalidRequest);
  if (method !== "POST") {
    return { status: 405, body: say("JSON-RPC is called by POST"), fields: { allow: "POST" } };
  }
  // Pages of other origins can post text/plain without asking first; what is JSON they must ask for (CORS).
  if (!/^application\/(?:json|json-rpc|jsonrequest)\s*(?:;|$)/i.test(fields["content-type"] ?? "")) {
    return { status: 415, body: say("JSON-RPC is posted as application/json"), fields: { "accept-post": jsonType } };
  }
  return last ? { status: 400, body: failure(null, invalid("no body"), JsonRpcCode.parseError) } : undefined;
}

const jsonType = "application/json";

function answer(exchange: Exchange, status: number, body: Uint8Array | undefined, more?: Record<string, string>): void {
  const fields = Object.assign(Object.create(null) as Record<string, string>, more,
    body === undefined ? undefined : { "content-type": jsonType, "content-length": String(body.length) });
  sendReply(exchange, { head: new Head(fields, status), body });
}

/** One request: its body is gathered, then answered whole. */
class Posted implements HttpSink {
  readonly #session: JsonRpcSession;
  readonly #request: Head;
  readonly #exchange: Exchange;
  readonly #body: WholeBody;
  #over = false;
  #isGone = false;

  constructor(settings: JsonRpcSettings, { calls, budget }: Shared, request: Head, exchange: Exchange) {
    this.#session = new JsonRpcSession(calls, settings);
    this.#request = request;
    this.#exchange = exchange;
    this.#body = new WholeBody(settings.maxMessageBytes, budget);
  }

  data(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    if (end > start) this.#exchange.consumed(end - start);
    if (this.#over) return;
    let body: Uint8Array | undefined;
    try {
      body = this.#body.add(bytes, start, end, last);
    } catch (error) {
      this.#over = true;
      this.#body.drop();
      answer(this.#exchange, 413, failure(null, RpcError.from(error, "internal"), JsonRpcCode.invalidRequest));
      return;
    }
    if (body !== undefined) this.#complete(body);
  }

  trailers(): void {
    if (!this.#over) this.#complete(this.#body.end());
  }

  #complete(body: Uint8Array): void {
    this.#over = true;
    const { carrier } = this.#exchange;
    const fields = readCallHeaders(this.#request.fields);
    this.#session.handle(body, 0, body.length, carrier.lastReceivedMs, fields, (reply) => {
      if (this.#isGone) return;
      if (reply === undefined) answer(this.#exchange, 204, undefined);
      else answer(this.#exchange, 200, reply);
    });
  }

  writable(): void {
    // What does not leave at once waits in the exchange.
  }

  failed(error: RpcError): void {
    this.#over = this.#isGone = true;
    this.#body.drop();
    this.#session.abandon(expected("cancelled", "the caller's exchange is gone", { cause: error }));
  }
}
