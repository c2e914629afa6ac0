/** gRPC as a client's protocol. */
import { httpConnector, type HttpClientOptions } from "../http-connector.ts";
import type { Protocol } from "../protocol.ts";
import { grpcClient } from "./client.ts";

/** What HTTP leaves open; gRPC is spoken over HTTP/2 alone. */
export type GrpcOptions = Omit<HttpClientOptions, "http1">;

/**
 * Speaks gRPC, to servers in any language.
 *
 * ```ts
 * createClient(Greeter, { address: "localhost:50051", protocol: grpc() });
 * ```
 *
 * Clients that are given the same object share connections; without options it is always the same one.
 */
export function grpc(options?: GrpcOptions): Protocol {
  return options === undefined ? byDefault : protocol(options);
}

function protocol(options: GrpcOptions): Protocol {
  return { name: "grpc", connector: (given) => httpConnector(grpcClient(), options, given) };
}

const byDefault = protocol({});
