// JSON-RPC over WebSocket: rpc-websockets, with its defaults.
import { Client, Server } from "rpc-websockets";
import type { Caller } from "../harness/system.ts";
import type { Shape } from "../records.ts";

/** What our contract calls them, so that its client can call our server too. */
const methods: Readonly<Record<Shape, string>> = { S: "small", M: "user" };

export function serve(port: number): Promise<void> {
  const server = new Server({ host: "127.0.0.1", port });
  for (const name of Object.values(methods)) server.register(name, (record) => record);
  return new Promise((resolve) => {
    server.on("listening", resolve);
  });
}

export async function connect(port: number, shape: Shape): Promise<Caller> {
  const client = new Client(`ws://127.0.0.1:${port}`, { reconnect: false });
  await new Promise((resolve, reject) => {
    client.once("open", resolve);
    client.once("error", reject);
  });
  return {
    call: (record) => client.call(methods[shape], { ...record }),
    close: () => client.close(),
  };
}
