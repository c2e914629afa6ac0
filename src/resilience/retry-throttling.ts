/**
 * Retry throttling is gRFC A6's budget: a bucket that every failure takes a token from and every success pays a
 * fraction into; while it is half empty or less nothing is retried, nor hedged.
 *
 * Use it as the `budget` of a retry layer where a gRPC service config says `retryThrottling`. The default budget of
 * Meridian bounds amplification closer, and by region.
 */
import { numberOption } from "../core/index.ts";
import type { RetryBudget } from "./retry-budget.ts";

export interface RetryThrottlingOptions {
  /** What the bucket holds, and begins with: above 0, at most 1,000. */
  readonly maxTokens: number;
  /** What a success pays in: above 0; digits after the third are left out, as gRPC does. */
  readonly tokenRatio: number;
}

/** Makes the budget of one server name; give it to every retry layer that calls that name. */
export function retryThrottling(options: RetryThrottlingOptions): RetryBudget & { readonly tokens: number } {
  const maxTokens = numberOption("maxTokens", options.maxTokens, { least: 0.001, most: 1_000, unit: "tokens" });
  const ratio = numberOption("tokenRatio", options.tokenRatio, { least: 0.001, unit: "tokens" });
  const tokenRatio = Math.floor(ratio * 1_000) / 1_000;
  let tokens = maxTokens;
  const budget = {
    calls: 0,
    retries: 0,
    get tokens() {
      return tokens;
    },
    began: () => void budget.calls++,
    withdraw: () => {
      if (tokens <= maxTokens / 2) return false;
      budget.retries++;
      return true;
    },
    retryFailed: () => undefined,
    attemptFailed: () => void (tokens = Math.max(0, tokens - 1)),
    succeeded: () => void (tokens = Math.min(maxTokens, tokens + tokenRatio)),
    balance: () => Math.max(0, Math.floor(tokens - maxTokens / 2)),
    isLow: () => tokens <= maxTokens / 2,
  };
  return budget;
}
