import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { property } from "../../test/policies/support.ts";
import { healthScore, localityShares, panics, priorityLoads, zoneAwareShares } from "./priority.ts";

const percent = (shares: readonly number[]) => shares.map((share) => Math.round(share * 100));
const loadsOf = (...healths: number[]) => priorityLoads(healths.map((health) => healthScore(health / 100)));

test("two levels: Envoy's table of health of the first to its load", () => {
  // Envoy works in whole percents; 71 % healthy scores 99.4.
  for (const [health, load] of [[72, 100], [71, 99], [70, 98], [50, 70], [25, 35], [0, 0]] as const) {
    assert.deepEqual(percent(loadsOf(health, 100)), [load, 100 - load]);
  }
});

test("levels that cannot carry everything are scaled up, and the sick ones panic", () => {
  const panicOf = (...healths: number[]) =>
    panics(healths.map((health) => health / 100), healths.map((health) => healthScore(health / 100)));
  assert.deepEqual(percent(loadsOf(25, 25)), [50, 50]);
  assert.deepEqual(panicOf(25, 25), [true, true]);
  assert.deepEqual(percent(loadsOf(5, 65)), [7, 93]);
  assert.deepEqual(panicOf(5, 65), [true, false]);
  assert.deepEqual(percent(loadsOf(25, 25, 20)), [36, 36, 29]);
  assert.deepEqual(panicOf(25, 25, 50), [false, false, false]);
  assert.deepEqual(percent(loadsOf(0, 0)), [0, 0]);
});

test("localities side by side: weights 1 to 2, the first getting sick", () => {
  for (const [health, share] of [[70, 33], [69, 33], [50, 26], [25, 15]] as const) {
    assert.equal(percent(localityShares([1, 2], [health / 100, 1]))[0], share);
  }
});

test("a zone keeps its calls while it has its share of the servers", () => {
  assert.deepEqual(zoneAwareShares(0, [0.5, 0.5], [0.5, 0.5]), [1, 0]);
  assert.deepEqual(zoneAwareShares(0, [0.5, 0.5], [0.25, 0.75]), [0.5, 0.5]);
  const [own, second, third] = zoneAwareShares(0, [0.5, 0.25, 0.25], [0.2, 0.4, 0.4]) as [number, number, number];
  assert.deepEqual([own, second, third].map((each) => Math.round(each * 100)), [40, 30, 30]);
});

const healths = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 6 });

test("shares sum to one, and a higher level never keeps less than a lower one takes for want of it", () => {
  fc.assert(fc.property(healths, (levels) => {
    const scores = levels.map((health) => healthScore(health));
    const loads = priorityLoads(scores);
    const sum = loads.reduce((total, load) => total + load, 0);
    assert.ok(Math.abs(sum - (scores.some((score) => score > 0) ? 1 : 0)) < 1e-9);
    if (scores.reduce((total, score) => total + score, 0) >= 1) {
      loads.forEach((load, i) => assert.ok(load <= (scores[i] as number) + 1e-9));
    }
  }), property);
});

test("no cliff: a load moves by at most 2.5 times the health that moved, while the levels can carry the load", () => {
  const step = fc.double({ min: -0.05, max: 0.05, noNaN: true });
  fc.assert(fc.property(healths, fc.nat(5), step, (levels, which, delta) => {
    const at = which % levels.length;
    const moved = levels.map((health, i) => (i === at ? Math.min(1, Math.max(0, health + delta)) : health));
    const total = (all: readonly number[]) => all.reduce((sum, health) => sum + healthScore(health), 0);
    fc.pre(total(levels) >= 1 && total(moved) >= 1);
    const before = priorityLoads(levels.map((health) => healthScore(health)));
    const after = priorityLoads(moved.map((health) => healthScore(health)));
    before.forEach((load, i) => {
      assert.ok(Math.abs(load - (after[i] as number)) <= 2.5 * Math.abs(delta) + 1e-9);
    });
  }), property);
});

test("ceilings hold a level back only as long as the others can carry the rest", () => {
  assert.deepEqual(priorityLoads([1, 1], [0.2, 1]), [0.2, 0.8]);
  assert.deepEqual(percent(priorityLoads([1, 0.5], [0.2, 1])), [50, 50]);
  assert.deepEqual(priorityLoads([1, 0], [0, 1]), [1, 0]);
});
