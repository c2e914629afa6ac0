/** DNS as a source of endpoints: SRV records, or the addresses of a host. */
import { RpcError } from "../../core/error.ts";
import type { Runtime } from "../../core/runtime.ts";
import { type EngineDiscovery, engineDiscovery, type EngineOptions } from "../engine.ts";
import { serverAddress } from "./addresses.ts";
import { dnsEngine } from "./engine.ts";
import type { Family } from "./hosts.ts";
import { type DnsServices, queryFor, type QueryOptions } from "./query.ts";
import { type NameServers, Resolver } from "./resolver.ts";

export interface DnsOptions extends EngineOptions {
  /**
   * Name servers in the order in which they are asked, as `10.0.0.2`, `10.0.0.2:53` or `[2001:db8::53]:53`; or a
   * function that says which there are at present. Default those of /etc/resolv.conf.
   */
  readonly servers?: readonly string[] | NameServers | undefined;
  /** Below which domain services stand: SRV of `_geo-v1-cities._tcp.DOMAIN` is asked for `geo.v1.Cities`. */
  readonly domain?: string | undefined;
  /** The port of all endpoints. With it, addresses (A, AAAA) of `geo-v1-cities.DOMAIN` are asked for instead. */
  readonly port?: number | undefined;
  /** What to ask for single services, by their name; names that it does not know are asked for below `domain`. */
  readonly services?: DnsServices | undefined;
  /** Where endpoints stand that do not say so. Default nowhere. */
  readonly region?: string | undefined;
  readonly zone?: string | undefined;
  /**
   * Whether TXT records are asked for beside, of the service (about all of its endpoints) and of each host (about
   * itself): `region=eu-west`, `zone=a`, `weight`, `priority`, `backup=true`, `id`, and attributes. Default no.
   */
  readonly texts?: boolean | undefined;
  /** Which addresses are wanted. Default `both`, all of which become endpoints. */
  readonly family?: Family | undefined;
  /**
   * Which answers that a name has nothing make its set empty: those that an authoritative server gave, or that show
   * its SOA record; or `always`, for servers that never say so, such as dnsmasq. Default `authoritative`.
   */
  readonly negative?: "authoritative" | "always" | undefined;
  /** Least and most time for which an answer is taken to hold, in milliseconds. Default 1,000 and 300,000. */
  readonly minTtlMs?: number | undefined;
  readonly maxTtlMs?: number | undefined;
  /** Most time for which an answer that there is nothing holds, in milliseconds. Default 10,000. */
  readonly maxNegativeTtlMs?: number | undefined;
  /** Time for one server to answer once, in milliseconds; four times as much over TCP. Default 500. */
  readonly timeoutMs?: number | undefined;
  /** How often all servers are tried while they are silent. Default 4. */
  readonly rounds?: number | undefined;
  /** Most answers that are remembered. Default 20,000. */
  readonly maxCached?: number | undefined;
}

const maxServers = 16;

/** Makes a discovery by DNS on a runtime of your own. Throws `invalid_argument` for options that make no sense. */
export function dnsDiscoveryOn(
  runtime: Runtime, options: DnsOptions & { readonly servers: readonly string[] | NameServers },
): EngineDiscovery {
  const { servers } = options;
  const ttl = {
    minMs: positive("minTtlMs", options.minTtlMs, 1_000), maxMs: positive("maxTtlMs", options.maxTtlMs, 300_000),
    maxNegativeMs: positive("maxNegativeTtlMs", options.maxNegativeTtlMs, 10_000),
  };
  const fixed = typeof servers === "function" ? undefined : readServers(servers);
  const resolver = new Resolver(runtime, {
    servers: typeof servers === "function" ? async () => readServers(await servers()) : () => fixed ?? [],
    timeoutMs: positive("timeoutMs", options.timeoutMs, 500), rounds: positive("rounds", options.rounds, 4),
    ttl, maxCached: positive("maxCached", options.maxCached, 20_000),
  });
  const naming: QueryOptions = {
    domain: options.domain, port: options.port, services: options.services, region: options.region, zone: options.zone,
  };
  const engine = dnsEngine(runtime, resolver, {
    name: fixed === undefined ? "DNS" : `DNS at ${fixed.join(", ")}`,
    queryFor: (name) => queryFor(name, naming),
    family: options.family ?? "both", texts: options.texts ?? false, negative: options.negative ?? "authoritative",
    minMs: Math.min(ttl.minMs, leastPauseMs),
  });
  const discovery = engineDiscovery(runtime, engine, options);
  return {
    ...discovery,
    watch(name, watcher) {
      // A name that cannot be asked for would fail again and again, unheard by whoever wrote it.
      queryFor(name, naming);
      return discovery.watch(name, watcher);
    },
  };
}

/** Between two lookups of a name, in milliseconds: answers about many hosts run out one after another. */
const leastPauseMs = 1_000;

function readServers(servers: readonly string[]): readonly string[] {
  if (servers.length > maxServers) throw wrong(`${servers.length} name servers`, `at most ${maxServers}`);
  return servers.map((server) => serverAddress(server) ??
    wrong(`the name server ${JSON.stringify(server.slice(0, 128))}`,
      '"10.0.0.2", "10.0.0.2:53" or "[2001:db8::53]:53"'));
}

function positive(option: string, value: number | undefined, standard: number): number {
  if (value === undefined) return standard;
  return value > 0 && value <= 2 ** 31 ? value : wrong(`${option} ${value}`, "a number above 0");
}

function wrong(what: string, wanted: string): never {
  throw new RpcError("invalid_argument", `discovery by DNS cannot use ${what}; expected ${wanted}`,
    { phase: "resolve", retryable: false });
}
