/** A valve on the way to a server: stopped, it keeps connections open and lets nothing through, like a cut network. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

export interface Valve {
  readonly address: string;
  stop(): void;
  go(): void;
  close(): Promise<void>;
}

export async function startValve(port: number): Promise<Valve> {
  const sockets = new Set<Socket>();
  let stopped = false;
  const join = (from: Socket, to: Socket): void => {
    sockets.add(from);
    from.on("data", (bytes) => void to.write(bytes)).on("error", () => undefined).on("close", () => {
      sockets.delete(from);
      to.destroy();
    });
    if (stopped) from.pause();
  };
  const server = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    join(near, far);
    join(far, near);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    address: `127.0.0.1:${address.port}`,
    stop() {
      stopped = true;
      for (const one of sockets) one.pause();
    },
    go() {
      stopped = false;
      for (const one of sockets) one.resume();
    },
    async close() {
      for (const one of sockets) one.destroy();
      await once(server.close(), "close");
    },
  };
}
