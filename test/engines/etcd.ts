/** etcd as tests start it: one member, with what Debian's package installs. */
import type { EngineDiscovery } from "../../src/discovery/engine.ts";
import { etcdDiscovery, type EtcdOptions } from "../../src/discovery/etcd/index.ts";
import { lacking } from "../peers/programs.ts";
import { type EngineProcess, startEngine } from "./engine-process.ts";
import type { EngineUnderTest } from "./harness.ts";

export interface EtcdServerOptions {
  /** Further arguments, such as those for TLS. */
  readonly args?: readonly string[];
  /** Whether clients come by https. */
  readonly secure?: boolean;
  /** Asked until it resolves to true. Default: whether /health says so. */
  readonly answers?: (port: number) => Promise<boolean>;
}

export function startEtcd(options: EtcdServerOptions = {}): Promise<EngineProcess> {
  const client = (port: number): string => `${options.secure === true ? "https" : "http"}://127.0.0.1:${port}`;
  return startEngine({
    name: "etcd",
    morePorts: 1,
    command: (port, folder) => {
      const peer = `http://127.0.0.1:${port + 1}`;
      return [
        "etcd", "--name", "one", "--data-dir", folder, "--unsafe-no-fsync",
        "--listen-client-urls", client(port), "--advertise-client-urls", client(port),
        "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", `one=${peer}`,
        ...options.args ?? [],
      ];
    },
    answers: options.answers ?? isHealthy,
  });
}

async function isHealthy(port: number): Promise<boolean> {
  const answer = await fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(1_000) });
  return (await answer.json() as { health?: string }).health === "true";
}

/** A driver with pauses as short as tests like them. */
export function discoveryAt(address: string | readonly string[], options: EtcdOptions = {}): EngineDiscovery {
  return etcdDiscovery({ address, ...options });
}

export const etcd: EngineUnderTest = {
  name: "etcd",
  missing: lacking("etcd") || undefined,
  start: () => startEtcd(),
  discovery: ({ address }, options) => discoveryAt(address, options),
};
