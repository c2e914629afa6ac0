import assert from "node:assert/strict";
import { test } from "node:test";
import { createFleet, failureOf } from "../../test/distributed/fleet.ts";
import { RpcError } from "../core/index.ts";
import { liveShardMap, ownerOf, shardedClient, shardMap, shardMoved, splitStream } from "./index.ts";
import { shardMovedError } from "./shard-moved.ts";

const fleet = () => createFleet({ a: {}, b: {}, c: {} });

test("a live map follows who is fit, and moves few shards", async () => {
  const { client, run, simulation } = await fleet();
  const read = liveShardMap(client, { shards: 30 });
  const before = await run(read());
  assert.deepEqual(before.owners, ["a", "b", "c"]);
  simulation.crash("b");
  await simulation.run(simulation.nowMs + 50);
  const after = await run(read());
  assert.deepEqual(after.owners, ["a", "c"]);
  assert.ok(after.epoch > before.epoch);
  const moved = before.shards.filter((_, shard) => ownerOf(before, shard) !== ownerOf(after, shard));
  assert.equal(moved.length, 10);
  assert.equal(await run(read()), after);
  // Nobody is fit: who served last is tried.
  for (const name of ["a", "c"]) simulation.crash(name);
  await simulation.run(simulation.nowMs + 50);
  assert.equal(await run(read()), after);
});

test("a split stream ends its parts when its reader leaves, and a part that may not resume fails", async () => {
  const { client, run, at, asked, simulation } = await fleet();
  const sharded = shardedClient(client, { map: liveShardMap(client, { shards: 12 }) });
  const request = Array.from({ length: 20 }, (_, i) => `book ${i}`);
  const numbers = splitStream(sharded, "numbers", {
    keys: (keys: readonly string[]) => keys, part: () => ({ from: 0, step: 1, count: 1_000 }),
    compare: (a, b) => a.n - b.n,
  });
  const seen: number[] = [];
  await run((async () => {
    for await (const { n } of numbers(request)) {
      seen.push(n);
      if (seen.length === 9) break;
    }
  })());
  assert.deepEqual(seen, seen.toSorted((x, y) => x - y));
  await simulation.run(simulation.nowMs + 50);
  assert.ok(asked.length >= 2 && asked.every(({ context }) => context.cancelReason !== undefined));
  const broken = run(failureOf((async () => {
    for await (const { n } of numbers(request)) if (n === 3) at("a").failure = new RpcError("aborted", "torn");
  })()));
  assert.equal((await broken).code, "aborted");
});

test("what another service says of its shards is not followed, nor what was said after a call had begun", async () => {
  const { client, run, at, asked } = await fleet();
  const map = shardMap(["a", "b"], 4);
  const sharded = shardedClient(client, { map });
  const elsewhere = { ...map, epoch: 9, shards: map.shards.map(() => 0) };
  at("a").failure = at("b").failure = shardMovedError("other.v1.Service", elsewhere, 0, "b");
  const error = await run(failureOf(sharded.once({}, { routeKey: "k", timeoutMs: 300 })));
  assert.deepEqual([shardMoved(error)?.service, sharded.$shards.map?.epoch], ["other.v1.Service", 1]);
  // Its own word that nothing was begun holds for the call itself, so that it was made again, but nowhere else.
  assert.equal(new Set(asked.map(({ by }) => by)).size, 1);
});

test("calls without a key are refused with what to do, and maps that are none at once", async () => {
  const { client, run } = await fleet();
  const sharded = shardedClient(client, { map: shardMap(["a", "b"], 4) });
  const error = await run(failureOf(sharded.read({ key: "k" })));
  assert.match(error.message, /test.v1.Cell\/read has no route key: declare routeKey in the contract, or name it/);
  assert.throws(() => shardedClient(client, { map: {} as never }), { code: "invalid_argument", message: /^map is/ });
  const unread = shardedClient(client, { map: () => Promise.reject(new RpcError("unavailable", "gone")) });
  const unknown = await run(failureOf(unread.read({ key: "k" }, { routeKey: "k" })));
  assert.deepEqual([unknown.message, unknown.neverStarted], ["the shard map cannot be read", true]);
});
