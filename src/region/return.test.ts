// What a region carries on its way back never becomes less before it is back.
import assert from "node:assert/strict";
import { test } from "node:test";
import { RegionState } from "./region-state.ts";

test("what the others had no room for stays while the ramp comes up to it, and a fall forgets it", () => {
  const region = new RegionState("east", { holdDownMs: 5_000, rampMs: 30_000 });
  region.everReady = true;
  region.failBack.update(1, 0);
  assert.equal(region.carriedSince(0.9), 0, "one that is not returning is held to nothing");
  region.failBack.update(0, 1_000);
  assert.equal(region.carriedSince(0), 0);
  region.failBack.update(1, 2_000);
  assert.deepEqual([0.1, 0.5, 0.3].map((share) => region.carriedSince(share)), [0.1, 0.5, 0.5]);
  region.failBack.update(1, 7_500);
  assert.equal(region.failBack.state.kind, "ramping");
  assert.equal(region.carriedSince(0.2), 0.5);
  region.failBack.update(0, 9_000);
  assert.equal(region.carriedSince(0.2), 0, "it has fallen again");
});
