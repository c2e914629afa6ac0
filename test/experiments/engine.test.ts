// The experiments that check the engine, small: the supermarket model, Envoy's tables, affinity.
import assert from "node:assert/strict";
import { test } from "node:test";
import { inFlight, measure } from "../../experiments/affinity-hash.ts";
import { divide, envoyTable, steepest } from "../../experiments/priority-tables.ts";
import { expectedTime, joinShortest } from "../../experiments/supermarket.ts";

test("the supermarket model: theory, and the same trace for the same seed", async () => {
  assert.deepEqual([0.5, 0.9, 0.99].map((load) => Number(expectedTime(load, 2).toFixed(3))), [1.266, 2.614, 5.432]);
  for (const [load, d, share] of [[0.7, 1, 0.06], [0.7, 2, 0.04], [0.9, 3, 0.06]] as const) {
    const { mean } = await joinShortest({ seed: 1, load, d, jobs: 40_000 });
    assert.ok(Math.abs(mean / expectedTime(load, d) - 1) < share, `lambda ${load}, d ${d}: ${mean}`);
  }
  const run = async (seed: number) => (await joinShortest({ seed, load: 0.7, d: 2, jobs: 5_000 })).digest;
  assert.equal(await run(3), await run(3));
  assert.notEqual(await run(3), await run(4));
});

test("Envoy's tables, asked of the region picker", () => {
  for (const { case: name, published, ours } of envoyTable) {
    assert.ok(Math.abs(ours() - published) <= 1, `${name}: ${ours()}, published ${published}`);
  }
  assert.equal(envoyTable.length, 20);
  assert.deepEqual(divide([100, 100]).shares, [100, 0]);
  assert.ok(steepest(1, 2_000).able <= 1.4 + 1e-6);
});

test("affinity: few moves, and no more than 1.25 times the mean in flight", () => {
  assert.ok(measure("ours", 100, 1, 50_000).moves < 1.7);
  assert.ok(measure("ring, 160 virtual nodes", 100, 1, 50_000).moves < 1.01);
  assert.ok(measure("Maglev, 65,537 slots", 100, 1, 50_000).spread < 1.01);
  assert.ok(inFlight(1.25, 50, 1, 10_000) <= 1.25 + 1e-9);
  assert.ok(inFlight(Infinity, 50, 1, 10_000) > 2);
});
