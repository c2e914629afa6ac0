/** gRPC-Web as a client's protocol. */
import { httpConnector, type HttpClientOptions } from "../http-connector.ts";
import type { Protocol } from "../protocol.ts";
import { grpcWebClient, type GrpcWebClientOptions } from "./client.ts";

/** Both what the dialect and what HTTP leaves open. */
export interface GrpcWebOptions extends GrpcWebClientOptions, HttpClientOptions {}

/**
 * Speaks gRPC-Web: for servers of gRPC behind something that takes no HTTP trailers.
 *
 * Clients that are given the same object share connections; without options it is always the same one.
 */
export function grpcWeb(options?: GrpcWebOptions): Protocol {
  return options === undefined ? byDefault : protocol(options);
}

function protocol(options: GrpcWebOptions): Protocol {
  return { name: "grpc-web", connector: (given) => httpConnector(grpcWebClient(options), options, given) };
}

const byDefault = protocol({});
