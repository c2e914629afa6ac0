import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { Outstanding } from "./outstanding.ts";

const runs = { seed: 20_261_121, numRuns: Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 200) };

test("the oldest is the oldest, in whatever order attempts end", () => {
  const step = fc.record({ gapMs: fc.integer({ min: 0, max: 3 }), ends: fc.array(fc.nat(1_000), { maxLength: 3 }) });
  fc.assert(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const owed = new Outstanding();
    const model: number[] = [];
    let nowMs = 0;
    for (const { gapMs, ends } of steps) {
      nowMs += gapMs;
      owed.begin(nowMs);
      model.push(nowMs);
      for (const which of ends) {
        if (model.length === 0) break;
        const [startedMs] = model.splice(which % model.length, 1);
        owed.end(startedMs as number);
      }
      assert.equal(owed.count, model.length);
      assert.equal(owed.oldestMs, Math.min(...model, Infinity));
    }
  }), runs);
});

test("one that hangs among a million costs no memory, and is the oldest all along", () => {
  const owed = new Outstanding();
  owed.begin(0);
  for (let ms = 1; ms < 1_000_000; ms++) {
    owed.begin(ms);
    owed.end(ms);
  }
  assert.equal(owed.oldestMs, 0);
  assert.equal(owed.count, 1);
  owed.end(0);
  assert.equal(owed.oldestMs, Infinity);
});

test("beginnings out of order count from those before them, and every end ends one", () => {
  const owed = new Outstanding();
  for (const ms of [10, 5, 20, 20, 7]) owed.begin(ms);
  for (const ms of [20, 5, 7, 20]) owed.end(ms);
  assert.equal(owed.count, 1);
  owed.end(10);
  owed.end(10);
  assert.equal(owed.count, 0);
  assert.equal(owed.oldestMs, Infinity);
});
