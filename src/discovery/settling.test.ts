// Who stays, who goes and when, after an engine was lost and is back.
import assert from "node:assert/strict";
import { test } from "node:test";
import { endpointAddress } from "../core/endpoint.ts";
import { createSimulation } from "../runtime/sim/index.ts";
import { Settling } from "./settling.ts";

const set = (...ids: string[]) => ids.map((id) => endpointAddress({ id, address: `${id}:1` }));

function settlingFor(settleMs: number) {
  const simulation = createSimulation({ seed: 1 });
  const settledAt: number[] = [];
  const settling = new Settling(simulation.host("client").clock, settleMs, () => settledAt.push(simulation.nowMs));
  const told = (...said: string[]): string => settling.withKept(set(...said)).map(({ id }) => id).sort().join("");
  return { simulation, settling, settledAt, told };
}

test("without a loss what the engine says is told", () => {
  const { told } = settlingFor(5_000);
  assert.deepEqual([told("a", "b"), told("b"), told()], ["ab", "b", ""]);
});

test("after a loss those known before stay until it has settled, also if they were listed since", async () => {
  const { simulation, settling, settledAt, told } = settlingFor(5_000);
  settling.lost(set("a", "b", "c"));
  await simulation.run(60_000);
  assert.deepEqual([told(), told("a", "d"), told("d"), told()], ["abc", "abcd", "abcd", "abc"]);
  await simulation.run(64_900);
  assert.deepEqual(settledAt, []);
  await simulation.run(65_100);
  assert.deepEqual(settledAt, [65_000]);
  assert.deepEqual([told("d"), told()], ["d", ""]);
});

test("a second loss begins the time anew, and its end ends it", async () => {
  const { simulation, settling, settledAt, told } = settlingFor(5_000);
  settling.lost(set("a"));
  assert.equal(told(), "a");
  await simulation.run(4_000);
  settling.lost(set("a"));
  assert.equal(told(), "a");
  await simulation.run(8_000);
  assert.deepEqual(settledAt, []);
  settling.end();
  await simulation.run(20_000);
  assert.deepEqual(settledAt, []);
});

test("nobody is told anew when everybody came back in time, and a time of 0 keeps nobody", async () => {
  const back = settlingFor(5_000);
  back.settling.lost(set("a"));
  assert.equal(back.told("a"), "a");
  await back.simulation.run(20_000);
  assert.deepEqual(back.settledAt, []);
  const none = settlingFor(0);
  none.settling.lost(set("a"));
  assert.equal(none.told(), "");
});
