/**
 * Scripts are what Redis does in one step: enter an entry, renew it, withdraw it, and read a name as a whole.
 *
 * Of each name there is a sorted set of the ids that were entered, by the time in milliseconds, on the clock of Redis,
 * at which they expire; and of each id a key with the entry, which Redis itself expires. The set also has a member "",
 * so that a name that nobody serves is told from one that Redis forgot. All keys of a name have one slot of a cluster.
 */
import { RpcError } from "../../core/error.ts";

/** Bytes of a value beyond which it is no entry. */
export const maxValueBytes = 65_536;

/** The least time that the set of a name outlives its last change, in milliseconds. */
const indexTtlMs = 60_000;

const clock = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

/** KEYS: index, entry. ARGV: id, value, ttl in ms, channel. Lists the id; 1 if it was not there. */
const list = `
local function list()
  local added = redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
  redis.call('ZADD', KEYS[1], '-inf', '')
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(-inf', '(' .. now, 'LIMIT', 0, 100)) do
    local left = redis.call('PTTL', KEYS[1] .. ':' .. id)
    if left == -2 then redis.call('ZREM', KEYS[1], id)
    elseif left == -1 then redis.call('ZADD', KEYS[1], '+inf', id)
    else redis.call('ZADD', KEYS[1], now + left, id) end
  end
  if redis.call('ZCOUNT', KEYS[1], '+inf', '+inf') > 0 then redis.call('PERSIST', KEYS[1])
  else
    local wanted = math.max(${indexTtlMs}, ARGV[3] * 3)
    if redis.call('PTTL', KEYS[1]) < wanted then redis.call('PEXPIRE', KEYS[1], wanted) end
  end
  return added
end
`;

/** Enters, whoever was there before. */
export const enterScript = `${clock}${list}
list()
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[1])
return 'entered'
`;

/** Prolongs; enters again what is gone; leaves alone what somebody else entered. */
export const renewScript = `${clock}${list}
local found = redis.pcall('GET', KEYS[2])
if type(found) == 'table' then return 'taken' end
if found and found ~= ARGV[2] then return 'taken' end
local added = list()
if found then redis.call('PEXPIRE', KEYS[2], ARGV[3])
else redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3]) end
if found and added == 0 then return 'renewed' end
redis.call('PUBLISH', ARGV[4], ARGV[1])
return 'entered'
`;

/** Withdraws what this registrant entered, and nobody else's. */
export const leaveScript = `
local found = redis.pcall('GET', KEYS[2])
if found ~= ARGV[2] then return 'taken' end
redis.call('DEL', KEYS[2])
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('PUBLISH', ARGV[4], ARGV[1])
return 'left'
`;

/** KEYS: index. ARGV: most entries. Changes nothing. */
export const readScript = `${clock}
local ids = redis.call('ZRANGE', KEYS[1], 0, -1)
if #ids > tonumber(ARGV[1]) + 1 then return { -1, #ids - 1 } end
local nearest = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '(+inf', 'WITHSCORES', 'LIMIT', 0, 1)
local answer = { #ids, nearest[2] and nearest[2] - now or -1 }
for first = 1, #ids, 500 do
  local keys = {}
  for i = first, math.min(first + 499, #ids) do keys[#keys + 1] = KEYS[1] .. ':' .. ids[i] end
  for i, value in ipairs(redis.call('MGET', unpack(keys))) do
    local id = ids[first + i - 1]
    local kind = 'entry'
    if not value then
      kind = 'type'
      value = redis.call('TYPE', keys[i]).ok
    elseif #value > ${maxValueBytes} then
      kind = 'size'
      value = tostring(#value)
    end
    if id ~= '' and value ~= 'none' then
      answer[#answer + 1] = id
      answer[#answer + 1] = kind
      answer[#answer + 1] = value
    end
  end
end
return answer
`;

export interface Read {
  /** Whether Redis knows the name at all. */
  readonly isKnown: boolean;
  /** Until the next entry expires unless it is renewed, in milliseconds; undefined if none does. */
  readonly nextExpiryMs: number | undefined;
  readonly items: readonly { readonly id: string; readonly kind: string; readonly value: string }[];
}

/** Reads what `readScript` answers. Throws `resource_exhausted` beyond the limit. */
export function readAnswer(answer: unknown, key: string, maxEndpoints: number): Read {
  const [count, detail, ...rest] = Array.isArray(answer) ? answer as unknown[] : [];
  if (typeof count !== "number" || typeof detail !== "number" || rest.length % 3 !== 0) {
    throw new RpcError("unavailable", `Redis answered the script that reads ${key} with something else; is what is ` +
      "connected to a Redis of version 6 or later?");
  }
  if (count === -1) {
    throw new RpcError("resource_exhausted", `Redis lists ${detail} entries at ${key}, more than ${maxEndpoints} ` +
      "(maxEndpoints)", { phase: "resolve" });
  }
  const items = Array.from({ length: rest.length / 3 }, (_, i) => {
    const [id, kind, value] = rest.slice(i * 3, i * 3 + 3).map(String) as [string, string, string];
    return { id, kind, value };
  });
  return { isKnown: count > 0, nextExpiryMs: detail < 0 ? undefined : detail, items };
}
