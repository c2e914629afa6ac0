import assert from "node:assert/strict";
import { test } from "node:test";
import { CallbackAlarm } from "../core/callback-alarm.ts";
import { createSimulation } from "../runtime/sim/index.ts";
import { complaints } from "./checkers.ts";
import { faultyRuntime } from "./faulty-runtime.ts";
import {
  createSwarmState, play, replayRegression, runSeed, seedDone, seedsDone, seedsLeft, shrink, type SwarmScenario,
} from "./swarm.ts";
import { lyingDiscovery } from "./swarm-faults.ts";
import { describeSetup, drawSetup, simplerSetups } from "./swarm-setup.ts";
import { createWorld } from "./world.ts";

/** Breaks where its faults hold both 3 and 7; throws where they hold 13. */
const scenario: SwarmScenario<readonly number[]> = {
  name: "numbers",
  draw: (seed) => Array.from({ length: 12 }, (_, i) => (i + seed) % 14),
  async run(faults) {
    if (faults.includes(13)) throw new Error("thirteen");
    const found = complaints("pairs");
    if (faults.includes(3) && faults.includes(7)) found.add(() => "3 and 7");
    return { verdicts: [found.verdict(), complaints("others").verdict()], digest: "d", calls: 5, events: 1 };
  },
  simpler: (faults) => faults.map((_, i) => faults.toSpliced(i, 1)),
  describe: (faults) => faults.join(" "),
};

test("a failing seed is made as small as what breaks it, by the checker that found it", async () => {
  const failing = await runSeed(scenario, 1);
  assert.deepEqual([failing.held, failing.broken, failing.why], [false, ["pairs"], "pairs: 1 violation\n  3 and 7"]);
  const told: string[] = [];
  const least = await shrink(scenario, failing, { tell: (text) => void told.push(text) });
  assert.deepEqual(least.setup, [3, 7]);
  assert.equal(told.at(-1), "smaller: 3 7");
  // Few runs make it a little smaller.
  assert.ok((await shrink(scenario, failing, { maxRuns: 3 })).setup.length > 8);
});

test("what a run throws is a finding, not the end", async () => {
  const result = await runSeed(scenario, 5);
  assert.deepEqual([result.held, result.broken], [false, ["error"]]);
  assert.match(result.why, /^error: internal: thirteen\n.*swarm\.test\.ts/s);
  assert.equal((await play(scenario, [1, 2], 0)).held, true);
});

test("regressions must hold, canaries must break by the checker named", async () => {
  const kept = { scenario: "numbers", seed: 1, why: "" };
  assert.equal(await replayRegression(scenario, { ...kept, setup: [3] }), "");
  assert.match(await replayRegression(scenario, { ...kept, setup: [3, 7] }), /3 and 7/);
  assert.equal(await replayRegression(scenario, { ...kept, setup: [3, 7], mustBreak: ["pairs"] }), "");
  assert.match(await replayRegression(scenario, { ...kept, setup: [3], mustBreak: ["pairs"] }),
    /^pairs did not find what is broken on purpose; found: nothing$/);
});

test("a state knows which seeds are left, whatever the order they were done in", () => {
  const state = createSwarmState("numbers", 10, 5);
  for (const [seed, held] of [[12, true], [10, false], [14, true]] as const) {
    seedDone(state, { seed, held, calls: 2, broken: held ? [] : ["effects"] });
  }
  assert.deepEqual([[...seedsLeft(state)], seedsDone(state), state.failed, state.calls], [[11, 13], 3, [10], 6]);
  assert.deepEqual(state.broken, { effects: [10] });
  const resumed = JSON.parse(JSON.stringify(state)) as typeof state;
  for (const seed of [11, 13]) seedDone(resumed, { seed, held: true, calls: 1, broken: [] });
  assert.deepEqual([[...seedsLeft(resumed)], seedsDone(resumed), resumed.next, resumed.done], [[], 5, 15, []]);
});

test("setups get simpler, and stay setups", () => {
  for (let seed = 1; seed <= 100; seed++) {
    const setup = drawSetup(seed);
    const size = (text: string): number => text.length;
    for (const smaller of simplerSetups(setup)) {
      assert.ok(smaller.faults.length <= setup.faults.length);
      assert.notDeepEqual(smaller, setup);
      assert.ok(smaller.regions.some(({ clients }) => clients > 0), "somebody must call");
      assert.ok(size(describeSetup(smaller)) > 0);
    }
  }
});

test("a clock that leaps rings what was due, in order; a wall clock that jumps moves no alarm", async () => {
  const simulation = createSimulation({ seed: 1 });
  const runtime = faultyRuntime(simulation.host("h"));
  const rung: string[] = [];
  for (const ms of [3_000, 1_000, 2_000, 50_000]) {
    runtime.clock.after(ms, () => rung.push(`${ms} at ${runtime.clock.now()}`));
  }
  const cleared = new CallbackAlarm(runtime.clock, () => rung.push("never"));
  runtime.clock.set(cleared, 1_500);
  runtime.clock.clear(cleared);
  simulation.at(500, () => runtime.leap(10_000));
  const wallMs = runtime.clock.wallMs();
  await simulation.run(600);
  assert.deepEqual(rung, ["1000 at 10500", "2000 at 10500", "3000 at 10500"]);
  assert.equal(runtime.clock.wallMs() - wallMs, 10_600);
  runtime.jumpWall(-20_000);
  assert.equal(runtime.clock.wallMs() - wallMs, -9_400);
  await simulation.run(45_000);
  assert.equal(rung.at(-1), "50000 at 50000");
});

test("a random source that repeats gives the same few values until it is well again", () => {
  const runtime = faultyRuntime(createSimulation({ seed: 1 }).host("h"));
  const { random } = runtime;
  runtime.repeatRandom(2);
  const numbers = Array.from({ length: 6 }, () => random.next());
  assert.equal(new Set(numbers).size, 2);
  assert.equal(numbers[0], numbers[4]);
  assert.equal(random.id(), (random.id(), random.id()));
  runtime.repeatRandom(0);
  assert.equal(new Set(Array.from({ length: 6 }, () => random.next())).size, 6);
});

test("a lying discovery tells nothing, half, twice or no more, and the truth in the end", async () => {
  const world = createWorld({ seed: 1 });
  world.discovery.set("s", ["a:1", "b:1", "c:1"].map((address) => ({ address })));
  const discovery = lyingDiscovery(world, "s");
  const heard: number[] = [];
  discovery.watch("s", { snapshot: (endpoints) => void heard.push(endpoints.length) });
  for (const how of ["empty", "stale", "duplicate", "silent"] as const) discovery.lie(how);
  world.discovery.set("s", [{ address: "d:1" }]);
  await world.run(100);
  discovery.repent();
  assert.deepEqual(heard, [3, 0, 2, 6, 1]);
});
