/** What a watcher heard, and waiting for it: for tests of the Kubernetes driver. */
import { setTimeout as sleep } from "node:timers/promises";
import type { EndpointAddress, EndpointFields } from "../../src/core/endpoint.ts";
import type { RpcError } from "../../src/core/error.ts";
import type { Observer } from "../../src/core/observer.ts";
import { kubernetesDiscovery, type NodeKubernetesOptions } from "../../src/discovery/kubernetes/index.ts";
import { anybody, type KubernetesEmulator, slicesOf } from "./kubernetes.ts";

const patienceMs = 30_000;

/** Waits for a condition, however slow the machine is. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (!await holds()) {
    if (performance.now() > deadline) throw new Error(`never: ${what}`);
    await sleep(5);
  }
}

export interface Heard {
  readonly events: { readonly name: string; readonly fields: Readonly<Record<string, unknown>> }[];
  readonly failures: RpcError[];
  readonly snapshots: (readonly EndpointAddress[])[];
  /** The addresses told last, in order. */
  addresses(): string | undefined;
  /** Waits for a set of these addresses, in order. */
  told(...addresses: string[]): Promise<void>;
  /** Waits for a failure after the first `past` whose message matches, and returns the message. */
  failed(pattern: RegExp): Promise<string>;
  endpoint(address: string): EndpointAddress | undefined;
  skipped(): string[];
  close(): Promise<void>;
}

/** Watches `name` by a driver of its own. */
export function hear(server: { address: string }, name: string, options: NodeKubernetesOptions = {}): Heard {
  const events: Heard["events"] = [];
  const failures: RpcError[] = [];
  const snapshots: (readonly EndpointAddress[])[] = [];
  const observer: Observer = { event: (event, fields) => void events.push({ name: event, fields }) };
  const discovery = kubernetesDiscovery({
    credentials: anybody(server.address), observer, retryMaxMs: 100, ...options,
  });
  discovery.watch(name, {
    snapshot: (endpoints) => void snapshots.push(endpoints),
    failed: (error) => void failures.push(error),
  });
  const heard: Heard = {
    events, failures, snapshots,
    addresses: () => snapshots.at(-1)?.map(({ address }) => address).join(" "),
    told: (...addresses) => until(`${addresses.join(" ")} is told`, () => heard.addresses() === addresses.join(" ")),
    async failed(pattern) {
      await until(`a failure like ${String(pattern)}`, () => failures.some(({ message }) => pattern.test(message)));
      return failures.find(({ message }) => pattern.test(message))?.message ?? "";
    },
    endpoint: (address) => snapshots.at(-1)?.find((one) => one.address === address),
    skipped: () => events.filter((one) => one.name === "discovery.skipped")
      .map(({ fields }) => `${String(fields["entry"])}: ${String(fields["why"])}`),
    close: () => discovery.close(),
  };
  return heard;
}

/** Puts what serves one name in the place of what served it. */
export async function put(
  server: KubernetesEmulator, name: string, endpoints: readonly EndpointFields[],
): Promise<void> {
  await server.order({ do: "put", objects: slicesOf(name, endpoints), instead: `meridian-rpc/service=${name}` });
}
