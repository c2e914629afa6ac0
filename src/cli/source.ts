/** A source is where a command finds who serves what, in one word: `etcd://10.0.0.5:2379`, `file:services.yaml`. */
import type { Discovery } from "../core/discovery.ts";
import { RpcError } from "../core/error.ts";
import type { Observer } from "../core/observer.ts";
import { didYouMean } from "../discovery/nearest.ts";
import { fileDiscovery, staticDiscovery } from "../discovery/index.ts";
import { createFileSource } from "../runtime/node/index.ts";

export interface Source {
  readonly discovery: Discovery;
  close(): Promise<void>;
}

/** What `--from` takes, for help texts. */
export const sourceForms = [
  "HOST:PORT[,HOST:PORT…]", "registry://HOST:PORT", "file:PATH", "etcd://HOST:PORT[,…][/PREFIX]",
  "consul://HOST:PORT", "zookeeper://HOST:PORT[,…][/PREFIX]", "redis://[USER@]HOST:PORT[/DB]",
  "dns://DOMAIN[?server=HOST:PORT]", "kubernetes:[NAMESPACE]",
];

interface Parts {
  /** `10.0.0.5:2379`, of several one each. */
  readonly addresses: readonly string[];
  /** What follows the addresses, without its first slash. */
  readonly path: string;
  readonly search: URLSearchParams;
  readonly observer: Observer;
  /** The whole, for drivers that read URLs themselves. */
  readonly text: string;
}

type Closing = Discovery & { close(): Promise<void> };

/** Each engine is loaded by whom it is asked for. Secrets come from the environment: a command line is seen by all. */
const engines: Readonly<Record<string, (parts: Parts) => Promise<Closing>>> = {
  async registry({ addresses, observer }) {
    const { registry } = await import("../registry/index.ts");
    return registry({ address: single(addresses), observer });
  },
  async etcd({ addresses, path, observer }) {
    const { etcdDiscovery } = await import("../discovery/etcd/index.ts");
    const { ETCD_USER: user, ETCD_PASSWORD: password } = process.env;
    return etcdDiscovery({ address: addresses, observer, user, password, ...(path !== "" && { prefix: path }) });
  },
  async consul({ addresses, observer }) {
    const { consulDiscovery } = await import("../discovery/consul/index.ts");
    return consulDiscovery({ address: single(addresses), observer, token: process.env["CONSUL_HTTP_TOKEN"] });
  },
  async zookeeper({ addresses, path, observer }) {
    const { zookeeperDiscovery } = await import("../discovery/zookeeper/index.ts");
    return zookeeperDiscovery({ address: addresses, observer, ...(path !== "" && { prefix: `/${path}` }) });
  },
  async redis({ text, observer }) {
    const { redisDiscovery } = await import("../discovery/redis/index.ts");
    return redisDiscovery({ url: text, observer, password: process.env["REDIS_PASSWORD"] });
  },
  async dns({ addresses, search, observer }) {
    const { dnsDiscovery } = await import("../discovery/dns/index.ts");
    const server = search.getAll("server");
    return dnsDiscovery({ domain: single(addresses), observer, ...(server.length > 0 && { servers: server }) });
  },
  async kubernetes({ addresses, observer }) {
    const { kubernetesDiscovery } = await import("../discovery/kubernetes/index.ts");
    const [namespace = ""] = addresses;
    return kubernetesDiscovery({ observer, ...(namespace !== "" && { namespace }) });
  },
};

/** Opens the source that a word names. Throws `invalid_argument` saying what may stand there. */
export async function openSource(text: string, name: string, observer: Observer): Promise<Source> {
  const scheme = /^([a-z]+):(?!\d+(?:,|$))/.exec(text)?.[1];
  if (scheme === undefined) return openList(text, name);
  if (scheme === "file") {
    return { discovery: fileDiscovery(createFileSource(text.slice("file:".length))), close: () => Promise.resolve() };
  }
  const open = Object.hasOwn(engines, scheme) ? engines[scheme] : undefined;
  if (open === undefined) {
    const meant = didYouMean(scheme, [...Object.keys(engines), "file"]);
    throw refuse(`${JSON.stringify(text.slice(0, 128))} names no source that is known${meant}`);
  }
  const [, list = "", path = "", query = ""] = /^[a-z]+:(?:\/\/)?([^/?]*)\/?([^?]*)\??(.*)$/.exec(text) ?? [];
  const addresses = list.split(",").filter((one) => one !== "");
  const discovery = await open({ addresses, path, search: new URLSearchParams(query), observer, text });
  return { discovery, close: () => discovery.close() };
}

function openList(text: string, name: string): Source {
  const addresses = text.split(",").map((address) => address.trim()).filter((address) => address !== "");
  if (addresses.length === 0) throw refuse("it is empty");
  const discovery = staticDiscovery({ [name]: addresses.map((address) => ({ address })) });
  return { discovery, close: () => Promise.resolve() };
}

function single(addresses: readonly string[]): string {
  const [address] = addresses;
  if (addresses.length === 1 && address !== undefined) return address;
  throw refuse(`it names ${addresses.length} addresses where one belongs`);
}

function refuse(why: string): RpcError {
  return new RpcError("invalid_argument", `--from: ${why}; expected one of ${sourceForms.join(", ")}`);
}
