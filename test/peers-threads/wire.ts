/** A Wire stands between client and server and can go dead: bytes stop, nobody is told. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type { TestContext } from "node:test";

export interface Wire {
  readonly address: string;
  /** Pairs of sockets now open. */
  readonly open: number;
  /** Connections so far. */
  readonly connections: number;
  /** Connections that exist carry nothing any more; new ones do. */
  freeze(): void;
  /** Ends what is open, without a word of HTTP/2. */
  cut(): void;
}

/** Starts one that ends with the test. */
export async function startWire(t: TestContext, serverPort: number): Promise<Wire> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let connections = 0;
  const server = createServer((near) => {
    connections++;
    const far = connect(serverPort, "127.0.0.1");
    const pair = [near, far] as const;
    pairs.add(pair);
    for (const [from, to] of [[near, far], [far, near]] as const) {
      from.setNoDelay(true).pipe(to);
      from.on("error", () => undefined).once("close", () => {
        to.destroy();
        pairs.delete(pair);
      });
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = (): void => {
    for (const pair of pairs) for (const socket of pair) socket.destroy();
  };
  t.after(async () => {
    cut();
    server.close();
    await once(server, "close");
  });
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    get open() {
      return pairs.size;
    },
    get connections() {
      return connections;
    },
    freeze() {
      for (const [near, far] of pairs) {
        for (const socket of [near, far]) socket.unpipe().pause();
      }
    },
    cut,
  };
}
