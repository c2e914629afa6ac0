// JSON-RPC over WebSocket: rpc-websockets, with its defaults.
import { Client, Server } from "rpc-websockets";
import type { Caller } from "../harness/system.ts";

export function serve(port: number): Promise<void> {
  const server = new Server({ host: "127.0.0.1", port });
  server.register("echo", (record) => record);
  return new Promise((resolve) => {
    server.on("listening", resolve);
  });
}

export async function connect(port: number): Promise<Caller> {
  const client = new Client(`ws://127.0.0.1:${port}`, { reconnect: false });
  await new Promise((resolve, reject) => {
    client.once("open", resolve);
    client.once("error", reject);
  });
  return {
    call: (record) => client.call("echo", { ...record }),
    close: () => client.close(),
  };
}
