// A rate that processes share, in a real Redis, and what becomes of it while Redis is away.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createClient } from "@redis/client";
import { createSimulation } from "../../src/runtime/sim/index.ts";
import { nodeRuntime } from "../../src/runtime/node/index.ts";
import { type RedisRateLimitClient, redisRateLimitStore } from "../../src/resilience/redis-rate-limit.ts";
import { lacking } from "../peers/programs.ts";
import type { EngineProcess } from "./engine-process.ts";
import { startRedis } from "./redis.ts";

const skip = lacking("redis-server");
let server: EngineProcess;
const clients: { destroy(): void }[] = [];

before(async () => {
  if (skip === false) server = await startRedis();
});
after(async () => {
  for (const client of clients) client.destroy();
  await server?.stop();
});

async function connected(): Promise<RedisRateLimitClient> {
  const client = createClient({ url: `redis://${server.address}` });
  client.on("error", () => undefined);
  await client.connect();
  clients.push(client);
  return { sendCommand: (args) => client.sendCommand(args) };
}

test("processes share one account", { skip }, async () => {
  const options = { perSecond: 0.01, burst: 10, prefix: "shared:", timeoutMs: 10_000 };
  const stores = await Promise.all([0, 1, 2].map(async () =>
    redisRateLimitStore(nodeRuntime, await connected(), options)));
  const decisions = await Promise.all(Array.from({ length: 30 }, async (_, i) =>
    stores[i % 3]?.take("tenant", 1, 0)));
  assert.equal(decisions.filter((one) => one?.allowed).length, 10);
  const refused = decisions.find((one) => one?.allowed === false);
  assert.ok(refused !== undefined && refused.retryAfterMs > 50_000 && refused.retryAfterMs <= 100_000);
  assert.equal(refused.remaining, 0);
  const other = await stores[0]?.take("another", 4, 0);
  assert.deepEqual(other, { allowed: true, remaining: 6, retryAfterMs: 0 });
  assert.equal((await stores[1]?.take("another", 11, 0))?.retryAfterMs, Infinity);
  assert.equal((await stores[1]?.take("another", 6, 0))?.allowed, true);
});

test("what was paid back can be taken again", { skip }, async () => {
  const store = redisRateLimitStore(nodeRuntime, await connected(),
    { perSecond: 100, burst: 5, prefix: "paid:", timeoutMs: 10_000 });
  let allowed = 0;
  const sinceMs = performance.now();
  while (performance.now() - sinceMs < 1_000) if ((await store.take("k", 1, 0)).allowed) allowed++;
  const ms = performance.now() - sinceMs;
  assert.ok(allowed <= 5 + ms / 10 + 2, `${allowed} in ${ms} ms`);
  assert.ok(allowed >= 6, `${allowed} in ${ms} ms`);
});

test("while Redis is away each process goes by its own share, asking again now and then", async () => {
  const simulation = createSimulation({ seed: 1 });
  const { clock } = simulation.host("a");
  const events: string[] = [];
  let asked = 0;
  let answers: "well" | "silent" | "failing" = "silent";
  const client: RedisRateLimitClient = {
    sendCommand() {
      asked++;
      if (answers === "silent") return new Promise(() => undefined);
      return answers === "failing" ? Promise.reject(new Error("gone")) : Promise.resolve(["1", "7", "0"]);
    },
  };
  const observer = { event: (name: string) => void events.push(name) };
  const store = redisRateLimitStore({ clock }, client, { perSecond: 10, burst: 10, localShare: 0.5, observer });
  const take = async () => simulation.runUntil(Promise.resolve(store.take("k", 1, clock.now())), 1e6);
  const decisions = [];
  for (let i = 0; i < 8; i++) decisions.push(await take());
  assert.deepEqual(decisions.map(({ allowed }) => allowed), [true, true, true, true, true, false, false, false]);
  assert.equal(asked, 1);
  assert.ok(simulation.nowMs < 30, `${simulation.nowMs} ms were lost`);
  answers = "failing";
  await simulation.run(1_500);
  await take();
  assert.equal(asked, 2);
  answers = "well";
  await simulation.run(3_000);
  assert.deepEqual(await take(), { allowed: true, remaining: 7, retryAfterMs: 0 });
  assert.deepEqual(events, ["ratelimit.store.away", "ratelimit.store.back"]);
  const strict = redisRateLimitStore({ clock }, { sendCommand: () => Promise.reject(new Error("gone")) },
    { perSecond: 1, whenAway: "reject" });
  await assert.rejects(async () => strict.take("k", 1, 0), { code: "unavailable" });
  await assert.rejects(async () => strict.take("k", 1, 0), { code: "unavailable", message: /a moment ago/ });
});

test("refuses options that cannot be", () => {
  const client: RedisRateLimitClient = { sendCommand: () => Promise.resolve([]) };
  const refused = (options: object, message: RegExp): void => assert.throws(() =>
    redisRateLimitStore(nodeRuntime, client, { perSecond: 1, ...options }), { code: "invalid_argument", message });
  refused({ perSecond: 0 }, /^perSecond is 0/);
  refused({ timeoutMs: 0 }, /^timeoutMs is 0/);
  refused({ localShare: 2 }, /^localShare is 2/);
  refused({ prefix: "a b" }, /^prefix is/);
  refused({ whenAway: "x" }, /^whenAway is/);
  refused({ whenAway: "reject", localShare: 0.5 }, /^localShare is 0.5/);
});
