import assert from "node:assert/strict";
import { test } from "node:test";
import { handClock, seededRandom } from "../../test/policies/support.ts";
import { retryBudget } from "./index.ts";

/**
 * 300 calls a second for four seconds, then so large a share of all attempts fails, retries included: the most retries
 * of any second by the calls of that second.
 */
function mostRetriesPerCall(failing: number, vain: number, seed: number): number {
  const clock = handClock();
  const random = seededRandom(seed);
  const budget = retryBudget(clock);
  const [callsAt, retriesAt]: [number[], number[]] = [[], []];
  const later: [number, () => void][] = [];
  for (let ms = 0; ms < 8_000; ms++) {
    clock.advance(1);
    for (const [at, end] of later) if (at === ms) end();
    if (random.next() < 0.3) {
      budget.began(clock.now());
      callsAt.push(ms);
      if (ms >= 4_000 && random.next() < failing && budget.withdraw("east")) {
        retriesAt.push(ms);
        if (random.next() < vain) later.push([ms + 6, () => budget.retryFailed("east")]);
      }
    }
  }
  let most = 0;
  for (let from = 4_000; from <= 7_000; from += 50) {
    const within = (ms: number): boolean => ms >= from && ms < from + 1_000;
    most = Math.max(most, retriesAt.filter(within).length / callsAt.filter(within).length);
  }
  return most;
}

test("what was saved up is not spent on retries that fail too: below 1.2 in any second, whatever the share", () => {
  for (let seed = 1; seed <= 20; seed++) {
    for (const share of [0.2, 0.25, 0.3, 0.5, 0.9, 1]) {
      const most = mostRetriesPerCall(share, share, seed);
      assert.ok(most <= 0.2, `${most.toFixed(3)} retries a call where ${share} fail, seed ${seed}`);
    }
  }
});

test("retries that help may be a burst, of all that piled up within half a second", () => {
  const clock = handClock();
  const budget = retryBudget(clock);
  for (let ms = 0; ms < 4_000; ms++) {
    clock.advance(1);
    if (ms % 2 === 0) budget.began(clock.now());
  }
  let taken = 0;
  while (budget.withdraw("east")) taken++;
  assert.ok(taken >= 250 && taken <= 300, `${taken} retries of 500 calls a second`);
});

test("a client of few calls keeps its ten retries a second, in vain or not", () => {
  const clock = handClock();
  const budget = retryBudget(clock, { failedRetryCost: 1 });
  let taken = 0;
  for (let ms = 0; ms < 10_000; ms++) {
    clock.advance(1);
    if (ms % 50 !== 0) continue;
    budget.began(clock.now());
    if (!budget.withdraw("east")) continue;
    taken++;
    budget.retryFailed("east");
  }
  assert.ok(taken >= 80 && taken <= 125, `${taken} retries in ten seconds`);
});

test("what is given back can be taken again", () => {
  const budget = retryBudget(handClock());
  const before = budget.balance("east");
  assert.equal(budget.withdraw("east"), true);
  budget.giveBack?.("east");
  assert.deepEqual([budget.balance("east"), budget.retries], [before, 0]);
});

test("critical calls have a reserve that the others' repeats do not spend, and that stays within 1.2 as well", () => {
  const clock = handClock();
  const budget = retryBudget(clock);
  for (let ms = 0; ms < 4_000; ms++) {
    clock.advance(1);
    if (ms % 4 === 0) budget.began(clock.now());
  }
  let [others, critical] = [0, 0];
  for (let ms = 0; ms < 1_000; ms++) {
    clock.advance(1);
    if (ms % 4 === 0) budget.began(clock.now());
    if (budget.withdraw("east")) {
      others++;
      budget.retryFailed("east");
    }
  }
  while (budget.withdraw("east", true)) critical++;
  assert.ok(critical >= 5 && critical <= 20, `${critical} repeats of critical calls were left`);
  assert.ok(others + critical <= 50, `${others + critical} retries of 250 calls`);
});

test("settings that cannot be are refused by name", () => {
  assert.throws(() => retryBudget(handClock(), { maxVainShare: -1 }), /maxVainShare/);
});
