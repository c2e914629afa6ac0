// The pickers' experiments in small: that they run, that the same seed gives the same, and that the order of policies
// is the one that the whole runs show.
import assert from "node:assert/strict";
import { test } from "node:test";
import { runC3 } from "../../experiments/pickers/c3-world.ts";
import { type PrequalPolicy, quantileOf, runPrequal } from "../../experiments/pickers/prequal-world.ts";
import { type Policy, runSlowServer } from "../../experiments/pickers/slow-server.ts";

test("the slow server: turns lose what they send there, our defaults nothing", async () => {
  const lost = async (policy: Policy): Promise<number> => {
    const one = await runSlowServer({ policy, seed: 1, seconds: 18 });
    return one.lost / one.calls;
  };
  const turns = await lost("turns");
  assert.ok(turns > 0.012 && turns < 0.02, `${turns}`);
  assert.ok(await lost("least delay") < 0.0015);
  assert.ok(await lost("ours") < 0.0001);
  assert.equal(await lost("bound"), 0);
});

test("Prequal's testbed: least delay below the port, the port below least requests, none below who sees all", () => {
  const p99 = (policy: PrequalPolicy): number => quantileOf(runPrequal({
    policy, seed: 1, clients: 50, servers: 50, load: 0.9, warmMs: 4_000, measuredMs: 5_000, machines: "neighbours",
  }).tookMs, 0.99);
  const inOrder = (["clairvoyant", "ours, least delay", "Prequal", "ours, by default"] as const).map(p99);
  assert.deepEqual(inOrder, inOrder.toSorted((a, b) => a - b));
  assert.equal(p99("ours, least delay"), inOrder[1], "the same seed, the same figures");
});

test("C3's simulation, speeds that last half a second: least delay below least outstanding, above who sees all", () => {
  const tail = (policy: Parameters<typeof runC3>[0]["policy"]): number => quantileOf(runC3({
    policy, seed: 1, clients: 150, everyMs: 500, utilisation: 0.7, requests: 60_000,
  }), 0.999);
  const inOrder = (["clairvoyant", "ours, least delay", "least outstanding"] as const).map(tail);
  assert.deepEqual(inOrder, inOrder.toSorted((a, b) => a - b));
});

test("C3's rate control keeps no more back than its servers do, and the same seed gives the same", () => {
  const tail = (policy: Parameters<typeof runC3>[0]["policy"]): number => quantileOf(runC3({
    policy, seed: 1, clients: 50, everyMs: 100, utilisation: 0.7, requests: 20_000,
  }), 0.99);
  const [controlled, free] = [tail("C3"), tail("C3, no rate control")];
  assert.ok(controlled < free * 1.5 && controlled > free / 1.5, `${controlled} beside ${free} ms`);
  assert.notEqual(controlled, free, "it holds something back");
  assert.equal(tail("C3"), controlled);
});
