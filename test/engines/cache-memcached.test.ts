// Cached answers in a real memcached and a real Redis, one and several, alive and gone; and memcached that lies.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient as createRedis } from "@redis/client";
import * as z from "zod";
import {
  type CacheStore, memcachedStore, redisCacheStore, responseCache, spreadCacheStore,
} from "../../src/cache/index.ts";
import { rpc, service } from "../../src/contract/index.ts";
import { createClient, createServer } from "../../src/index.ts";
import { nodeRuntime } from "../../src/runtime/node/index.ts";
import { createSimulation } from "../../src/runtime/sim/index.ts";
import { cacheStoreCases } from "../../src/testing/index.ts";
import { lacking } from "../peers/programs.ts";
import { type EngineProcess, type EngineProgram, startEngine } from "./engine-process.ts";
import { startRedis } from "./redis.ts";

const noMemcached = lacking("memcached");
const noRedis = lacking("redis-server");

const program: EngineProgram = {
  name: "memcached",
  command: (port) => ["memcached", "-l", "127.0.0.1", "-p", String(port), "-U", "0", "-m", "64", "-u", "nobody"],
  async answers(port) {
    const socket = connect(port, "127.0.0.1");
    try {
      socket.write("version\r\n");
      const [answer] = await once(socket, "data") as [Buffer];
      return answer.toString().startsWith("VERSION");
    } finally {
      socket.destroy();
    }
  },
};

let servers: EngineProcess[] = [];
let redis: EngineProcess | undefined;
const ends: (() => void)[] = [];

before(async () => {
  if (noMemcached === false) servers = await Promise.all([startEngine(program), startEngine(program)]);
  if (noRedis === false) redis = await startRedis();
});
after(async () => {
  for (const end of ends) end();
  await Promise.all([...servers, redis].map(async (one) => one?.stop()));
});

let count = 0;
const advance = (ms: number): Promise<void> => sleep(ms);

function memcached(i: number): CacheStore {
  const store = memcachedStore(nodeRuntime, { address: servers[i]?.address, prefix: `t${++count}:` });
  ends.push(() => store.close());
  return store;
}

async function inRedis(): Promise<CacheStore> {
  const client = createRedis({ url: `redis://${redis?.address}` });
  client.on("error", () => undefined);
  await client.connect();
  ends.push(() => client.destroy());
  return redisCacheStore({ sendCommand: (args) => client.sendCommand(args) }, { prefix: `t${++count}:` });
}

for (const { name, run } of cacheStoreCases(() => ({ store: memcached(0), advance }))) {
  test(`memcached: ${name}`, { skip: noMemcached }, run);
}
const two = () => ({ store: spreadCacheStore([memcached(0), memcached(1)]), advance });
for (const { name, run } of cacheStoreCases(two)) {
  test(`two memcacheds: ${name}`, { skip: noMemcached }, run);
}
for (const { name, run } of cacheStoreCases(async () => ({ store: await inRedis(), advance }))) {
  test(`Redis: ${name}`, { skip: noRedis }, run);
}

const Cities = service("geo.v1.Cities", {
  find: rpc({ input: z.object({ name: z.string() }), output: z.object({ run: z.int32() }), safe: true }),
});

test("clients share answers through memcached, and go on without it", { skip: noMemcached }, async () => {
  const own = await startEngine(program);
  let runs = 0;
  const server = createServer().implement(Cities, { find: () => ({ run: ++runs }) });
  const address = await server.listen();
  const clients = [0, 1].map(() => {
    const store = memcachedStore(nodeRuntime, { address: own.address });
    ends.push(() => store.close());
    return createClient(Cities, { address, cache: responseCache({ ttlMs: 60_000, store, storeTimeoutMs: 2_000 }) });
  });
  try {
    const [a, b] = clients as [typeof clients[0] & object, typeof clients[0] & object];
    assert.deepEqual(await a.find({ name: "Bern, the \u00fcber city" }), { run: 1 });
    for (let i = 0; i < 100 && (await b.find({ name: "Bern, the \u00fcber city" })).run !== 1; i++) await sleep(20);
    assert.deepEqual(await b.find({ name: "Bern, the \u00fcber city" }), { run: 1 });
    await own.kill();
    const before = runs;
    for (let i = 0; i < 50; i++) await a.find({ name: `city ${i}` });
    assert.equal(runs, before + 50);
    await own.restart();
    const deadlineMs = performance.now() + 20_000;
    // The circuit asks again after a while.
    for (let run = -1, next = -2; run !== next; run = next) {
      assert.ok(performance.now() < deadlineMs, "it is not asked again");
      await sleep(200);
      next = (await a.find({ name: "Basel" })).run;
    }
  } finally {
    for (const one of clients) one.$.close(0);
    await server.close(0);
    await own.stop();
  }
});

/** A memcached of the simulation's that answers each command with the bytes it is told to. */
async function lying(answer: string): Promise<{ simulation: ReturnType<typeof createSimulation>; store: CacheStore }> {
  const simulation = createSimulation({ seed: 1 });
  await simulation.host("engine").network.listen("engine:11211", (stream) => ({
    received: () => void stream.write(new TextEncoder().encode(answer)),
    closed: () => undefined,
  }));
  return { simulation, store: memcachedStore(simulation.host("client"), { address: "engine:11211", maxPending: 4 }) };
}

test("nonsense from memcached fails what was asked, and nothing else", async () => {
  for (const answer of ["BANANA\r\n", "VA 999999999 \r\n", "VA -1\r\n", "ERROR\r\n", "SERVER_ERROR boom\r\n",
    "EN\r\nEN\r\n", "x".repeat(5_000)]) {
    const { simulation, store } = await lying(answer);
    const got = Promise.resolve(store.get(["a"])).then((value) => value, (error: { code: string }) => error.code);
    const told = await simulation.runUntil(got, 10_000);
    if (answer.startsWith("EN")) assert.deepEqual(told, [undefined]);
    else assert.equal(told, "unavailable", answer.slice(0, 20));
  }
  const { simulation, store } = await lying("");
  const many = Promise.allSettled(Array.from({ length: 6 }, async (_, i) => store.get([`k${i}`])));
  await simulation.run(100);
  simulation.crash("engine");
  const ended = await simulation.runUntil(many, 10_000);
  const codes = ended.map((one) => (one.status === "rejected" ? (one.reason as { code: string }).code : "answered"));
  const lost = ["unavailable", "unavailable", "unavailable", "unavailable"];
  assert.deepEqual(codes, [...lost, "resource_exhausted", "resource_exhausted"]);
});

test("an answer may come in pieces of any size", async () => {
  const simulation = createSimulation({ seed: 1, link: { latencyMs: 0.1 } });
  const value = "VA 7 t\r\nA\r\nB\r\nC\r\n";
  await simulation.host("engine").network.listen("engine:11211", (stream) => ({
    received: () => {
      value.split("").forEach((letter, i) => void simulation.host("engine").clock.after(i + 1, () =>
        void stream.write(new TextEncoder().encode(letter))));
    },
    closed: () => undefined,
  }));
  const store = memcachedStore(simulation.host("client"), { address: "engine:11211" });
  assert.deepEqual(await simulation.runUntil(Promise.resolve(store.get(["k"])), 10_000), ["A\r\nB\r\nC"]);
});
