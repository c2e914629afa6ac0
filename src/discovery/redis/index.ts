/** Redis as discovery: `redisDiscovery({ url })` finds and registers by it. */
import { nodeRuntime } from "../../runtime/node/index.ts";
import type { EngineDiscovery } from "../engine.ts";
import { redisDiscoveryOn, type RedisDiscoveryOptions } from "./driver.ts";

export type { ConnectRedis, RedisConnection } from "./connection.ts";
export { redisDiscoveryOn, type RedisDiscoveryOptions } from "./driver.ts";
export type { RedisClientCopy, RedisClientLike } from "./node-redis.ts";

/** Discovery and registration by Redis, on Node's clock, chance and network. */
export function redisDiscovery(options?: RedisDiscoveryOptions): EngineDiscovery {
  return redisDiscoveryOn(nodeRuntime, options);
}
