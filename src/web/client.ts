/** The client of browsers, workers and edges: the same contract, called by `fetch`. */
import { RpcError } from "../core/error.ts";
import { endpointAddress } from "../core/endpoint.ts";
import type { Observer } from "../core/observer.ts";
import type { Runtime } from "../core/runtime.ts";
import { compose, type Service, type Stack } from "../core/service.ts";
import { codersOf, type MethodCoders } from "../contract/coders.ts";
import type { Codec } from "../contract/codec.ts";
import type { AnyMethod } from "../contract/method.ts";
import type { AnyContract } from "../contract/service.ts";
import type { Client } from "../contract/types.ts";
import { callMethods } from "../client/client.ts";
import { ClientEndpoint, type EndpointOwner } from "../client/endpoint.ts";
import { defaultStack } from "../client/stack.ts";
import type { MethodInfo } from "../core/method.ts";
import type { ClientDialect } from "../protocol/dialect.ts";
import { httpProtocol } from "../protocol/http-client.ts";
import type { HttpProtocolSettings } from "../protocol/http-settings.ts";
import type { RetryOptions } from "../resilience/retry.ts";
import { fetchConnect, type FetchOptions } from "../runtime/web/index.ts";

export interface WebClientOptions extends FetchOptions {
  /** Where the server is, e.g. `https://api.example.test`; what follows the host is put before each path. */
  readonly baseUrl: string;
  /** How calls are said: in requests (`connect()`, `grpcWeb()`), or in one WebSocket (`websocket()`). */
  readonly dialect: ClientDialect | SocketDialect;
  readonly codec: Codec;
  /** Milliseconds for a unary call that says nothing and whose method says nothing. Default 15,000. */
  readonly timeoutMs?: number | undefined;
  /** Default: 3 attempts, 20 % budget. `false` for single attempts. */
  readonly retry?: RetryOptions | false | undefined;
  /** Changes the stack: gets the default one, returns the one to use. */
  readonly stack?: ((defaults: Stack) => Stack) | undefined;
  readonly observer?: Observer | undefined;
  readonly settings?: Partial<HttpProtocolSettings> | undefined;
}

/** What makes clients of its own way: `websocket()`, which pages that do without do not load. */
export interface SocketDialect {
  readonly name: string;
  createClient<S extends AnyContract>(contract: S, options: WebClientOptions): WebClient<S>;
}

/** The methods of a contract, and how their client is ended. */
export type WebClient<S extends AnyContract> = Client<S> & { readonly $: { close(graceMs?: number): void } };

/** Makes a client on `runtime` that fetches. */
export function createWebClientOn<S extends AnyContract>(
  runtime: Runtime, contract: S, options: WebClientOptions,
): WebClient<S> {
  const { clock } = runtime;
  const { observer = {}, dialect } = options;
  if ("createClient" in dialect) return dialect.createClient(contract, options);
  const connect = httpProtocol(dialect, fetchConnect(options), {
    coders: compiling(options.codec), settings: options.settings, secure: checkedUrl(options.baseUrl),
  });
  const owner: EndpointOwner = {
    observer, statusChanged: () => undefined, suspected: () => undefined,
    loopGuard: { lagMs: () => 0, stalledRecently: () => false, close: () => undefined },
  };
  const endpoint = new ClientEndpoint(runtime, connect, endpointAddress({ address: options.baseUrl }), owner, {});
  const defaults = defaultStack(runtime, { observer, retry: options.retry });
  const service = compose(options.stack?.(defaults) ?? defaults, refusingStreams(endpoint.call));
  const methods = callMethods(contract, { clock, service, timeoutMs: options.timeoutMs ?? 15_000 });
  const control = { close: (graceMs = 10_000) => endpoint.close(graceMs) };
  return Object.freeze(Object.assign(methods, { $: control })) as WebClient<S>;
}

/** Says at once what a browser would make hang: its requests are whole before their responses begin. */
function refusingStreams(service: Service): Service {
  return (request, context) => {
    const { kind, path } = context.method;
    if (kind === "unary" || kind === "server_stream") return service(request, context);
    throw new RpcError("unimplemented", `${path} streams its request, which fetch cannot; ` +
      "call it from a server, or offer a unary method beside it", { phase: "encode", neverStarted: true });
  };
}

/** Whether the scheme is https. */
function checkedUrl(baseUrl: string): boolean {
  const match = /^(https?):\/\/[^/\s?#]+(?:\/[^\s?#]*)?$/.exec(baseUrl);
  if (match !== null) return match[1] === "https";
  throw new RpcError("invalid_argument",
    `baseUrl ${JSON.stringify(baseUrl.slice(0, 200))} is no base URL; write https://host or https://host/prefix`);
}

function compiling(codec: Codec): (method: MethodInfo) => MethodCoders {
  const compiled = new WeakMap<MethodInfo, MethodCoders>();
  return (method) => {
    let coders = compiled.get(method);
    if (coders === undefined) compiled.set(method, coders = codersOf(method as AnyMethod, codec));
    return coders;
  };
}
