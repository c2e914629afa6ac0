/** gRPC over HTTP/2. */
export { grpcClient } from "./client.ts";
export { grpcServer } from "./server.ts";
