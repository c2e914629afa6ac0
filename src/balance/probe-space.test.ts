import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { property } from "../../test/policies/support.ts";
import { hash32 } from "./hash.ts";
import { probeSpaces } from "./probe-space.ts";

const names = (n: number): string[] => Array.from({ length: n }, (_, i) => `10.0.${i >> 8}.${i & 255}:443`);
const keys = Array.from({ length: 60_000 }, (_, i) => hash32(`user:${i}`));
const ownersOf = (ids: readonly string[], weights: readonly number[] = ids.map(() => 1)): string[] => {
  const spaces = probeSpaces(ids, weights);
  return keys.map((key) => ids[spaces.owner(key)] as string);
};

test("shares differ by no more than chance, whatever the number of nodes", () => {
  for (const n of [2, 15, 16, 17, 100, 300]) {
    const counts = new Map<string, number>();
    for (const owner of ownersOf(names(n))) counts.set(owner, (counts.get(owner) ?? 0) + 1);
    const mean = keys.length / n;
    for (const count of counts.values()) assert.ok(Math.abs(count - mean) < 5 * Math.sqrt(mean), `${n}: ${count}`);
    assert.equal(counts.size, n);
  }
});

test("when a node goes or comes, about 1.4 times the least number of keys moves", () => {
  for (const n of [20, 100, 1_000]) {
    const ids = names(n);
    const before = ownersOf(ids);
    const after = ownersOf(ids.filter((_, i) => i !== 7));
    const own = before.filter((owner) => owner === ids[7]).length;
    const moved = before.filter((owner, i) => owner !== after[i]).length;
    assert.ok(moved >= own && moved < keys.length / n * 2, `${n}: ${moved} moved, ${own} had to`);
  }
});

test("the order of the nodes means nothing, and what was asked before neither", () => {
  const ids = names(50);
  const weights = ids.map((_, i) => 1 + i % 5);
  const turned = ids.toReversed();
  assert.deepEqual(ownersOf(ids, weights), ownersOf(turned, weights.toReversed()));
  const spaces = probeSpaces(ids, weights);
  assert.deepEqual(keys.map((key) => spaces.owner(key)), keys.map((key) => spaces.owner(key)));
});

test("shares follow weights, and who has none gets nothing unless nobody has any", () => {
  const counts = [0, 0, 0, 0];
  const spaces = probeSpaces(["a", "b", "c", "d"], [1, 2, 3, 0]);
  for (const key of keys) (counts[spaces.owner(key)] as number)++;
  assert.equal(counts[3], 0);
  [1, 2, 3].forEach((weight, i) => assert.ok(Math.abs((counts[i] as number) / keys.length - weight / 6) < 0.01));
  const none = probeSpaces(["a", "b"], [0, 0]);
  assert.equal(new Set(keys.map((key) => none.owner(key))).size, 2);
});

test("a walk meets only nodes, begins at the owner, and meets everybody in the end", () => {
  const ids = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 40 });
  fc.assert(fc.property(ids, fc.integer({ min: 0, max: 2 ** 32 - 1 }), (all, key) => {
    const spaces = probeSpaces(all, all.map(() => 1));
    const met: number[] = [];
    // Twice: the second finds its first remembered.
    for (let round = 0; round < 2; round++) {
      spaces.walk(key, 4_000, (node) => {
        met.push(node);
        return new Set(met).size === all.length;
      });
    }
    assert.equal(met[0], spaces.owner(key));
    assert.equal(new Set(met).size, all.length);
  }), property);
  assert.equal(probeSpaces([], []).owner(1), -1);
});
