import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  ownerOf, planMoves, readShardMap, type ShardMap, shardMap, shardOf, withOwner, writeShardMap,
} from "./index.ts";

const numRuns = Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 150);
const owners = fc.uniqueArray(fc.integer({ min: 0, max: 60 }).map((n) => `s${n}`), { minLength: 1, maxLength: 24 });
const counts = (map: ShardMap): Map<string, number> => {
  const found = new Map(map.owners.map((owner) => [owner, 0]));
  map.shards.forEach((_, shard) => found.set(ownerOf(map, shard), (found.get(ownerOf(map, shard)) ?? 0) + 1));
  return found;
};
const moved = (map: ShardMap, moves: ReturnType<typeof planMoves>): ShardMap =>
  moves.reduce((next, { shard, to }) => withOwner(next, shard, to), map);

test("every owner has its share to within one, whatever the order in which owners are named", () => {
  fc.assert(fc.property(owners, fc.integer({ min: 1, max: 600 }), (names, shards) => {
    const map = shardMap(names, shards);
    assert.equal(map.shards.length, shards);
    for (const count of counts(map).values()) {
      assert.ok(count >= Math.floor(shards / names.length) && count <= Math.ceil(shards / names.length));
    }
    assert.deepEqual(shardMap(names.toReversed(), shards), map);
  }), { seed: 1, numRuns });
});

test("shares follow weights to within one", () => {
  const weighted = fc.dictionary(fc.integer({ min: 0, max: 99 }).map((n) => `s${n}`), fc.integer({ min: 1, max: 10 }),
    { minKeys: 1, maxKeys: 12 });
  fc.assert(fc.property(weighted, fc.integer({ min: 1, max: 500 }), (weights, shards) => {
    const found = counts(shardMap(weights, shards));
    const sum = Object.values(weights).reduce((all, weight) => all + weight, 0);
    for (const [owner, weight] of Object.entries(weights)) {
      const exact = (shards * weight) / sum;
      assert.ok(Math.abs((found.get(owner) ?? 0) - exact) < 1 + 1e-6, `${owner}: ${found.get(owner)} of ${exact}`);
    }
  }), { seed: 2, numRuns });
});

test("a change of owners moves as few shards as balance allows", () => {
  fc.assert(fc.property(owners, owners, fc.integer({ min: 1, max: 400 }), (before, after, shards) => {
    const map = shardMap(before, shards);
    const moves = planMoves(map, after);
    const found = counts(moved(map, moves));
    for (const owner of after) {
      const count = found.get(owner) ?? 0;
      assert.ok(count >= Math.floor(shards / after.length) && count <= Math.ceil(shards / after.length));
    }
    // Nobody who stays can keep more than its share rounded up, and only so many shares are rounded up.
    const held = after.map((owner) => counts(map).get(owner) ?? 0);
    const least = Math.floor(shards / after.length);
    const roundedUp = Math.min(shards % after.length, held.filter((count) => count > least).length);
    const kept = held.reduce((sum, count) => sum + Math.min(count, least), 0) + roundedUp;
    assert.equal(moves.length, shards - kept);
    assert.deepEqual(planMoves(moved(map, moves), after), []);
  }), { seed: 3, numRuns });
});

test("keys spread evenly over shards, and stay where they are", () => {
  const map = shardMap(["a", "b", "c"], 64);
  const perShard = new Map<number, number>();
  for (let i = 0; i < 64_000; i++) {
    const shard = shardOf(map, `key ${i}`);
    perShard.set(shard, (perShard.get(shard) ?? 0) + 1);
  }
  assert.equal(perShard.size, 64);
  for (const count of perShard.values()) assert.ok(count > 800 && count < 1_200, `${count} of 1,000`);
  assert.equal(shardOf(map, "tenant 7"), shardOf(moved(map, planMoves(map, ["x"])), "tenant 7"));
});

test("a map survives being written, and nothing else is read as one", () => {
  fc.assert(fc.property(owners, fc.integer({ min: 1, max: 600 }), (names, shards) => {
    const map = shardMap(names.map((name) => `${name};,%*`), shards);
    assert.deepEqual(readShardMap(writeShardMap(map)), map);
  }), { seed: 4, numRuns });
  const wrong = ["", ";;", "1;a;", "0;a;0", "1;a;1", "1;a;0*0", "1;a;0*99999", "1;a,a;0,1", "1;a;0;x", "x;a;0", "1;%;0",
    "1;a;0*1.5", "1;a;-1", "1;a;0,,0"];
  for (const text of wrong) {
    assert.throws(() => readShardMap(text), { code: "invalid_argument", message: /is no shard map/ });
  }
  fc.assert(fc.property(fc.string({ maxLength: 40 }), (text) => {
    try {
      readShardMap(text);
    } catch (error) {
      assert.equal((error as { code?: string }).code, "invalid_argument");
    }
  }), { seed: 5, numRuns });
});

test("maps that cannot be are refused", () => {
  const invalid = (message: RegExp) => ({ code: "invalid_argument", message });
  assert.throws(() => shardMap([]), invalid(/^owners is "0 names"/));
  assert.throws(() => shardMap(["a", "a"]), invalid(/^owners is "a,a": one is twice/));
  assert.throws(() => shardMap({ a: 0 }), invalid(/^owners.a is 0/));
  assert.throws(() => shardMap(["a"], 0), invalid(/^shards is 0/));
  assert.throws(() => shardMap([""]), invalid(/^owners is ""/));
  assert.throws(() => ownerOf(shardMap(["a"], 4), 4), invalid(/^shard is 4: expected a whole number from 0 to 3/));
  assert.throws(() => withOwner(shardMap(["a"], 4), 9, "b"), invalid(/^shard is 9/));
});
