/**
 * Meridian in browsers, workers and edges: `createClient(contract, { baseUrl })` calls by `fetch`, in Connect or
 * gRPC-Web.
 *
 * Unary calls and server streams: a browser sends a request whole before it hears the response. Calls of all kinds go
 * by `dialect: websocket()`.
 */
import type { Codec } from "../contract/codec.ts";
import type { AnyContract } from "../contract/service.ts";
import { protobuf } from "../codec/protobuf/index.ts";
import type { ClientDialect } from "../protocol/dialect.ts";
import { connectClient } from "../protocol/connect/client.ts";
import { webRuntime } from "../runtime/web/index.ts";
import { createWebClientOn, type SocketDialect, type WebClient, type WebClientOptions } from "./client.ts";

export { createWebClientOn, type SocketDialect, type WebClient, type WebClientOptions } from "./client.ts";
export { isError } from "../contract/method.ts";
export { RpcError } from "../core/error.ts";
export { json } from "../codec/json.ts";
export { protobuf } from "../codec/protobuf/index.ts";
export { connectClient as connect } from "../protocol/connect/client.ts";
export { websocket, type WebSocketOptions } from "./websocket.ts";
export { grpcWebClient as grpcWeb } from "../protocol/grpc-web/client.ts";

/** What need not be said: the dialect is Connect, the codec Protobuf. */
export type ClientOptions = Omit<WebClientOptions, "dialect" | "codec"> & {
  readonly dialect?: ClientDialect | SocketDialect | undefined;
  readonly codec?: Codec | undefined;
};

/** Makes a client on the platform's time, chance and `fetch`. */
export function createClient<S extends AnyContract>(contract: S, options: ClientOptions): WebClient<S> {
  const { dialect = connectClient(), codec = protobuf } = options;
  return createWebClientOn(webRuntime, contract, { ...options, dialect, codec });
}
