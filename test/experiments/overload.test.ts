// The experiments of overload, one seed and little time each: that they run, and show what they are for.
import assert from "node:assert/strict";
import { test } from "node:test";
import { play as playDagor, policies as dagorPolicies } from "../../experiments/dagor.ts";
import { play as playMetastable, policies as metastablePolicies } from "../../experiments/metastable.ts";
import { play as playSpike } from "../../experiments/spike.ts";

test("metastable: naive retries never recover, ours do", async () => {
  const setting = { seed: 1, retries: 1, layers: 1, blip: "work" as const, endMs: 45_000 };
  const [naive, ours] = [metastablePolicies.naive, metastablePolicies.ours];
  assert.equal((await playMetastable(naive, setting)).recoveryS, 15, "not within the run");
  const outcome = await playMetastable(ours, setting);
  assert.ok(outcome.recoveryS <= 6, JSON.stringify(outcome));
  assert.ok(outcome.amplification <= 1.1, JSON.stringify(outcome));
});

test("spike: three times capacity leaves goodput, latency and the critical as they should be", async () => {
  const outcome = await playSpike({ name: "ours", admission: () => undefined }, 3, 2);
  assert.ok(outcome.steadyGoodput >= 0.95, JSON.stringify(outcome));
  assert.ok(outcome.criticalSuccess >= 0.99, JSON.stringify(outcome));
  assert.ok(outcome.p99Ms <= 150, JSON.stringify(outcome));
});

test("dagor: a task of one call at three times load is done as often as can be", async () => {
  const ours = dagorPolicies.find((make) => make().name === "ours, by default");
  assert.ok(ours !== undefined);
  const outcome = await playDagor(ours(), { x: 1, f: 3, seed: 1, untilMs: 14_000 });
  assert.ok(outcome.ofOptimum >= 0.9, JSON.stringify(outcome));
  assert.ok(outcome.high >= 0.99, JSON.stringify(outcome));
});
