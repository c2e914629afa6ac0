/** HTTP messages and exchanges, and our own HTTP/2, without I/O: what protocols and servers are built on. */
export {
  type Carrier, type Exchange, Head, type HttpConnect, type HttpConnection, type HttpConnectionEvents,
  type HttpHandler, type HttpSink, requestHead, type ResetReason,
} from "./message.ts";
export { http2Connect, type Http2ConnectOptions } from "./h2/client.ts";
export { http2Accept, type Http2AcceptOptions } from "./h2/server.ts";
export { defaultHttp2Settings, type Http2Settings } from "./h2/settings.ts";
