/**
 * Redis as discovery: a key with a time to live for each server, and for each name a sorted set and a channel.
 *
 * By the optional peer `@redis/client`, or by any other client through a {@link ConnectRedis}. Time and chance are the
 * runtime's but for the sockets of that package and its timer for connecting: those cannot be simulated.
 */
import { RpcError } from "../../core/error.ts";
import type { Runtime } from "../../core/runtime.ts";
import { checkTtl } from "../check.ts";
import { type EngineDiscovery, engineDiscovery, type EngineOptions } from "../engine.ts";
import { encodeEntry } from "../entry.ts";
import type { ConnectRedis } from "./connection.ts";
import { followKey } from "./follow.ts";
import { holdEntry, unlessAborted, withRegistrant } from "./hold.ts";
import { Links } from "./link.ts";
import { clientsWith, copiesOf, type NodeRedisOptions, type RedisClientLike } from "./node-redis.ts";

export interface RedisDiscoveryOptions extends EngineOptions {
  /** `redis://host:port/database`, or `rediss://` for TLS. Default `redis://127.0.0.1:6379`. */
  readonly url?: string | undefined;
  /** A user of Redis's ACL, and the password; the latter alone for `requirepass`. Default what `url` says. */
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Further options of `createClient` of `@redis/client`, such as `socket` with certificates. Default none. */
  readonly clientOptions?: Readonly<Record<string, unknown>> | undefined;
  /** A client of `@redis/client`, of which copies are connected, in place of all of the above. */
  readonly client?: RedisClientLike | undefined;
  /** Makes connections by any other client (Sentinel, a cluster), in place of all of the above. */
  readonly connect?: ConnectRedis | undefined;
  /** What all keys begin with. Default `meridian:`. */
  readonly prefix?: string | undefined;
  /** How long an entry outlives its process, in milliseconds: renewed at a third of it. Default 5,000. */
  readonly ttlMs?: number | undefined;
  /** A Redis that left a ping unanswered for so long, in milliseconds, is taken for dead. Default 1,500. */
  readonly silentMs?: number | undefined;
  /** Time for a connection to come about, in milliseconds. Default 2,000. */
  readonly connectTimeoutMs?: number | undefined;
  /** A name is read again so often, in milliseconds, even if nobody says that it changed. Default 5,000. */
  readonly rereadMs?: number | undefined;
  /** Changes within so many milliseconds are told together. Default 10. */
  readonly coalesceMs?: number | undefined;
}

/** Discovery and registration by Redis. Throws `invalid_argument` for options that cannot be meant. */
export function redisDiscoveryOn(runtime: Runtime, options: RedisDiscoveryOptions = {}): EngineDiscovery {
  const { prefix = "meridian:", ttlMs = 5_000, silentMs = 1_500, connectTimeoutMs = 2_000 } = options;
  const { rereadMs = 5_000, coalesceMs = 10, maxEndpoints = 100_000 } = options;
  checkPrefix(prefix);
  checkTtl(ttlMs);
  checkMs({ silentMs, connectTimeoutMs, rereadMs });
  const { connect, place } = connecting(options);
  const name = place === undefined ? "Redis" : `Redis at ${place}`;
  const links = new Links(runtime, { name, connect, connectTimeoutMs, silentMs });
  // In braces, by which a cluster keeps all keys of a name together.
  const keyOf = (service: string): string => `${prefix}{${service}}`;

  return engineDiscovery(runtime, {
    name,
    async follow(service, view, signal) {
      const link = await unlessAborted(links.attached(), signal);
      if (link === undefined) return;
      await followKey(runtime, link, keyOf(service), view, signal,
        { coalesceMs, rereadMs, maxEndpoints });
    },
    hold({ name: service, endpoint, registrant }, held, signal) {
      const value = withRegistrant(encodeEntry(endpoint), registrant);
      return holdEntry(runtime, links, { key: keyOf(service), id: endpoint.id, value, ttlMs }, held, signal);
    },
    close() {
      links.close();
      return Promise.resolve();
    },
  }, options);
}

/** How connections are made, and what is known of where to. */
function connecting(options: RedisDiscoveryOptions): { connect: ConnectRedis; place: string | undefined } {
  const { connect, client, clientOptions, username, password, url = "redis://127.0.0.1:6379" } = options;
  const ways = Object.entries({ connect, client, url: options.url }).filter(([, way]) => way !== undefined);
  if (ways.length > 1) {
    throw new RpcError("invalid_argument", `${ways.map(([way]) => `\`${way}\``).join(" and ")} are different ways to ` +
      "connect; give one");
  }
  if (connect !== undefined) return { connect, place: undefined };
  if (client !== undefined) return { connect: copiesOf(client), place: undefined };
  const place = hostOf(url);
  const settings: NodeRedisOptions = {
    ...clientOptions, url, ...(username !== undefined && { username }), ...(password !== undefined && { password }),
  };
  return { connect: clientsWith(settings), place };
}

/** Host and port without the user and password that a URL may have. */
function hostOf(url: string): string {
  const [, host] = /^rediss?:\/\/(?:[^@/]*@)?([^@/?#]+)(?:\/\d*)?$/.exec(url) ?? [];
  if (host !== undefined) return host;
  throw new RpcError("invalid_argument", "`url` is no address of Redis; expected redis://host:port/database, or " +
    "rediss:// for TLS, with what is special in a password as percent and hex digits");
}

function checkPrefix(prefix: string): void {
  if (/^[A-Za-z0-9_.:/-]{0,128}$/.test(prefix)) return;
  throw new RpcError("invalid_argument", `the prefix ${JSON.stringify(prefix.slice(0, 64))} is none; expected at ` +
    "most 128 letters, digits and _ . : / -");
}

function checkMs(times: Readonly<Record<string, number>>): void {
  for (const [name, ms] of Object.entries(times)) {
    if (ms >= 10 && ms <= 600_000) continue;
    throw new RpcError("invalid_argument", `${name} is ${ms}, expected milliseconds from 10 to 600000`);
  }
}
