import assert from "node:assert/strict";
import { test } from "node:test";
import { type PolicyName, runCase, upperBound } from "../../experiments/detector/cases.ts";
import { quantile } from "../../experiments/frame/rows.ts";

const small = (policy: PolicyName, loss: number, hours: number) => runCase({ policy, loss, hours, seed: 7 });

test("crashes are found within the goals, and nobody healthy is suspected, with and without loss", () => {
  for (const loss of [0, 0.02]) {
    const { tally, ours, crashes } = small("ours", loss, 0.4);
    const firstMs = [...tally.declaredMs.values()];
    assert.ok(crashes > 5 && firstMs.length === crashes, `${firstMs.length} of ${crashes} crashes found`);
    assert.ok(quantile(firstMs, 0.5) <= 600 && quantile(firstMs, 0.99) <= 1_500);
    assert.equal(tally.wrongly, 0);
    assert.equal(tally.wronglyByUnwell, 0, "observers that were stalled convict nobody");
    assert.equal(ours?.misjudged, 0);
    assert.equal(ours?.endedWrongly, 0);
  }
});

test("the same seed gives the same trace, another seed another", () => {
  for (const policy of ["ours", "SWIM", "Lifeguard", "phi-accrual"] as const) {
    const run = (seed: number) => runCase({ policy, loss: 0.02, hours: 0.1, seed }).digest;
    assert.equal(run(1), run(1), policy);
    assert.notEqual(run(1), run(2), policy);
  }
});

test("SWIM finds crashes after a probe and a suspicion of 5 log n periods, phi after some four seconds", () => {
  const swim = quantile([...small("SWIM", 0, 0.4).tally.declaredMs.values()], 0.5);
  assert.ok(swim > 10_500 && swim < 14_500, `${swim} ms`);
  const phi = quantile([...small("phi-accrual", 0, 0.4).tally.declaredMs.values()], 0.5);
  assert.ok(phi > 3_500 && phi < 6_000, `${phi} ms`);
});

test("nothing seen in so long still leaves a rate that is possible", () => {
  assert.ok(Math.abs(upperBound(0, 1) - 2.996) < 0.01);
  assert.ok(Math.abs(upperBound(3, 1) - 7.754) < 0.01);
  assert.ok(Math.abs(upperBound(100, 1) - 118.08) < 0.5);
});
