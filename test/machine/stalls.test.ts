// A scenario is repeated only where the machine was to blame, and once.
import assert from "node:assert/strict";
import { test } from "node:test";
import { onMachine, type Stalls, watchStalls } from "./stalls.ts";

const calm: Stalls = { worstMs: 3, share: 0.9, loopMs: 12 };
/** Watches that tell these, in turn, and at last that all is calm. */
const telling = (...all: Stalls[]) => async () => ({ stop: async () => all.shift() ?? calm });

for (const [how, stalls, runs] of [
  ["a calm machine", calm, 1], ["a second of standstill", { ...calm, worstMs: 1_200 }, 2],
  ["a tenth of a processor", { ...calm, share: 0.1 }, 2],
  ["a loop that we held up ourselves", { ...calm, loopMs: 5_000 }, 1],
] as const) {
  test(`${how}: what fails runs ${runs === 1 ? "once" : "once more"}, and says how the machine was`, async () => {
    let ran = 0;
    await assert.rejects(onMachine(() => Promise.reject(new Error(`late ${++ran}`)), telling(stalls)),
      new RegExp(`late ${runs}\\nmeanwhile .* plain .node -e 0. took \\d+ ms`));
    assert.equal(ran, runs);
  });
}

test("what went well, and what goes well the second time, is its answer", async () => {
  assert.equal(await onMachine(async () => 7), 7);
  let ran = 0;
  const scenario = async (): Promise<number> => ++ran === 2 ? 8 : assert.fail("late");
  assert.equal(await onMachine(scenario, telling({ ...calm, share: 0.1 })), 8);
});

test("the machine is watched by a thread of its own, which the main thread cannot hold up", async () => {
  const watched = await watchStalls();
  await new Promise((resolve) => setTimeout(resolve, 100));
  const untilMs = performance.now() + 300;
  while (performance.now() < untilMs);
  await new Promise((resolve) => setTimeout(resolve, 100));
  const { share, loopMs } = await watched.stop();
  assert.ok(loopMs >= 250, `${loopMs} ms`);
  assert.ok(share > 0 && share <= 1, `${share}`);
});
