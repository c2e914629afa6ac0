import assert from "node:assert/strict";
import { test } from "node:test";
import { quantile } from "../../experiments/frame/rows.ts";
import { runFanOut, runLoaded } from "../../experiments/tail/worlds.ts";

const small = { correlated: 0, slow: 0.02, seed: 7, requests: 250 };

test("default hedges take the tail of a fan-out away, at no more than 2 % more attempts", async () => {
  const none = await runFanOut({ ...small, hedging: "none" });
  const ours = await runFanOut({ ...small, hedging: "ours" });
  assert.equal(none.requestMs.length, 250);
  // A few of the calls before are still out when counting begins.
  assert.ok(none.attempts >= none.calls && none.attempts < none.calls + 30);
  const tails = [quantile(none.requestMs, 0.99), quantile(ours.requestMs, 0.99)] as const;
  assert.ok(tails[0] > 150 && tails[1] < 40, tails.join());
  const extra = ours.attempts / ours.calls - 1;
  assert.ok(extra > 0.005 && extra <= 0.02, `${extra}`);
  // Losers are called off: nearly everything that was begun beyond the calls themselves was not finished.
  assert.ok(Math.abs(ours.wastedShare - extra) < 0.004, `${ours.wastedShare}`);
});

test("above 80 % utilisation nothing is hedged; the same seed gives the same trace", async () => {
  const busy = await runLoaded({ hedging: "ours", utilisation: 0.9, seed: 7, seconds: 2 });
  assert.ok(busy.extra <= 0.004, `${busy.extra}`);
  assert.equal(busy.succeeded, 1);
  const digest = async (seed: number) => (await runFanOut({ ...small, requests: 20, seed, hedging: "ours" })).digest;
  assert.equal(await digest(1), await digest(1));
  assert.notEqual(await digest(1), await digest(2));
});
