/** What a configuration may say of discovery: one key, the engine's name, and below it how it is reached. */
import {
  address, choice, flag, group, list, map, ms, name, number, oneOf, oneOrMore, path, secret, text, type TypeOf, whole,
} from "./schema.ts";
import { clientTls } from "./client-schema.ts";

const ttlMs = ms("How long an entry outlives its process.", { least: 500, most: 3_600_000 });

const endpoint = group("an endpoint", "One server.", {
  address: address("Where it listens."),
  id: text("What it is known by. Default its address."),
  region: name("Its region."),
  zone: name("Its zone."),
  weight: number("Share of the traffic relative to its peers. Default 1.", { most: 1e9 }),
  backup: flag("Used only when no other is left. Default false."),
  priority: whole("Lower first. Default 0.", { most: 1_000 }),
  attributes: map("Anything else.", text("Text.", { maxChars: 4_096 }), { most: 64 }),
}, { required: ["address"] });

export const discoverySchema = oneOf("discovery", "Who serves what: exactly one of these. Default `registry`.", {
  registry: group("registry", "Meridian's own registry, for one machine.", {
    address: address("Where it listens. Default: where `registry` says, 127.0.0.1:7600."),
    ttlMs,
  }),
  static: map("Servers by the names of services, written here.", list("Servers of the service.", endpoint)),
  file: group("file", "A file of servers, watched (docs/discovery.md).", { path: path("YAML or JSON.") }, {
    required: ["path"],
  }),
  dns: group("dns", "DNS (docs/discovery-dns.md).", {
    servers: list("Name servers. Default those of the system.", text("`10.0.0.2` or `10.0.0.2:53`."), {
      least: 1, most: 16,
    }),
    domain: text("Below which domain services stand."),
    port: whole("The port of all servers; addresses are asked for instead of SRV records then.", {
      least: 1, most: 65_535,
    }),
    region: name("Where servers stand that do not say so."),
    zone: name("Where servers stand that do not say so."),
    texts: flag("Whether TXT records are asked for beside. Default false."),
    negative: choice("Which answers make a set empty. Default `authoritative`.", ["authoritative", "always"]),
    minTtlMs: ms("Least time for which an answer holds. Default 1,000."),
    maxTtlMs: ms("Most time for which an answer holds. Default 300,000."),
    timeoutMs: ms("Time for one server to answer once. Default 500.", { least: 1 }),
  }),
  consul: group("consul", "Consul (docs/discovery-consul.md).", {
    address: address("The agent. Default 127.0.0.1:8500."),
    token: secret("The ACL token, as `${env:NAME}`."),
    tokenFile: path("The file that holds the ACL token, read before each request."),
    datacenter: text("The datacenter that is read. Default the agent's."),
    tags: list("Only entries with all of these are read.", text("A tag."), { most: 64 }),
    filter: text("Only entries that this filter takes are read.", { maxChars: 4_096 }),
    includeWarning: flag("Whether entries with a check in the state `warning` are read. Default false."),
    consistency: choice("Default `default`.", ["default", "stale", "consistent"]),
    ttlMs,
    tls: clientTls,
  }),
  etcd: group("etcd", "etcd v3 (docs/discovery-etcd.md).", {
    address: oneOrMore("Its members. Default 127.0.0.1:2379.", address("`host:port`.")),
    user: text("Where etcd asks who is there."),
    password: secret("The password, as `${env:NAME}`."),
    passwordFile: path("The file that holds the password."),
    prefix: text("What all keys begin with. Default `meridian/`."),
    ttlMs,
    tls: clientTls,
  }),
  zookeeper: group("zookeeper", "ZooKeeper (docs/discovery-zookeeper.md).", {
    address: oneOrMore("Its servers. Default 127.0.0.1:2181.", text("`host:port`.")),
    prefix: text("Where everything stands. Default `/meridian`."),
    ttlMs,
    user: text("Credentials of the scheme `digest`: who."),
    password: secret("Their password, as `${env:NAME}`."),
    passwordFile: path("The file that holds the password."),
    acl: choice("Who may read and change what is entered. Default `creator` with a user, else `open`.",
      ["open", "creator", "readable"]),
    tls: clientTls,
  }),
  redis: group("redis", "Redis (docs/discovery-redis.md); needs the package `@redis/client`.", {
    url: text("Default `redis://127.0.0.1:6379`.", {
      pattern: {
        source: "rediss?://(?:[^:@/\\s]+@)?[^@/\\s]+(?:/[0-9]*)?",
        say: "redis://[USER@]HOST:PORT[/DATABASE] without a password (write `passwordFile`)",
      },
    }),
    username: text("A user of Redis's ACL."),
    password: secret("The password, as `${env:NAME}`."),
    passwordFile: path("The file that holds the password."),
    prefix: text("What all keys begin with. Default `meridian:`."),
    ttlMs,
  }),
  kubernetes: group("kubernetes", "The pods of services in Kubernetes (docs/discovery-kubernetes.md).", {
    namespace: name("The namespace of services that name none. Default: that of the credentials."),
    services: map("Kubernetes services by the name they are watched by.", text("`NAME.NAMESPACE:PORT`.")),
    port: text("The port's name or number in the pods."),
    region: name("The region of pods whose slices name none."),
    zoneHints: name("Our own zone, to honour the hints of topology-aware routing."),
  }),
}, { restart: true });

export type DiscoverySection = TypeOf<typeof discoverySchema>;
