/** The protocol gRPC-Web, over either version of HTTP: gRPC for callers that see no HTTP trailers. */
export { grpcWebClient, type GrpcWebClientOptions } from "./client.ts";
export { grpcWebServer } from "./server.ts";
export { grpcWeb, type GrpcWebOptions } from "./protocol.ts";
