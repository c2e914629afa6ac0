/** Full-duplex calls from pages: the native wire in one WebSocket, made anew whenever it breaks. */
import { RpcError } from "../core/error.ts";
import type { AnyContract } from "../contract/service.ts";
import { createClientOn } from "../client/create-client.ts";
import { native, type NativeSettings } from "../protocol/native/index.ts";
import { webSocketProtocol } from "../protocol/native/websocket.ts";
import { webSocketRuntime } from "../runtime/web/websocket.ts";
import type { SocketDialect, WebClient, WebClientOptions } from "./client.ts";

export interface WebSocketOptions {
  /** Limits and times of the native wire. */
  readonly settings?: Partial<NativeSettings> | undefined;
  /** Default: the platform's. */
  readonly WebSocket?: typeof WebSocket | undefined;
}

/**
 * Calls through a WebSocket: streams in both directions, cancellation, and one connection for all calls. It connects
 * again by itself when the connection breaks, and calls wait for that as long as their deadlines allow.
 *
 * ```ts
 * const chat = createClient(Chat, { baseUrl: "https://api.example.test", dialect: websocket() });
 * ```
 */
export function websocket(options: WebSocketOptions = {}): SocketDialect {
  return {
    name: "websocket",
    createClient<S extends AnyContract>(contract: S, given: WebClientOptions): WebClient<S> {
      const { host, urlOf } = place(given.baseUrl);
      const runtime = webSocketRuntime({ urlOf, protocol: webSocketProtocol, WebSocket: options.WebSocket });
      const { codec, timeoutMs, retry, stack, observer } = given;
      return createClientOn(runtime, contract, {
        address: host, protocol: native(options.settings), codec, timeoutMs, retry, stack, observer,
      });
    },
  };
}

/** Where a base URL leads by WebSocket. */
function place(baseUrl: string): { host: string; urlOf: (address: string) => string } {
  const [, scheme, host, path = "/"] = /^(https?):\/\/([^/\s?#]+)(\/[^\s?#]*)?$/.exec(baseUrl) ?? [];
  if (scheme === undefined || host === undefined) {
    throw new RpcError("invalid_argument",
      `baseUrl ${JSON.stringify(baseUrl.slice(0, 200))} is no base URL; write https://host or https://host/prefix`);
  }
  const isSecure = scheme === "https";
  const withPort = /:\d+$/.test(host) ? host : `${host}:${isSecure ? 443 : 80}`;
  return { host: withPort, urlOf: (address) => `${isSecure ? "wss" : "ws"}://${address}${path}` };
}
