// Starts what stands between client and server, as a process that ends with this one.
import type { Proxy } from "./measure.ts";
import { freePort, startChild } from "./process.ts";

/** A file in bench/gateways. */
export type ProxyName = "nginx" | "haproxy" | "haproxy-http" | "meridian" | "meridian-grpc";

const startTimeoutMs = 20_000;

/** A function that puts the proxy of this name before a server. */
export function proxyNamed(name: ProxyName): (serverPort: number) => Promise<Proxy> {
  return async (serverPort) => {
    const port = await freePort();
    const child = startChild("between", [name, String(port), String(serverPort)]);
    try {
      await child.next("ready", startTimeoutMs);
    } catch (error) {
      await child.stop();
      throw error;
    }
    return { port, pid: child.pid, stop: () => child.stop() };
  };
}
