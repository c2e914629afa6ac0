/**
 * A retry budget keeps retries a small share of calls, however badly things go.
 *
 * Finagle's RetryBudget (20 % of calls plus 10 a second) with two additions. A retry that fails again costs
 * several tokens: while retries help (a server died, another answers) a burst of them is paid for at once,
 * and while they do not (everything is down) they all but stop. While a tenth of them are in vain, a second's
 * retries stay below `maxVainShare` of its calls whatever was saved up. And every key (a pair of regions) may
 * spend only most of the whole, so that one region in trouble never takes the retries of the others.
 */
import { type Clock, numberOption } from "../core/index.ts";
import { RetryWindow } from "./retry-window.ts";

export interface RetryBudgetOptions {
  /** Retries allowed per call, on average. Default 0.2. */
  readonly ratio?: number;
  /** Retries allowed each second however few calls there are. Default 10. */
  readonly minPerSecond?: number;
  /**
   * What may be saved up: so many milliseconds of the whole traffic, each call once. Default 700: what piles
   * up before silence is noticed.
   */
  readonly burstMs?: number;
  /** What a retry costs in all when it fails too. Default 10. */
  readonly failedRetryCost?: number;
  /** What part of a second's calls its retries may be at most while one in ten of them fails too. Default 0.18. */
  readonly maxVainShare?: number;
  /** Share of the budget that one key may spend. Default 0.8. */
  readonly keyShare?: number;
  /** Keys told apart; the one unused longest is forgotten. Default 64. */
  readonly maxKeys?: number;
}

export interface RetryBudget {
  /** Calls so far. */
  readonly calls: number;
  /** Counts a call that began at `nowMs`: an increment, and now and then a look at the rate. */
  began(nowMs: number): void;
  /** Retries so far. */
  readonly retries: number;
  /**
   * Takes one retry for `key`; false when the budget is spent. Critical calls may have a reserve of their own. What was
   * turned away for want of room (`isShed`) will mostly be again, and counts as in vain from the start.
   */
  withdraw(key: string, isCritical?: boolean, isShed?: boolean): boolean;
  /** Says that a retry withdrawn for `key` failed too. */
  retryFailed(key: string, isCritical?: boolean): void;
  /** Says that what was withdrawn for `key` was not sent after all. */
  giveBack?(key: string): void;
  /** Retries that `key` could make right now. */
  balance(key: string): number;
  /** Hears of every failed attempt that could be repeated, the first of a call included, also of one pushed back. */
  attemptFailed?(key: string): void;
  /** Hears of every call that succeeded. Calls pay for a promise handler then. */
  succeeded?(): void;
  /** Whether half or less is left of what `key` may save up: then nothing is repeated that need not be (a hedge). */
  isLow?(key: string): boolean;
}

/** What critical calls have beside the rest, as a share of the whole: where all else is shed, they are not. */
const reserveShare = 0.1;
/** Time constant of the estimate of calls a second, in milliseconds. */
const rateWindowMs = 1_000;

interface Account {
  tokens: number;
  settledAtMs: number;
  settledCalls: number;
}

/** Makes a budget; share one among the layers that retry the same calls. */
export function retryBudget(clock: Clock, options: RetryBudgetOptions = {}): RetryBudget {
  const number = (name: string, value: number | undefined, least: number, most?: number): void => {
    if (value !== undefined) numberOption(name, value, most === undefined ? { least } : { least, most });
  };
  number("ratio", options.ratio, 0, 10);
  number("minPerSecond", options.minPerSecond, 0);
  number("burstMs", options.burstMs, 0);
  number("failedRetryCost", options.failedRetryCost, 1);
  number("maxVainShare", options.maxVainShare, 0);
  number("keyShare", options.keyShare, 0, 1);
  number("maxKeys", options.maxKeys, 1);
  return new Budget(clock, {
    ratio: options.ratio ?? 0.2,
    minPerSecond: options.minPerSecond ?? 10,
    burstMs: options.burstMs ?? 700,
    failedRetryCost: options.failedRetryCost ?? 10,
    maxVainShare: options.maxVainShare ?? 0.18,
    keyShare: options.keyShare ?? 0.8,
    maxKeys: options.maxKeys ?? 64,
  });
}

class Budget implements RetryBudget {
  calls = 0;
  retries = 0;
  readonly #clock: Clock;
  readonly #settings: Required<RetryBudgetOptions>;
  readonly #whole: Account;
  /** By key, the one unused longest first. */
  readonly #accounts = new Map<string, Account>();
  readonly #window: RetryWindow;
  /** Of critical calls alone. */
  #reserve = 0;
  #reserveSettledCalls = 0;
  #callsPerSecond = 0;
  #ratedAtMs: number;
  #ratedCalls = 0;

  constructor(clock: Clock, settings: Required<RetryBudgetOptions>) {
    this.#clock = clock;
    this.#settings = settings;
    this.#ratedAtMs = clock.now();
    this.#window = new RetryWindow(this.#ratedAtMs);
    this.#whole = { tokens: settings.minPerSecond, settledAtMs: this.#ratedAtMs, settledCalls: 0 };
  }

  began(nowMs: number): void {
    // Often enough that the rate is today's, seldom enough that a call does not pay for it.
    if ((++this.calls & 15) === 0) this.#measureRate(nowMs);
  }

  withdraw(key: string, isCritical = false, isShed = false): boolean {
    const account = this.#settled(key);
    const { maxVainShare, minPerSecond } = this.#settings;
    const nowMs = account.settledAtMs;
    if (isShed) this.#window.failed(nowMs, this.calls);
    const isLeft = this.#whole.tokens >= 1 && account.tokens >= 1 &&
      !this.#window.isSpent(nowMs, this.calls, maxVainShare, minPerSecond);
    if (!isLeft && !(isCritical && this.#hasReserve(nowMs))) return false;
    if (isLeft) {
      this.#whole.tokens--;
      account.tokens--;
    } else {
      this.#reserve--;
    }
    this.#window.withdrawn(nowMs, this.calls);
    this.retries++;
    return true;
  }

  #hasReserve(nowMs: number): boolean {
    const { ratio, burstMs, maxVainShare, minPerSecond } = this.#settings;
    const earned = (this.calls - this.#reserveSettledCalls) * ratio * reserveShare;
    this.#reserveSettledCalls = this.calls;
    const most = Math.max(1, (this.#callsPerSecond * burstMs * reserveShare) / 1_000);
    this.#reserve = Math.min(most, this.#reserve + earned);
    const share = maxVainShare / (1 - reserveShare);
    return this.#reserve >= 1 && !this.#window.isSpent(nowMs, this.calls, share, minPerSecond);
  }

  giveBack(key: string): void {
    const account = this.#settled(key);
    this.#window.withdrawn(account.settledAtMs, this.calls, -1);
    this.#whole.tokens++;
    account.tokens++;
    this.retries--;
  }

  retryFailed(key: string, isCritical = false): void {
    const account = this.#settled(key);
    this.#window.failed(account.settledAtMs, this.calls);
    const more = this.#settings.failedRetryCost - 1;
    // The reserve is small enough without.
    if (isCritical && (this.#whole.tokens < 1 || account.tokens < 1)) return;
    this.#whole.tokens -= more;
    account.tokens -= more;
  }

  balance(key: string): number {
    const account = this.#settled(key);
    return Math.max(0, Math.floor(Math.min(this.#whole.tokens, account.tokens)));
  }

  isLow(key: string): boolean {
    const account = this.#settled(key);
    return this.#whole.tokens <= this.#most(1) / 2 || account.tokens <= this.#most(this.#settings.keyShare) / 2;
  }

  /** What may be saved up. */
  #most(share: number): number {
    const { minPerSecond, burstMs } = this.#settings;
    return Math.max(minPerSecond, (this.#callsPerSecond * burstMs * share) / 1_000);
  }

  #settled(key: string): Account {
    const now = this.#clock.now();
    this.#measureRate(now);
    this.#settle(this.#whole, 1, now);
    const account = this.#accountOf(key, now);
    this.#settle(account, this.#settings.keyShare, now);
    return account;
  }

  #measureRate(now: number): void {
    const elapsed = now - this.#ratedAtMs;
    if (elapsed < 10) return;
    const rate = ((this.calls - this.#ratedCalls) * 1_000) / elapsed;
    this.#callsPerSecond += (rate - this.#callsPerSecond) * (1 - Math.exp(-elapsed / rateWindowMs));
    this.#ratedAtMs = now;
    this.#ratedCalls = this.calls;
  }

  /** Brings an account up to date. Nothing is done per call: the count of calls since is enough. */
  #settle(account: Account, share: number, now: number): void {
    const { ratio, minPerSecond } = this.#settings;
    const most = this.#most(share);
    const earned = (this.calls - account.settledCalls) * ratio * share;
    const least = ((now - account.settledAtMs) * minPerSecond) / 1_000;
    // Debt is bounded as well, so that recovery never waits longer than a burst takes to earn.
    account.tokens = Math.max(-most, Math.min(most, account.tokens + Math.max(earned, least)));
    account.settledAtMs = now;
    account.settledCalls = this.calls;
  }

  #accountOf(key: string, now: number): Account {
    const { maxKeys, keyShare } = this.#settings;
    let account = this.#accounts.get(key);
    if (account === undefined) {
      if (this.#accounts.size >= maxKeys) this.#accounts.delete(this.#accounts.keys().next().value as string);
      // A new pair starts with its share of what the whole has saved up.
      account = { tokens: Math.max(1, this.#whole.tokens * keyShare), settledAtMs: now, settledCalls: this.calls };
    } else {
      this.#accounts.delete(key);
    }
    this.#accounts.set(key, account);
    return account;
  }
}
