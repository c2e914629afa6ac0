/** Replay makes idempotency keys trustworthy: a call under a key runs once, and its repeats get its answer. */
export { createIdempotencyKey, stampedKey } from "../core/idempotency-key.ts";
export { type MemoryReplayOptions, memoryReplayStore, type MemoryReplayStore } from "./memory-store.ts";
export {
  type PostgresClient, type PostgresReplayOptions, postgresReplaySchema, postgresReplayStore,
} from "./postgres-store.ts";
export { isOutcomeUnknown } from "./refusals.ts";
export { type RedisEffect, type RedisReplayOptions, redisReplayStore, type RedisCommands } from "./redis-store.ts";
export { type AfterCrash, replay, type Replay, type ReplayOptions } from "./replay.ts";
export type { Claim, ClaimAnswer, ReplayCall, ReplayStore } from "./store.ts";
