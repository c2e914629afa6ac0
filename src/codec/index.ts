/** Codecs turn values into bytes and back: one folder or file each. */
export { packAny, unpackAny } from "./any.ts";
export { avroCodec, type AvroOptions, createAvroCodec } from "./avro/index.ts";
export { createJsonCodec, json, type JsonOptions } from "./json.ts";
export type { MessageTypes } from "./proto-json/any.ts";
export { createMsgpackCodec, msgpack, type MsgpackOptions } from "./msgpack/index.ts";
export { createProtobufCodec, protobuf, type ProtobufOptions } from "./protobuf/index.ts";
export {
  createThriftCodec, thriftBinary, thriftCompact, type ThriftCodecOptions, type ThriftEncoding, thriftJson,
} from "./thrift/index.ts";
export { createXmlCodec, xml, type XmlOptions } from "./xml/index.ts";
