import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { CallRecord } from "./figures.ts";
import { clip, draw, drawLine, leastSize, sparkline, trafficAt, type View } from "./view.ts";

const nowMs = 100_000;

function calls(
  region: string, servedRegion: string, perSecond: number, fields: Partial<CallRecord> = {},
): CallRecord[] {
  return Array.from({ length: perSecond * 10 }, (_, i) => {
    const endedMs = nowMs - 300 - ((i + 0.5) * 1_000) / perSecond;
    return { region, servedRegion, servedZone: "a", method: "nearest", code: "ok", why: "", startedMs: endedMs - 8,
      endedMs, proxyMs: 3, ...fields };
  });
}

function view(): View {
  const traffic = trafficAt([
    ...calls("us-east", "eu-west", 100), ...calls("eu-west", "eu-west", 50),
    ...calls("ap-south", "", 20, { code: "unavailable", proxyMs: undefined }),
  ], nowMs);
  return {
    elapsedMs: 83_000, direct: false, flows: traffic.flows, totals: { calls: 1_700, failed: 200, writes: 12 },
    verdict: { acknowledged: 12, lost: 0, doubled: 0, unacknowledged: 1 },
    events: Array.from({ length: 50 }, (_, i) => `event ${i}`),
    regions: traffic.regions.map((region, i) => ({
      ...region, key: `${i + 1}`,
      processes: [{ id: `${region.name}/gateway`, label: "gateway", key: "z", status: i === 0 ? "down" : "up" }],
    })),
  };
}

describe("the view", () => {
  test("computes rates, latencies and flows from the last calls", () => {
    const { flows, regions } = view();
    assert.deepEqual(flows, [[0, 100, 0], [0, 50, 0], [0, 0, 0]]);
    assert.deepEqual(regions.map(({ callsPerSecond }) => callsPerSecond), [100, 50, 20]);
    assert.deepEqual(regions.map(({ servedPerSecond }) => servedPerSecond), [0, 150, 0]);
    assert.deepEqual(regions.map(({ failedPerSecond }) => failedPerSecond), [0, 0, 20]);
    assert.equal(regions[0]?.p99Ms, 8);
    assert.equal(regions[0]?.clientToProxyMs, 5);
    assert.equal(regions[2]?.p50Ms, undefined);
    assert.equal(regions[1]?.history.at(-1), 150);
    assert.equal(regions[1]?.history[0], 0);
  });

  test("fits any window, with and without colour", () => {
    for (const columns of [1, 20, leastSize.columns, 200]) {
      for (const rows of [1, 5, leastSize.rows, 60]) {
        const plain = draw(view(), { columns, rows, colour: false });
        assert.ok(plain.length <= rows);
        assert.ok(plain.every((line) => Array.from(line).length <= columns && !line.includes("\u001b")));
        const painted = draw(view(), { columns, rows });
        // eslint-disable-next-line no-control-regex -- colour sequences begin with a control character
        assert.deepEqual(painted.map((line) => line.replace(/\u001b\[[0-9;]*m/g, "")), plain);
      }
    }
  });

  test("shows the newest events and what is down", () => {
    const text = draw(view(), { columns: 100, rows: 30, colour: false }).join("\n");
    assert.match(text, /event 49/);
    assert.doesNotMatch(text, /event 0\n/);
    assert.match(text, /us-east +· +100 +·/);
    const line = /^01:23 .*\(down: gateway\).*1700 calls, 200 failed; 12 writes acknowledged, 0 lost/;
    assert.match(drawLine(view()), line);
  });

  test("draws small things rightly", () => {
    assert.equal(sparkline([0, 1, 4, 8]), " ▁▄█");
    assert.equal(sparkline([]), "");
    assert.equal(clip("\u001b[31mred\u001b[0m text", 5), "\u001b[31mred\u001b[0m t");
  });
});
