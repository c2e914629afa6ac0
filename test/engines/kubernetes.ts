/** Kubernetes as an engine: an emulator of its API server, since the real one takes no slices of loopback addresses. */
import { once } from "node:events";
import http, { type IncomingMessage } from "node:http";
import https from "node:https";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { ClusterCredentials } from "../../src/core/cluster.ts";
import type { EndpointFields } from "../../src/core/endpoint.ts";
import { kubernetesDiscovery, type NodeKubernetesOptions } from "../../src/discovery/kubernetes/index.ts";
import { type EngineProcess, startEngine } from "./engine-process.ts";
import type { EngineServer, EngineUnderTest } from "./harness.ts";
import type { EmulatorSettings, Order } from "./kubernetes-emulator.ts";

const program = fileURLToPath(new URL("kubernetes-emulator.ts", import.meta.url));

export const namespace = "prod";

export interface EmulatorState {
  readonly asked: readonly string[];
  readonly watches: number;
  readonly version: number;
}

export interface KubernetesEmulator extends EngineProcess {
  order(order: Order): Promise<EmulatorState>;
}

export async function startEmulator(settings: EmulatorSettings = {}): Promise<KubernetesEmulator> {
  const scheme = settings.tls === undefined ? "http" : "https";
  const process_ = await startEngine({
    name: "kubernetes-emulator",
    command: (port, folder) => [process.execPath, program, String(port), folder, JSON.stringify(settings)],
    answers: async (port) => await ask(`${scheme}://127.0.0.1:${port}/readyz`) === "ok",
  });
  const order = async (one: Order): Promise<EmulatorState> =>
    JSON.parse(await ask(`${scheme}://${process_.address}/emulator`, JSON.stringify(one))) as EmulatorState;
  return { ...process_, order };
}

async function ask(url: string, body?: string): Promise<string> {
  const send = url.startsWith("https:") ? https.request : http.request;
  // The certificate is one of the test's.
  const request = send(url, { method: body === undefined ? "GET" : "POST", rejectUnauthorized: false, agent: false });
  request.end(body);
  const [answer] = await once(request, "response") as [IncomingMessage];
  return text(answer);
}

/** Nobody asks who we are. */
export function anybody(address: string): ClusterCredentials {
  return {
    source: "the test",
    read: () => Promise.resolve({ address, basePath: "", security: undefined, authorization: undefined, namespace }),
  };
}

export function emulatorDiscovery(server: EngineServer, options: NodeKubernetesOptions = {}) {
  return kubernetesDiscovery({ credentials: anybody(server.address), ...options });
}

/** The slices of a service by what they say of all their endpoints: one slice for endpoints that are alike. */
export function slicesOf(name: string, endpoints: readonly EndpointFields[]): Record<string, unknown>[] {
  const alike = Map.groupBy(endpoints, (one) => JSON.stringify([markOf(one), familyOf(one), portOf(one)]));
  return [...alike.values()].flatMap((group) => {
    const parts: EndpointFields[][] = [];
    for (let i = 0; i < group.length; i += 100) parts.push(group.slice(i, i + 100));
    return parts;
  }).map((group, i) => {
    const first = group[0] as EndpointFields;
    return {
      apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice",
      metadata: {
        // The family cannot be changed once a slice is there.
        name: `${name.toLowerCase()}-${familyOf(first).toLowerCase()}-${String(i).padStart(3, "0")}`, namespace,
        labels: { "meridian-rpc/service": name, "kubernetes.io/service-name": name.toLowerCase().replaceAll(".", "-") },
        annotations: markOf(first),
      },
      addressType: familyOf(first),
      ports: [{ name: "", port: portOf(first), protocol: "TCP" }],
      endpoints: group.map((one) => ({
        addresses: [one.address.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1")],
        conditions: { ready: true, serving: true, terminating: false },
        ...(one.zone === undefined || one.zone === "" ? {} : { zone: one.zone }),
      })),
    };
  });
}

function markOf({ id, address, region, weight, backup, priority, attributes }: EndpointFields): Record<string, string> {
  return Object.fromEntries([
    ["id", id === address ? undefined : id], ["region", region], ["weight", weight], ["backup", backup],
    ["priority", priority],
    ...Object.entries(attributes ?? {}).map(([key, value]): [string, string] => [`attribute.${key}`, value]),
  ].filter(([, value]) => value !== undefined).map(([key, value]) => [`meridian-rpc/${key as string}`, String(value)]));
}

function familyOf({ address }: EndpointFields): "IPv4" | "IPv6" {
  return address.startsWith("[") ? "IPv6" : "IPv4";
}

function portOf({ address }: EndpointFields): number {
  return Number(/:(\d+)$/.exec(address)?.[1]);
}

export const kubernetes: EngineUnderTest = {
  name: "Kubernetes (emulator)",
  missing: undefined,
  start: () => startEmulator(),
  discovery: (server, options = {}) => emulatorDiscovery(server, { observer: options.observer }),
  async enter(server, name, endpoints) {
    const order: Order = { do: "put", objects: slicesOf(name, endpoints), instead: `meridian-rpc/service=${name}` };
    await ask(`http://${server.address}/emulator`, JSON.stringify(order));
  },
};
