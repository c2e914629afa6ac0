/**
 * Serves calls where requests and responses are those of the Fetch standard: route handlers of Next.js, Hono, workers.
 */
import { expected } from "../core/error.ts";
import type { Metadata } from "../core/metadata.ts";
import { requestHead } from "../http/message.ts";
import { type HttpMount, MountedExchange, type MountedResponse, mountedFields } from "../http/mount.ts";

export interface FetchHandlerOptions {
  /** What stands before the paths of calls, e.g. `/api/rpc`. Default: nothing. */
  readonly prefix?: string | undefined;
  /** Who calls, as far as the host knows. Default: "unknown". */
  readonly peer?: ((request: Request) => string) | undefined;
}

/**
 * Makes a handler: `const handler = fetchHandler(server, { prefix: "/api/rpc" }); export { handler as GET, handler as
 * POST };`. Replies are streamed. A call is cancelled when its request's signal is aborted or its response's body is.
 */
export function fetchHandler(
  server: { readonly http: HttpMount }, options: FetchHandlerOptions = {},
): (request: Request) => Promise<Response> {
  const { prefix = "", peer = () => "unknown" } = options;
  const { http } = server;
  return (request) => {
    const { method, url, headers, body, signal } = request;
    const { pathname, search, host, protocol } = new URL(url);
    const path = pathname.startsWith(`${prefix}/`) ? pathname.slice(prefix.length) : pathname;
    const response = new FetchResponse(request);
    const from = { address: peer(request), isSecured: protocol === "https:", certificate: undefined };
    const exchange = new MountedExchange(http, from, response);
    response.exchange = exchange;
    const gone = (): void => exchange.failed(expected("cancelled", "the caller gave up", { phase: "network" }));
    if (signal.aborted) gone();
    else signal.addEventListener("abort", gone, { once: true });
    const head = requestHead(method, path + search, protocol.slice(0, -1), host, mountedFields(headers));
    exchange.serve(head, body === null);
    if (body !== null) void feed(exchange, response, body.getReader());
    return response.made;
  };
}

/** Hands the request's body over as fast as it is taken. */
async function feed(
  exchange: MountedExchange, response: FetchResponse, reader: ReadableStreamDefaultReader<Uint8Array>,
): Promise<void> {
  try {
    while (!exchange.isOver) {
      const { done, value } = await reader.read();
      if (done) return exchange.ended();
      if (!exchange.received(value)) await response.room();
    }
    await reader.cancel();
  } catch (error) {
    exchange.failed(expected("cancelled", `the request's body broke off: ${String(error)}`, { phase: "network" }));
  }
}

/** So many bytes of a response wait for a slow reader before its handler is asked to. */
const highWaterBytes = 65_536;

class FetchResponse implements MountedResponse {
  exchange: MountedExchange | undefined = undefined;
  readonly made: Promise<Response>;
  /** Kept for as long as its reply is: in some runtimes the signal of a request that nobody holds tells nobody. */
  readonly #request: Request;
  #resolve: (response: Response) => void = () => undefined;
  #body: ReadableStreamDefaultController<Uint8Array> | undefined = undefined;
  #resumed: (() => void) | undefined = undefined;
  #wasFull = false;

  constructor(request: Request) {
    this.#request = request;
    this.made = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  get isFull(): boolean {
    return this.#wasFull = (this.#body?.desiredSize ?? 1) <= 0;
  }

  head(status: number, fields: Metadata, last: boolean): void {
    const headers = Object.entries(fields);
    if (last || this.#request.method === "HEAD" || status === 204 || status === 304) {
      this.#resolve(new Response(null, { status, headers }));
      return;
    }
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#body = controller;
      },
      pull: () => {
        if (this.#wasFull) this.exchange?.drained();
      },
      cancel: () => this.exchange?.failed(expected("cancelled", "the caller gave up", { phase: "network" })),
    }, { highWaterMark: highWaterBytes, size: (bytes) => bytes.length });
    this.#resolve(new Response(body, { status, headers }));
  }

  piece(bytes: Uint8Array, last: boolean): void {
    if (bytes.length > 0) this.#body?.enqueue(bytes);
    if (last) this.#close();
  }

  /** Fetch has none. */
  trailers(): void {
    this.#close();
  }

  #close(): void {
    this.#body?.close();
    this.#body = undefined;
    this.resume();
  }

  cut(): void {
    this.#body?.error(new TypeError("the call was cut off"));
    this.#body = undefined;
    // Nobody will say more: who waits for a response at all is told so.
    this.#resolve(new Response("the call was cut off\n", { status: 502 }));
    this.resume();
  }

  resume(): void {
    this.#resumed?.();
    this.#resumed = undefined;
  }

  /** Until more of the request is wanted. */
  room(): Promise<void> {
    return new Promise((resolve) => {
      this.#resumed = resolve;
      if (this.exchange?.wants !== false || this.exchange.isOver) this.resume();
    });
  }
}
