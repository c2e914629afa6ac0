import assert from "node:assert/strict";
import { test } from "node:test";
import { type EndpointAddress, RpcError } from "../core/index.ts";
import { createSimulation } from "../runtime/sim/index.ts";
import { memoryDiscovery, plausibleDiscovery, type PlausibleOptions } from "./index.ts";

const name = "geo.v1.Cities";
const address = (index: number): string => `127.0.0.1:${index}`;
const some = (from: number, to: number, region = "") =>
  Array.from({ length: to - from }, (_, i) => ({ address: address(from + i), region }));

/** A memory that is nobody's on purpose, guarded; `alive` says who answers. */
function world(options: PlausibleOptions = {}) {
  const simulation = createSimulation({ seed: 1 });
  const runtime = simulation.host("client");
  const memory = memoryDiscovery();
  const alive = new Set<string>();
  const events: { name: string; fields: Readonly<Record<string, unknown>> }[] = [];
  const running = { now: 0, most: 0, all: 0 };
  const guarded = plausibleDiscovery(runtime, { watch: memory.watch }, {
    observer: { event: (name, fields) => events.push({ name, fields }) },
    async probe(endpoint) {
      running.all++;
      running.most = Math.max(running.most, ++running.now);
      await new Promise<void>((resolve) => void runtime.clock.after(2, resolve));
      running.now--;
      if (!alive.has(endpoint.address)) throw new RpcError("unavailable", "refused");
    },
    ...options,
  });
  let told: readonly EndpointAddress[] = [];
  const watch = () => guarded.watch(name, { snapshot: (endpoints) => void (told = endpoints) });
  const ids = () => told.map((one) => one.id).sort();
  return { simulation, memory, alive, events, running, guarded, watch, ids };
}

test("an empty set from an engine that was wiped takes nobody away who answers, for ten minutes", async () => {
  const { simulation, memory, alive, events, watch, ids } = world();
  memory.set(name, some(1, 5));
  watch();
  for (const one of [1, 2, 3]) alive.add(address(one));
  memory.set(name, []);
  assert.equal(ids().length, 4);
  assert.equal(events[0]?.name, "discovery.held");
  assert.equal(events[0]?.fields["why"], "nobody is left");
  await simulation.run(1_000);
  assert.deepEqual(ids(), [1, 2, 3].map(address), "the one that does not answer is dropped");
  await simulation.run(599_000);
  assert.equal(ids().length, 3);
  await simulation.run(601_000);
  assert.deepEqual(ids(), []);
  assert.match(String(events.at(-1)?.fields["why"]), /600000 ms/);
});

test("those held are let go as the engine hears from them again, without a gap", async () => {
  const { simulation, memory, alive, events, guarded, watch, ids } = world();
  memory.set(name, some(1, 4));
  watch();
  for (const one of [1, 2, 3]) alive.add(address(one));
  memory.set(name, []);
  await simulation.run(500);
  for (const count of [2, 3, 4]) {
    memory.set(name, some(1, count));
    assert.equal(ids().length, 3);
  }
  assert.equal(guarded.held(name).length, 0);
  assert.equal(events.filter((one) => one.name === "discovery.released").length, 3);
});

test("an ordinary shutdown of the last servers passes within a fraction of a second", async () => {
  const { simulation, memory, watch, ids } = world();
  memory.set(name, some(1, 3));
  watch();
  memory.set(name, []);
  assert.equal(ids().length, 2);
  await simulation.run(400);
  assert.deepEqual(ids(), []);
});

test("half and less goes at once, but not bit by bit", async () => {
  const { simulation, memory, alive, watch, ids } = world();
  for (let i = 1; i < 9; i++) alive.add(address(i));
  memory.set(name, some(1, 9));
  watch();
  memory.set(name, some(1, 5));
  assert.equal(ids().length, 4, "half");
  await simulation.run(1_000);
  memory.set(name, some(1, 4));
  assert.equal(ids().length, 4, "with those of a moment ago more than half");
  await simulation.run(12_000);
  memory.set(name, some(1, 4));
  assert.equal(ids().length, 4);
});

test("a single removal passes, and is asked too where every removal is held", async () => {
  for (const hold of ["bulk", "all"] as const) {
    const { simulation, memory, alive, watch, ids } = world({ hold });
    alive.add(address(5));
    memory.set(name, some(1, 6));
    watch();
    memory.set(name, some(1, 5));
    await simulation.run(1_000);
    assert.equal(ids().length, hold === "bulk" ? 4 : 5);
  }
});

test("most of one region is held although it is few of all", async () => {
  const { memory, watch, ids, events } = world();
  memory.set(name, [...some(1, 4, "eu"), ...some(10, 30, "us")]);
  watch();
  memory.set(name, some(10, 30, "us"));
  assert.equal(ids().length, 23);
  assert.match(String(events[0]?.fields["why"]), /3 of 3 of region "eu"/);
});

test("an operator's word ends it, for one name or for all", async () => {
  const { simulation, memory, alive, events, guarded, watch, ids } = world();
  alive.add(address(1));
  memory.set(name, some(1, 2));
  watch();
  memory.set(name, []);
  await simulation.run(2_000);
  guarded.confirm("another");
  assert.equal(ids().length, 1);
  guarded.confirm(name);
  assert.equal(ids().length, 0);
  assert.equal(events.at(-1)?.fields["why"], "confirmed");
});

test("probes are bounded, and end with the watch", async () => {
  const { simulation, memory, alive, running, watch } = world({ maxProbes: 4, probeIntervalMs: 100 });
  for (let i = 1; i < 101; i++) alive.add(address(i));
  memory.set(name, some(1, 101));
  const stop = watch();
  memory.set(name, []);
  await simulation.run(1_000);
  assert.equal(running.most, 4);
  assert.ok(running.all > 200);
  stop();
  await simulation.run(1_100);
  const { all } = running;
  await simulation.run(5_000);
  assert.equal(running.all, all);
});

test("who answered and then died is dropped when it is asked again", async () => {
  const { simulation, memory, alive, watch, ids } = world();
  alive.add(address(1));
  memory.set(name, some(1, 2));
  watch();
  memory.set(name, []);
  await simulation.run(20_000);
  assert.equal(ids().length, 1);
  alive.clear();
  await simulation.run(27_000);
  assert.equal(ids().length, 0);
});

test("without a probe all are held until confirmed; what is written on purpose is believed", async () => {
  const { simulation, memory, guarded, watch, ids } = world({ probe: undefined, confirmMs: 1_000 });
  memory.set(name, some(1, 3));
  watch();
  memory.set(name, []);
  await simulation.run(900);
  assert.equal(ids().length, 2);
  await simulation.run(1_100);
  assert.equal(ids().length, 0);
  assert.equal(guarded.deliberate, true);
  const runtime = simulation.host("other");
  let told = -1;
  const deliberate = memoryDiscovery();
  deliberate.set(name, some(1, 3));
  plausibleDiscovery(runtime, deliberate).watch(name, { snapshot: ({ length }) => void (told = length) });
  assert.equal(told, 2);
  deliberate.set(name, []);
  assert.equal(told, 0);
});

test("options out of bounds are refused", () => {
  const { clock, random } = createSimulation({ seed: 1 }).host("client");
  for (const options of [{ tries: 0 }, { maxProbes: 0 }, { confirmMs: -1 }, { retryMs: NaN }]) {
    assert.throws(() => plausibleDiscovery({ clock, random }, memoryDiscovery(), options),
      { code: "invalid_argument" });
  }
});
