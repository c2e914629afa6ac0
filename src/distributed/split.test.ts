import assert from "node:assert/strict";
import { test } from "node:test";
import { failureOf } from "../../test/distributed/fleet.ts";
import { createShardWorld, type ListsClient, type ShardWorld } from "../../test/distributed/shard-world.ts";
import { isGatherError, ownerOf, shardOf, split, splitStream } from "./index.ts";

const keys = Array.from({ length: 24 }, (_, i) => `key-${i}`);

const idOf = (key: string, n: number) => `${key.padStart(6, "_")}-${String(n).padStart(2, "0")}`;

/** A world in which list number i has i + 1 items. */
async function setUp(handleMs = 1): Promise<{ world: ShardWorld; lists: ListsClient }> {
  const world = await createShardWorld({ servers: ["a", "b", "c"], shards: 12, handleMs });
  const { lists } = world.client("caller");
  await world.run(Promise.all(keys.map(async (key, i) => {
    for (let n = 0; n <= i; n++) await lists.append({ key, id: idOf(key, n) });
  })));
  return { world, lists };
}

const total = (keys.length * (keys.length + 1)) / 2;
const counting = (lists: ListsClient) => split(lists, "counts", {
  keys: (request: readonly string[]) => request, part: (_, some) => ({ keys: [...some] }),
  merge: (parts) => parts.reduce((sum, { value }) => sum + Object.values(value.counts).reduce((a, b) => a + b, 0), 0),
});

async function moveEverything(world: ShardWorld): Promise<void> {
  const map = await world.authority.read();
  await Promise.all(map.shards.map(async (_, shard) => {
    const from = ownerOf(map, shard);
    await world.hosts.get(from)?.move(shard, from === "a" ? "b" : from === "b" ? "c" : "a");
  }));
}

test("parts run where their keys live, and are merged; one part for each owner", async () => {
  const { world, lists } = await setUp();
  assert.equal(await world.run(counting(lists)(keys)), total);
  const plain = split(lists, "counts", {
    keys: ({ keys: all }) => all, part: (_, some) => ({ keys: [...some] }),
  });
  const parts = await world.run(plain({ keys }));
  assert.equal(parts.length, 3);
  const map = await world.authority.read();
  for (const { owner, keys: its } of parts) for (const key of its) assert.equal(ownerOf(map, shardOf(map, key)), owner);
  assert.deepEqual(parts.flatMap((part) => part.keys).toSorted(), keys.toSorted());
});

test("a part that meets a shard's old owner is split again by the new map", async () => {
  const { world, lists } = await setUp();
  const count = counting(lists);
  assert.equal(await world.run(count(keys)), total);
  await world.run(moveEverything(world));
  assert.equal(await world.run(count(keys)), total);
  // While shards move, every answer is whole.
  const moving = (async () => {
    for (let i = 0; i < 3; i++) await moveEverything(world);
  })();
  for (let i = 0; i < 30; i++) assert.equal(await world.run(count(keys)), total);
  await world.run(moving);
});

test("parts come as they are done, and who stops reading cancels the rest", async () => {
  const { world, lists } = await setUp(5);
  const count = counting(lists);
  const first = await world.run((async () => {
    for await (const part of count.stream(keys)) return part;
    return undefined;
  })());
  assert.ok((first?.keys.length ?? 0) > 0);
  await world.simulation.run(world.simulation.nowMs + 100);
});

test("a part that fails is named; maxFailures bears it, and one deadline holds for all", async () => {
  const { world, lists } = await setUp();
  world.crash("b");
  const error = await world.run(failureOf(counting(lists)(keys, { timeoutMs: 400 })));
  assert.ok(isGatherError(error), error.message);
  assert.match(error.message, /^1 of 3 parts failed, at most 0 may \(\d+ keys at b: /);
  const tolerant = split(lists, "counts", {
    keys: (request: readonly string[]) => request, part: (_, some) => ({ keys: [...some] }), maxFailures: 1,
  });
  const parts = await world.run(tolerant(keys, { timeoutMs: 400 }));
  assert.deepEqual(parts.map(({ owner }) => owner).toSorted(), ["a", "c"]);
});

test("streams of all owners are merged in order, while shards move and a server dies and comes back", async () => {
  const { world, lists } = await setUp(3);
  const all = splitStream(lists, "ids", {
    keys: (request: readonly string[]) => request, compare: (a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0),
    part: (_, some, after) => ({ keys: [...some], after: after?.id ?? "" }), resumes: true,
  });
  const expected = keys.flatMap((key, i) =>
    Array.from({ length: i + 1 }, (_, n) => idOf(key, n))).toSorted();
  const read = async () => {
    const ids: string[] = [];
    for await (const { id } of all(keys, { timeoutMs: 60_000 })) ids.push(id);
    return ids;
  };
  assert.deepEqual(await world.run(read()), expected);
  const reading = read();
  const { simulation } = world;
  let moved: Promise<void> | undefined;
  simulation.at(simulation.nowMs + 40, () => {
    moved = moveEverything(world);
  });
  simulation.at(simulation.nowMs + 150, () => world.crash("c"));
  simulation.at(simulation.nowMs + 400, () => void world.restart("c"));
  assert.deepEqual(await world.run(reading), expected);
  await world.run(moved?.catch(() => undefined) ?? Promise.resolve());
});

test("keyed calls are split by virtual shard, and options that cannot be are refused", async () => {
  const { world, lists } = await setUp();
  const append = split(lists, "append", {
    keys: (request: { readonly keys: readonly string[] }) => request.keys,
    part: (_, [key = ""]) => ({ key, id: "again" }),
  });
  const map = await world.authority.read();
  const one = keys.find((key) => keys.filter((other) => shardOf(map, other) === shardOf(map, key)).length === 1) ?? "";
  const call = { idempotencyKey: "mine" };
  const once = await world.run(append({ keys: [one] }, call));
  assert.deepEqual(await world.run(append({ keys: [one] }, call)), once);
  assert.throws(() => split(lists, "ids" as "counts", { keys: () => [], part: () => ({ keys: [] }) }),
    { code: "invalid_argument", message: /^method is "ids": expected a unary method/ });
  assert.throws(() => split(lists, "counts", { keys: () => [], part: () => ({ keys: [] }), concurrency: 0 }),
    { code: "invalid_argument", message: /^concurrency is 0/ });
  assert.equal(await world.run(counting(lists)([])), 0);
});
