import assert from "node:assert/strict";
import { test } from "node:test";
import { type Discovery, type EndpointAddress, RpcError } from "../core/index.ts";
import { createSimulation } from "../runtime/sim/index.ts";
import { discoveryCases } from "../testing/discovery.ts";
import { combinedDiscovery, memoryDiscovery, staticDiscovery } from "./index.ts";

const name = "geo.v1.Cities";
const simulation = createSimulation({ seed: 1 });
const runtime = simulation.host("client");

for (const { name, run } of discoveryCases((services) => {
  const one = memoryDiscovery();
  const other = memoryDiscovery();
  const set = (all: typeof services) => {
    for (const [service, endpoints] of Object.entries(all)) {
      one.set(service, endpoints.slice(1));
      other.set(service, endpoints.slice(0, 1));
    }
  };
  set(services);
  const discovery = combinedDiscovery(runtime, { one, other });
  const breakSource = () => one.fail("geo.v1.Cities", new RpcError("unavailable", "broken"));
  return { discovery, registrar: discovery, set, breakSource };
  // Two engines cannot change in one instant, so between two sets there may be a third: no `changes`.
}, { failures: true, registrar: true })) {
  test(`combined ${name}`, { timeout: 20_000 }, run);
}

/** An engine that may be silent, or fail, before it answers. */
function engine() {
  const memory = memoryDiscovery();
  let told: Parameters<Discovery["watch"]>[1] | undefined;
  const discovery: Discovery = {
    watch(_name, watcher) {
      told = watcher;
      return () => void (told = undefined);
    },
  };
  const tell = (...addresses: string[]) =>
    told?.snapshot(addresses.map((one) => ({ ...plain, id: one, address: one })));
  const fail = () => told?.failed?.(new RpcError("unavailable", "no route"));
  return { memory, discovery, tell, fail, get isWatched() {
    return told !== undefined;
  } };
}
const plain = { region: "", zone: "", weight: 1, backup: false, priority: 0, attributes: {} };

function watched(discovery: Discovery) {
  const sets: (readonly EndpointAddress[])[] = [];
  const failures: RpcError[] = [];
  const stop = discovery.watch(name, {
    snapshot: (endpoints) => void sets.push(endpoints), failed: (error) => void failures.push(error),
  });
  return { sets, failures, stop, last: () => sets.at(-1)?.map((one) => one.id).sort() };
}

test("each part keeps its last set while it is cut off, and one that never answered holds up nobody", () => {
  const [west, east] = [engine(), engine()];
  const { failures, last, stop } = watched(combinedDiscovery(runtime, { west: west.discovery, east: east.discovery }));
  assert.equal(last(), undefined);
  west.tell("w1", "w2");
  assert.deepEqual(last(), ["w1", "w2"]);
  east.fail();
  assert.equal(failures[0]?.message, "east: no route");
  east.tell("e1");
  west.fail();
  assert.deepEqual(last(), ["e1", "w1", "w2"]);
  east.tell("e1", "e2");
  assert.deepEqual(last(), ["e1", "e2", "w1", "w2"]);
  west.tell("w2");
  assert.deepEqual(last(), ["e1", "e2", "w2"]);
  stop();
  assert.equal(west.isWatched || east.isWatched, false);
});

test("the first set waits for all parts where that is wished, and no longer than that", async () => {
  for (const answer of ["tell", "fail", "never"] as const) {
    const [west, east] = [engine(), engine()];
    const { last, sets } = watched(combinedDiscovery(runtime, { west: west.discovery, east: east.discovery },
      { waitMs: 100 }));
    west.tell("w1");
    await simulation.run(simulation.nowMs + 50);
    assert.equal(last(), undefined);
    if (answer === "tell") east.tell("e1");
    if (answer === "fail") east.fail();
    if (answer === "never") await simulation.run(simulation.nowMs + 60);
    assert.deepEqual(last(), answer === "tell" ? ["e1", "w1"] : ["w1"]);
    assert.equal(sets.length, 1);
  }
});

test("of one id the first part's fields count, but a drain in any; regions are stamped where there is none", () => {
  const [old, fresh] = [memoryDiscovery(), memoryDiscovery()];
  const { sets } = watched(combinedDiscovery(runtime, {
    old: { discovery: old, region: "eu" }, fresh: { discovery: fresh, region: "us" },
  }));
  old.set(name, [{ address: "a:1", weight: 3 }]);
  fresh.set(name, [{ address: "a:1", weight: 5, region: "eu" }, { address: "b:1" }]);
  assert.deepEqual(sets.at(-1)?.map(({ id, weight, region }) => [id, weight, region]),
    [["a:1", 3, "eu"], ["b:1", 1, "us"]]);
  fresh.set(name, [{ address: "a:1", weight: 0, region: "eu" }]);
  assert.deepEqual(sets.at(-1)?.map(({ id, weight }) => [id, weight]), [["a:1", 0]]);
});

test("a server in both engines neither flaps nor goes when one of them drops it", () => {
  const [old, fresh] = [memoryDiscovery(), memoryDiscovery()];
  const both = combinedDiscovery(runtime, { old, fresh });
  const registration = both.register(name, { address: "a:1" });
  const { sets, last } = watched(combinedDiscovery(runtime, { old, fresh }));
  old.set(name, [{ address: "b:1" }]);
  fresh.set(name, [{ address: "b:1" }]);
  const { length } = sets;
  old.set(name, []);
  fresh.set(name, []);
  assert.deepEqual(last(), ["a:1"]);
  assert.equal(sets.length, length + 1, "one set when the last part dropped it, none before");
  return registration.close().then(() => assert.deepEqual(last(), []));
});

test("servers register in all parts, or in those that are named", async () => {
  const [one, other] = [memoryDiscovery(), memoryDiscovery()];
  const counts = () => [one, other].map((part) => watched(part).sets[0]?.length);
  const all = combinedDiscovery(runtime, { file: staticDiscovery({}), one, other });
  const registration = all.register(name, { address: "a:1" });
  await registration.registered;
  assert.deepEqual(counts(), [1, 1]);
  await registration.close();
  const single = combinedDiscovery(runtime, { one, other: { discovery: other, region: "eu" } },
    { registerIn: ["other"] });
  await single.register(name, { address: "a:1" }).registered;
  assert.deepEqual(counts(), [0, 1]);
  assert.equal(watched(other).sets[0]?.[0]?.region, "eu");
  assert.throws(() => combinedDiscovery(runtime, { one }, { registerIn: ["three"] }), /the parts are one/);
  assert.throws(() => combinedDiscovery(runtime, { one: staticDiscovery({}) }).register(name, { address: "a:1" }),
    { code: "unimplemented" });
});

test("a registration is in force with the first part that holds it, and fails when none does", async () => {
  const never = { ...memoryDiscovery(), register: () =>
    ({ registered: Promise.reject<void>(new RpcError("permission_denied", "no")), close: async () => {} }) };
  const works = memoryDiscovery();
  await combinedDiscovery(runtime, { never, works }).register(name, { address: "a:1" }).registered;
  await assert.rejects(combinedDiscovery(runtime, { never }).register(name, { address: "a:1" }).registered,
    { code: "permission_denied" });
});

test("that one part lacks a name says nothing where another has it", () => {
  const { failures, last } = watched(combinedDiscovery(runtime, {
    file: staticDiscovery({ other: [] }), one: { watch: memoryWith("a:1").watch },
  }));
  assert.deepEqual(last(), ["a:1"]);
  assert.equal(failures.length, 0);
});

function memoryWith(address: string) {
  const memory = memoryDiscovery();
  memory.set(name, [{ address }]);
  return memory;
}

test("a part that throws leaves no watch of the others behind", () => {
  const west = engine();
  const bad: Discovery = { watch: () => {
    throw new RpcError("resource_exhausted", "enough");
  } };
  assert.throws(() => watched(combinedDiscovery(runtime, { west: west.discovery, bad })), /enough/);
  assert.equal(west.isWatched, false);
});
