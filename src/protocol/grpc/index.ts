/** gRPC over HTTP/2. */
export { grpcClientDialect } from "./client.ts";
export { grpcServerDialect } from "./server.ts";
