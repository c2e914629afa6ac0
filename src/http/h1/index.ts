/** HTTP/1.1 of our own, client and server, over byte streams (RFC 9112). */
export { http1Connect, type Http1ConnectOptions } from "./client.ts";
export { http1Accept, type Http1AcceptOptions } from "./server.ts";
export {
  defaultClientSettings, defaultServerSettings, type Http1ClientSettings, type Http1Limits, type Http1ServerSettings,
} from "./settings.ts";
