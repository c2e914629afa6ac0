/** Options of the Consul driver, checked and filled in once. */
import { RpcError } from "../../core/error.ts";
import type { Security } from "../../core/runtime.ts";
import { checkTtl } from "../check.ts";
import type { EngineOptions } from "../engine.ts";

/**
 * How Consul knows that a registered server lives.
 * - `ttl`: the server says so itself, at a third of `ttlMs`;
 * - the others: the agent asks it every `intervalMs` (default 2,000), for at most `timeoutMs` (default 1,000): `tcp`
 *   by a connection to its address, `http` by GET of `url` (default `http://ADDRESS/healthz`), `grpc` by the health
 *   service of gRPC. The entry passes only from the agent's first good answer on.
 */
export type ConsulCheck =
  | { readonly kind: "ttl" }
  | { readonly kind: "tcp"; readonly intervalMs?: number; readonly timeoutMs?: number }
  | { readonly kind: "http"; readonly url?: string; readonly intervalMs?: number; readonly timeoutMs?: number }
  | { readonly kind: "grpc"; readonly intervalMs?: number; readonly timeoutMs?: number };

export interface ConsulOptions extends EngineOptions {
  /** `host:port` or `unix:/path` of the agent, which is that of this machine as a rule. Default `127.0.0.1:8500`. */
  readonly address?: string | undefined;
  /** Whom we trust, and our certificate: `tls(...)` of `meridian-rpc/runtime/node`. Default: no TLS. */
  readonly tls?: Security | undefined;
  /** The ACL token, or where it is had: asked before each request, for tokens that are renewed. Default: none. */
  readonly token?: string | (() => string | Promise<string>) | undefined;
  /** The datacenter that is read. Default: the agent's. Entries are always made in the agent's. */
  readonly datacenter?: string | undefined;
  /** Only entries with all of these are read; entries that we make have them. Default: none. */
  readonly tags?: readonly string[] | undefined;
  /** Only entries that this expression of Consul's filter language takes are read. Default: all. */
  readonly filter?: string | undefined;
  /** Whether entries with a check in the state `warning` are read besides those that pass. Default false. */
  readonly includeWarning?: boolean | undefined;
  /** `stale` lets any server answer, also without a leader; `consistent` has the leader ask the others. `default`. */
  readonly consistency?: "default" | "stale" | "consistent" | undefined;
  /** What Consul calls a name, e.g. for its DNS. Default: the same. Two names of one service are told apart. */
  readonly serviceName?: ((name: string) => string) | undefined;
  /** How Consul knows that an entry's server lives. Default `{ kind: "ttl" }`. */
  readonly check?: ConsulCheck | undefined;
  /** How long an entry of a dead server stays in the set, in milliseconds: renewed at a third. Default 5,000. */
  readonly ttlMs?: number | undefined;
  /** How long Consul remembers an entry that does not pass, in milliseconds. Default, and Consul's least, 60,000. */
  readonly deregisterAfterMs?: number | undefined;
  /** How long Consul holds a question back while nothing changes, in milliseconds. Default 60,000, most 600,000. */
  readonly waitMs?: number | undefined;
  /** Least time between two questions for one name, in milliseconds. Default 100. */
  readonly minIntervalMs?: number | undefined;
  /**
   * Most questions held back at once, each on a socket, of which Consul takes 200 of an address by default. Further
   * names are asked for again and again: each once a second or, of many, 100 of them a second. Default 128.
   */
  readonly maxLongPolls?: number | undefined;
  /** The agent is asked for a sign of life so often, and is lost if that takes as long, in ms. Default 1,000. */
  readonly probeMs?: number | undefined;
  /** Time for any other answer of the agent, in milliseconds. Default 5,000. */
  readonly timeoutMs?: number | undefined;
  /** Largest answer of the agent, in bytes: one entry has some 1,500. Default 64 MiB. */
  readonly maxBytes?: number | undefined;
}

export interface ConsulSettings {
  readonly address: string;
  readonly tls: Security | undefined;
  readonly token: (() => string | Promise<string>) | undefined;
  /** What every question for a name has in its query. */
  readonly query: string;
  readonly tags: readonly string[];
  readonly serviceName: (name: string) => string;
  readonly check: ConsulCheck;
  readonly ttlMs: number;
  readonly deregisterAfterMs: number;
  readonly waitMs: number;
  readonly minIntervalMs: number;
  readonly maxLongPolls: number;
  readonly probeMs: number;
  readonly timeoutMs: number;
  readonly maxBytes: number;
}

const leastDeregisterAfterMs = 60_000;

/** Throws `invalid_argument` naming the option that is wrong. */
export function resolveConsulOptions(options: ConsulOptions): ConsulSettings {
  const { address = "127.0.0.1:8500", ttlMs = 5_000, token, tags = [] } = options;
  const { serviceName = (name: string) => name } = options;
  checkAddress(address);
  checkTtl(ttlMs);
  if (tags.length > 64) refuse(`${tags.length} tags`, "at most 64");
  return {
    address, tls: options.tls, token: typeof token === "string" ? () => token : token,
    query: queryOf(options), tags, serviceName, ttlMs,
    check: options.check ?? { kind: "ttl" },
    deregisterAfterMs: number("deregisterAfterMs", options.deregisterAfterMs ?? 60_000, leastDeregisterAfterMs),
    waitMs: number("waitMs", options.waitMs ?? 60_000, 10, 600_000),
    minIntervalMs: number("minIntervalMs", options.minIntervalMs ?? 100, 0),
    maxLongPolls: number("maxLongPolls", options.maxLongPolls ?? 128, 0),
    probeMs: number("probeMs", options.probeMs ?? 1_000, 10),
    timeoutMs: number("timeoutMs", options.timeoutMs ?? 5_000, 10),
    maxBytes: number("maxBytes", options.maxBytes ?? 67_108_864, 1),
  };
}

function queryOf(options: ConsulOptions): string {
  const { datacenter, filter, tags = [], consistency = "default", includeWarning = false } = options;
  const pairs: [string, string | undefined][] = [
    ["dc", datacenter], ["filter", filter], ...tags.map((tag): [string, string] => ["tag", tag]),
  ];
  const given = pairs.flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${encodeURIComponent(value)}`]));
  const flags = [...(consistency === "default" ? [] : [consistency]), ...(includeWarning ? [] : ["passing"])];
  return [...given, ...flags].join("&");
}

/** For a set-up that has a URL, as CONSUL_HTTP_ADDR may, the message says what to write instead. */
function checkAddress(address: string): void {
  const [, scheme, rest] = /^(https?):\/\/([^/]*)\/?$/.exec(address) ?? [];
  if (scheme !== undefined) {
    refuse(`the address ${show(address)}`, `${show(rest ?? "")}${scheme === "https" ? " and the option `tls`" : ""}`);
  }
  if (!/^(?:\[[0-9a-fA-F:.]+\]|[^[\]:/\s]+):\d{1,5}$/.test(address) && !address.startsWith("unix:/")) {
    refuse(`the address ${show(address)}`, "host:port, [v6-address]:port or unix:/path");
  }
}

function number(name: string, value: number, least: number, most = 2 ** 31 - 1): number {
  if (Number.isFinite(value) && value >= least && value <= most) return value;
  return refuse(`${name} ${value}`, `a number from ${least} to ${most}`);
}

function show(text: string): string {
  return JSON.stringify(text.slice(0, 128));
}

function refuse(what: string, wanted: string): never {
  throw new RpcError("invalid_argument", `Consul's driver does not take ${what}; expected ${wanted}`,
    { phase: "validate", retryable: false });
}
