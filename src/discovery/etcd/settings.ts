/** Options of the etcd driver, checked and filled in once. */
import { RpcError } from "../../core/error.ts";
import type { Observer } from "../../core/observer.ts";
import type { Security } from "../../core/runtime.ts";
import { checkTtl } from "../check.ts";
import type { EngineOptions } from "../engine.ts";

export interface EtcdOptions extends EngineOptions {
  /** `host:port` of etcd, or of each member of its cluster: one is used, the next when it fails. 127.0.0.1:2379. */
  readonly address?: string | readonly string[] | undefined;
  /** Whom we trust, and our certificate: `tls(...)` of `meridian-rpc/runtime/node`. Default: no TLS. */
  readonly tls?: Security | undefined;
  /** Where etcd asks who is there (`etcdctl auth enable`). Default: nobody. */
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** What all keys begin with. Default `meridian/`. */
  readonly prefix?: string | undefined;
  /**
   * How long an entry outlives its process, in milliseconds: rounded up to whole seconds, and renewed at a third.
   * Default 5,000. etcd itself grants no less than 2 s; what it granted is told as `etcd.lease.granted`.
   */
  readonly ttlMs?: number | undefined;
  /** etcd is lost when it has said nothing for so long although it was asked, in milliseconds. Default 1,600. */
  readonly silenceMs?: number | undefined;
  /** Time for a member to accept us and answer a first question, in milliseconds. Default 2,000. */
  readonly openTimeoutMs?: number | undefined;
  /** Most entries of one reply; a larger set is read in pages. Default 1,000. */
  readonly pageEntries?: number | undefined;
}

export interface EtcdSettings {
  readonly addresses: readonly string[];
  readonly tls: Security | undefined;
  readonly user: string | undefined;
  readonly password: string;
  readonly prefix: string;
  readonly ttlMs: number;
  readonly silenceMs: number;
  readonly openTimeoutMs: number;
  readonly pageEntries: number;
  readonly maxEndpoints: number;
  readonly observer: Observer;
}

const maxAddresses = 64;
const maxPrefixChars = 256;

/** Throws `invalid_argument` naming the option that is wrong. */
export function resolveEtcdOptions(options: EtcdOptions): EtcdSettings {
  const { address = "127.0.0.1:2379", prefix = "meridian/", ttlMs = 5_000, tls, user, password } = options;
  const addresses = typeof address === "string" ? [address] : [...address];
  if (addresses.length === 0 || addresses.length > maxAddresses) {
    refuse(`${addresses.length} addresses`, `1 to ${maxAddresses}`);
  }
  for (const one of addresses) checkAddress(one);
  if (prefix.length > maxPrefixChars) refuse(`a prefix of ${prefix.length} characters`, `at most ${maxPrefixChars}`);
  if ((user === undefined) !== (password === undefined)) {
    refuse(user === undefined ? "a password without a user" : "a user without a password", "both or none");
  }
  checkTtl(ttlMs);
  return {
    addresses, tls, user, password: password ?? "", prefix, ttlMs,
    silenceMs: milliseconds("silenceMs", options.silenceMs ?? 1_600, 80),
    openTimeoutMs: milliseconds("openTimeoutMs", options.openTimeoutMs ?? 2_000, 10),
    pageEntries: milliseconds("pageEntries", options.pageEntries ?? 1_000, 1),
    maxEndpoints: options.maxEndpoints ?? 100_000,
    observer: options.observer ?? {},
  };
}

/** For a set-up that has URLs, as etcd's own tools take them, the message says what to write instead. */
function checkAddress(address: unknown): void {
  const text = typeof address === "string" ? address : `(${typeof address})`;
  const [, scheme, rest] = /^(https?):\/\/([^/]*)\/?$/.exec(text) ?? [];
  if (scheme !== undefined) {
    refuse(`the address ${show(text)}`, `${show(rest ?? "")}${scheme === "https" ? " and the option `tls`" : ""}`);
  }
  if (!/^(?:\[[0-9a-fA-F:.]+\]|[^[\]:/\s]+):\d{1,5}$/.test(text) && !text.startsWith("unix:")) {
    refuse(`the address ${show(text)}`, "host:port, [v6-address]:port or unix:/path");
  }
}

function milliseconds(name: string, value: number, least: number): number {
  const most = 2 ** 31 - 1;
  if (!(Number.isInteger(value) && value >= least && value <= most)) {
    refuse(`${name} ${value}`, `a whole number of ${least} to ${most}`);
  }
  return value;
}

function show(text: string): string {
  return JSON.stringify(text.slice(0, 64));
}

function refuse(what: string, wanted: string): never {
  throw new RpcError("invalid_argument", `the etcd driver does not take ${what}; expected ${wanted}`,
    { phase: "resolve", retryable: false });
}
