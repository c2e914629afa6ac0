/** Opens the engine that a configuration names; each is loaded by whom it is asked for. */
import type { Discovery, Registrar } from "../core/discovery.ts";
import type { EndpointFields } from "../core/endpoint.ts";
import { RpcError } from "../core/error.ts";
import { fileDiscovery } from "../discovery/file.ts";
import { staticDiscovery } from "../discovery/static.ts";
import { connectRegistry } from "../registry/driver.ts";
import type { Config } from "./config.ts";
import type { DiscoverySection } from "./discovery-schema.ts";
import { type ConfigTools, lent, secretReader } from "./tools.ts";
import type { Speeches } from "./speech.ts";

/** Who serves what, and, with engines that are not only read, where servers make themselves known. */
export interface OpenDiscovery {
  readonly discovery: Discovery;
  readonly registrar: Registrar | undefined;
  close(): Promise<void>;
}

/** Where Meridian's own registry listens, unless the file says otherwise. */
export const registryPort = 7_600;

/** `host:port` of Meridian's own registry. */
export function registryAddress({ discovery, registry = {} }: Config): string {
  return discovery?.registry?.address ?? `${registry.host ?? "127.0.0.1"}:${registry.port ?? registryPort}`;
}

interface Opening {
  readonly tools: ConfigTools;
  readonly speeches: Speeches;
  readonly config: Config;
}

type Closing = Discovery & Partial<Registrar> & { close(): Promise<void> };
type Engine = "registry" | "static" | "file" | "dns" | "consul" | "etcd" | "zookeeper" | "redis" | "kubernetes";
type Openers = {
  readonly [E in Engine]: (section: NonNullable<DiscoverySection[E]>, opening: Opening) => Promise<Closing>
};

const engines: Openers = {
  registry: (section, { tools, config }) => Promise.resolve(connectRegistry(tools.runtime,
    { ...section, address: registryAddress(config), observer: tools.observer })),
  static: (services) => Promise.resolve(lasting(staticDiscovery(services as Record<string, EndpointFields[]>))),
  file: ({ path }, { tools }) => Promise.resolve(lasting(fileDiscovery(lent(tools.file, "discovery.file")(path)))),
  async dns(section, { tools }) {
    const { dnsDiscoveryOn } = await import("../discovery/dns/discovery.ts");
    const servers = section.servers ?? lent(tools.nameServers, "discovery.dns.servers")();
    return readOnly(dnsDiscoveryOn(tools.runtime, { ...section, servers, observer: tools.observer }));
  },
  async consul({ token, tokenFile, tls, ...section }, { tools, speeches }) {
    const { consulDiscoveryOn } = await import("../discovery/consul/consul.ts");
    const secret = secretReader(tools, "discovery.consul.token", token, tokenFile);
    return consulDiscoveryOn(tools.runtime,
      { ...section, token: secret, tls: tls && speeches.tls(tls), observer: tools.observer });
  },
  async etcd({ password, passwordFile, tls, ...section }, { tools, speeches }) {
    const { etcdDiscoveryOn } = await import("../discovery/etcd/etcd.ts");
    const secret = await secretReader(tools, "discovery.etcd.password", password, passwordFile)?.();
    return etcdDiscoveryOn(tools.runtime,
      { ...section, password: secret, tls: tls && speeches.tls(tls), observer: tools.observer });
  },
  async zookeeper({ user, password, passwordFile, tls, ...section }, { tools, speeches }) {
    const { zookeeperDiscoveryOn } = await import("../discovery/zookeeper/driver.ts");
    const secret = await secretReader(tools, "discovery.zookeeper.password", password, passwordFile)?.();
    const auth = secret === undefined ? undefined : { scheme: "digest", auth: `${user}:${secret}` };
    return zookeeperDiscoveryOn(tools.runtime,
      { ...section, auth, security: tls && speeches.tls(tls), observer: tools.observer });
  },
  async redis({ password, passwordFile, ...section }, { tools }) {
    const { redisDiscoveryOn } = await import("../discovery/redis/driver.ts");
    const secret = await secretReader(tools, "discovery.redis.password", password, passwordFile)?.();
    return redisDiscoveryOn(tools.runtime, { ...section, password: secret, observer: tools.observer });
  },
  async kubernetes(section, { tools }) {
    const { kubernetesDiscoveryOn } = await import("../discovery/kubernetes/discovery.ts");
    const credentials = lent(tools.clusterCredentials, "discovery.kubernetes")();
    return readOnly(kubernetesDiscoveryOn(tools.runtime, credentials, { ...section, observer: tools.observer }));
  },
};

/** Opens it. Rejects with `invalid_argument` for options that cannot be meant, naming the engine. */
export async function openDiscovery(config: Config, tools: ConfigTools, speeches: Speeches): Promise<OpenDiscovery> {
  const { discovery: section = { registry: {} } } = config;
  const [[engine, settings] = ["registry", {}] as const] = Object.entries(section) as (readonly [Engine, object])[];
  let opened: Closing;
  try {
    opened = await engines[engine](settings as never, { tools, speeches, config });
  } catch (error) {
    if (!RpcError.is(error)) throw error;
    throw new RpcError(error.code, `discovery.${engine}: ${error.message}`, { cause: error });
  }
  const registrar = opened.register === undefined ? undefined : opened as Registrar;
  return { discovery: opened, registrar, close: () => opened.close() };
}

function lasting(discovery: Discovery): Closing {
  return Object.assign(Object.create(discovery) as Discovery, { close: () => Promise.resolve() });
}

/** DNS and Kubernetes are only read: others enter what they tell. */
function readOnly(discovery: Discovery & { close(): Promise<void> }): Closing {
  return { watch: (name, watcher) => discovery.watch(name, watcher), deliberate: discovery.deliberate,
    close: () => discovery.close() };
}
