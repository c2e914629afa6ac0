// A name server on this machine that serves what it is given, and ends with this process.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createSocket } from "node:dgram";

/** `_service._proto.name TTL IN SRV priority weight port target`, as RFC 2782 writes it and zone files have it. */
const form = /^(\S+?)\.?\s+(\d+)\s+IN\s+SRV\s+(\d+)\s+(\d+)\s+(\d+)\s+(\S+?)\.?$/;

export interface NameServer {
  readonly address: string;
  stop(): Promise<void>;
}

/** Starts dnsmasq with these records; every host in them is this machine. */
export async function startDnsmasq(records: readonly string[]): Promise<NameServer> {
  const port = await freePort();
  const hosts = new Set<string>();
  const services = records.map((record) => {
    const [, owner, , priority, weight, portOf, target = ""] = form.exec(record) ?? [];
    hosts.add(target);
    return `--srv-host=${owner},${target},${portOf},${priority},${weight}`;
  });
  const path = `${process.env["PATH"]}:/usr/sbin`;
  const child = spawn("dnsmasq", [
    "-k", "-C", "/dev/null", "--no-resolv", "--no-hosts", `--port=${port}`, "--listen-address=127.0.0.1",
    "--bind-interfaces", "--user=root", "--pid-file=", "--local=/example.test/", "--local-ttl=1",
    ...services, ...[...hosts].map((host) => `--host-record=${host},127.0.0.1`),
  ], { env: { ...process.env, PATH: path }, stdio: "ignore" });
  const failed = once(child, "error").then(([error]) => Promise.reject(error as Error));
  failed.catch(() => undefined);
  process.once("exit", () => child.kill("SIGKILL"));
  await Promise.race([once(child, "spawn"), failed]);
  return {
    address: `127.0.0.1:${port}`,
    async stop() {
      const exit = once(child, "exit");
      child.kill();
      await exit;
    },
  };
}

async function freePort(): Promise<number> {
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  await once(socket, "close");
  return port;
}
