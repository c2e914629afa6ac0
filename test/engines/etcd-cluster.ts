/** A cluster of several etcd members on loopback. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { path } from "../peers/programs.ts";
import { until } from "./etcd-ctl.ts";

export interface EtcdCluster {
  readonly addresses: readonly string[];
  kill(address: string): Promise<void>;
  stop(): Promise<void>;
}

export async function startCluster(size: number): Promise<EtcdCluster> {
  const folder = mkdtempSync(join(tmpdir(), "meridian-etcd-cluster-"));
  const ports = await freePorts(size * 2);
  const members = Array.from({ length: size }, (_, i) => ({
    name: `m${i}`, client: `127.0.0.1:${ports[2 * i]}`, peer: `127.0.0.1:${ports[2 * i + 1]}`,
  }));
  const all = members.map(({ name, peer }) => `${name}=http://${peer}`).join(",");
  const children = new Map<string, ChildProcess>();
  for (const { name, client, peer } of members) {
    children.set(client, spawn("etcd", [
      "--name", name, "--data-dir", join(folder, name), "--unsafe-no-fsync",
      "--listen-client-urls", `http://${client}`, "--advertise-client-urls", `http://${client}`,
      "--listen-peer-urls", `http://${peer}`, "--initial-advertise-peer-urls", `http://${peer}`,
      "--initial-cluster", all,
    ], { env: { ...process.env, PATH: path }, stdio: "ignore" }));
  }
  async function kill(address: string): Promise<void> {
    const child = children.get(address);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, "exit");
    child.kill("SIGKILL");
    await exit;
  }
  const atExit = (): void => children.forEach((child) => child.kill("SIGKILL"));
  process.once("exit", atExit);
  async function stop(): Promise<void> {
    process.off("exit", atExit);
    await Promise.all(members.map(({ client }) => kill(client)));
    rmSync(folder, { recursive: true, force: true });
  }
  const addresses = members.map(({ client }) => client);
  try {
    for (const address of addresses) await until(`${address} is healthy`, () => isHealthy(address), 60_000);
  } catch (error) {
    await stop();
    throw error;
  }
  return { addresses, kill, stop };
}

async function isHealthy(address: string): Promise<boolean> {
  try {
    const answer = await fetch(`http://${address}/health`, { signal: AbortSignal.timeout(2_000) });
    return (await answer.json() as { health?: string }).health === "true";
  } catch {
    return false;
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports: number[] = [];
  for (const server of servers) {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    ports.push(address.port);
  }
  await Promise.all(servers.map((server) => once(server.close(), "close")));
  return ports;
}
