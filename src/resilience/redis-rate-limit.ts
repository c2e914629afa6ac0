/**
 * A rate that processes share, kept in Redis: GCRA as one script, by Redis's own clock.
 *
 * While Redis is away each process goes by an account of its own, with the share of the rate that it was told, and asks
 * again every `retryMs`; what was taken meanwhile is not reported afterwards.
 */
import { badOption, numberOption, type Observer, RpcError, type Runtime } from "../core/index.ts";
import {
  memoryRateLimitStore, type Rate, type RateDecision, type RateLimitStore, resolveRate,
} from "./rate-limit-store.ts";

/** What is used of a client of `@redis/client`. */
export interface RedisRateLimitClient {
  sendCommand(args: readonly string[]): Promise<unknown>;
}

export interface RedisRateLimitOptions extends Rate {
  /** What keys begin with. Stores of different rates need different ones. Default `meridian:rate:`. */
  readonly prefix?: string | undefined;
  /** A Redis that does not answer within so many milliseconds is away. Default 20. */
  readonly timeoutMs?: number | undefined;
  /** While it is away it is asked this often, in milliseconds. Default 1,000. */
  readonly retryMs?: number | undefined;
  /**
   * The policy while Redis is away: `local` goes by an account of this process; `reject` fails each wish, so that the
   * limiter's `whenStoreFails` decides. Default `local`.
   */
  readonly whenAway?: "local" | "reject" | undefined;
  /**
   * With `local`: the share of the rate that this process takes, above 0 and up to 1. With 1, the default, n processes
   * let up to n times the rate through while Redis is away; 1/n keeps the sum, and wastes what some do not use.
   */
  readonly localShare?: number | undefined;
  /** Hears `ratelimit.store.away` and `ratelimit.store.back`. */
  readonly observer?: Observer | undefined;
}

/** Makes the store over a connected client. Throws `invalid_argument` for options that cannot be. */
export function redisRateLimitStore(
  { clock }: Pick<Runtime, "clock">, client: RedisRateLimitClient, options: RedisRateLimitOptions,
): RateLimitStore {
  const { prefix = "meridian:rate:", whenAway = "local", observer } = options;
  const { intervalMs, burst } = resolveRate(options);
  const range = { least: 1, most: 600_000, unit: "milliseconds" };
  const timeoutMs = numberOption("timeoutMs", options.timeoutMs ?? 20, range);
  const retryMs = numberOption("retryMs", options.retryMs ?? 1_000, range);
  const localShare = numberOption("localShare", options.localShare ?? 1, { least: 1e-6, most: 1 });
  if (!/^[\x21-\x7e]{1,128}$/.test(prefix)) {
    throw badOption("prefix", prefix, "expected 1 to 128 printable characters without spaces");
  }
  if (whenAway !== "local" && whenAway !== "reject") throw badOption("whenAway", whenAway, "expected local or reject");
  if (whenAway === "reject" && options.localShare !== undefined) {
    throw badOption("localShare", localShare, 'has no meaning with whenAway "reject"');
  }
  const local = memoryRateLimitStore({
    perSecond: 1_000 / intervalMs * localShare, burst: Math.max(1, burst * localShare),
  });
  let awayUntilMs = -Infinity;
  let isAway = false;

  function away(error: unknown): void {
    awayUntilMs = clock.now() + retryMs;
    if (isAway) return;
    isAway = true;
    observer?.event?.("ratelimit.store.away", { why: RpcError.from(error).message, whenAway, localShare });
  }

  function back(): void {
    if (!isAway) return;
    isAway = false;
    observer?.event?.("ratelimit.store.back", { why: "Redis answered" });
  }

  async function take(key: string, tokens: number): Promise<RateDecision> {
    const asked = client.sendCommand(["EVAL", script, "1", prefix + key, String(intervalMs), String(burst),
      String(tokens)]);
    const answer = readDecision(await inTime(clock, timeoutMs, asked));
    back();
    return answer;
  }

  return {
    take(key, tokens, nowMs) {
      if (!(tokens > 0)) throw badOption("tokens", tokens, "expected a number above 0");
      if (clock.now() < awayUntilMs) {
        if (whenAway === "local") return local.take(key, tokens, nowMs);
        throw new RpcError("unavailable", "Redis, which keeps this rate limit, was away a moment ago");
      }
      return take(key, tokens).catch((error: unknown) => {
        away(error);
        if (whenAway === "local") return local.take(key, tokens, nowMs);
        throw RpcError.from(error, "unavailable");
      });
    },
  };
}

function inTime(clock: Runtime["clock"], timeoutMs: number, promise: Promise<unknown>): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(timeoutMs, () =>
      reject(new RpcError("unavailable", `Redis, which keeps this rate limit, gave no answer within ${timeoutMs} ms`)));
    promise.then(resolve, reject).finally(() => timer.cancel());
  });
}

function readDecision(answer: unknown): RateDecision {
  const [allowed, remaining, retryAfterMs] = Array.isArray(answer) ? answer.map(Number) : [];
  if (allowed === undefined || remaining === undefined || retryAfterMs === undefined) {
    throw new RpcError("unavailable", "Redis answered the script of the rate limit with something else");
  }
  return { allowed: allowed === 1, remaining, retryAfterMs: retryAfterMs < 0 ? Infinity : retryAfterMs };
}

/** KEYS: account. ARGV: milliseconds a token, burst, tokens wanted. As `decideRate`, to the microsecond. */
const script = `
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local interval, burst, tokens = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local base = math.max(now, tonumber(redis.call('GET', KEYS[1])) or now)
local after = base + tokens * interval
local early = after - now - burst * interval
if early > 0.001 then
  local remaining = math.max(0, math.floor(burst - (base - now) / interval + 0.001))
  local wait = tokens > burst and '-1' or string.format('%.3f', early)
  return { '0', string.format('%.0f', remaining), wait }
end
redis.call('SET', KEYS[1], string.format('%.3f', after), 'PX', math.max(1, math.ceil(after - now)))
return { '1', string.format('%.0f', math.max(0, math.floor(burst - (after - now) / interval + 0.001))), '0' }
`;
