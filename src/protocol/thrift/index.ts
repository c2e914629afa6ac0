/** Apache Thrift: framed, buffered and THeader transports over byte streams, and HTTP. docs/thrift.md. */
export { withThrift } from "./http-server.ts";
export type { ThriftEncoding } from "./message.ts";
export type { ThriftTransport } from "./opening.ts";
export { thrift, type ThriftOptions } from "./protocol.ts";
export { defaultThriftSettings, type ThriftSettings } from "./settings.ts";
export { thriftApplicationProtocol, thriftWire } from "./wire.ts";
