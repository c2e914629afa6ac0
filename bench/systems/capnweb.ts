// Cap'n Web over WebSocket, with the WebSockets of `ws` as its own documentation has them.
import { newWebSocketRpcSession, RpcTarget } from "capnweb";
import { WebSocket, WebSocketServer } from "ws";
import type { Caller } from "../harness/system.ts";

class Echo extends RpcTarget {
  echo(record: unknown): unknown {
    return record;
  }
}

type Socket = Parameters<typeof newWebSocketRpcSession>[0];

export function serve(port: number): Promise<void> {
  const server = new WebSocketServer({ host: "127.0.0.1", port });
  server.on("connection", (socket) => {
    newWebSocketRpcSession(socket as unknown as Socket, new Echo());
  });
  return new Promise((resolve) => {
    server.on("listening", resolve);
  });
}

export async function connect(port: number): Promise<Caller> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`);
  await new Promise((resolve, reject) => {
    socket.once("open", resolve);
    socket.once("error", reject);
  });
  const remote = newWebSocketRpcSession(socket as unknown as Socket) as unknown as {
    echo(record: unknown): Promise<unknown>;
  };
  return {
    call: (record) => remote.echo({ ...record }),
    close: () => socket.close(),
  };
}
