// Meridian as its users get it, over WebSocket: the native wire in binary messages, or JSON-RPC in text messages.
import { jsonRpc, websocket } from "../../src/protocol/index.ts";
import { echoSystem } from "./meridian/echo.ts";

export const { serve, connect } = echoSystem(({ variant }) =>
  ({ protocol: variant === "json-rpc" ? jsonRpc() : websocket() }));
