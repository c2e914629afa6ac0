/** A relay between a driver and its engine that can be cut and mended: connections end while both sides live on. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface Relay {
  readonly address: string;
  /** Ends all connections, and until `mend` new ones as well. */
  cut(): void;
  mend(): void;
  /** Connections made so far. */
  readonly count: number;
  close(): Promise<void>;
}

export async function relayTo(address: string): Promise<Relay> {
  const [host, port] = address.split(":") as [string, string];
  const sockets = new Set<Socket>();
  let isCut = false;
  let count = 0;
  const server = createServer((near) => {
    if (isCut) return void near.destroy();
    count++;
    const far = connect(Number(port), host);
    for (const [one, other] of [[near, far], [far, near]] as const) {
      sockets.add(one);
      one.setNoDelay(true).pipe(other);
      one.on("error", () => undefined);
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = (): void => {
    isCut = true;
    for (const socket of sockets) socket.destroy();
  };
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut,
    mend: () => void (isCut = false),
    get count() {
      return count;
    },
    async close() {
      cut();
      server.close();
      await once(server, "close");
    },
  };
}
