import assert from "node:assert/strict";
import { test } from "node:test";
import { grpc } from "../../src/protocol/index.ts";
import { createWorld, type Outcome, type World, type WorldOptions } from "./world.ts";

/** Kills eu-west at 10 s and restores it at 20 s, under 100 calls/s in each region. */
async function regionDies(seed: number, isSilent: boolean, options: WorldOptions): Promise<World> {
  const world = createWorld(seed, options);
  await world.simulation.runUntil(world.start(), 5_000);
  await world.simulation.run(6_000);
  world.load(100, 6_000, 70_000);
  world.simulation.at(10_000, () => world.kill("eu-west", isSilent));
  world.simulation.at(20_000, () => world.restore("eu-west"));
  await world.simulation.run(75_000);
  return world;
}

function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;
}

function said(shares: readonly number[]): string {
  return shares.map((share) => share.toFixed(2)).join(" ");
}

function check(world: World): void {
  const { outcomes, applied, attempts } = world;
  assert.equal(outcomes.length, 3 * 6_400);
  const between = (from: number, to: number): Outcome[] =>
    outcomes.filter((one) => one.dueMs >= from && one.dueMs < to);
  const failed = (some: readonly Outcome[]): Outcome[] => some.filter((one) => one.error !== undefined);
  const say = (some: readonly Outcome[]): string =>
    some.slice(0, 5).map((one) => `${one.region} ${one.method} due ${one.dueMs}: ${one.error?.message}`).join("\n");

  const before = failed(between(0, 10_000));
  assert.equal(before.length, 0, say(before));
  const tenSeconds = between(10_000, 20_000);
  assert.ok(failed(tenSeconds).length <= tenSeconds.length / 1_000, say(failed(tenSeconds)));
  const later = failed(between(11_000, 75_000));
  assert.equal(later.length, 0, say(later));

  // Nothing acknowledged is lost, nothing is applied twice.
  for (const one of outcomes) {
    if (one.method === "add" && one.error === undefined) assert.equal(applied.get(one.id), 1, one.id);
  }
  for (const [id, times] of applied) assert.equal(times, 1, id);

  // The dead region's callers are served elsewhere within half a second.
  const moved = between(10_000, 12_000).filter((one) => one.region === "eu-west" && one.error === undefined)
    .filter((one) => one.servedBy !== "eu-west");
  assert.ok(quantile(moved.map((one) => one.endedMs - Math.max(one.dueMs, 10_000)), 0.99) <= 700);
  const slow = between(10_000, 12_000).filter((one) => one.region === "eu-west" && one.endedMs - one.dueMs > 250);
  const shiftMs = Math.max(...slow.map((one) => one.dueMs), 10_000) - 10_000;
  assert.ok(shiftMs <= 500, `calls due ${shiftMs} ms after the kill were still slow`);

  // The way back is monotone: each second's share at home is no less than the one before, within two calls.
  const share: number[] = [];
  for (let second = 20; second < 70; second++) {
    const mine = between(second * 1_000, second * 1_000 + 1_000).filter((one) => one.region === "eu-west");
    share.push(mine.filter((one) => one.servedBy === "eu-west").length / mine.length);
  }
  for (let i = 1; i < share.length; i++) {
    assert.ok((share[i] as number) >= (share[i - 1] as number) - 0.03, `share fell: ${said(share)}`);
  }
  assert.equal(share.at(-1), 1, said(share));

  // Retries never become a storm.
  const perSecond = outcomes.length / 64;
  const worst = Math.max(...attempts.filter((count) => count !== undefined)) / perSecond;
  assert.ok(worst <= 1.2, `amplification ${worst}`);
}

const seeds = process.env["MERIDIAN_FUZZ_RUNS"] === undefined ? [1] : [1, 2, 3, 4, 5];
for (const seed of seeds) {
  for (const [how, isSilent] of [["connections are reset", false], ["in silence", true]] as const) {
    for (const direct of [false, true]) {
      const where = direct ? "called directly" : "through gateways";
      test(`a region dies, ${how}, ${where}, seed ${seed}`, async () => {
        check(await regionDies(seed, isSilent, { direct }));
      });
      test(`a region dies, ${how}, ${where} by gRPC, seed ${seed}`, async () => {
        check(await regionDies(seed, isSilent, { direct, protocol: grpc() }));
      });
    }
  }
}

test("the same seed tells the same story", async () => {
  const stories = await Promise.all([7, 7, 8].map(async (seed) => {
    const world = createWorld(seed);
    await world.simulation.runUntil(world.start(), 5_000);
    world.load(50, 5_000, 9_000);
    world.simulation.at(7_000, () => world.kill("eu-west", true));
    await world.simulation.run(10_000);
    return world.simulation.digest;
  }));
  assert.equal(stories[0], stories[1]);
  assert.notEqual(stories[0], stories[2]);
});
