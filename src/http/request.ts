/**
 * An HttpRequester asks one foreign HTTP server by HTTP/1.1: `request` for an answer as a whole, `stream` for one that
 * goes on (watches). What drivers of engines with an HTTP interface are built on.
 *
 * Each request under way has a socket of its own, so a long poll holds up nobody; sockets are kept and used again.
 * Whatever goes wrong is an RpcError: `unavailable` (not reached, or lost on the way), `deadline_exceeded` (too slow or
 * silent), `resource_exhausted` (more than a limit), `internal` (no HTTP), `cancelled` (by the signal or a close). A
 * status is no error here: see `statusError` and `jsonOf` of request-answer.ts. Redirects are not followed.
 */
import type { Metadata } from "../core/metadata.ts";
import type { Runtime, Security } from "../core/runtime.ts";
import { http1Connect } from "./h1/client.ts";
import { type Head, requestHead } from "./message.ts";
import { chunksOf, linesOf, textOf } from "./request-body.ts";
import { type CallSettings, RequestCall } from "./request-call.ts";
import { RequestLane } from "./request-lane.ts";

export interface HttpRequesterOptions {
  /** `host:port`, `[v6]:port` or `unix:/path`. */
  readonly address: string;
  /** How connections are secured: `tls(...)` of the runtime. Default: not at all. */
  readonly security?: Security | undefined;
  /** The host that requests name. Default: the address (`localhost` for a path). */
  readonly authority?: string | undefined;
  /** What messages call the server. Default: the address. */
  readonly name?: string | undefined;
  /** Sent with every request, under lower-case names. */
  readonly fields?: Metadata | undefined;
  /** Time for a whole answer (`request`) or its head (`stream`), in milliseconds. Default 10,000. */
  readonly timeoutMs?: number | undefined;
  /** Time for a connection to open, in milliseconds. Default 5,000. */
  readonly connectTimeoutMs?: number | undefined;
  /** Largest answer of `request`, and largest body that is sent. Default 8 MiB. */
  readonly maxBytes?: number | undefined;
  /** Longest line of a stream. Default 1 MiB. */
  readonly maxLineBytes?: number | undefined;
  /** Most requests under way at once, each on a socket. Default 256. */
  readonly maxRequests?: number | undefined;
  /** Most requests that wait because so many are under way. Default 10,000. */
  readonly maxWaiting?: number | undefined;
  /** How long an unused socket is kept, in milliseconds. Default 30,000. */
  readonly keepAliveMs?: number | undefined;
}

export interface HttpRequest {
  readonly method: string;
  /** With the query, as it is sent: visible ASCII (`encodeURIComponent` what may be anything). */
  readonly path: string;
  /** Besides those of the requester, which they override. `content-type` of a body: `application/json` by default. */
  readonly fields?: Metadata | undefined;
  readonly body?: string | undefined;
  readonly timeoutMs?: number | undefined;
  readonly maxBytes?: number | undefined;
  /** Ends it: it rejects with `cancelled`, and its socket is closed. */
  readonly signal?: AbortSignal | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  /** By lower-case name. */
  readonly fields: Metadata;
  readonly text: string;
}

export interface HttpStreamRequest extends HttpRequest {
  /** Time without a byte at which the stream fails (`deadline_exceeded`), in milliseconds. Default 300,000. */
  readonly silenceMs?: number | undefined;
  /** Of this stream. `maxBytes` counts all of it, by default without a limit: what is not yet read is bounded. */
  readonly maxLineBytes?: number | undefined;
}

/** An answer whose body is read as it comes, by one of three, once. A reader that stops half way ends it. */
export interface HttpStream {
  readonly status: number;
  readonly fields: Metadata;
  /** Lines without their ends; the last one may lack it. Throws what the stream failed of. */
  lines(): AsyncIterableIterator<string>;
  /** Pieces as they come, cut between characters. */
  chunks(): AsyncIterableIterator<string>;
  /** All of it, up to the requester's `maxBytes`: for the body of a refusal. */
  text(): Promise<string>;
  /** Ends it. */
  cancel(): void;
}

export interface HttpRequester extends AsyncDisposable {
  readonly address: string;
  request(request: HttpRequest): Promise<HttpAnswer>;
  /** Resolves with the answer's head; fails like `request` until then. */
  stream(request: HttpStreamRequest): Promise<HttpStream>;
  /** Ends what is under way (`cancelled`) and all connections. */
  close(): Promise<void>;
}

/** Makes a requester; it connects at its first request, and anew after each loss. */
export function httpRequester(runtime: Runtime, options: HttpRequesterOptions): HttpRequester {
  const { address, security } = options;
  const maxBytes = options.maxBytes ?? 8_388_608;
  const maxRequests = options.maxRequests ?? 256;
  const name = options.name ?? address;
  const lane = new RequestLane(runtime, {
    address, connectTimeoutMs: options.connectTimeoutMs ?? 5_000, maxWaiting: options.maxWaiting ?? 10_000,
    connect: http1Connect({
      security, settings: { maxSockets: maxRequests, keepAliveMs: options.keepAliveMs ?? 30_000 },
    }),
  });
  const authority = options.authority ?? (address.startsWith("unix:") ? "localhost" : address);
  const scheme = security === undefined ? "http" : "https";

  function headOf({ method, path, fields, body }: HttpRequest): Head {
    const all: Record<string, string> = {};
    if (body !== undefined) all["content-type"] = "application/json";
    for (const [key, value] of [...Object.entries(options.fields ?? {}), ...Object.entries(fields ?? {})]) {
      all[key.toLowerCase()] = value;
    }
    return requestHead(method, path, scheme, authority, all);
  }

  type Limits = Pick<CallSettings, "maxBytes" | "timeoutMs" | "silenceMs">;

  function call(request: HttpRequest, limits: Limits): RequestCall {
    // Without the query: what is said again and again stays the same, and what was asked for stays private.
    const what = `${request.method} ${request.path.split("?", 1)[0] as string}`.slice(0, 200);
    return new RequestCall(runtime.clock, lane, {
      ...limits, what: `${name}: ${what}`, head: headOf(request), body: request.body, maxBodyBytes: maxBytes,
      signal: request.signal,
    });
  }

  async function close(): Promise<void> {
    lane.close();
  }

  return {
    address,
    async request(request) {
      const timeoutMs = request.timeoutMs ?? options.timeoutMs ?? 10_000;
      const one = call(request, { timeoutMs, silenceMs: undefined, maxBytes: request.maxBytes ?? maxBytes });
      const { status, fields } = await one.start();
      return { status, fields, text: await textOf(one, Infinity) };
    },
    async stream(request) {
      const timeoutMs = request.timeoutMs ?? options.timeoutMs ?? 10_000;
      const one = call(request, {
        timeoutMs, silenceMs: request.silenceMs ?? 300_000, maxBytes: request.maxBytes ?? Infinity,
      });
      const { status, fields } = await one.start();
      const maxLineBytes = request.maxLineBytes ?? options.maxLineBytes ?? 1_048_576;
      return {
        status, fields, lines: () => linesOf(one, maxLineBytes), chunks: () => chunksOf(one),
        text: () => textOf(one, maxBytes), cancel: () => one.cancel(),
      };
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
