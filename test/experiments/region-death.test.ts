import assert from "node:assert/strict";
import { test } from "node:test";
import { bestSplit } from "../../experiments/region-death/queues.ts";
import { createRegionWorld, damage, type RegionWorld } from "../../experiments/region-death/world.ts";

/** A region dies without a word after four seconds; a share of the calls, on servers that are as much slower. */
async function died(seed: number, scale: number): Promise<RegionWorld> {
  const built = createRegionWorld({ seed, client: () => ({}), untilMs: 8_000, recordFromMs: 4_000, scale });
  built.world.at(4_000, () => {
    for (const server of built.serversOf.east) server.crash({ isSilent: true });
  });
  await built.world.run(10_000);
  return built;
}

test("a region that falls silent is left within half a second, with nothing lost and nothing doubled", async () => {
  const built = await died(3, 0.4);
  const there = built.picks.filter(({ from, to }) => from === "east" && to === "east");
  assert.ok(there.length > 50, "it was called while nobody knew");
  assert.ok(Math.max(...there.map(({ atMs }) => atMs)) <= 4_500);
  assert.deepEqual(damage(built), { lost: 0, doubled: 0 });
  assert.ok(built.acknowledged.size > 2_000, `${built.acknowledged.size} writes`);
  for (const [region, { failed, offered }] of Object.entries(built.figures)) {
    assert.ok(failed <= offered * 0.001, `${region}: ${failed} of ${offered} failed`);
  }
});

test("the same seed gives the same trace, another seed another", async () => {
  const digests = [];
  for (const seed of [1, 1, 2]) digests.push((await died(seed, 0.05)).world.digest);
  assert.equal(digests[0], digests[1]);
  assert.notEqual(digests[0], digests[2]);
});

test("the best split sends away no more than it must, and to the nearer region first", () => {
  const steep = (used: number): number => 8 + 20 * used;
  const [none, some] = [bestSplit(1, steep), bestSplit(1.6, steep)];
  assert.ok(Math.abs(none.meanMs - steep(0.6)) < 0.1, `${none.meanMs}`);
  // 21 % of a region's capacity is too much: 15 % fit into the near one, the rest pays for the far one.
  assert.ok(Math.abs(some.meanMs - (steep(0.72) + (0.15 * 34 + 0.06 * 69) / 2.16)) < 1, `${some.meanMs}`);
});
