/** Codecs turn values into bytes and back: one folder or file each. */
export { json } from "./json.ts";
export { msgpack } from "./msgpack.ts";
export { createProtobufCodec, protobuf, type ProtobufOptions } from "./protobuf/index.ts";
