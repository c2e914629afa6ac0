import assert from "node:assert/strict";
import { test } from "node:test";
import { failureOf } from "../../test/distributed/fleet.ts";
import { createShardWorld, type ShardWorld } from "../../test/distributed/shard-world.ts";
import { createClientOn } from "../client/index.ts";
import { checkEffects } from "../sim/check-effects.ts";
import { checkLinearizable, counterModel } from "../sim/check-linearizable.ts";
import { ownerOf, reshard, ShardHosts, shardMoved, shardOf, shardPeers } from "./index.ts";

test("calls go to the owner of their key, and a keyed call is done once however often it is made", async () => {
  const world = await createShardWorld({ servers: ["a", "b", "c"] });
  const { lists } = world.client("caller");
  for (let i = 0; i < 30; i++) {
    assert.deepEqual(await world.run(lists.append({ key: `k${i}`, id: `x${i}` }, { idempotencyKey: `once-${i}` })),
      { count: 1 });
  }
  const repeated = await world.run(lists.append({ key: "k1", id: "x1" }, { idempotencyKey: "once-1" }));
  assert.deepEqual(repeated, { count: 1 });
  assert.deepEqual(await world.run(lists.append({ key: "k1", id: "y1" })), { count: 2 });
  assert.deepEqual(await world.run(lists.count({ key: "k1" })), { count: 2 });
  const map = await world.run(world.authority.read());
  for (let i = 0; i < 30; i++) {
    const shard = shardOf(map, `k${i}`);
    assert.ok(world.hosts.get(ownerOf(map, shard))?.entriesOf(shard).has(`k${i}`));
  }
  assert.equal((await world.effects()).length, 31);
});

test("a move takes entries and records along; old maps are told by a typed error, and follow", async () => {
  const world = await createShardWorld({ servers: ["a", "b"], shards: 4 });
  const { lists } = world.client("caller");
  const { lists: late } = world.client("late");
  await world.run(lists.append({ key: "k", id: "1" }, { idempotencyKey: "first" }));
  await world.run(late.count({ key: "k" }));
  const before = await world.run(world.authority.read());
  const shard = shardOf(before, "k");
  const from = ownerOf(before, shard);
  const to = from === "a" ? "b" : "a";
  const map = await world.run(world.hosts.get(from)?.move(shard, to) ?? Promise.reject(new Error("nobody")));
  assert.deepEqual([ownerOf(map, shard), map.epoch], [to, before.epoch + 1]);
  assert.equal(world.hosts.get(from)?.entriesOf(shard).size, 0);
  // At the old owner by hand: the error says all that a caller must know, and that nothing was done.
  const error = await world.run(failureOf(late.$shards.router.at(from).append({ key: "k", id: "2" })));
  const moved = shardMoved(error);
  assert.deepEqual([error.code, error.neverStarted, error.retryAfterMs, moved?.shard, moved?.owner, moved?.epoch],
    ["aborted", true, -1, shard, to, map.epoch]);
  assert.deepEqual([moved?.map, moved?.service], [map, "test.v1.Lists"]);
  assert.equal(late.$shards.map?.epoch, before.epoch);
  assert.deepEqual(await world.run(late.append({ key: "k", id: "1" }, { idempotencyKey: "first" })), { count: 1 });
  assert.equal(late.$shards.map?.epoch, map.epoch);
  assert.deepEqual(await world.run(late.append({ key: "k", id: "2" })), { count: 2 });
  assert.equal(shardMoved(new Error("other")), undefined);
});

test("what a move cannot do it gives up without a trace", async () => {
  const world = await createShardWorld({ servers: ["a", "b"], shards: 4 });
  const { lists } = world.client("caller");
  await world.run(lists.append({ key: "k", id: "1" }));
  const map = await world.run(world.authority.read());
  const shard = shardOf(map, "k");
  const from = ownerOf(map, shard);
  const to = from === "a" ? "b" : "a";
  const host = world.hosts.get(from);
  assert.ok(host !== undefined);
  const nobody = await world.run(failureOf(host.move(shard, "nobody")));
  assert.match(nobody.message, new RegExp(`^shard ${shard} stays with ${from}: `));
  world.simulation.partition(from, to);
  await world.run(failureOf(host.move(shard, to)));
  world.simulation.heal();
  assert.deepEqual(await world.run(lists.append({ key: "k", id: "2" })), { count: 2 });
  assert.deepEqual((await world.run(world.authority.read())).epoch, map.epoch);
  const other = map.shards.findIndex((_, each) => ownerOf(map, each) === to);
  assert.notEqual(shardMoved(await world.run(failureOf(host.move(other, "nobody")))), undefined);
  await world.run(host.move(shard, to));
  assert.deepEqual(await world.run(lists.append({ key: "k", id: "3" })), { count: 3 });
});

test("an authority out of reach between fence and switch holds up a shard, and loses nothing", async () => {
  const world = await createShardWorld({ servers: ["a", "b"], shards: 2 });
  const { lists } = world.client("caller");
  await world.run(lists.append({ key: "k", id: "1" }));
  const map = await world.run(world.authority.read());
  const shard = shardOf(map, "k");
  const from = ownerOf(map, shard);
  const host = world.hosts.get(from);
  assert.ok(host !== undefined);
  world.simulation.partition(from, "authority");
  const moving = host.move(shard, from === "a" ? "b" : "a");
  await world.simulation.run(world.simulation.nowMs + 2_000);
  const held = await world.run(failureOf(lists.append({ key: "k", id: "2" }, { timeoutMs: 300 })));
  assert.ok(held.code === "deadline_exceeded" || held.code === "unavailable", held.message);
  world.simulation.heal();
  await world.run(moving);
  assert.deepEqual(await world.run(lists.append({ key: "k", id: "3" })), { count: 2 });
});

/** A day in the life of a cluster, in seconds: servers come and go, crash, are cut off; callers go on. */
async function upheaval(seed: number): Promise<ShardWorld> {
  const world = await createShardWorld({ servers: ["a", "b", "c"], shards: 24, seed, batchEntries: 2, handleMs: 8 });
  const { simulation } = world;
  const { random } = simulation;
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random.next() * list.length)] as T;
  const runtime = simulation.host("operator");
  const address = ["a", "b", "c", "d", "e"].map((owner) => ({ id: owner, address: `${owner}:1` }));
  const peers = shardPeers(createClientOn(runtime, ShardHosts, { address }));
  const endMs = simulation.nowMs + 9_000;
  world.load(200, endMs, 30);
  await world.run(Promise.all([world.start("d"), world.start("e")]));
  const wanted = [["a", "b", "c", "d"], ["b", "c", "d", "e"], ["a", "c", "e"], ["a", "b", "c", "d", "e"]];
  const resharding = (async () => {
    for (const owners of wanted) {
      await reshard(runtime, owners, { authority: world.authority, peer: peers, concurrency: 3, timeoutMs: 60_000 });
    }
  })();
  for (let i = 0; i < 6; i++) {
    const name = pick(["a", "b", "c", "d", "e"]);
    const atMs = simulation.nowMs + 600 + i * 1_300 + random.next() * 500;
    if (i % 2 === 0) {
      simulation.at(atMs, () => world.crash(name));
      simulation.at(atMs + 300 + random.next() * 600, () => void world.restart(name));
    } else {
      const other = pick(["a", "b", "c", "d", "e", "authority", "caller-0", "caller-1"].filter((one) => one !== name));
      simulation.at(atMs, () => simulation.partition(name, other));
      simulation.at(atMs + 200 + random.next() * 800, () => simulation.heal(name, other));
    }
  }
  await simulation.run(endMs);
  await world.run(resharding);
  await simulation.run(simulation.nowMs + 6_000);
  return world;
}

const seeds = Number(process.env["MERIDIAN_SHARD_SEEDS"] ?? 2);
for (let seed = 1; seed <= seeds; seed++) {
  test(`reshards, crashes and partitions under load lose nothing and double nothing (seed ${seed})`, async () => {
    const world = await upheaval(seed);
    const effects = checkEffects(world.calls, await world.effects());
    assert.deepEqual([effects.violations, effects.count], [[], 0]);
    assert.ok((effects.figures["acknowledged"] ?? 0) > 700, JSON.stringify(effects.figures));
    const order = checkLinearizable(counterModel, world.operations);
    assert.deepEqual([order.violations, order.count], [[], 0]);
    const moves = world.events.filter((line) => line.includes(" shard.moved ")).length;
    assert.ok(moves >= 20, `${moves} moves`);
    const map = await world.authority.read();
    assert.deepEqual(map.owners.toSorted(), ["a", "b", "c", "d", "e"]);
  });
}
