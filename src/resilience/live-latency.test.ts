import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { context, handClock, property, seededRandom } from "../../test/policies/support.ts";
import { liveLatency } from "./index.ts";

const { method } = context();

test("quantiles are true to 7 %, over nine orders of magnitude", () => {
  fc.assert(fc.property(
    fc.array(fc.double({ min: -2.5, max: 6, noNaN: true }).map((power) => 10 ** power),
      { minLength: 1, maxLength: 300 }),
    fc.constantFrom(0.5, 0.9, 0.95, 0.99),
    (values, p) => {
      const clock = handClock();
      const latency = liveLatency(clock);
      for (const value of values) latency.record(method, value, clock.now());
      const sorted = values.toSorted((a, b) => a - b);
      const found = latency.of(method)?.quantileMs(p) ?? NaN;
      // Between the ranks on either side of the quantile, give or take a bucket.
      const rank = p * sorted.length;
      const least = sorted[Math.max(0, Math.ceil(rank) - 1)] as number;
      const most = sorted[Math.min(sorted.length - 1, Math.floor(rank))] as number;
      assert.ok(found >= least * 0.93 - 0.002 && found <= most * 1.07 + 0.002, `${found} of ${least} to ${most}`);
    },
  ), property);
});

test("the present counts, the past fades", () => {
  const clock = handClock();
  const latency = liveLatency(clock, { halfLifeMs: 1_000 });
  for (let i = 0; i < 1_000; i++) latency.record(method, 10, clock.now());
  assert.ok(Math.abs((latency.of(method)?.p95Ms ?? 0) - 10) < 0.7);
  for (let i = 0; i < 600; i++) {
    clock.advance(10);
    latency.record(method, 100, clock.now());
  }
  const p50Ms = latency.of(method)?.p50Ms ?? 0;
  assert.ok(Math.abs(p50Ms - 100) < 7, `after six half-lives of others the median is ${p50Ms}`);
  clock.advance(60_000);
  assert.ok((latency.of(method)?.samples ?? 1) < 1, "after a long silence next to nothing is known");
});

test("of many samples the newest count: a change shows after a few thousand calls, however soon", () => {
  const clock = handClock();
  const latency = liveLatency(clock, { maxSamples: 1_000 });
  for (let i = 0; i < 100_000; i++) latency.record(method, 1, clock.now());
  for (let i = 0; i < 4_000; i++) latency.record(method, 50, clock.now());
  assert.ok((latency.of(method)?.p50Ms ?? 0) > 40);
});

test("attempts that were given up late leave the quantiles below true; given up early they tell nothing", () => {
  const clock = handClock();
  const latency = liveLatency(clock);
  const random = seededRandom(3);
  for (let i = 0; i < 4_000; i++) {
    const took = 1 + random.next() * 99;
    // Whoever takes longer than 97 ms is given up there.
    if (took > 97) latency.gaveUp(method, 97, clock.now());
    else latency.record(method, took, clock.now());
    latency.gaveUp(method, 0.1, clock.now());
  }
  const known = latency.of(method);
  assert.ok(Math.abs((known?.p50Ms ?? 0) - 50) < 4 && Math.abs((known?.p95Ms ?? 0) - 95) < 4, JSON.stringify(known));
});

test("methods are bounded, odd values are taken in, and options that cannot be are refused by name", () => {
  const clock = handClock();
  const latency = liveLatency(clock, { maxMethods: 2 });
  for (let i = 0; i < 5; i++) {
    const other = context().method;
    latency.record(other, 1, clock.now());
    assert.equal(latency.of(other) !== undefined, i < 2);
  }
  const odd = liveLatency(clock);
  for (const value of [0, -1, NaN, Infinity, 1e300, 1e-9]) odd.record(method, value, clock.now());
  assert.ok(Number.isFinite(odd.of(method)?.p99Ms));
  assert.throws(() => odd.of(method)?.quantileMs(2), /quantile is 2/);
  assert.throws(() => liveLatency(clock, { halfLifeMs: 0 }), /halfLifeMs is 0/);
  assert.throws(() => liveLatency(clock, { maxMethods: 1.5 }), /maxMethods is 1.5/);
});
