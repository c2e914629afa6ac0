// Who stays, who goes and when, after an engine was lost and is back.
import assert from "node:assert/strict";
import { test } from "node:test";
import { endpointAddress } from "../core/endpoint.ts";
import { createSimulation } from "../runtime/sim/index.ts";
import type { EngineView } from "./engine.ts";
import { settling } from "./settling.ts";

const set = (...ids: string[]) => ids.map((id) => endpointAddress({ id, address: `${id}:1` }));

function follower(settleMs: number) {
  const simulation = createSimulation({ seed: 1 });
  const { clock } = simulation.host("client");
  const told: string[] = [];
  const skipped: string[] = [];
  const view: EngineView = {
    told: (endpoints) => void told.push(endpoints.map(({ id }) => id).sort().join("")),
    skipped: (entry) => void skipped.push(entry),
  };
  const end = new AbortController();
  const settle = settling(clock, settleMs);
  return { simulation, told, skipped, end, follow: () => settle(view, end.signal) };
}

test("the first follower tells what the engine says", () => {
  const { told, skipped, follow } = follower(5_000);
  const view = follow();
  view.told(set("a", "b"));
  view.told(set("b"));
  view.told([]);
  view.skipped("c", "broken");
  assert.deepEqual(told, ["ab", "b", ""]);
  assert.deepEqual(skipped, ["c"]);
});

test("after a loss those known before stay until it has settled, but for who was listed since", async () => {
  const { simulation, told, follow } = follower(5_000);
  follow().told(set("a", "b", "c"));
  const view = follow();
  await simulation.run(60_000);
  view.told([]);
  view.told(set("a", "d"));
  view.told(set("d"));
  assert.deepEqual(told, ["abc", "abc", "abcd", "bcd"]);
  await simulation.run(64_900);
  assert.equal(told.length, 4);
  await simulation.run(65_100);
  assert.deepEqual(told.slice(4), ["d"]);
  view.told([]);
  assert.deepEqual(told.slice(5), [""]);
});

test("a second loss begins the time anew, and the end of the follower ends it", async () => {
  const { simulation, told, end, follow } = follower(5_000);
  follow().told(set("a"));
  follow().told([]);
  await simulation.run(4_000);
  const view = follow();
  view.told([]);
  await simulation.run(8_000);
  assert.deepEqual(told, ["a", "a", "a"]);
  end.abort();
  await simulation.run(20_000);
  assert.deepEqual(told, ["a", "a", "a"]);
});

test("a time of 0 keeps nobody", () => {
  const { told, follow } = follower(0);
  follow().told(set("a"));
  follow().told([]);
  assert.deepEqual(told, ["a", ""]);
});
