/** Consul as tests start it: one agent that is a server too, with its data on disk; and what operators do to it. */
import { spawnSync } from "node:child_process";
import { consulDiscovery, type ConsulOptions } from "../../src/discovery/consul/index.ts";
import type { EngineDiscovery } from "../../src/discovery/engine.ts";
import { lacking, path } from "../peers/programs.ts";
import { type EngineProcess, startEngine } from "./engine-process.ts";
import type { EngineServer, EngineUnderTest } from "./harness.ts";

export interface ConsulServerOptions {
  /** Further arguments, such as `-hcl=...` for ACLs. */
  readonly args?: readonly string[];
  /** A folder with `ca.crt`, `agent.crt` and `agent.key`: the fifth port speaks TLS, to who shows a certificate. */
  readonly certificates?: string;
  /** What tests ask with. */
  readonly token?: string;
}

export function startConsul({ args = [], certificates, token }: ConsulServerOptions = {}): Promise<EngineProcess> {
  return startEngine({
    name: "consul",
    morePorts: 4,
    command: (port, folder) => [
      "consul", "agent", "-server", "-bootstrap-expect=1", `-data-dir=${folder}`, "-node=one", "-bind=127.0.0.1",
      "-client=127.0.0.1", `-http-port=${port}`, `-dns-port=${port + 1}`, `-server-port=${port + 2}`,
      `-serf-lan-port=${port + 3}`, "-serf-wan-port=-1", "-grpc-port=-1",
      ...(hasSecureGrpc() ? ["-grpc-tls-port=-1"] : []), "-disable-host-node-id", "-log-level=warn",
      "-hcl=performance { raft_multiplier = 1 } disable_update_check = true leave_on_terminate = false",
      ...(certificates === undefined ? [] : [`-https-port=${port + 4}`, `-hcl=ca_file = "${certificates}/ca.crt" ` +
        `cert_file = "${certificates}/agent.crt" key_file = "${certificates}/agent.key" verify_incoming = true`]),
      ...args,
    ],
    // A leader alone is not enough: entries are made of a node that the catalog knows.
    answers: async (port) => {
      const nodes = await callConsul({ address: `127.0.0.1:${port}` }, "GET", "/v1/health/node/one", { token });
      return (nodes.value as readonly unknown[]).length > 0;
    },
  });
}

/** Later agents listen for secured gRPC by default, at a port that several agents would fight for. */
function hasSecureGrpc(): boolean {
  const { stdout } = spawnSync("consul", ["version"], { env: { ...process.env, PATH: path }, encoding: "utf8" });
  return Number(/^Consul v1\.(\d+)/.exec(stdout)?.[1] ?? 0) >= 14;
}

/** Consul's HTTP API as everybody else uses it. Throws for a status other than 2xx. */
export async function callConsul(
  { address }: Pick<EngineServer, "address">, method: "GET" | "PUT" | "POST" | "DELETE", way: string,
  { body, token }: { body?: unknown; token?: string | undefined } = {},
): Promise<{ readonly value: unknown; readonly headers: Headers }> {
  const answer = await fetch(`http://${address}${way}`, {
    method, signal: AbortSignal.timeout(10_000), headers: token === undefined ? {} : { "x-consul-token": token },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${way}: ${answer.status} ${text}`);
  return { value: text === "" ? undefined : JSON.parse(text) as unknown, headers: answer.headers };
}

export function discoveryAt(address: string, options: ConsulOptions = {}): EngineDiscovery {
  return consulDiscovery({ address, ...options });
}

export const consul: EngineUnderTest = {
  name: "consul",
  missing: lacking("consul") || undefined,
  start: () => startConsul(),
  discovery: ({ address }, options) => discoveryAt(address, options),
};
