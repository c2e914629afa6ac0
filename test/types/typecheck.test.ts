/** A contract of 500 methods type-checks in seconds, and each method costs the same in a large one as in a small. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { measureTypecheck } from "../../bench/typecheck.ts";

const limitMs = 5000;
/** The machine may be busy with something else; the best of a few counts. */
const tries = 3;
/** What a contract of one method takes on the machine, and in the quiet, that the limit is meant for. */
const quietStartMs = 900;
/** What 500 methods, declared, implemented and called, cost when this was written, and a tenth. */
const maxInstantiations = 1_500_000;

test("500 methods, declared, implemented and called, check in under five seconds", (t) => {
  let took = Infinity;
  let fairLimitMs = limitMs;
  for (let i = 0; i < tries && took >= fairLimitMs; i++) {
    // What the compiler takes here and now for one method tells how much of a machine there is.
    const slowdown = measureTypecheck("all", 1, 1).value / quietStartMs;
    fairLimitMs = limitMs * Math.max(1, slowdown);
    took = measureTypecheck("all", 500, 1).value;
    t.diagnostic(`${took} ms, on a machine ${slowdown.toFixed(2)} times as slow as the quiet one`);
  }
  assert.ok(took < fairLimitMs, `took ${took} ms, ${Math.round(fairLimitMs)} are fair`);
});

test("the compiler does no more for a method of a large contract than for one of a small", () => {
  const [small, large] = [100, 500].map((methods) => measureTypecheck("all", methods, 1).instantiations);
  assert.ok(small !== undefined && large !== undefined);
  assert.ok(large <= small * 5, `${small} types for 100 methods, ${large} for 500`);
  assert.ok(large <= maxInstantiations, `${large} types for 500 methods`);
});
