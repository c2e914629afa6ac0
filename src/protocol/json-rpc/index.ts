/** JSON-RPC 2.0 over HTTP and WebSocket: what scripts, wallets and language servers speak. */
export { jsonRpc, type JsonRpcOptions } from "./client.ts";
export { withJsonRpc } from "./http.ts";
export {
  defaultJsonRpcSettings, type JsonRpcSettings, resolveJsonRpcSettings,
} from "./settings.ts";
export { jsonRpcProtocol, jsonRpcSpeeches } from "./speech.ts";
