/** The dialect gRPC over HTTP/2, both halves of it, and the protocol that clients choose it by. */
export { grpcClient } from "./client.ts";
export { grpc, type GrpcOptions } from "./protocol.ts";
export { grpcServer } from "./server.ts";
