/** The Protocol Buffers codec: the encoding of the native wire and of gRPC, compiled from the schema model. */
export { createProtobufCodec, protobuf, type ProtobufOptions } from "./codec.ts";
