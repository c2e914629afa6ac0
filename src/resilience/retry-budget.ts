/**
 * A retry budget keeps retries a small share of calls, however badly things go.
 *
 * Finagle's RetryBudget (20 % of calls plus 10 a second) with two additions. A retry that fails again costs
 * several tokens: while retries help (a server died, another answers) a burst of them is paid for at once,
 * and while they do not (everything is down) they all but stop, so that amplification stays below 1.2 within
 * any second. And every key (a pair of regions) may spend only most of the whole, so that one region in
 * trouble never takes the retries of the others.
 */
import type { Clock } from "../core/index.ts";

export interface RetryBudgetOptions {
  /** Retries allowed per call, on average. Default 0.2. */
  readonly ratio?: number;
  /** Retries allowed each second however few calls there are. Default 10. */
  readonly minPerSecond?: number;
  /** What may be saved up: so many milliseconds of the whole traffic, each call once. Default 400. */
  readonly burstMs?: number;
  /** What a retry costs in all when it fails too. Default 6. */
  readonly failedRetryCost?: number;
  /** Share of the budget that one key may spend. Default 0.8. */
  readonly keyShare?: number;
  /** Keys told apart; the one unused longest is forgotten. Default 64. */
  readonly maxKeys?: number;
}

export interface RetryBudget {
  /** Calls so far. Whoever uses the budget adds one per call: no clock and no look-up on that way. */
  calls: number;
  /** Retries so far. */
  readonly retries: number;
  /** Takes one retry for `key`; false when the budget is spent. */
  withdraw(key: string): boolean;
  /** Says that a retry withdrawn for `key` failed too. */
  retryFailed(key: string): void;
  /** Retries that `key` could make right now. */
  balance(key: string): number;
}

/** Time constant of the estimate of calls a second, in milliseconds. */
const rateWindowMs = 1_000;

interface Account {
  tokens: number;
  settledAtMs: number;
  settledCalls: number;
}

/** Makes a budget; share one among the layers that retry the same calls. */
export function retryBudget(clock: Clock, options: RetryBudgetOptions = {}): RetryBudget {
  const { ratio = 0.2, minPerSecond = 10, burstMs = 400, failedRetryCost = 6, keyShare = 0.8, maxKeys = 64 } = options;
  const opened = clock.now();
  const whole: Account = { tokens: minPerSecond, settledAtMs: opened, settledCalls: 0 };
  const accounts = new Map<string, Account>();
  let callsPerSecond = 0;
  let ratedAtMs = opened;
  let ratedCalls = 0;
  let retries = 0;

  function measureRate(now: number): void {
    const elapsed = now - ratedAtMs;
    if (elapsed < 10) return;
    const rate = ((budget.calls - ratedCalls) * 1_000) / elapsed;
    callsPerSecond += (rate - callsPerSecond) * (1 - Math.exp(-elapsed / rateWindowMs));
    ratedAtMs = now;
    ratedCalls = budget.calls;
  }

  /** Brings an account up to date. Nothing is done per call: the count of calls since is enough. */
  function settle(account: Account, share: number, now: number): void {
    const most = Math.max(minPerSecond, (callsPerSecond * burstMs * share) / 1_000);
    const earned = (budget.calls - account.settledCalls) * ratio * share;
    const least = ((now - account.settledAtMs) * minPerSecond) / 1_000;
    account.tokens = Math.min(most, account.tokens + Math.max(earned, least));
    // Debt is bounded as well, so that recovery never waits longer than a burst takes to earn.
    if (account.tokens < -most) account.tokens = -most;
    account.settledAtMs = now;
    account.settledCalls = budget.calls;
  }

  function accountOf(key: string, now: number): Account {
    let account = accounts.get(key);
    if (account === undefined) {
      if (accounts.size >= maxKeys) accounts.delete(accounts.keys().next().value as string);
      // A new pair starts with its share of what the whole has saved up.
      account = { tokens: Math.max(1, whole.tokens * keyShare), settledAtMs: now, settledCalls: budget.calls };
    } else {
      accounts.delete(key);
    }
    accounts.set(key, account);
    return account;
  }

  function settled(key: string): Account {
    const now = clock.now();
    measureRate(now);
    settle(whole, 1, now);
    const account = accountOf(key, now);
    settle(account, keyShare, now);
    return account;
  }

  const budget: RetryBudget = {
    calls: 0,
    get retries() {
      return retries;
    },
    withdraw: (key) => {
      const account = settled(key);
      if (whole.tokens < 1 || account.tokens < 1) return false;
      whole.tokens--;
      account.tokens--;
      retries++;
      return true;
    },
    retryFailed: (key) => {
      const account = settled(key);
      whole.tokens -= failedRetryCost - 1;
      account.tokens -= failedRetryCost - 1;
    },
    balance: (key) => {
      const account = settled(key);
      return Math.max(0, Math.floor(Math.min(whole.tokens, account.tokens)));
    },
  };
  return budget;
}
