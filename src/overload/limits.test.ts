import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { property, seededRandom } from "../../test/policies/support.ts";
import { RpcError } from "../core/index.ts";
import {
  aimdLimit, type ConcurrencyLimit, fixedLimit, gradientLimit, kneeLimit, type LimitBounds, type LimitSample,
  vegasLimit,
} from "./index.ts";

const makers: Readonly<Record<string, (options?: LimitBounds) => ConcurrencyLimit>> = {
  aimd: aimdLimit, gradient: gradientLimit, knee: kneeLimit,
  vegas: (options) => vegasLimit({ random: seededRandom(1) }, options),
};

const sample = (fields: Partial<LimitSample>): LimitSample =>
  ({ nowMs: 0, latencyMs: 10, expectedMs: 10, inFlight: 1, lost: false, ...fields });

for (const [name, make] of Object.entries(makers)) {
  test(`${name}: never below the floor, never above the ceiling, whatever it is told`, () => {
    const call = fc.record({
      gapMs: fc.double({ min: 0, max: 200, noNaN: true }), latencyMs: fc.double({ min: 0, max: 1e5, noNaN: true }),
      expectedMs: fc.double({ min: 0, max: 1_000, noNaN: true }), inFlight: fc.nat(500), lost: fc.boolean(),
    });
    fc.assert(fc.property(fc.array(call, { maxLength: 400 }), fc.nat(30), fc.nat(100), (calls, low, more) => {
      const floor = low + 1;
      const ceiling = floor + more;
      const limit = make({ floor, ceiling, initial: ceiling });
      let nowMs = 0;
      for (const { gapMs, ...fields } of calls) {
        nowMs += gapMs;
        limit.ended({ ...fields, nowMs });
        assert.ok(Number.isInteger(limit.limit) && limit.limit >= floor && limit.limit <= ceiling, String(limit.limit));
      }
    }), property);
  });

  test(`${name}: does not grow while less than half of it is used`, () => {
    const limit = make({ floor: 4, ceiling: 1_000, initial: 40 });
    for (let i = 0; i < 2_000; i++) limit.ended(sample({ nowMs: i * 10, inFlight: 1 + i % 19 }));
    assert.ok(limit.limit <= 40, String(limit.limit));
  });

  test(`${name}: grows while all of it is used and calls are as quick as ever`, () => {
    const limit = make({ floor: 4, ceiling: 1_000, initial: 40 });
    for (let i = 0; i < 2_000; i++) limit.ended(sample({ nowMs: i * 10, inFlight: limit.limit }));
    assert.ok(limit.limit >= 100, String(limit.limit));
  });

  test(`${name}: impossible bounds are refused by name`, () => {
    const refused = (options: LimitBounds, text: RegExp) =>
      assert.throws(() => make(options), (error) => RpcError.is(error) && error.code === "invalid_argument" &&
        text.test(error.message));
    refused({ floor: 0 }, /^floor is 0/);
    refused({ floor: 10, ceiling: 9 }, /^ceiling is 9: the floor is 10/);
    refused({ floor: 10, ceiling: 20, initial: 21 }, /^initial is 21: expected from the floor, 10/);
    refused({ initial: 1.5, floor: 1 }, /^initial is 1.5/);
    refused({ ceiling: NaN }, /^ceiling is NaN/);
  });
}

test("a fixed limit stays", () => {
  const limit = fixedLimit(7);
  limit.ended(sample({ latencyMs: 1e6, lost: true }));
  assert.equal(limit.limit, 7);
  assert.throws(() => fixedLimit(0), /limit is 0/);
});

test("aimd: a tenth less for every call lost, one more for every call that used it", () => {
  const limit = aimdLimit({ initial: 100, floor: 10 });
  limit.ended(sample({ lost: true }));
  assert.equal(limit.limit, 90);
  assert.equal(limit.why, "a call was lost");
  limit.ended(sample({ latencyMs: 6_000, inFlight: 90 }));
  assert.equal(limit.limit, 81);
  limit.ended(sample({ inFlight: 81 }));
  assert.equal(limit.limit, 82);
  assert.throws(() => aimdLimit({ backoff: 1 }), /backoff is 1/);
  assert.throws(() => aimdLimit({ timeoutMs: 0 }), /timeoutMs is 0/);
});

test("gradient: one step is 0.8 of what it was and 0.2 of what the gradient makes of it", () => {
  const limit = gradientLimit({ initial: 100, floor: 10, windowMs: 0, tolerance: 1 });
  limit.ended(sample({ latencyMs: 10, inFlight: 100 }));
  // Nothing is worse: the queue alone, 100 * 0.8 + (100 + 4) * 0.2.
  assert.equal(limit.limit, 100);
  for (let i = 0; i < 600; i++) limit.ended(sample({ latencyMs: 10, inFlight: 1 }));
  limit.ended(sample({ latencyMs: 40, inFlight: 100 }));
  // The least gradient is a half: 100.8 * 0.8 + (50.4 + 4) * 0.2.
  assert.equal(limit.limit, Math.floor(100.8 * 0.8 + (50.4 + 4) * 0.2));
  assert.throws(() => gradientLimit({ tolerance: 0.9 }), /tolerance is 0.9/);
  assert.throws(() => gradientLimit({ smoothing: 0 }), /smoothing is 0/);
});

test("vegas: the queue it keeps lies between 3 and 6 log10 of the limit", () => {
  const limit = vegasLimit({ random: seededRandom(2) }, { initial: 100, windowMs: 0, probeEvery: 1_000 });
  limit.ended(sample({ latencyMs: 10, inFlight: 100 }));
  // No queue: 6 log10 100 more at once.
  limit.ended(sample({ latencyMs: 10, inFlight: 100 }));
  assert.equal(limit.limit, 112);
  limit.ended(sample({ latencyMs: 11, inFlight: 112 }));
  assert.equal(limit.limit, 112, "a queue of 11 lies between");
  limit.ended(sample({ latencyMs: 20, inFlight: 112 }));
  assert.equal(limit.limit, 109, "a queue of 56 is too long");
  assert.throws(() => vegasLimit({ random: seededRandom(1) }, { alpha: 7, beta: 6 }), /beta is 6/);
});

/** A queue before `workers`, each call 10 ms, always as many inside as the limit lets in, of at most `offered`. */
function served(
  limit: ConcurrencyLimit, workers: number, options: { calls: number; offered?: number; slowMs?: number },
): number {
  const { calls, offered = Infinity, slowMs = 10 } = options;
  let nowMs = 1_000;
  const inside: { startedMs: number; inFlight: number }[] = [];
  for (let i = 0; i < calls; i++) {
    while (inside.length < Math.min(limit.limit, offered)) {
      inside.push({ startedMs: nowMs, inFlight: inside.length + 1 });
    }
    nowMs += slowMs / Math.min(workers, inside.length);
    const one = inside.shift() as { startedMs: number; inFlight: number };
    limit.ended(sample({ nowMs, latencyMs: Math.max(slowMs, nowMs - one.startedMs), inFlight: one.inFlight }));
  }
  return limit.limit;
}

test("knee: comes down to about two for each worker within two seconds, wherever it begins", () => {
  for (const workers of [1, 8, 32]) {
    const limit = kneeLimit({ initial: 2_000 });
    const found = served(limit, workers, { calls: workers * 400, offered: workers * 40 });
    const most = Math.max(2 * workers, 1.5 * workers + 5);
    assert.ok(found >= workers && found <= most, `${workers} workers: ${found}, ${limit.why}`);
  }
});

test("knee: is not fooled by what the server calls becoming slower", () => {
  const limit = kneeLimit({ initial: 200 });
  const waiters = 100;
  assert.equal(served(limit, Infinity, { calls: 2_000, offered: waiters }), 200);
  // Five times slower, however few there are. At most half is held back, and not for long.
  let least = Infinity;
  const inner = limit.ended.bind(limit);
  limit.ended = (one) => {
    inner(one);
    least = Math.min(least, limit.limit);
  };
  served(limit, Infinity, { calls: 3_000, offered: waiters, slowMs: 50 });
  assert.ok(least >= waiters * 0.45, String(least));
  assert.ok(limit.limit >= waiters, `${limit.limit}: ${limit.why}`);
});

test("knee: does not take waiting for the new normal because the calls before the cut were lucky", () => {
  const limit = kneeLimit({ initial: 200 });
  let nowMs = 0;
  /** One worker, `workMs` a call; as many are inside as the limit lets in, at most `most`. */
  const serve = (calls: number, workMs: number, most: number): void => {
    for (let i = 0; i < calls; i++) {
      nowMs += workMs;
      const inFlight = Math.min(most, limit.limit);
      limit.ended(sample({ nowMs, latencyMs: inFlight * workMs, inFlight }));
    }
  };
  serve(100, 10, 1);
  // Short calls in a row, by which the cut is judged, and then the usual ones.
  serve(40, 3, 12);
  assert.ok(limit.limit <= 12, `${limit.limit}: ${limit.why}`);
  const seen = new Set<string>();
  let most = 0;
  for (let i = 0; i < 600; i++) {
    serve(1, 10, 100);
    seen.add(limit.why.replace(/[\d.]+/g, "N"));
    most = Math.max(most, limit.limit);
  }
  assert.ok([...seen].some((why) => why.includes("are more of them slower")), [...seen].join("; "));
  assert.ok(most <= 20, String(most));
  assert.ok(limit.limit <= 6, `${limit.limit}: ${limit.why}`);
});

test("knee: what nobody expects anything of changes nothing", () => {
  const limit = kneeLimit();
  for (let i = 0; i < 1_000; i++) limit.ended(sample({ nowMs: i, latencyMs: 1e4, expectedMs: 0, inFlight: 100 }));
  assert.equal(limit.limit, 10_000);
  assert.throws(() => kneeLimit({ tolerance: 1 }), /tolerance is 1/);
  assert.throws(() => kneeLimit({ windowMs: 0 }), /windowMs is 0/);
});
