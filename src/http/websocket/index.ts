/** WebSocket of our own, both sides, over byte streams (RFC 6455); without extensions. */
export { type WebSocketByteStream, webSocketByteStream } from "./byte-stream.ts";
export { openWebSocket, type WebSocketTarget } from "./client.ts";
export { CloseCode } from "./frames.ts";
export { FrameError } from "./frame-reader.ts";
export {
  grant, type HandshakeRefusal, handshakeRequest, readHandshake, type WebSocketRequest, wrongGrant,
} from "./handshake.ts";
export { WebSocketConnection, type WebSocketEvents } from "./socket.ts";
