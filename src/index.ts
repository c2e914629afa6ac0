/** Meridian: one contract in TypeScript, called like a local function, wherever in the world it is served. */
export { createClient } from "./client/index.ts";
export type { ClientControl, ClientOf, ClientOptions } from "./client/create-client.ts";
export * from "./contract/index.ts";
export { createGateway, type Gateway, type GatewayOptions } from "./gateway/index.ts";
export {
  avro, type AvroProtocolOptions, type AvroSettings, avroWire, connect, type ConnectOptions, grpc,
  type GrpcOptions, grpcWeb, type GrpcWebOptions, httpJson,
  type HttpJsonOptions, native, type Protocol, thrift,
  type ThriftOptions, type ThriftSettings, thriftWire, udp, type UdpOptions, type UdpServerOptions,
} from "./protocol/index.ts";
export { type Pem, tls, type TlsOptions } from "./runtime/node/index.ts";
export {
  createServer, type HttpOptions, type ListenOptions, type Server, type ServerHealth, type ServerOptions,
} from "./server/index.ts";
export {
  type Code, compose, Context, type Discovery, type EndpointAddress, type EndpointFields, type Layer, type Observer,
  observeAll, type Picker, type Registrar, RpcError, type Runtime, type Service, type Stack,
} from "./core/index.ts";
