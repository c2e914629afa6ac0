/** Connect over HTTP/1.1 and HTTP/2: calls that any HTTP client can make, and streams. */
export { connectClient, type ConnectClientOptions } from "./client.ts";
export { connectServer, type ConnectServerOptions } from "./server.ts";
export { connect, type ConnectOptions } from "./protocol.ts";
