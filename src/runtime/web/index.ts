/** The runtime of browsers, workers and edges: time and chance of the platform, HTTP by `fetch`. */
export { fetchConnect } from "./fetch.ts";
export type { FetchOptions } from "./fetch-exchange.ts";
export { webSocketRuntime, type WebSocketNetworkOptions } from "./websocket.ts";
export { webRuntime } from "./runtime.ts";
