/**
 * A RateLimitStore keeps how much of its rate each key has used: here in memory, or in a store that processes share.
 *
 * The rate is kept as GCRA keeps it (ITU-T I.371, the "leaky bucket as a meter"): one number a key, the moment at which
 * everything taken so far will have been paid back. So a record is eight bytes, expires by itself once that moment has
 * passed, and a shared store needs one compare-and-set for a decision.
 */
import { type Awaitable, badOption, numberOption } from "../core/index.ts";

/** What one key may take. A store is made for one rate. */
export interface Rate {
  /** Tokens that come back each second. */
  readonly perSecond: number;
  /** Most tokens taken at once after a silence. Default: one second's worth, at least 1. */
  readonly burst?: number | undefined;
}

/** The answer to a wish for tokens. */
export interface RateDecision {
  readonly allowed: boolean;
  /** Whole tokens that could be taken right afterwards. */
  readonly remaining: number;
  /** When the same wish may be granted, in milliseconds from now; 0 if it was, Infinity if it never will be. */
  readonly retryAfterMs: number;
}

/**
 * Keeps the account of every key. A store that cannot be reached rejects; the limiter then decides by its option
 * `whenStoreFails`. Implemented in memory by {@link memoryRateLimitStore}, and by engines over a network.
 */
export interface RateLimitStore {
  /**
   * Takes `tokens` for `key` if that many are there, else none, in one step that no other take comes between.
   *
   * @param key Whose account, at most 256 characters.
   * @param tokens How many, above 0.
   * @param nowMs The time of the wish, in milliseconds: of one process a monotonic clock, of several the wall clock.
   */
  take(key: string, tokens: number, nowMs: number): Awaitable<RateDecision>;
}

/** A rate with every default filled in: an interval a token, and how far ahead of time a key may run. */
export interface ResolvedRate {
  readonly intervalMs: number;
  readonly burst: number;
}

/** Checks a rate and fills in its defaults; refuses what is impossible by the option's name. */
export function resolveRate(rate: Rate): ResolvedRate {
  const perSecond = numberOption("perSecond", rate.perSecond, { least: 1e-6, most: 1e9, unit: "tokens" });
  const burst = numberOption("burst", rate.burst ?? Math.max(1, perSecond), { least: 1, most: 1e9, unit: "tokens" });
  return { intervalMs: 1_000 / perSecond, burst };
}

/**
 * One decision of GCRA. `paidAtMs` is the key's record (undefined for a key never seen); the answer holds the record to
 * keep, which is unchanged where nothing was taken.
 */
export function decideRate(
  rate: ResolvedRate, paidAtMs: number | undefined, tokens: number, nowMs: number,
): RateDecision & { readonly paidAtMs: number } {
  const { intervalMs, burst } = rate;
  const base = paidAtMs === undefined || paidAtMs < nowMs ? nowMs : paidAtMs;
  const after = base + tokens * intervalMs;
  // A hair's breadth of tolerance: what a sum of fractions lost in rounding is not owed.
  const tooEarlyMs = after - nowMs - burst * intervalMs;
  if (tooEarlyMs > 1e-6) {
    const remaining = Math.max(0, Math.floor(burst - (base - nowMs) / intervalMs + 1e-6));
    return { allowed: false, remaining, retryAfterMs: tokens > burst ? Infinity : tooEarlyMs, paidAtMs: base };
  }
  const remaining = Math.max(0, Math.floor(burst - (after - nowMs) / intervalMs + 1e-6));
  return { allowed: true, remaining, retryAfterMs: 0, paidAtMs: after };
}

export interface MemoryRateLimitOptions extends Rate {
  /** Keys kept at once. Of more, those that have paid back go first, then the one unused longest. Default 10,000. */
  readonly maxKeys?: number | undefined;
}

/** A store that answers at once. */
export interface MemoryRateLimitStore extends RateLimitStore {
  take(key: string, tokens: number, nowMs: number): RateDecision;
  /** Keys kept now. */
  readonly size: number;
}

/** A store of this process alone: a Map of one number a key. */
export function memoryRateLimitStore(options: MemoryRateLimitOptions): MemoryRateLimitStore {
  const rate = resolveRate(options);
  const maxKeys = numberOption("maxKeys", options.maxKeys ?? 10_000, { least: 1, most: 10_000_000, whole: true });
  /** Least recently used first. */
  const paid = new Map<string, number>();
  return {
    get size() {
      return paid.size;
    },
    take(key, tokens, nowMs) {
      if (!(tokens > 0)) throw badOption("tokens", tokens, "expected a number above 0");
      const before = paid.get(key);
      const decision = decideRate(rate, before, tokens, nowMs);
      if (before !== undefined) paid.delete(key);
      else if (paid.size >= maxKeys) forgetOne(paid, nowMs);
      paid.set(key, decision.paidAtMs);
      return decision;
    },
  };
}

/** How many of the oldest are looked at for one that owes nothing, which is forgotten without loss. */
const looks = 8;

function forgetOne(paid: Map<string, number>, nowMs: number): void {
  let looked = 0;
  let oldest: string | undefined;
  for (const [key, paidAtMs] of paid) {
    oldest ??= key;
    if (paidAtMs <= nowMs) {
      paid.delete(key);
      return;
    }
    if (++looked === looks) break;
  }
  if (oldest !== undefined) paid.delete(oldest);
}
