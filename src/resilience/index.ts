/** Resilience is layers that act when an attempt fails: retry within a budget, breaker, per-attempt deadline. */
export {
  adaptiveThrottle, type AdaptiveThrottle, adaptiveThrottleLayer, type AdaptiveThrottleOptions, isServerRejection,
} from "./adaptive-throttle.ts";
export { attemptTimeout } from "./attempt-timeout.ts";
export { backoff, type BackoffOptions } from "./backoff.ts";
export { bulkhead, type Bulkhead, type BulkheadOptions } from "./bulkhead.ts";
export {
  circuitBreaker, type CircuitBreaker, type CircuitBreakerOptions, type CircuitState, speaksAgainstCallee,
} from "./circuit-breaker.ts";
export { collapse, type Collapse, collapseLayer, type CollapseOptions } from "./collapse.ts";
export { fallback, type FallbackOptions } from "./fallback.ts";
export { type Fault, faultLimits, type FaultOptions, faults, type Faults, type FaultSettings } from "./fault.ts";
export { bearsHedges, hedge, type HedgeLayer, type HedgeOptions, type MethodHedge } from "./hedge.ts";
export { keyedBreakers, type KeyedBreakers, type KeyedBreakersOptions } from "./keyed-breakers.ts";
export { type LiveLatency, liveLatency, type LiveLatencyOptions, type MethodLatency } from "./live-latency.ts";
export { pause } from "./pause.ts";
export { rateLimit, type RateLimitOptions } from "./rate-limit.ts";
export {
  decideRate, memoryRateLimitStore, type MemoryRateLimitOptions, type MemoryRateLimitStore, type Rate,
  type RateDecision, type RateLimitStore, resolveRate, type ResolvedRate,
} from "./rate-limit-store.ts";
export {
  type RedisRateLimitClient, type RedisRateLimitOptions, redisRateLimitStore,
} from "./redis-rate-limit.ts";
export { type MethodRetry, retry, type RetryLayer, type RetryOptions } from "./retry.ts";
export { retryBudget, type RetryBudget, type RetryBudgetOptions } from "./retry-budget.ts";
export { retryThrottling, type RetryThrottlingOptions } from "./retry-throttling.ts";
export { tokenBucket, type TokenBucket, type TokenBucketOptions } from "./token-bucket.ts";
