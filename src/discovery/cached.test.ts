import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type Discovery, type EndpointAddress, endpointAddress, type Observer, RpcError, type TextStore,
} from "../core/index.ts";
import { createSimulation } from "../runtime/sim/index.ts";
import { decodeCache, encodeCache } from "./cache-format.ts";
import { cachedDiscovery, type CachedOptions, plausibleDiscovery, snapshotCache } from "./index.ts";

const name = "geo.v1.Cities";
const endpoints = (...addresses: string[]) => addresses.map((address) => endpointAddress({ address, region: "eu" }));
const numRuns = Math.min(Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 100), 1_000);

/** A disk, an engine, and clients that start one after the other. */
function world() {
  const simulation = createSimulation({ seed: 1 });
  const runtime = simulation.host("client");
  const disk = { text: undefined as string | undefined, writes: 0, error: undefined as RpcError | undefined };
  const store: TextStore = {
    path: "discovery.json",
    read: async () => {
      if (disk.error !== undefined) throw disk.error;
      return disk.text;
    },
    write: async (text) => {
      if (disk.error !== undefined) throw disk.error;
      disk.writes++;
      disk.text = text;
    },
  };
  const events: { name: string; fields: Readonly<Record<string, unknown>> }[] = [];
  const observer: Observer = { event: (name, fields) => void events.push({ name, fields }) };
  const start = (options: CachedOptions = {}) => {
    const cache = snapshotCache(runtime, store, { observer });
    let watcher: Parameters<Discovery["watch"]>[1] | undefined;
    const engine: Discovery = { watch: (_name, one) => {
      watcher = one;
      return () => void (watcher = undefined);
    } };
    const discovery = cachedDiscovery(runtime, engine, cache, { observer, ...options });
    const sets: string[][] = [];
    const failures: string[] = [];
    const watch = (of = discovery) => of.watch(name, {
      snapshot: (all) => void sets.push(all.map((one) => one.id)), failed: ({ message }) => void failures.push(message),
    });
    return {
      cache, discovery, sets, failures, watch, tell: (all: readonly EndpointAddress[]) => watcher?.snapshot(all),
      fail: () => watcher?.failed?.(new RpcError("unavailable", "no route")),
    };
  };
  const heard = (name: string) => events.filter((one) => one.name === name).map((one) => one.fields);
  return { simulation, runtime, disk, events, heard, start };
}

test("what was told last is served after a restart while the engine is away, with its age", async () => {
  const { simulation, start, heard } = world();
  const first = start();
  first.watch();
  first.tell(endpoints("a:1", "b:1"));
  await simulation.run(1_500);
  await first.cache.close();
  await simulation.run(61_500);
  const second = start();
  second.watch();
  second.fail();
  await simulation.run(61_501);
  assert.deepEqual(second.sets, [["a:1", "b:1"]]);
  assert.deepEqual(second.failures, ["no route", "no route"], "at once, and of what the cache has");
  const [event] = heard("discovery.cached");
  assert.equal(event?.["endpoints"], 2);
  assert.ok(Math.abs(Number(event?.["ageMs"]) - 60_000) < 10, String(event?.["ageMs"]));
  second.tell(endpoints("a:1", "c:1"));
  assert.deepEqual(second.sets.at(-1), ["a:1", "c:1"]);
  assert.equal(heard("discovery.cache.replaced").length, 1);
});

test("an engine that says nothing at all is given half a second", async () => {
  const { simulation, start } = world();
  const first = start();
  first.watch();
  await simulation.run(1);
  first.tell(endpoints("a:1"));
  await first.cache.close();
  const second = start();
  second.watch();
  await simulation.run(400);
  assert.deepEqual(second.sets, []);
  await simulation.run(600);
  assert.deepEqual(second.sets, [["a:1"]]);
});

test("an engine that answers first is believed; one that was wiped is compared with the cache", async () => {
  const { simulation, runtime, start, disk } = world();
  const first = start();
  first.watch();
  await simulation.run(1);
  first.tell(endpoints("a:1", "b:1", "c:1"));
  await first.cache.close();
  const second = start();
  second.watch();
  second.tell(endpoints("b:1", "c:1"));
  await simulation.run(10);
  assert.deepEqual(second.sets, [["b:1", "c:1"]]);
  await second.cache.close();
  const third = start();
  third.watch(plausibleDiscovery(runtime, third.discovery, { probe: () => Promise.resolve() }));
  third.tell([]);
  await simulation.run(5_000);
  assert.deepEqual(third.sets, [["b:1", "c:1"]]);
  await third.cache.flush();
  assert.match(String(disk.text), /b:1/, "the empty set is not kept before it was true for long");
});

test("a damaged, foreign or unreadable file is told and ignored, and replaced", async () => {
  const good = encodeCache(new Map([[name, { endpoints: endpoints("a:1"), atWallMs: 1 }]]), 1e6);
  const texts: readonly (string | undefined)[] = [
    "", "{}", "nonsense\n", good.slice(0, -5), good.replace("a:1", "b:1"), good.replace('"version":1', '"version":2'),
    undefined,
  ];
  for (const text of texts) {
    const { simulation, disk, start, heard } = world();
    if (text === undefined) disk.error = new RpcError("failed_precondition", "cannot read discovery.json");
    disk.text = text;
    const client = start();
    client.watch();
    client.fail();
    await simulation.run(2_000);
    assert.deepEqual(client.sets, []);
    assert.equal(heard("discovery.cache.damaged").length, 1, text);
    disk.error = undefined;
    client.tell(endpoints("c:1"));
    await client.cache.flush();
    assert.match(String(disk.text), /c:1/);
  }
});

test("changes are written together; a full disk is told once, and nothing else suffers", async () => {
  const { simulation, disk, start, heard } = world();
  const client = start();
  client.watch();
  await simulation.run(10);
  for (let i = 0; i < 50; i++) client.tell(endpoints("a:1", `b:${i + 1}`));
  await simulation.run(3_000);
  assert.equal(disk.writes, 1);
  disk.error = new RpcError("resource_exhausted", "cannot write discovery.json: the disk is full");
  for (let i = 0; i < 5; i++) {
    client.tell(endpoints(`a:${i + 1}`, "b:1"));
    await simulation.run(5_000 + i * 2_000);
  }
  assert.equal(heard("discovery.cache.failed").length, 1);
  assert.equal(client.sets.length, 55);
});

test("what is older than maxAgeMs is not served; what the engine held true until now is not old", async () => {
  const { simulation, start, heard } = world();
  const first = start();
  first.watch();
  first.tell(endpoints("a:1"));
  await simulation.run(3_600_000);
  await first.cache.close();
  const second = start({ maxAgeMs: 700_000 });
  second.watch();
  second.fail();
  await simulation.run(3_600_100);
  assert.deepEqual(second.sets, [["a:1"]]);
  await simulation.run(8_000_000);
  const third = start({ maxAgeMs: 700_000 });
  third.watch();
  third.fail();
  await simulation.run(8_001_000);
  assert.deepEqual(third.sets, []);
  assert.equal(heard("discovery.cache.expired").length, 1);
});

test("a disk that hangs holds up nobody for longer than loadMs", async () => {
  const { simulation, runtime } = world();
  const hanging: TextStore = { path: "x", read: () => new Promise(() => {}), write: () => new Promise(() => {}) };
  const memory: Discovery = { watch: (_name, watcher) => {
    watcher.snapshot(endpoints("a:1"));
    return () => {};
  } };
  let told = 0;
  cachedDiscovery(runtime, memory, snapshotCache(runtime, hanging), { loadMs: 300 })
    .watch(name, { snapshot: ({ length }) => void (told = length) });
  await simulation.run(250);
  assert.equal(told, 0);
  await simulation.run(350);
  assert.equal(told, 1);
});

test("what does not fit is left out by age; names are bounded", async () => {
  const all = new Map(Array.from({ length: 100 }, (_, i) =>
    [`n${i}`, { endpoints: endpoints(`h${i}:1`), atWallMs: 5 }] as const));
  const decoded = decodeCache(encodeCache(all, 6_000), 1_000);
  assert.ok(decoded.size > 5 && decoded.size < 100);
  assert.deepEqual([...decoded.keys()], [...all.keys()].slice(-decoded.size));
  assert.equal(decodeCache(encodeCache(all, 1e6), 7).size, 7);
  const simulation = createSimulation({ seed: 1 });
  const disk: string[] = [];
  const cache = snapshotCache(simulation.host("client"),
    { path: "x", read: async () => undefined, write: async (text) => void disk.push(text) }, { maxNames: 3 });
  for (let i = 0; i < 10; i++) cache.keep(`n${i}`, endpoints("a:1"));
  await cache.close();
  assert.deepEqual([...decodeCache(disk[0] as string, 10).keys()], ["n7", "n8", "n9"]);
});

test("any cache that was changed or cut anywhere is known to be damaged, or reads as it was", () => {
  const text = encodeCache(new Map([
    [name, { endpoints: endpoints("a:1", "b:1"), atWallMs: 123 }], ["x", { endpoints: [], atWallMs: 4 }],
  ]), 1e6);
  const plain = JSON.stringify([...decodeCache(text, 10)]);
  const edits = fc.record({ at: fc.nat(text.length - 1), cut: fc.nat(20), put: fc.string({ maxLength: 5 }) });
  fc.assert(fc.property(edits, ({ at, cut, put }) => {
    try {
      assert.equal(JSON.stringify([...decodeCache(text.slice(0, at) + put + text.slice(at + cut), 10)]), plain);
    } catch (error) {
      assert.ok(RpcError.is(error), String(error));
    }
  }), { seed: 11, numRuns });
});
