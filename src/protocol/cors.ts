/**
 * CORS lets pages of other origins call: it answers a browser's question beforehand, and marks each answer (the Fetch
 * standard, section 3.3). Requests without an `origin` pass by untouched.
 */
import { RpcError } from "../core/error.ts";
import type { Metadata } from "../core/metadata.ts";
import { type Carrier, type Exchange, Head, type HttpHandler, type ResetReason } from "../http/message.ts";
import type { Writer } from "../wire/writer.ts";
import { Remainder } from "./http-remainder.ts";
import type { Clock } from "../core/runtime.ts";

export interface CorsOptions {
  /** Origins whose pages may call, e.g. `https://app.example.com`; `"*"` for all. Default: none. */
  readonly origins: readonly string[] | "*";
  /** Whether pages may send cookies and other credentials; not with `"*"`. Default false. */
  readonly credentials?: boolean | undefined;
  /** How long a browser may keep the answer to its question, in seconds. Default 7,200, Chromium's most. */
  readonly maxAgeSeconds?: number | undefined;
}

/** Answers preflights and marks the replies of `handler`. Throws `invalid_argument` for origins that are none. */
export function withCors(clock: Clock, handler: HttpHandler, options: CorsOptions): HttpHandler {
  const { origins, credentials = false } = options;
  if (origins === "*" && credentials) {
    throw new RpcError("invalid_argument",
      'cors: credentials are not for origins "*"; list the origins that may send them');
  }
  if (origins !== "*") origins.forEach(requireOrigin);
  const allowed = origins === "*" ? undefined : new Set(origins);
  const marks = new Marks(options);
  return (request, exchange, last) => {
    const { origin } = request.fields;
    if (origin === undefined || allowed?.has(origin) === false) return handler(request, exchange, last);
    const asked = request.fields["access-control-request-method"];
    if (request.method !== "OPTIONS" || asked === undefined) {
      return handler(request, new MarkedExchange(exchange, origin, marks), last);
    }
    exchange.head(marks.preflight(origin, request.fields["access-control-request-headers"]), true);
    return new Remainder(clock, exchange, last);
  };
}

function requireOrigin(origin: string): void {
  if (/^https?:\/\/[^/\s]+$/.test(origin)) return;
  throw new RpcError("invalid_argument",
    `cors: ${JSON.stringify(origin.slice(0, 200))} is no origin; write scheme and host, e.g. "https://example.com"`);
}

/** Most marked heads kept ready. */
const maxKept = 1_024;

/** The headers by which a browser knows that it may show a reply to its page. */
class Marks {
  readonly #options: CorsOptions;
  /** By head and then origin: heads are sent often, and kept compressed by their identity. */
  #kept = new Map<Head, Map<string, Head>>();
  #count = 0;

  constructor(options: CorsOptions) {
    this.#options = options;
  }

  preflight(origin: string, asked: string | undefined): Head {
    return new Head(fieldsOf({
      ...this.#allow(origin),
      "access-control-allow-methods": "GET, POST",
      ...(asked === undefined ? undefined : { "access-control-allow-headers": asked }),
      "access-control-max-age": String(this.#options.maxAgeSeconds ?? 7_200),
    }), 204);
  }

  marked(head: Head, origin: string): Head {
    let byOrigin = this.#kept.get(head);
    const known = byOrigin?.get(origin);
    if (known !== undefined) return known;
    const { fields } = head;
    const exposed = Object.keys(fields).filter((name) => !safelisted.has(name)).join(", ");
    const marked = new Head(fieldsOf({
      ...fields, ...this.#allow(origin), ...(exposed === "" ? undefined : { "access-control-expose-headers": exposed }),
    }), head.status);
    if (this.#count >= maxKept) {
      this.#kept = new Map();
      this.#count = 0;
      byOrigin = undefined;
    }
    if (byOrigin === undefined) this.#kept.set(head, byOrigin = new Map());
    byOrigin.set(origin, marked);
    this.#count++;
    return marked;
  }

  #allow(origin: string): Record<string, string> {
    return {
      "access-control-allow-origin": origin, "vary": "origin",
      ...(this.#options.credentials === true ? { "access-control-allow-credentials": "true" } : undefined),
    };
  }
}

/** What pages see of every reply. */
const safelisted = new Set(["cache-control", "content-length", "content-type", "expires", "last-modified", "pragma"]);

function fieldsOf(fields: Readonly<Record<string, string>>): Metadata {
  return Object.assign(Object.create(null) as Record<string, string>, fields);
}

class MarkedExchange implements Exchange {
  readonly #exchange: Exchange;
  readonly #origin: string;
  readonly #marks: Marks;

  constructor(exchange: Exchange, origin: string, marks: Marks) {
    this.#exchange = exchange;
    this.#origin = origin;
    this.#marks = marks;
  }

  get carrier(): Carrier {
    return this.#exchange.carrier;
  }

  get version(): 1 | 2 {
    return this.#exchange.version;
  }

  get peer(): string {
    return this.#exchange.peer;
  }

  get writable(): boolean {
    return this.#exchange.writable;
  }

  head(head: Head, last: boolean): void {
    this.#exchange.head(this.#marks.marked(head, this.#origin), last);
  }

  begin(): Writer {
    return this.#exchange.begin();
  }

  end(last: boolean): void {
    this.#exchange.end(last);
  }

  abort(): void {
    this.#exchange.abort();
  }

  trailers(trailers: Head): void {
    this.#exchange.trailers(trailers);
  }

  consumed(bytes: number): void {
    this.#exchange.consumed(bytes);
  }

  reset(reason: ResetReason): void {
    this.#exchange.reset(reason);
  }
}
