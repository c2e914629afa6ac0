// Completion records in a real Redis: the suite of all stores, effects by script, and a Redis that lost everything.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@redis/client";
import { type RedisCommands, redisReplayStore, type ReplayCall } from "../../src/replay/index.ts";
import { replayStoreCases } from "../../src/testing/index.ts";
import type { EngineProcess } from "../engines/engine-process.ts";
import { startRedis } from "../engines/redis.ts";
import { lacking } from "../peers/programs.ts";

const skip = lacking("redis-server");
let server: EngineProcess;
let client: RedisCommands & { close(): Promise<void> };
let stores = 0;

before(async () => {
  if (skip !== false) return;
  server = await startRedis();
  const made = createClient({ url: `redis://${server.address}` });
  made.on("error", () => undefined);
  await made.connect();
  client = { sendCommand: (args) => made.sendCommand(args), close: () => made.close() };
});
after(async () => {
  await client?.close();
  await server?.stop();
});

const counting = { script: "return redis.call('INCRBY', KEYS[1], ARGV[1])", args: ["1"] };

for (const { name, run } of replayStoreCases(async () => {
  const prefix = `{store-${++stores}}:`;
  const store = redisReplayStore(client, { prefix });
  await client.sendCommand(["SET", `${prefix}born`, String(Date.now() - 3_600_000)]);
  return {
    store, nowMs: () => Date.now(), advance: (ms) => sleep(ms),
    write: async (claim, outcome) => {
      await store.record(claim, outcome, { ...counting, keys: [`${prefix}counter`] });
    },
    written: async () => Number(await client.sendCommand(["GET", `${prefix}counter`])),
  };
})) test(name, { skip }, run);

const call = (fields: Partial<ReplayCall> = {}): ReplayCall => ({
  key: "k", stampMs: Date.now(), isFirst: true, method: "bank.v1.Bank/pay", fingerprint: "", nowMs: Date.now(),
  leaseMs: 60_000, retentionMs: 600_000, clockSkewMs: 1_000, takesOver: false, ...fields,
});

test("an effect gives its answer, and one that refuses leaves no record", { skip }, async () => {
  const prefix = `{store-${++stores}}:`;
  const store = redisReplayStore(client, { prefix });
  const mine = call();
  const answer = await store.claim(mine);
  assert.ok(answer.kind === "claimed");
  const claim = { call: mine, fence: answer.fence };
  const keys = [`${prefix}counter`];
  await assert.rejects(store.record(claim, Uint8Array.of(1),
    { script: "if #KEYS ~= 1 or #ARGV ~= 1 then return redis.error_reply('SEEN') end\n" +
      "return redis.error_reply('POOR ' .. ARGV[1]) -- nothing was written", keys, args: ["9"] }), /POOR 9/);
  const broken = { script: "return redis.call('INCRBY', KEYS[1], 'x')", keys };
  await assert.rejects(store.record(claim, Uint8Array.of(1), broken));
  assert.equal((await store.claim(mine)).kind, "running");
  assert.equal(await store.record(claim, Uint8Array.of(1), { ...counting, keys }), 1);
  assert.equal((await store.claim(mine)).kind, "done");
});

test("a Redis that lost everything runs nothing again that may have run", { skip }, async () => {
  const prefix = `{store-${++stores}}:`;
  const store = redisReplayStore(client, { prefix });
  const mine = call();
  const answer = await store.claim(mine);
  assert.ok(answer.kind === "claimed");
  await store.complete({ call: mine, fence: answer.fence }, Uint8Array.of(1));
  await sleep(20);
  await client.sendCommand(["FLUSHALL"]);
  assert.equal((await store.claim({ ...mine, isFirst: false, clockSkewMs: 0 })).kind, "forgotten");
  await sleep(20);
  assert.equal((await store.claim(call({ key: "new", isFirst: false, clockSkewMs: 0 }))).kind, "claimed");
});

test("records expire by themselves, a while after they are judged expired", { skip }, async () => {
  const prefix = `{store-${++stores}}:`;
  const store = redisReplayStore(client, { prefix });
  await store.claim(call());
  await store.claim(call({ key: "foreign", stampMs: undefined }));
  const left = async (key: string): Promise<number> =>
    Number(await client.sendCommand(["PTTL", `${prefix}key:${key}`]));
  const stamped = await left("k");
  assert.ok(stamped > 600_000 && stamped <= 661_100, `${stamped}`);
  const foreign = await left("foreign");
  assert.ok(foreign > 540_000 && foreign <= 600_000, `${foreign}`);
});

test("an answer that is none, and a prefix that cannot be, are told", async () => {
  const strange = redisReplayStore({ sendCommand: () => Promise.resolve({ odd: true }) });
  await assert.rejects(async () => strange.claim(call()), { code: "unavailable", message: /version 6.2/ });
  assert.throws(() => redisReplayStore(client, { prefix: "a b" }), { code: "invalid_argument", message: /^prefix is/ });
});
