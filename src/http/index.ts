/** HTTP messages and exchanges, our own HTTP/2 and HTTP/1.1, without I/O: what protocols and servers are built on. */
export {
  type Carrier, type Exchange, Head, type HttpConnect, type HttpConnection, type HttpConnectionEvents,
  type HttpHandler, type HttpSink, requestHead, type ResetReason,
} from "./message.ts";
export { http2Connect, type Http2ConnectOptions } from "./h2/client.ts";
export { http2Accept, type Http2AcceptOptions } from "./h2/server.ts";
export { defaultHttp2Settings, type Http2Settings } from "./h2/settings.ts";
export { http1Connect, type Http1ConnectOptions } from "./h1/client.ts";
export { http1Accept, type Http1AcceptOptions } from "./h1/server.ts";
export {
  defaultClientSettings as defaultHttp1ClientSettings, defaultServerSettings as defaultHttp1ServerSettings,
  type Http1ClientSettings, type Http1ServerSettings,
} from "./h1/settings.ts";
