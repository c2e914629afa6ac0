import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { property, seededRandom } from "../../test/policies/support.ts";
import { fixedSuspicion, phiAccrual, phiOf } from "./index.ts";

test("phi of a normal value is the table's", () => {
  for (const [z, phi] of [[0, 0.30103], [1.2816, 1], [2.3263, 2], [4.2649, 5], [5.6120, 8], [7.0345, 12]] as const) {
    assert.ok(Math.abs(phiOf(z) - phi) < 0.001, `phi(${z}) is ${phiOf(z)}, not ${phi}`);
  }
});

test("phi never falls as the silence grows, and is finite for every silence", () => {
  const z = fc.double({ min: -40, max: 1e6, noNaN: true });
  fc.assert(fc.property(z, fc.double({ min: 0, max: 1_000, noNaN: true }), (at, more) => {
    const [lower, upper] = [phiOf(at), phiOf(at + more)];
    assert.ok(Number.isFinite(lower) && lower >= 0);
    assert.ok(upper >= lower - 1e-9, `phi falls from ${lower} to ${upper}`);
  }), property);
});

test("the estimator's mean and deviation are those of the last intervals", () => {
  const intervals = fc.array(fc.double({ min: 0, max: 10_000, noNaN: true }), { minLength: 30, maxLength: 400 });
  fc.assert(fc.property(intervals, fc.integer({ min: 2, max: 30 }), (heard, window) => {
    const estimator = phiAccrual({ window, minDeviationMs: 0 }).watch();
    for (const one of heard) estimator.heard(one);
    const last = heard.slice(-window);
    const mean = last.reduce((sum, one) => sum + one, 0) / last.length;
    const deviation = Math.sqrt(last.reduce((sum, one) => sum + (one - mean) ** 2, 0) / last.length);
    assert.ok(Math.abs(estimator.meanMs - mean) < 1e-6 * (1 + mean), `mean ${estimator.meanMs}, not ${mean}`);
    assert.ok(Math.abs(estimator.deviationMs - deviation) < 0.01 + 1e-4 * deviation);
  }), property);
});

test("the limit is the silence at which phi is the threshold", () => {
  const limits = { leastMs: 0, mostMs: Infinity };
  fc.assert(fc.property(fc.double({ min: 1, max: 16, noNaN: true }), fc.integer(), (threshold, seed) => {
    const estimator = phiAccrual({ threshold, ...limits }).watch();
    const random = seededRandom(seed);
    for (let i = 0; i < 50; i++) estimator.heard(80 + 60 * random.next());
    assert.ok(Math.abs(estimator.phi(estimator.limitMs()) - threshold) < 0.01);
    assert.ok(estimator.phi(estimator.limitMs() * 0.9) < threshold);
  }), property);
});

test("with heartbeats of 100 ms and a deviation of 20, phi 8 is reached after 0.41 s; jitter moves it out", () => {
  const even = phiAccrual({ acceptablePauseMs: 200 }).watch();
  for (let i = 0; i < 200; i++) even.heard(100);
  assert.ok(Math.abs(even.limitMs() - 412.2) < 1, `${even.limitMs()}`);
  const uneven = phiAccrual().watch();
  const random = seededRandom(3);
  for (let i = 0; i < 200; i++) uneven.heard(100 + 400 * random.next());
  assert.ok(uneven.limitMs() > 900, `${uneven.limitMs()}`);
});

test("nothing seen, wild intervals or a single one: the limit stays within its bounds", () => {
  fc.assert(fc.property(fc.array(fc.double({ min: 0, max: 1e9, noNaN: true })), (heard) => {
    const estimator = phiAccrual().watch();
    for (const one of heard) estimator.heard(one);
    assert.ok(estimator.limitMs() >= 150 && estimator.limitMs() <= 3_000);
  }), property);
});

test("a fixed limit learns nothing", () => {
  const silence = fixedSuspicion(300).watch();
  silence.heard(5_000);
  assert.deepEqual([silence.limitMs(), silence.level(150)], [300, 0.5]);
});
