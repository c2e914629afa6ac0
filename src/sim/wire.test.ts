// The modelled wire beside the wire of bytes, and what it does on links that are far, cut, slow or lossy.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { createClientOn } from "../client/index.ts";
import { rpc, service } from "../contract/index.ts";
import type { RpcError } from "../core/index.ts";
import { createServerOn } from "../server/index.ts";
import { constant, createWorld, openLoop, simulatedClient, simulatedServer, type WorldOptions } from "./index.ts";

const Shop = service("wire.test.v1.Shop", {
  find: rpc({ input: z.object({}), output: z.object({}), idempotent: true }),
  pay: rpc({ input: z.object({}), output: z.object({}) }),
});

function pair(options: Partial<WorldOptions> = {}) {
  const world = createWorld({ seed: 5, link: { latencyMs: 10 }, ...options });
  const server = simulatedServer(world, Shop, { host: "server", work: constant(5), workers: 100, admission: false });
  const client = simulatedClient(world, Shop, { retry: false, timeoutMs: 1_000 });
  const ended: { code: string; atMs: number; error: RpcError | undefined }[] = [];
  const call = (method: "find" | "pay" = "find", timeoutMs = 1_000) => void client[method]({}, { timeoutMs }).then(
    () => ended.push({ code: "ok", atMs: world.nowMs, error: undefined }),
    (error: RpcError) => ended.push({ code: error.code, atMs: world.nowMs, error }));
  return { world, server, client, ended, call };
}

test("a call takes one round trip and its work; a connection takes two more, as with bytes", async () => {
  const { world, ended, call } = pair();
  call();
  await world.run(500);
  world.at(500, () => call());
  await world.run(1_000);
  const bytes = createWorld({ seed: 5, link: { latencyMs: 10 } });
  const runtime = bytes.host("server");
  await createServerOn(runtime).implement(Shop, {
    find: () => new Promise((resolve) => void runtime.clock.after(5, () => resolve({}))), pay: () => ({}),
  }).listen({ host: "server", port: 7_000 });
  const client = createClientOn(bytes.host("client"), Shop, { address: "server:7000", retry: false });
  const overBytes: number[] = [];
  const find = (): void => void client.find({}).then(() => overBytes.push(bytes.nowMs));
  find();
  bytes.at(500, find);
  await bytes.run(1_000);
  assert.deepEqual(ended.map(({ atMs }) => atMs), [65, 525]);
  assert.deepEqual(overBytes, [65, 525]);
});

test("a deadline ends the call here and there, and the server hears of a cancellation", async () => {
  const { world, server, ended, call } = pair();
  await world.run(100);
  server.setSpeed(0.01);
  call("find", 100);
  await world.run(1_000);
  assert.deepEqual(ended.map(({ code, atMs }) => [code, atMs]), [["deadline_exceeded", 200]]);
  assert.equal(server.figures.wasted, 1);
  assert.ok(world.traffic("client").cancels >= 1);
});

test("one way cut: replies are lost while requests arrive, and come after it heals", async () => {
  const { world, server, ended, call } = pair();
  await world.run(100);
  world.partition("server", "client", { isOneWay: true });
  call("pay");
  await world.run(250);
  assert.equal(server.figures.handled, 1);
  assert.equal(ended.length, 0);
  world.heal();
  await world.run(900);
  assert.deepEqual(ended.map(({ code }) => code), ["ok"]);
});

test("a reset breaks what is in flight at once; who is gone without a word is noticed by silence", async () => {
  const reset = pair();
  await reset.world.run(100);
  reset.server.setSpeed(0.01);
  reset.call("pay");
  reset.world.at(150, () => reset.server.crash());
  await reset.world.run(170);
  assert.deepEqual(reset.ended.map(({ code, atMs }) => [code, atMs]), [["unavailable", 160]]);
  const silent = pair();
  await silent.world.run(100);
  silent.server.crash({ isSilent: true });
  silent.call("find");
  await silent.world.run(5_000);
  assert.deepEqual(silent.ended.map(({ code, atMs }) => [code, atMs <= 1_100]), [["deadline_exceeded", true]]);
  silent.server.restart();
  await silent.world.run(30_000);
  silent.call();
  await silent.world.run(31_000);
  assert.equal(silent.ended.at(-1)?.code, "ok");
});

test("lost messages come a retransmission later, and hold up what follows", async () => {
  const { world, call, ended } = pair();
  await world.run(5_000);
  world.link("client", "server", { lossRate: 0.02 });
  const dueMs = Array.from({ length: 200 }, (_, i) => 5_000 + i * 10);
  for (const atMs of dueMs) world.at(atMs, () => call());
  await world.run(9_000);
  assert.deepEqual(new Set(ended.map(({ code }) => code)), new Set(["ok"]));
  // In order, though some were lost: a connection is a stream.
  const took = ended.map(({ atMs }, i) => atMs - (dueMs[i] as number));
  assert.ok(took.filter((ms) => ms === 25).length > 50, "most are not touched");
  assert.ok(took.filter((ms) => ms > 100).length > 5, "those behind a loss wait with it");
  assert.ok(Math.max(...took) >= 225, `${Math.max(...took)}`);
});

test("a narrow link makes messages wait for each other", async () => {
  const { world, call, ended } = pair({ wire: { requestBytes: () => 1_000, responseBytes: () => 0 } });
  await world.run(200);
  world.link("client", "server", { bytesPerMs: 100 });
  for (let i = 0; i < 5; i++) call();
  await world.run(1_000);
  assert.deepEqual(ended.map(({ atMs }) => atMs), [235, 245, 255, 265, 275]);
});

test("a server that drains refuses new calls as never started, and lets the others end", async () => {
  const { world, server, ended, call } = pair();
  await world.run(100);
  server.setSpeed(0.1);
  call();
  world.at(130, () => server.drain());
  world.at(131, () => call());
  await world.run(1_000);
  assert.deepEqual(ended.map(({ code }) => code).sort(), ["ok", "unavailable"]);
  assert.equal(ended.find(({ code }) => code === "unavailable")?.error?.neverStarted, true);
});

test("a host's clock may run fast: its deadlines come early for the others, and its wall clock may jump", async () => {
  const { world, server, ended, call } = pair();
  await world.run(100);
  const { clock } = world.host("client");
  world.setClock("client", { rate: 2, wallOffsetMs: -5_000 });
  server.setSpeed(0.001);
  const wallMs = clock.wallMs();
  call("find", 100);
  await world.run(1_000);
  assert.deepEqual(ended.map(({ code, atMs }) => [code, atMs]), [["deadline_exceeded", 150]]);
  assert.equal(clock.now(), 100 + 900 * 2);
  assert.equal(clock.wallMs() - wallMs, 1_800);
});

test("a call made for another has no more time than that, and ends with it", async () => {
  const world = createWorld({ seed: 1, link: { latencyMs: 1 } });
  const left: number[] = [];
  const back = simulatedServer(world, Shop, {
    host: "back", admission: false,
    handlers: {
      find: (_request, context, place) => {
        left.push(context.deadline - place.runtime.clock.now());
        return place.station.serve(500, context).then(() => ({}));
      },
    },
  });
  const inner = simulatedClient(world, Shop, { host: "front", address: back.address, timeoutMs: 60_000, retry: false });
  simulatedServer(world, Shop, {
    host: "front", admission: false, registers: false,
    handlers: {
      find: (_request, context, place) =>
        place.station.serve(40, context).then(() => inner.find({}, { context })),
    },
  });
  const outer = simulatedClient(world, Shop, { address: "front:7000", timeoutMs: 100, retry: false });
  await world.run(50);
  const failure = outer.find({}).catch((error: RpcError) => error.code);
  await world.run(1_000);
  assert.equal(await failure, "deadline_exceeded");
  assert.equal(left.length, 1);
  assert.ok((left[0] as number) > 50 && (left[0] as number) <= 60, `${left[0]}`);
});

test("entries reach clients after the registry's delay, and a lease outlives a crash", async () => {
  const world = createWorld({ seed: 1, discovery: { delayMs: 50, leaseMs: 1_000 } });
  const seen: [number, number][] = [];
  world.discovery.watch(Shop.name, { snapshot: (all) => seen.push([world.nowMs, all.length]) });
  const server = simulatedServer(world, Shop, { host: "s" });
  await world.run(100);
  server.crash({ isSilent: true });
  await world.run(2_000);
  assert.deepEqual(seen.filter(([, count], i) => count !== seen[i - 1]?.[1]), [[50, 1], [1_150, 0]]);
  const load = openLoop(world, { rate: 100, arrivals: "paced", beginMs: 2_000, untilMs: 3_000, call: () => undefined });
  await world.run(4_000);
  assert.equal(load.figures.offered, 100);
});
