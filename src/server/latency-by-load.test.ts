import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { context, handClock } from "../../test/policies/support.ts";
import { RpcError } from "../core/index.ts";
import { latencyByLoad } from "./latency-by-load.ts";

const runs = { seed: 20_261_121, numRuns: Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 100) };

test("each load has its own median, and loads between them that of the nearest", () => {
  const clock = handClock();
  const latencies = latencyByLoad({ clock });
  assert.equal(latencies.at(3), 0);
  for (let i = 0; i < 5; i++) {
    latencies.ended(2, 10 + i);
    latencies.ended(9, 100 + i);
  }
  assert.equal(latencies.at(2), 12);
  assert.equal(latencies.at(9), 102);
  assert.equal(latencies.at(4), 12);
  assert.equal(latencies.at(8), 102);
});

test("what is old counts for nothing, but is better than nothing", () => {
  const clock = handClock();
  const latencies = latencyByLoad({ clock });
  for (let i = 0; i < 8; i++) latencies.ended(1, 500);
  clock.advance(2_001);
  latencies.ended(1, 20);
  assert.equal(latencies.at(1), 20);
  clock.advance(60_000);
  assert.equal(latencies.at(1), 20);
});

test("any number in flight has an estimate between the least and the greatest there was", () => {
  fc.assert(fc.property(
    fc.array(fc.tuple(fc.nat(5_000_000), fc.integer({ min: 1, max: 1_000 })), { minLength: 1, maxLength: 60 }),
    fc.nat(10_000_000), (ended, inFlight) => {
      const latencies = latencyByLoad({ clock: handClock() });
      for (const [load, ms] of ended) latencies.ended(load, ms);
      const estimate = latencies.at(inFlight);
      assert.ok(estimate >= Math.min(...ended.map(([, ms]) => ms)));
      assert.ok(estimate <= Math.max(...ended.map(([, ms]) => ms)));
    }), runs);
});

test("whoever fails at once is not quick, and how long a stream lasts is no latency", () => {
  const latencies = latencyByLoad({ clock: handClock() });
  const { handled } = latencies.observer({ inFlight: 0 });
  handled?.(context(), 50, undefined);
  const shed = new RpcError("resource_exhausted", "no");
  for (let i = 0; i < 20; i++) handled?.(context(), 0.1, shed);
  for (let i = 0; i < 20; i++) handled?.(context({}, { kind: "server_stream" }), 9_000, undefined);
  assert.equal(latencies.at(0), 50);
  for (let i = 0; i < 20; i++) handled?.(context(), 1_000, shed);
  assert.equal(latencies.at(0), 1_000);
});

test("what ends is placed in time by its beginning and its length: at a call's end no clock is read", () => {
  const clock = handClock();
  let reads = 0;
  const latencies = latencyByLoad({ clock: { now: () => (reads++, clock.now()) } });
  const { handled } = latencies.observer({ inFlight: 0 });
  for (let i = 0; i < 8; i++) handled?.(context(), 500, undefined);
  assert.equal(reads, 0);
  // Their end is 500 ms after a beginning at 0: from 2,500 ms on it is old, and one that ended later counts alone.
  clock.advance(2_501);
  latencies.ended(0, 20);
  assert.equal(latencies.at(0), 20);
});
