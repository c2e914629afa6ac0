/** One request by `fetch`: its body is collected, its response read as fast as what came before is consumed. */
import { expected, RpcError } from "../../core/error.ts";
import type { Metadata } from "../../core/metadata.ts";
import type { Clock } from "../../core/runtime.ts";
import { type Carrier, type Exchange, Head, type HttpSink } from "../../http/message.ts";
import { Writer } from "../../wire/writer.ts";

export interface FetchOptions {
  /** Default: the platform's. */
  readonly fetch?: typeof fetch | undefined;
  /** Whether cookies and other credentials go along, as in `fetch`. Default `same-origin`. */
  readonly credentials?: "omit" | "same-origin" | "include" | undefined;
  /** Bytes of a response that may wait here to be read; more wait with the platform. Default 1 MiB. */
  readonly windowBytes?: number | undefined;
  /** Requests in flight at once; more wait. Default 256. */
  readonly maxInFlight?: number | undefined;
}

/** What an exchange asks of the connection it is on. */
export interface ExchangeOwner extends Carrier {
  readonly clock: Clock;
  readonly options: FetchOptions;
  lastReceivedMs: number;
  /** It is over, and makes room for another. */
  left(exchange: FetchExchange): void;
}

export class FetchExchange implements Exchange {
  readonly version = 2;
  readonly carrier: ExchangeOwner;
  readonly #head: Head;
  readonly #sink: HttpSink;
  readonly #controller = new AbortController();
  readonly #windowBytes: number;
  #body: Writer | undefined = undefined;
  #begunAt = 0;
  #over = false;
  /** Bytes that were handed over and not given back. */
  #unconsumed = 0;
  #resume: (() => void) | undefined = undefined;

  constructor(connection: ExchangeOwner, head: Head, sink: HttpSink) {
    this.carrier = connection;
    this.#head = head;
    this.#sink = sink;
    this.#windowBytes = connection.options.windowBytes ?? 1 << 20;
  }

  get peer(): string {
    return this.carrier.peer;
  }

  /** The body waits here anyway. */
  readonly writable = true;

  head(): void {
    throw new RpcError("internal", "a client sends no response");
  }

  trailers(): void {
    throw new RpcError("internal", "a client sends no trailers");
  }

  begin(): Writer {
    this.#body ??= new Writer(256);
    this.#begunAt = this.#body.position;
    return this.#body;
  }

  abort(): void {
    if (this.#body !== undefined) this.#body.position = this.#begunAt;
  }

  end(last: boolean): void {
    if (last) this.send(this.#body?.finish());
  }

  send(body: Uint8Array | undefined): void {
    if (!this.#over) void this.#fetch(body);
  }

  async #fetch(body: Uint8Array | undefined): Promise<void> {
    const { carrier } = this;
    const { fetch: fetching = fetch, credentials = "same-origin" } = carrier.options;
    const { method, path, fields } = this.#head;
    try {
      const response = await fetching(`${carrier.peer}${path}`, {
        method, headers: { ...fields }, credentials, signal: this.#controller.signal, redirect: "error",
        ...(body === undefined ? undefined : { body: body as Uint8Array<ArrayBuffer> }),
      });
      carrier.lastReceivedMs = carrier.clock.now();
      if (this.#over) return;
      const reader = response.body?.getReader();
      this.#sink.head?.(new Head(fieldsOf(response.headers), response.status), reader === undefined);
      if (reader === undefined) this.#finish();
      else await this.#read(reader);
    } catch (error) {
      this.fail(expected("unavailable", `cannot fetch from ${carrier.peer}: ${reasonOf(error)}; is the server there, ` +
        "does the URL say http or https as it does, and does it allow this origin (CORS)?",
        { cause: error, phase: "network" }));
    }
  }

  async #read(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    const { carrier } = this;
    for (;;) {
      const { done, value } = await reader.read();
      if (this.#over) return;
      carrier.lastReceivedMs = carrier.clock.now();
      if (done) {
        this.#finish();
        this.#sink.data(nothing, 0, 0, true);
        return;
      }
      this.#unconsumed += value.length;
      this.#sink.data(value, 0, value.length, false);
      if (this.#unconsumed >= this.#windowBytes) {
        await new Promise<void>((resolve) => {
          this.#resume = resolve;
        });
      }
    }
  }

  consumed(bytes: number): void {
    this.#unconsumed -= bytes;
    if (this.#resume === undefined || this.#unconsumed >= this.#windowBytes) return;
    const resume = this.#resume;
    this.#resume = undefined;
    resume();
  }

  /** Before the sink hears of it, since it may ask at once for what this makes room for. */
  #finish(): void {
    this.#over = true;
    this.carrier.left(this);
  }

  fail(error: RpcError): void {
    if (this.#over) return;
    this.reset();
    this.#sink.failed(error);
  }

  reset(): void {
    if (this.#over) return;
    this.#finish();
    this.#controller.abort();
    this.#resume?.();
  }
}

const nothing = new Uint8Array(0);

/** Node says "fetch failed" and keeps why in `cause`; browsers say nothing more, lest pages learn of networks. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as { readonly message?: unknown; readonly cause?: unknown };
  const why = (cause as { readonly message?: unknown } | undefined)?.message;
  return String(typeof why === "string" && why !== "" ? why : message);
}

function fieldsOf(headers: Headers): Metadata {
  const fields = Object.create(null) as Record<string, string>;
  headers.forEach((value, name) => {
    fields[name] = value;
  });
  return fields;
}
