/** Thrift: values as Apache Thrift's structs, in its binary, compact and JSON protocols. docs/thrift.md. */
export {
  createThriftCodec, thriftBinary, thriftCompact, thriftJson, type ThriftCodecOptions, type ThriftEncoding,
} from "./codec.ts";
