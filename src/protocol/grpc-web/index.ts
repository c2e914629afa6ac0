/** gRPC-Web over HTTP/1.1 and HTTP/2: gRPC for callers that see no HTTP trailers. */
export { grpcWebClient, type GrpcWebClientOptions } from "./client.ts";
export { grpcWebServer } from "./server.ts";
