/** Protocols: how clients speak to servers. Servers take all of them on one port. */
export { avro, type AvroProtocolOptions, type AvroSettings, avroWire, defaultAvroSettings } from "./avro/index.ts";
export { connect, type ConnectOptions } from "./connect/index.ts";
export { grpc, type GrpcOptions } from "./grpc/index.ts";
export { grpcWeb, type GrpcWebOptions } from "./grpc-web/index.ts";
export type { HttpClientOptions } from "./http-connector.ts";
export { httpJson, type HttpJsonOptions } from "./http-json/index.ts";
export { defaultHttpProtocolSettings, type HttpProtocolSettings } from "./http-settings.ts";
export { native, type NativeSettings } from "./native/index.ts";
export { jsonRpc, type JsonRpcOptions } from "./json-rpc/index.ts";
export { over } from "./over.ts";
export { websocket, type WebSocketOptions } from "./native/websocket.ts";
export type { ConnectorOptions, Protocol } from "./protocol.ts";
export {
  badRequest, debugInfo, errorInfo, findDetail, help, localizedMessage, preconditionFailure, quotaFailure, readDetail,
  requestInfo, resourceInfo, retryInfo, type RichDetails,
} from "./rich-details.ts";
export {
  defaultThriftSettings, thrift, type ThriftOptions, type ThriftSettings, type ThriftTransport, thriftWire,
} from "./thrift/index.ts";
export { udp, type UdpOptions, type UdpServerOptions } from "./udp/index.ts";
