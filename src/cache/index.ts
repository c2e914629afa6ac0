/** A cache answers calls from what was answered before: `responseCache`, and the stores that it keeps answers in. */
export {
  type CacheFigures, responseCache, type ResponseCache, type ResponseCacheOptions,
} from "./cache.ts";
export { adviseCaches, type CacheAdvice } from "./control.ts";
export { type MemcachedOptions, memcachedStore, type MemcachedStore } from "./memcached-store.ts";
export { type MemoryCacheOptions, memoryCacheStore, type MemoryCacheStore } from "./memory-store.ts";
export { type RedisCacheClient, type RedisCacheOptions, redisCacheStore } from "./redis-store.ts";
export type { CachedMethod, CacheRule } from "./rules.ts";
export { spreadCacheStore } from "./spread-store.ts";
export type { CacheStore } from "./store.ts";
