/** gRPC over HTTP/2: both halves of the dialect, and what clients choose it by. */
export { grpcClient } from "./client.ts";
export { grpc, type GrpcOptions } from "./protocol.ts";
export { grpcServer } from "./server.ts";
