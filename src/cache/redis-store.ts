/** A cache in Redis: a string a key, which Redis expires. */
import { badOption, RpcError } from "../core/index.ts";
import type { CacheStore } from "./store.ts";

/** What is used of a client of `@redis/client`. */
export interface RedisCacheClient {
  sendCommand(args: readonly string[]): Promise<unknown>;
}

export interface RedisCacheOptions {
  /** What all keys begin with. Default `meridian:cache:`. */
  readonly prefix?: string | undefined;
  /** What events call it. Default `Redis`. */
  readonly name?: string | undefined;
}

/** Makes a store over a connected client. Give it a Redis that may forget (`maxmemory-policy allkeys-lru`). */
export function redisCacheStore(client: RedisCacheClient, options: RedisCacheOptions = {}): CacheStore {
  const { prefix = "meridian:cache:", name = "Redis" } = options;
  if (!/^[\x21-\x7e]{1,128}$/.test(prefix)) {
    throw badOption("prefix", prefix, "expected 1 to 128 printable characters without spaces");
  }
  return {
    name, isShared: true,
    async get(keys) {
      const [first] = keys;
      const answer = keys.length === 1
        ? [await client.sendCommand(["GET", `${prefix}${first}`])]
        : await client.sendCommand(["MGET", ...keys.map((key) => prefix + key)]);
      if (!Array.isArray(answer) || answer.length !== keys.length) {
        throw new RpcError("unavailable", "Redis answered a reading of keys with something else");
      }
      return answer.map((one: unknown) => (typeof one === "string" ? one : undefined));
    },
    async set(key, text, ttlMs) {
      await client.sendCommand(["SET", prefix + key, text, "PX", String(Math.max(1, Math.floor(ttlMs)))]);
    },
    async delete(key) {
      await client.sendCommand(["DEL", prefix + key]);
    },
  };
}
