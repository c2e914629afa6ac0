/**
 * Completion records in Redis: one hash a key, which Redis itself expires, and scripts that judge and write at once.
 *
 * What handlers change in the same Redis can be written with the record by one script. All times are Redis's own. It
 * must be told to keep what it was given (`maxmemory-policy noeviction`, `appendfsync always`). A Redis that lost
 * everything is noticed by a key that says since when it knows of all calls; the last moments before a fail-over to a
 * replica are not. Needs Redis 6.2.
 */
import { badOption, RpcError } from "../core/index.ts";
import { fromBase64, toBase64 } from "../wire/base64.ts";
import { claimLost } from "./memory-store.ts";
import type { ClaimAnswer, ReplayStore } from "./store.ts";

/** What is used of a client of `@redis/client`; any other's way to send a command is wrapped in a line. */
export interface RedisCommands {
  sendCommand(args: readonly string[]): Promise<unknown>;
}

export interface RedisReplayOptions {
  /** What all keys begin with; in braces, so that a cluster keeps them together. Default `{meridian:replay}:`. */
  readonly prefix?: string | undefined;
}

/**
 * What a handler changes in Redis: the body of a Lua script, in which KEYS and ARGV are those given here. Check before
 * the first write and leave by `return redis.error_reply("why")`: then nothing is recorded, and `record` rejects.
 */
export interface RedisEffect {
  readonly script: string;
  readonly keys?: readonly string[] | undefined;
  readonly args?: readonly string[] | undefined;
}

/** Records outlive the judgement that they are expired, by more than a clock is ever set back. */
const slackMs = 60_000;

/** Makes a store over a connected client. */
export function redisReplayStore(client: RedisCommands, options: RedisReplayOptions = {}): ReplayStore<RedisEffect> {
  const { prefix = "{meridian:replay}:" } = options;
  if (!/^[\x21-\x7e]{1,128}$/.test(prefix)) {
    throw badOption("prefix", prefix, "expected 1 to 128 printable characters without spaces");
  }
  const bornKey = `${prefix}born`;
  const keyOf = (key: string): string => `${prefix}key:${key}`;
  const run = (script: string, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> =>
    client.sendCommand(["EVAL", script, String(keys.length), ...keys, ...args.map(String)]);

  return {
    name: "Redis",
    async claim({ key, method, fingerprint, stampMs, retentionMs, leaseMs, clockSkewMs, isFirst, takesOver }) {
      return readClaim(await run(claimScript, [keyOf(key), bornKey], [
        method, fingerprint, stampMs ?? "", retentionMs, leaseMs, clockSkewMs, isFirst ? 1 : 0, takesOver ? 1 : 0,
      ]));
    },
    complete: async ({ call, fence }, outcome) =>
      await run(completeScript, [keyOf(call.key)], [fence, toBase64(outcome)]) === 1,
    async release({ call, fence }) {
      await run(releaseScript, [keyOf(call.key)], [fence]);
    },
    renew: async ({ call, fence }) => await run(renewScript, [keyOf(call.key)], [fence, call.leaseMs]) === 1,
    async record(claim, outcome, { script, keys = [], args = [] }) {
      if (claim === undefined) return run(script, keys, args);
      try {
        return await run(recordScript(script), [...keys, keyOf(claim.call.key)],
          [...args, claim.fence, toBase64(outcome)]);
      } catch (error) {
        if (error instanceof Error && error.message.includes("CLAIMLOST")) throw claimLost();
        throw error;
      }
    },
  };
}

function readClaim(answer: unknown): ClaimAnswer {
  const [kind, detail] = Array.isArray(answer) ? answer.map(String) : [];
  switch (kind) {
    case "claimed": return { kind, fence: Number(detail) };
    case "done": return { kind, outcome: fromBase64(detail ?? "") ?? new Uint8Array(0) };
    case "reused": return { kind, method: detail ?? "" };
    case "ahead": return { kind, byMs: Number(detail) };
    case "running": case "abandoned": case "forgotten": return { kind };
    default:
      throw new RpcError("unavailable", "Redis answered the script that claims with something else; is what is " +
        "connected to a Redis of version 6.2 or later?");
  }
}

const clock = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

/** KEYS: record, birth. ARGV: method, fingerprint, stamp or "", retention, lease, skew, is first, takes over. */
const claimScript = `${clock}
local born = tonumber(redis.call('GET', KEYS[2]))
if not born then
  born = now
  redis.call('SET', KEYS[2], string.format('%.0f', now))
end
local found = redis.call('HMGET', KEYS[1], 'method', 'print', 'fence', 'lease', 'outcome')
if found[1] then
  if found[1] ~= ARGV[1] or found[2] ~= ARGV[2] then return { 'reused', found[1] } end
  if found[5] then return { 'done', found[5] } end
  if tonumber(found[4]) > now then return { 'running' } end
  if ARGV[8] ~= '1' then return { 'abandoned' } end
elseif ARGV[3] ~= '' then
  local stamp, skew = tonumber(ARGV[3]), tonumber(ARGV[6])
  if stamp > now + skew then return { 'ahead', string.format('%.0f', stamp - now) } end
  if stamp < now - ARGV[4] then return { 'forgotten' } end
  if stamp < born + skew and not (ARGV[7] == '1' and stamp >= born - skew) then return { 'forgotten' } end
end
local fence = string.format('%.0f', math.max(now, (tonumber(found[3]) or 0) + 1))
redis.call('HSET', KEYS[1], 'method', ARGV[1], 'print', ARGV[2], 'fence', fence,
  'lease', string.format('%.0f', now + ARGV[5]))
if not found[1] then
  if ARGV[3] == '' then redis.call('PEXPIRE', KEYS[1], ARGV[4])
  else
    local untilMs = tonumber(ARGV[3]) + ARGV[4] + ARGV[6] + ${slackMs}
    redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', untilMs))
  end
end
return { 'claimed', fence }
`;

/** KEYS: record. ARGV: fence. */
const held = `
local held = redis.call('HMGET', KEYS[1], 'fence', 'outcome')
if held[1] ~= ARGV[1] or held[2] then return 0 end
`;

const completeScript = `${held}
redis.call('HSET', KEYS[1], 'outcome', ARGV[2])
return 1
`;

const releaseScript = `${held}
return redis.call('DEL', KEYS[1])
`;

const renewScript = `${held}${clock}
redis.call('HSET', KEYS[1], 'lease', string.format('%.0f', now + ARGV[2]))
return 1
`;

/** Ours are the last key and the last two arguments, which the handler's script does not see. */
function recordScript(effect: string): string {
  return `
local meridianKey = table.remove(KEYS)
local meridianOutcome = table.remove(ARGV)
local meridianFence = table.remove(ARGV)
local meridianHeld = redis.call('HMGET', meridianKey, 'fence', 'outcome')
if meridianHeld[1] ~= meridianFence or meridianHeld[2] then
  return redis.error_reply('CLAIMLOST another server took the call over')
end
local function meridianEffect()
${effect}
end
local meridianAnswer = meridianEffect()
if type(meridianAnswer) == 'table' and meridianAnswer.err then return meridianAnswer end
redis.call('HSET', meridianKey, 'outcome', meridianOutcome)
return meridianAnswer
`;
}
