import assert from "node:assert/strict";
import { test } from "node:test";
import { Cell, createFleet, failureOf } from "../../test/distributed/fleet.ts";
import { RpcError } from "../core/index.ts";
import {
  all, any, bestEffort, broadcast, eachEndpoint, eachRegion, eachShard, first, fixedTargets, isGatherError, replicas,
  selective,
} from "./index.ts";

const three = { a: {}, b: {}, c: {} };
const broken = () => new RpcError("internal", "the disk is full");

test("all answers when all have, in the order of the targets; merge makes one of it", async () => {
  const { client, run, at } = await createFleet(three);
  at("a").delayMs = 40;
  const answers = await run(all(eachEndpoint(client), "read")({ key: "k" }));
  assert.deepEqual(answers.map(({ target, value }) => [target.id, value.by]), [["a", "a"], ["b", "b"], ["c", "c"]]);
  assert.ok((answers[0]?.latencyMs ?? 0) >= 40 && (answers[1]?.latencyMs ?? 99) < 40);
  const joined = all(eachEndpoint(client), "read", { merge: (found) => found.map(({ value }) => value.by).join("") });
  assert.equal(await run(joined({ key: "k" })) satisfies string, "abc");
});

test("all fails with the first failure and cancels the others at their servers; it names who and why", async () => {
  const { client, run, at, asked, simulation } = await createFleet(three);
  at("a").delayMs = at("c").delayMs = 1_000;
  at("b").failure = broken();
  const startedMs = simulation.nowMs;
  const error = await run(failureOf(all(eachEndpoint(client), "read")({ key: "k" })));
  assert.ok(simulation.nowMs - startedMs < 100);
  assert.ok(isGatherError(error));
  assert.deepEqual([error.code, error.message, error.retryable, error.data.answered, error.data.targets],
    ["internal", "1 of 3 targets failed, at most 0 may (b:1: internal: the disk is full)", false, 0, 3]);
  assert.deepEqual(error.data.failures.map(({ target }) => target.id), ["b"]);
  await simulation.run(simulation.nowMs + 20);
  assert.deepEqual(asked.map(({ by, context }) => `${by} ${context.cancelReason?.code}`).toSorted(),
    ["a cancelled", "b undefined", "c cancelled"]);
});

test("maxFailures bears so many and not one more; require judges what is left", async () => {
  const { client, run, at } = await createFleet(three);
  at("b").failure = broken();
  const targets = eachEndpoint(client);
  const answers = await run(all(targets, "read", { maxFailures: 1 })({ key: "k" }));
  assert.deepEqual(answers.map(({ target }) => target.id), ["a", "c"]);
  at("c").failure = new RpcError("unavailable", "restarting");
  const error = await run(failureOf(all(targets, "read", { maxFailures: 1 })({ key: "k" })));
  assert.match(error.message, /^2 of 3 targets failed, at most 1 may \(b:1: internal: .*; c:1: unavailable: restar/);
  const fussy = all(targets, "read", {
    maxFailures: 2, require: (found) => found.answers.some(({ target }) => target.id === "b"),
  });
  assert.match((await run(failureOf(fussy({ key: "k" })))).message, /^what 1 of 3 targets answered does not do/);
});

test("any and first k answer with the first and cancel the rest", async () => {
  const { client, run, at, asked, simulation } = await createFleet(three);
  at("a").delayMs = 500;
  at("b").delayMs = 20;
  at("c").failure = broken();
  const answer = await run(any(eachEndpoint(client), "read")({ key: "k" }));
  assert.deepEqual([answer.target.id, answer.value.by], ["b", "b"]);
  await simulation.run(simulation.nowMs + 20);
  assert.equal(asked.find(({ by }) => by === "a")?.context.cancelReason?.code, "cancelled");
  const two = await run(first(eachEndpoint(client), 2, "read")({ key: "k" }));
  assert.deepEqual(two.map(({ target }) => target.id), ["a", "b"]);
  const error = await run(failureOf(first(eachEndpoint(client), 3, "read")({ key: "k" })));
  assert.match(error.message, /^1 of 3 targets failed, 3 answers are required/);
  const refused = await run(failureOf(first(eachEndpoint(client), 4, "read")({ key: "k" })));
  assert.deepEqual([refused.code, refused.neverStarted, refused.message],
    ["unavailable", true, "4 answers are asked for, of 3 targets"]);
});

test("selective asks one after the other, and nobody after the first that answers", async () => {
  const { client, run, at, asked } = await createFleet(three);
  at("a").failure = broken();
  const answer = await run(selective(eachEndpoint(client), "read")({ key: "k" }));
  assert.equal(answer.target.id, "b");
  assert.deepEqual(asked.map(({ by }) => by), ["a", "b"]);
});

test("best effort answers before the deadline with what has come, and says who has not", async () => {
  const { client, run, at, simulation, asked } = await createFleet(three);
  at("b").delayMs = 5_000;
  at("c").failure = broken();
  const startedMs = simulation.nowMs;
  const { answers, failures } = await run(bestEffort(eachEndpoint(client), "read")({ key: "k" }, { timeoutMs: 100 }));
  const tookMs = simulation.nowMs - startedMs;
  assert.ok(tookMs >= 94 && tookMs < 100, `${tookMs} ms`);
  assert.deepEqual(answers.map(({ target }) => target.id), ["a"]);
  assert.deepEqual(failures.map(({ target, error }) => [target.id, error.code]),
    [["b", "deadline_exceeded"], ["c", "internal"]]);
  await simulation.run(simulation.nowMs + 20);
  assert.notEqual(asked.find(({ by }) => by === "b")?.context.cancelReason, undefined);
  at("b").delayMs = 5;
  const soonMs = simulation.nowMs;
  await run(bestEffort(eachEndpoint(client), "read")({ key: "k" }, { timeoutMs: 5_000 }));
  assert.ok(simulation.nowMs - soonMs < 100);
  const needy = bestEffort(eachEndpoint(client), "read", { minAnswers: 3 });
  assert.match((await run(failureOf(needy({ key: "k" })))).message, /^1 of 3 targets failed, 3 answers are required/);
});

test("broadcast reaches everybody who is listed, also who is out of service, and tells of each", async () => {
  const { client, run, simulation } = await createFleet(three);
  client.$.drain("a");
  simulation.crash("b");
  await simulation.run(simulation.nowMs + 100);
  const { answers, failures } = await run(broadcast(client, "read")({ key: "k" }, { timeoutMs: 500 }));
  assert.deepEqual(answers.map(({ target }) => target.id), ["a", "c"]);
  assert.deepEqual(failures.map(({ target, error }) => [target.id, error.code]), [["b", "unavailable"]]);
});

test("one deadline and one signal hold for all; nothing is left behind, and nothing rejects unheard", async () => {
  const { client, run, at, asked, simulation } = await createFleet(three);
  for (const name of ["a", "b", "c"]) at(name).delayMs = 5_000;
  const late = await run(failureOf(all(eachEndpoint(client), "read")({ key: "k" }, { timeoutMs: 60 })));
  assert.equal(late.code, "deadline_exceeded");
  const controller = new AbortController();
  simulation.at(simulation.nowMs + 30, () => controller.abort());
  const { signal } = controller;
  const cancelled = await run(failureOf(all(eachEndpoint(client), "read")({ key: "k" }, { signal })));
  assert.equal(cancelled.code, "cancelled");
  await simulation.run(simulation.nowMs + 50);
  assert.deepEqual(asked.map(({ context }) => context.cancelReason !== undefined), Array.from(asked, () => true));
  const before = await run(failureOf(any(eachEndpoint(client), "read")({ key: "k" }, { signal: AbortSignal.abort() })));
  assert.deepEqual([before.code, asked.length], ["cancelled", 6]);
});

test("the fan-out is bounded, and the mapper says who is asked what", async () => {
  const places = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`s${i}`, {}]));
  const { client, run, asked, simulation } = await createFleet(places);
  let most = 0;
  const inFlight = () => client.$.endpoints().reduce((sum, { load }) => sum + load.inFlight, 0);
  const watch = (): void => {
    most = Math.max(most, inFlight());
    simulation.at(simulation.nowMs + 1, watch);
  };
  watch();
  const even = all(eachEndpoint(client), "read", {
    concurrency: 4, map: ({ key }, target, index, count) => index % 2 === 1
      ? undefined
      : { key: `${key} ${target.id} ${index}/${count}` },
  });
  const answers = await run(even({ key: "k" }));
  assert.equal(answers.length, 10);
  assert.equal(most, 4);
  assert.deepEqual(asked.find(({ by }) => by === "s6")?.input, { key: "k s6 6/20" });
  const wrong = all(eachEndpoint(client), "read", { map: () => { throw new RangeError("no key"); } });
  assert.match((await run(failureOf(wrong({ key: "k" })))).message, /no key/);
});

test("regions, shards and replicas are targets that follow discovery", async () => {
  const { client, run, add, discovery, at } = await createFleet({
    a: { region: "eu", attributes: { shard: "1" } }, b: { region: "eu", attributes: { shard: "2" } },
    c: { region: "us", attributes: { shard: "10" } },
  });
  const ids = (targets: { list(): readonly { id: string }[] }) => targets.list().map(({ id }) => id);
  const [regions, shards] = [eachRegion(client), eachShard(client)];
  assert.deepEqual([ids(regions), ids(shards)], [["eu", "us"], ["1", "2", "10"]]);
  const [one] = shards.list();
  await run(add("d", { region: "asia", attributes: { shard: "1" } }));
  assert.deepEqual([ids(regions), ids(shards)], [["asia", "eu", "us"], ["1", "2", "10"]]);
  assert.equal(shards.list()[0], one);
  assert.deepEqual([one?.name, one?.region, shards.list()[1]?.region], ["shard 1", "", "eu"]);
  assert.deepEqual(ids(replicas(client, { by: "region" })).toSorted(), ["asia", "eu", "us"]);
  assert.equal(ids(replicas(client, { count: 2 })).length, 2);
  assert.deepEqual(ids(replicas(client, { by: ({ attributes }) => attributes["shard"] ?? "" })).toSorted(),
    ["1", "10", "2"]);
  const both = new Set<string>();
  for (let i = 0; i < 20; i++) {
    for (const { target, value } of await run(all(shards, "read")({ key: "k" }))) {
      if (target.id === "1") both.add(value.by);
      if (target.id === "2") assert.equal(value.by, "b");
    }
  }
  assert.deepEqual([...both].toSorted(), ["a", "d"]);
  at("b").failure = new RpcError("unavailable", "gone");
  const error = await run(failureOf(all(shards, "read")({ key: "k" })));
  assert.match(error.message, /\(shard 2: unavailable: gone\)/);
  discovery.set(Cell.name, []);
  assert.deepEqual(ids(shards), []);
  const nobody = await run(failureOf(all(shards, "read")({ key: "k" })));
  assert.deepEqual([nobody.code, nobody.neverStarted], ["unavailable", true]);
});

test("the nearest replicas are asked first", async () => {
  const { client, run, asked } = await createFleet(three, {}, (simulation) => {
    simulation.link("client", "a", { latencyMs: 30 });
    simulation.link("client", "c", { latencyMs: 10 });
  });
  for (let i = 0; i < 3; i++) await run(broadcast(client, "read")({ key: "k" }));
  asked.length = 0;
  await run(all(replicas(client, { count: 1 }), "read")({ key: "k" }));
  assert.deepEqual(asked.map(({ by }) => by), ["b"]);
});

test("a slow target is asked again at another of its endpoints, within a share; the loser is cancelled", async () => {
  const { client, run, at, asked, simulation } = await createFleet({
    a: { attributes: { shard: "1" } }, b: { attributes: { shard: "1" } }, c: { attributes: { shard: "2" } },
  });
  const read = all(eachShard(client), "read", { hedge: { quantile: 0.95, maxShare: 0.5 } });
  for (let i = 0; i < 30; i++) await run(read({ key: "k" }));
  at("a").delayMs = 10_000;
  asked.length = 0;
  let hedged = 0;
  for (let i = 0; i < 10; i++) {
    const startedMs = simulation.nowMs;
    const answers = await run(read({ key: "k" }));
    assert.equal(answers[0]?.value.by, "b");
    assert.ok(simulation.nowMs - startedMs < 60, `${simulation.nowMs - startedMs} ms`);
    await simulation.run(simulation.nowMs + 20);
    hedged = asked.filter(({ by }) => by === "a").length;
  }
  assert.ok(hedged >= 1);
  for (const { by, context } of asked) assert.equal(context.cancelReason !== undefined, by === "a");
});

test("fixed targets are anything with the contract's methods, and options that cannot be are refused", async () => {
  const { client, run, runtime } = await createFleet(three);
  const targets = fixedTargets(runtime, Cell, { first: client, second: client });
  assert.equal((await run(all(targets, "read")({ key: "k" }))).length, 2);
  const invalid = (message: RegExp) => ({ code: "invalid_argument", message });
  assert.throws(() => all(targets, "numbers" as "read"), invalid(/method is "numbers": expected a unary method/));
  assert.throws(() => all(targets, "toString" as "read"), invalid(/method is "toString"/));
  assert.throws(() => all(targets, "read", { maxFailures: -1 }), invalid(/maxFailures is -1/));
  assert.throws(() => all(targets, "read", { concurrency: 0 }), invalid(/concurrency is 0/));
  assert.throws(() => first(targets, 1.5, "read"), invalid(/k is 1.5/));
  assert.throws(() => all(targets, "once", { hedge: {} }), invalid(/hedge is "set": .*once is not idempotent/));
  assert.throws(() => all(targets, "read", { hedge: { quantile: 1.2 } }), invalid(/hedge.quantile is 1.2/));
  assert.throws(() => replicas(client, { count: 0 }), invalid(/count is 0/));
  assert.throws(() => replicas(client, { by: "planet" as "zone" }), invalid(/by is "planet"/));
  assert.throws(() => eachShard(client, { attribute: "" }), invalid(/attribute is ""/));
  assert.throws(() => fixedTargets(runtime, Cell, {}), invalid(/places is/));
  const late = await failureOf(all(targets, "read")({ key: "k" }, { timeoutMs: 0 }));
  assert.deepEqual([late.code, /timeoutMs is 0/.test(late.message)], ["invalid_argument", true]);
});
