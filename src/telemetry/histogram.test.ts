import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { createHistogram, Histogram } from "./index.ts";

const numRuns = Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 300);
/** From the range in which the precision is promised, spread evenly over its magnitudes. */
const durations = fc.double({ min: -9.9, max: 21.9, noNaN: true }).map((power) => 2 ** power);

test("an empty histogram answers zero", () => {
  const histogram = createHistogram();
  assert.deepEqual([histogram.count, histogram.sum, histogram.mean, histogram.quantile(0.99)], [0, 0, 0, 0]);
});

test("property: a quantile is right to within half a bucket, at every precision", () => {
  const values = fc.array(durations, { minLength: 1, maxLength: 200 });
  fc.assert(fc.property(values, fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(7), (all, q, precisionBits) => {
    const histogram = createHistogram({ precisionBits });
    for (const value of all) histogram.record(value);
    const sorted = all.toSorted((a, b) => a - b);
    const exact = sorted[Math.max(1, Math.ceil(q * all.length)) - 1] as number;
    const error = Math.abs(histogram.quantile(q) - exact) / exact;
    assert.ok(error <= 0.5 / 2 ** precisionBits + 1e-9, `off by ${error} at ${precisionBits} bits`);
  }), { seed: 20_260_131, numRuns });
});

test("property: merging is recording everything in one, and JSON loses nothing", () => {
  fc.assert(fc.property(fc.array(durations), fc.array(durations), (left, right) => {
    const [a, b, both] = [createHistogram(), createHistogram(), createHistogram()];
    for (const value of left) a.record(value);
    for (const value of right) b.record(value);
    for (const value of [...left, ...right]) both.record(value);
    a.merge(Histogram.from(JSON.parse(JSON.stringify(b)) as ReturnType<Histogram["toJSON"]>));
    const { sum, ...merged } = a.toJSON();
    const { sum: wanted, ...whole } = both.toJSON();
    assert.deepEqual(merged, whole);
    assert.ok(Math.abs(sum - wanted) <= wanted * 1e-12);
  }), { seed: 20_260_131, numRuns });
});

test("property: counts up to a power of two are exact, the bound itself included", () => {
  const values = fc.array(fc.oneof(durations, fc.integer({ min: -3, max: 17 }).map((power) => 2 ** power)));
  fc.assert(fc.property(values, fc.nat(7), (all, precisionBits) => {
    const histogram = createHistogram({ precisionBits });
    for (const value of all) histogram.record(value);
    const wanted = [-2, -1, 0, 1, 2, 3].map((power) => all.filter((value) => value <= 2 ** power).length);
    assert.deepEqual(histogram.countsByPowerOfTwo(-2, 3), wanted);
  }), { seed: 20_260_131, numRuns });
});

test("what is out of range is clamped, not lost; NaN is not counted", () => {
  const histogram = createHistogram();
  for (const value of [0, -1, 1e-9, 1e12, Infinity, Number.NaN]) histogram.record(value);
  assert.equal(histogram.count, 5);
  assert.equal(histogram.quantile(1), Infinity);
  assert.equal(histogram.quantile(0), 2 ** -10 * (1 + 1 / 64));
  assert.deepEqual([histogram.min, histogram.max], [-1, Infinity]);
  histogram.reset();
  assert.equal(histogram.count, 0);
});

test("nonsense is refused", () => {
  assert.throws(() => createHistogram({ precisionBits: 8 }), /precisionBits is 8/);
  assert.throws(() => createHistogram().merge(createHistogram({ precisionBits: 2 })), /cannot merge/);
  const json = createHistogram().toJSON();
  assert.throws(() => Histogram.from({ ...json, buckets: [99_999, 1] }), /no histogram: bucket 99999/);
  assert.throws(() => Histogram.from({ ...json, count: 3 }), /3 values, 0 in buckets/);
});
