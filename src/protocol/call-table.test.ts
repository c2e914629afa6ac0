import assert from "node:assert/strict";
import { test } from "node:test";
import { CallTable } from "./call-table.ts";

test("ids grow, skip slots of open calls, and find their calls while the table grows", () => {
  const table = new CallTable<string>();
  const ids = Array.from({ length: 1_000 }, (_, i) => table.add(`call ${i}`));
  assert.deepEqual(ids, [...ids].sort((a, b) => a - b));
  assert.equal(new Set(ids).size, 1_000);
  ids.forEach((id, i) => assert.equal(table.get(id), `call ${i}`));
  for (const id of ids.slice(0, 990)) table.remove(id);
  assert.equal(table.size, 10);
  assert.deepEqual(table.above(0).length, 10);
  assert.ok(table.add("next") > (ids.at(-1) as number));
});

test("ids never begin again: a table says when they run out", () => {
  const table = new CallTable<string>(0xfffe_ffff);
  assert.equal(table.spent, false);
  assert.equal(table.add("one"), 0xffff_0000);
  assert.equal(table.spent, true);
});

test("the calls that are due are found in the order of their ids, also once the table has grown", () => {
  const table = new CallTable<string>();
  const ids = Array.from({ length: 300 }, (_, i) => table.add(`call ${i}`, i % 3 === 0 ? Infinity : 100 + i));
  table.remove(ids[10] as number);
  const { calls, nextMs } = table.due(130);
  const left = [1, 2, 4, 5, 7, 8, 11, 13, 14, 16, 17, 19, 20, 22, 23, 25, 26, 28, 29];
  assert.deepEqual(calls, left.map((i) => `call ${i}`));
  assert.equal(nextMs, 131);
  for (const id of ids) table.remove(id);
  assert.deepEqual(table.due(1e9), { calls: [], nextMs: Infinity });
});
