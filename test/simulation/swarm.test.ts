// The swarm: a few dozen configurations drawn from seeds, the canary that must fail, and what failed before.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { pickerNames } from "../../src/sim/rehearsal-pickers.ts";
import { limitNames } from "../../src/sim/rehearsal-server-policies.ts";
import { type Regression, replayRegression, runSeed } from "../../src/sim/swarm.ts";
import { describeSetup, drawSetup, faultKinds, type SwarmSetup } from "../../src/sim/swarm-setup.ts";
import { canarySwarm, defaultSwarm } from "../../src/sim/swarm-world.ts";

/** Thousands: meridian swarm --seeds 10000 --jobs 4 --state swarm.json --keep test/simulation/regressions */
const runs = Number(process.env["MERIDIAN_SWARM_SEEDS"] ?? 24);
const limitMs = 60_000 + runs * 15_000;

test("configurations drawn from seeds keep every promise", { timeout: limitMs }, async () => {
  let calls = 0;
  for (let seed = 1; seed <= runs; seed++) {
    const result = await runSeed(defaultSwarm, seed);
    calls += result.calls;
    assert.equal(result.why, "", `seed ${seed}: ${describeSetup(result.setup)}\n` +
      `again: npx meridian swarm --seed ${seed} --seeds 1`);
  }
  assert.ok(calls > runs * 100, `only ${calls} calls were made`);
});

test("the canary, whose attempts have keys of their own, is found out", { timeout: 300_000 }, async () => {
  let found = 0;
  for (let seed = 1; seed <= 30 && found < 2; seed++) {
    const result = await runSeed(canarySwarm, seed);
    if (result.broken.includes("effects")) found++;
  }
  assert.ok(found > 0, "30 configurations with a broken policy, and the checkers saw nothing");
});

test("the same seed plays the same, on either wire", { timeout: 120_000 }, async () => {
  const setup = drawSetup(24);
  for (const wire of ["bytes", "modelled"] as const) {
    const digests = [];
    for (let i = 0; i < 2; i++) digests.push((await defaultSwarm.run({ ...setup, wire })).digest);
    assert.equal(digests[0], digests[1], wire);
  }
});

test("every fault and every policy is drawn, and whatever is drawn ends before the quiet", () => {
  const setups = Array.from({ length: 300 }, (_, seed) => drawSetup(seed));
  const kinds = new Set(setups.flatMap(({ faults }) => faults.map(({ kind }) => kind)));
  assert.deepEqual([...kinds].sort(), [...faultKinds].sort());
  for (const [drawn, all] of [
    [setups.map(({ policies }) => policies.picker), pickerNames],
    [setups.map(({ policies }) => policies.limit), [...limitNames, undefined]],
  ] as const) {
    assert.deepEqual(new Set<unknown>(drawn), new Set<unknown>(all));
  }
  for (const name of [
    "retry", "regions", "outliers", "hedge", "throttle", "tuning", "view", "replay", "admission",
  ] as const) {
    const on = setups.filter(({ policies }) => policies[name]).length;
    assert.ok(on > 150 && on < 290, `${name}: ${on} of 300`);
  }
  for (const { faults, healedMs, untilMs, regions } of setups) {
    assert.ok(faults.every((fault) => fault.atMs < fault.untilMs && fault.untilMs <= healedMs));
    assert.ok(healedMs + 10_000 < untilMs && regions.some(({ clients }) => clients > 0));
  }
  assert.deepEqual(drawSetup(7), drawSetup(7));
});

describe("regressions", () => {
  const folder = new URL("regressions/", import.meta.url);
  const files = readdirSync(folder).filter((file) => file.endsWith(".json"));
  assert.ok(files.length > 0);
  for (const file of files) {
    const regression = JSON.parse(readFileSync(new URL(file, folder), "utf8")) as Regression<SwarmSetup>;
    const scenario = [defaultSwarm, canarySwarm].find(({ name }) => name === regression.scenario);
    const { waitsFor } = regression;
    const options = waitsFor === undefined ? {} : { todo: `waits for ${waitsFor}` };
    test(file, { timeout: 120_000, ...options }, async () => {
      assert.ok(scenario !== undefined, regression.scenario);
      assert.equal(await replayRegression(scenario, regression), "");
    });
  }
});
