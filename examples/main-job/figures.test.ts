import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import {
  amplification, type CallRecord, clientToProxyMs, failbackMs, failover, failures, isMonotone, latencyOf,
  proxyToServerMs, quantile, shareByWindow, type ShareWindow,
} from "./figures.ts";

function call(startedMs: number, tookMs: number, fields: Partial<CallRecord> = {}): CallRecord {
  return {
    region: "us-east", method: "nearest", startedMs, endedMs: startedMs + tookMs, code: "ok",
    servedRegion: "us-east", servedZone: "a", why: "", proxyMs: undefined, ...fields,
  };
}
const elsewhere = { servedRegion: "eu-west" };
const lost = { code: "unavailable", servedRegion: "", servedZone: "", why: "gone" };

describe("latency", () => {
  test("is by nearest rank, over what was answered, and parts at the gateway", () => {
    assert.equal(quantile([], 0.5), undefined);
    assert.equal(quantile([3], 0.99), 3);
    assert.equal(quantile([1, 2, 3, 4], 0.5), 2);
    const calls = [call(0, 5, { proxyMs: 2 }), call(0, 9, { proxyMs: 3 }), call(0, 900, lost)];
    assert.deepEqual(latencyOf(calls), { calls: 3, p50Ms: 5, p99Ms: 9 });
    assert.deepEqual(latencyOf(calls, clientToProxyMs), { calls: 3, p50Ms: 3, p99Ms: 6 });
    assert.deepEqual(latencyOf(calls, proxyToServerMs), { calls: 3, p50Ms: 2, p99Ms: 3 });
    assert.deepEqual(latencyOf([call(0, 5)], proxyToServerMs), { calls: 1, p50Ms: undefined, p99Ms: undefined });
  });
});

describe("failover", () => {
  test("times each affected call from the death or from when it was due", () => {
    const calls = [
      call(900, 50), // Over before the death.
      call(995, 10), // Answered at home all the same.
      call(950, 250, elsewhere), // In flight: 200 ms after the death.
      call(1100, 300, elsewhere), // Due later: 300 ms.
      call(2000, 4000, elsewhere), // Due after the first second.
      call(1100, 9000, { ...elsewhere, region: "ap-south" }), // Another region's client.
    ];
    assert.deepEqual(failover(calls, "us-east", 1000),
      { affected: 2, ms99: 300, msMax: 300, movedWithin500MsShare: 1 });
  });

  test("never ends for a call that nobody answered", () => {
    const many = Array.from({ length: 199 }, (_, i) => call(1000 + i, 100, elsewhere));
    const one = failover([...many, call(1500, 10, lost)], "us-east", 1000);
    assert.deepEqual(one, { affected: 200, ms99: 100, msMax: Infinity, movedWithin500MsShare: 0.995 });
    const more = Array.from({ length: 5 }, () => call(1500, 10, lost));
    assert.equal(failover([...many, ...more], "us-east", 1000).ms99, Infinity);
  });
});

test("failures are dated by when they were seen", () => {
  const calls = [
    call(500, 1, lost), call(900, 200, lost), call(1900, 200, { ...lost, code: "deadline_exceeded" }),
    call(20_000, 1, lost), ...Array.from({ length: 8 }, () => call(3000, 5)),
  ];
  const { codes, first, ...counts } = failures(calls, 1000);
  assert.deepEqual(counts, { failed: 4, failedAfter1s: 2, failedShareIn10s: 0.2 });
  assert.deepEqual(codes, { unavailable: 3, deadline_exceeded: 1 });
  assert.equal(first[1], "us-east nearest at -100 ms after 200 ms: gone");
});

describe("fail-back", () => {
  const windows = (...homes: number[]): ShareWindow[] =>
    homes.map((home, i) => ({ fromMs: i * 1000, calls: 100, home }));

  test("counts answers by second since the restoring", () => {
    const calls = [
      call(10_100, 5, elsewhere), call(10_900, 5), call(11_500, 5), call(11_600, 5, lost), call(12_500, 5),
      call(9_000, 5),
    ];
    assert.deepEqual(shareByWindow(calls, "us-east", { fromMs: 10_000, toMs: 12_400 }),
      [{ fromMs: 0, calls: 2, home: 1 }, { fromMs: 1000, calls: 1, home: 1 }]);
  });

  test("is monotone but for chance", () => {
    assert.ok(isMonotone(windows(0, 0, 20, 45, 70, 100, 100)));
    assert.ok(isMonotone(windows(0, 50, 42, 55, 100, 99)));
    assert.ok(!isMonotone(windows(0, 60, 30, 100)), "a fall from one second to the next");
    assert.ok(!isMonotone(windows(90, 82, 74, 66)), "a slow fall");
    assert.ok(!isMonotone(windows(100, 100, 90)), "a fall from everything");
    assert.ok(isMonotone([...windows(50), { fromMs: 1000, calls: 0, home: 0 }]));
  });

  test("calls a steady random share monotone, nearly always", () => {
    let wrong = 0;
    fc.assert(fc.property(fc.array(fc.array(fc.boolean(), { minLength: 100, maxLength: 100 }),
      { minLength: 8, maxLength: 8 }), (seconds) => {
      if (!isMonotone(windows(...seconds.map((calls) => calls.filter(Boolean).length)))) wrong++;
    }), { seed: 5, numRuns: 300 });
    assert.ok(wrong <= 12, `${wrong} of 300 steady shares were called falling`);
  });

  test("is done when the share has reached 99 % for good", () => {
    assert.equal(failbackMs(windows(0, 50, 100, 100)), 2000);
    assert.equal(failbackMs(windows(0, 99, 50, 99, 100)), 3000);
    assert.equal(failbackMs(windows(0, 50, 98)), undefined);
    assert.equal(failbackMs([]), undefined);
  });
});

describe("amplification", () => {
  const attempt = (startedMs: number) => ({ region: "us-east", startedMs });

  test("is the worst second, wherever it begins", () => {
    const calls = Array.from({ length: 300 }, (_, i) => call(i * 10, 5));
    const once = calls.map(({ startedMs }) => attempt(startedMs));
    assert.equal(amplification(calls, once), 1);
    const burst = Array.from({ length: 25 }, (_, i) => attempt(1480 + i));
    assert.equal(amplification(calls, [...once, ...burst]), 1.25);
    assert.equal(amplification([], []), 0);
    const few = calls.filter((_, i) => i % 10 === 0);
    assert.equal(amplification(few, once), 0, "too few calls to tell");
  });
});
