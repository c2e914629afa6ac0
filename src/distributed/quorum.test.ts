import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createFleet, failureOf } from "../../test/distributed/fleet.ts";
import { RpcError } from "../core/index.ts";
import { canonical } from "./canonical.ts";
import { eachEndpoint, isGatherError, majority, quorum } from "./index.ts";

const three = { a: {}, b: {}, c: {} };
const runs = Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 200);
const down = () => new RpcError("unavailable", "down");

test("r answers make a quorum; it fails as soon as they cannot any more", async () => {
  const { client, run, at, simulation } = await createFleet(three);
  const read = quorum(eachEndpoint(client), "read", { r: 2, of: 3 });
  at("b").failure = down();
  at("c").delayMs = 300;
  const { answers, failures } = await run(read({ key: "k" }));
  const ids = (found: readonly { readonly target: { readonly id: string } }[]) => found.map(({ target }) => target.id);
  assert.deepEqual([ids(answers), ids(failures)], [["a", "c"], ["b"]]);
  at("a").failure = down();
  const startedMs = simulation.nowMs;
  const error = await run(failureOf(read({ key: "k" })));
  assert.ok(isGatherError(error) && simulation.nowMs - startedMs < 100);
  assert.match(error.message, /^0 of 3 replicas answered, 2 are required \(a:1: unavailable: down; b:1: /);
  assert.equal(error.retryable, true);
});

test("fewer targets than r, or more than there are replicas, are refused before anything is asked", async () => {
  const { client, run, asked } = await createFleet(three);
  const few = await run(failureOf(quorum(eachEndpoint(client), "read", { r: 4, of: 5 })({ key: "k" })));
  assert.deepEqual([few.code, few.neverStarted], ["unavailable", true]);
  const many = await run(failureOf(quorum(eachEndpoint(client), "read", { r: 2, of: 2 })({ key: "k" })));
  assert.match(many.message, /3 targets are more than the 2 replicas/);
  assert.equal(asked.length, 0);
});

test("the newest version of a quorum holds, and replicas that are behind are repaired, late ones too", async () => {
  const { client, run, at } = await createFleet(three);
  Object.assign(at("a"), { value: "old", version: 3 });
  Object.assign(at("b"), { value: "new", version: 4 });
  Object.assign(at("c"), { value: "ancient", version: 1, delayMs: 100 });
  const read = quorum(eachEndpoint(client), "read", {
    r: 2, version: ({ version }) => version,
    repair: (stale, { value, version }, { key }) => stale.call.write({ key, value, version }),
  });
  const { value, target, repaired } = await run(read({ key: "k" }));
  assert.deepEqual([value.value, target.id], ["new", "b"]);
  const repairedThose = (await run(repaired)).map((one) => [one.target.id, one.error]);
  assert.deepEqual(repairedThose, [["a", undefined], ["c", undefined]]);
  for (const name of ["a", "b", "c"]) assert.deepEqual([at(name).value, at(name).version], ["new", 4]);
  // One that cannot be repaired is told of, and troubles nobody.
  Object.assign(at("b"), { value: "newer", version: 5 });
  at("a").failure = undefined;
  const again = quorum(eachEndpoint(client), "read", {
    r: 2, version: ({ version }) => version, repair: () => Promise.reject(down()),
  });
  const repairs = await run((await run(again({ key: "k" }))).repaired);
  assert.deepEqual(repairs.map(({ error }) => error?.code), ["unavailable", "unavailable"]);
});

test("by value, r must agree: one that is wrong is outvoted, and a split vote fails", async () => {
  const { client, run, at, asked } = await createFleet(three);
  at("a").value = "wrong";
  const read = quorum(eachEndpoint(client), "read", { r: 2, agree: "value", key: ({ value }) => value });
  const { value, answers } = await run(read({ key: "k" }));
  assert.deepEqual([value.value, answers.map(({ target }) => target.id)], ["v", ["b", "c"]]);
  at("b").value = "other";
  assert.match((await run(failureOf(read({ key: "k" })))).message, /^at most 1 of 3 replicas agree, 2 must/);
  at("b").value = "v";
  // Asked thriftily, a third is asked only since the first two differ.
  asked.length = 0;
  const thrifty = quorum(eachEndpoint(client), "read", {
    r: 2, concurrency: 2, agree: "value", key: (one) => one.value,
  });
  assert.equal((await run(thrifty({ key: "k" }))).value.value, "v");
  assert.equal(asked.length, 3);
  at("a").value = "v";
  asked.length = 0;
  await run(thrifty({ key: "k" }));
  assert.equal(asked.length, 2);
});

test("a write that lingers reaches every replica; one that does not is cancelled at the last", async () => {
  const { client, run, at, simulation } = await createFleet(three);
  at("c").delayMs = 100;
  const write = { key: "k", value: "new", version: 2 };
  await run(quorum(eachEndpoint(client), "write", { r: 2, linger: true })(write));
  assert.equal(at("c").version, 1);
  await simulation.run(simulation.nowMs + 200);
  assert.equal(at("c").version, 2);
});

test("options that contradict each other are refused by name", async () => {
  const { client } = await createFleet(three);
  const make = (options: object) => () => quorum(eachEndpoint(client), "read", { r: 2, ...options });
  const invalid = (message: RegExp) => ({ code: "invalid_argument", message });
  assert.throws(make({ r: 0 }), invalid(/^r is 0/));
  assert.throws(make({ r: 4, of: 3 }), invalid(/^r is 4: expected .* from 1 to 3/));
  assert.throws(make({ agree: "colour" }), invalid(/^agree is "colour"/));
  assert.throws(make({ agree: "value", version: () => 1 }), invalid(/^agree is "value": .* not both/));
  assert.throws(make({ repair: () => Promise.resolve() }), invalid(/^repair is "set"/));
  const repair = () => Promise.resolve();
  assert.throws(make({ version: () => 1, repair, linger: false }), invalid(/^linger is false/));
  assert.throws(make({ key: () => 1 }), invalid(/^key is "set"/));
  assert.throws(() => majority(0), invalid(/^n is 0/));
});

test("quorum arithmetic: majorities meet, of any number", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 10_000 }), (n) => {
    const r = majority(n);
    assert.ok(2 * r > n && 2 * (r - 1) <= n);
  }), { seed: 7, numRuns: runs });
});

test("a write quorum is seen by every read quorum it overlaps with, whoever fails and however late", async () => {
  await fc.assert(fc.asyncProperty(
    fc.integer({ min: 1, max: 5 }), fc.nat(), fc.array(fc.record({ fails: fc.boolean(), delayMs: fc.nat({ max: 50 }) }),
      { minLength: 10, maxLength: 10 }),
    async (n, choice, moods) => {
      const w = 1 + (choice % n);
      const r = n - w + 1;
      const names = Array.from({ length: n }, (_, i) => `s${i}`);
      const { client, run, at, simulation } = await createFleet(Object.fromEntries(names.map((name) => [name, {}])));
      const behave = (from: number): void => names.forEach((name, i) => {
        const mood = moods[from + i] as (typeof moods)[number];
        Object.assign(at(name), { failure: mood.fails ? down() : undefined, delayMs: mood.delayMs });
      });
      behave(0);
      const write = quorum(eachEndpoint(client), "write", { r: w, of: n });
      const acknowledged = await run(write({ key: "k", value: "mine", version: 2 }).then(() => true, () => false));
      await simulation.run(simulation.nowMs + 100);
      behave(5);
      const read = quorum(eachEndpoint(client), "read", { r, of: n, version: ({ version }) => version });
      const found = await run(read({ key: "k" }).then(({ value }) => value.value, () => undefined));
      if (acknowledged && found !== undefined) assert.equal(found, "mine");
    }), { seed: 11, numRuns: Math.min(runs, 40) });
});

test("canonical text is equal for equal content alone", () => {
  assert.equal(canonical({ b: [1, undefined], a: new Map([["x", 1n]]), gone: undefined }),
    canonical({ a: new Map([["x", 1n]]), b: [1, undefined] }));
  const different = [1, "1", 1n, true, null, undefined, [1], ["1"], [[1]], { a: 1 }, { a: "1" }, { b: 1 }, NaN, "NaN",
    new Date(1), new Uint8Array([1]), new Map([["a", 1]]), new Set(["a"]), "x1", "d1", "1n", "u", [1, 2], ["1,2"]];
  assert.equal(new Set(different.map((one) => canonical(one))).size, different.length);
  fc.assert(fc.property(fc.object({ maxDepth: 2 }), (value) => {
    const shuffled = Object.fromEntries(Object.entries(value).toReversed());
    assert.equal(canonical(shuffled), canonical(value));
  }), { seed: 3, numRuns: runs });
});
