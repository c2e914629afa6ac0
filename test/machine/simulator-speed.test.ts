// The engine's speed, at a fraction of what the benchmark shows: something that costs ten times as much is noticed.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { rpc, service } from "../../src/contract/index.ts";
import { createWorld, exponential, openLoop, simulatedClient, simulatedServer } from "../../src/sim/index.ts";

const Shop = service("speed.test.v1.Shop", {
  find: rpc({ input: z.object({}), output: z.object({}), idempotent: true }),
});

test("a second of processor time runs at least 40,000 events of the modelled wire", async () => {
  const world = createWorld({ seed: 1, link: { latencyMs: 0.25 } });
  for (let i = 0; i < 50; i++) simulatedServer(world, Shop, { host: `s${i}`, work: exponential(5) });
  const client = simulatedClient(world, Shop);
  openLoop(world, { rate: 7_000, untilMs: 60_000, call: () => client.find({}) });
  await world.run(5_000);
  let best = 0;
  for (let span = 1; span <= 4 && best < 40_000; span++) {
    const { events } = world;
    const cpu = process.cpuUsage();
    await world.run(5_000 + span * 5_000);
    const { user, system } = process.cpuUsage(cpu);
    best = Math.max(best, (world.events - events) / ((user + system) / 1e6));
  }
  assert.ok(best >= 40_000, `${Math.round(best)} events`);
});
