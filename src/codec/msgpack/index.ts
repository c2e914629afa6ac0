/** MessagePack, compiled from the schema where it is known. */
export { createMsgpackCodec, msgpack, type MsgpackOptions } from "./codec.ts";
