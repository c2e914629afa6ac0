import assert from "node:assert/strict";
import { test } from "node:test";
import type { Budget } from "./envelope.ts";
import { WholeBody } from "./whole-body.ts";

const bytes = Uint8Array.of(0, 1, 2, 3, 4, 5);

test("a body of one part is that part, not copied; one of several is their bytes in a row", () => {
  const budget: Budget = { unfinishedBytes: 0, maxUnfinishedBytes: 100 };
  const body = new WholeBody(6, budget);
  const one = body.add(bytes, 1, 4, true);
  assert.deepEqual([one?.buffer === bytes.buffer, one?.byteOffset, one?.length], [true, 1, 3]);
  assert.equal(body.add(bytes, 0, 2, false), undefined);
  assert.equal(body.add(bytes, 2, 2, false), undefined);
  assert.equal(budget.unfinishedBytes, 2);
  assert.deepEqual([...body.add(bytes, 2, 6, true) ?? []], [...bytes]);
  assert.equal(budget.unfinishedBytes, 0);
  assert.equal(body.end().length, 0, "what was handed over is kept no longer");
  body.add(bytes, 0, 3, false);
  assert.deepEqual([...body.end()], [0, 1, 2]);
});

test("a body over its limit is refused, in one part or in several", () => {
  assert.throws(() => new WholeBody(5).add(bytes, 0, 6, true), { code: "resource_exhausted" });
  const body = new WholeBody(5);
  body.add(bytes, 0, 3, false);
  assert.throws(() => body.add(bytes, 3, 6, true), { code: "resource_exhausted" });
});
