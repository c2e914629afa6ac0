/** Resilience is layers that act when an attempt fails: retry within a budget, breaker, per-attempt deadline. */
export { backoff, type BackoffOptions } from "./backoff.ts";
export { retry, type RetryLayer, type RetryOptions } from "./retry.ts";
export { retryBudget, type RetryBudget, type RetryBudgetOptions } from "./retry-budget.ts";
export { tokenBucket, type TokenBucket, type TokenBucketOptions } from "./token-bucket.ts";
