/** The native wire in the binary messages of WebSockets: what passes where only HTTP does, and what browsers have. */
import type { Accepted, Connect } from "../../core/connection.ts";
import { RpcError } from "../../core/error.ts";
import type { Clock, Runtime } from "../../core/runtime.ts";
import { connectWebSocket } from "../../http/websocket/client.ts";
import { webSocketByteStream } from "../../http/websocket/index.ts";
import { type Protocol, securedRuntime } from "../protocol.ts";
import type { Serving } from "../router.ts";
import type { WebSocketSpeech } from "../websocket.ts";
import { nativeConnect } from "./client.ts";
import { nativeAccept } from "./server.ts";
import type { NativeSettings } from "./settings.ts";

/** What WebSockets that carry it are agreed to speak (Sec-WebSocket-Protocol). */
export const webSocketProtocol = "meridian";

export interface WebSocketOptions {
  /** The path that the WebSocket is asked for at, for proxies that go by it. Default `/`; Meridian takes any. */
  readonly path?: string | undefined;
  /** The host that the request names, e.g. for a server behind a proxy. Default: the endpoint's address. */
  readonly authority?: string | undefined;
  /** Those of the native wire. */
  readonly settings?: Partial<NativeSettings> | undefined;
}

/**
 * Speaks the native wire through WebSocket, for networks that let nothing but HTTP pass. All call shapes, one
 * connection for all calls. In browsers it is `websocket` of `meridian-rpc/web`.
 *
 * Throws `invalid_argument` for a path that is none.
 */
export function websocket(options: WebSocketOptions = {}): Protocol {
  const { path = "/", authority, settings } = options;
  if (!/^\/[!-~]*$/.test(path)) {
    throw new RpcError("invalid_argument", `path is ${JSON.stringify(path.slice(0, 200))}: write one such as "/rpc"`);
  }
  return {
    name: "websocket",
    connector({ coders, tls }): Connect {
      const connect = nativeConnect({ coders, settings });
      return (runtime, address, events) => {
        const below = tls === undefined ? runtime : securedRuntime(runtime, tls, ["http/1.1"], false);
        return connect(throughWebSocket(below, path, authority ?? address), address, events);
      };
    },
  };
}

function throughWebSocket(runtime: Runtime, path: string, authority: string): Runtime {
  return {
    ...runtime,
    network: {
      listen: (address, accept, security) => runtime.network.listen(address, accept, security),
      datagrams: (address, receive) => runtime.network.datagrams(address, receive),
      connect: (address, sink, security) =>
        connectWebSocket(runtime, { address, path, authority, protocol: webSocketProtocol }, sink, security),
    },
  };
}

/** The native wire in binary messages. */
export function nativeSpeech(serving: Serving, clock: Clock, settings: Partial<NativeSettings>): WebSocketSpeech {
  return {
    protocol: webSocketProtocol,
    accept(stream, owner) {
      const accept = nativeAccept(serving, { ...owner, settings });
      let accepted!: Accepted;
      const bytes = webSocketByteStream(clock, stream, (inner) => {
        accepted = accept(inner);
        return accepted.sink;
      });
      return { connection: accepted.connection, sink: bytes.below };
    },
  };
}
