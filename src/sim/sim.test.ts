import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { rpc, service } from "../contract/index.ts";
import { createWorld, exponential, openLoop, simulatedClient, simulatedServer } from "./index.ts";

const Shop = service("sim.test.v1.Shop", {
  find: rpc({ input: z.object({}), output: z.object({}), idempotent: true }),
});

async function played(seed: number) {
  const world = createWorld({ seed, link: { latencyMs: 0.25, jitterMs: 0.1, lossRate: 0.001 } });
  const servers = ["a", "b", "c"].map((zone) =>
    simulatedServer(world, Shop, { host: `s-${zone}`, zone, workers: 2, work: exponential(5), admission: false }));
  const client = simulatedClient(world, Shop, { timeoutMs: 500 });
  const load = openLoop(world, { rate: 300, untilMs: 20_000, deadlineMs: 500, call: () => client.find({}) });
  world.at(5_000, () => servers[0]?.crash({ isSilent: true }));
  world.at(10_000, () => servers[0]?.restart());
  world.at(12_000, () => servers[1]?.stall(700));
  world.at(15_000, () => servers[2]?.crash());
  await world.run(25_000);
  return { world, load, servers };
}

test("the same seed gives the same digest and figures, another seed another", async () => {
  const first = await played(1);
  const again = await played(1);
  assert.equal(again.world.digest, first.world.digest);
  assert.deepEqual(again.load.figures, first.load.figures);
  assert.notEqual((await played(2)).world.digest, first.world.digest);
});

test("a silent crash, a stall and a reset cost no call its end, and hardly any its success", async () => {
  const { load } = await played(3);
  assert.equal(load.pending, 0);
  assert.ok(load.figures.successShare > 0.995, String(load.figures.successShare));
});
