/** Codecs turn values into bytes and back: one folder or file each. */
export { createProtobufCodec, protobuf, type ProtobufOptions } from "./protobuf/index.ts";
