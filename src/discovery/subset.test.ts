import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { type EndpointAddress, endpointAddress, type EndpointFields } from "../core/index.ts";
import { createSimulation } from "../runtime/sim/index.ts";
import { discoveryCases } from "../testing/discovery.ts";
import { coalescedDiscovery, memoryDiscovery, subsetDiscovery, subsetOf } from "./index.ts";

const name = "geo.v1.Cities";
const numRuns = Math.min(Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 50), 500);
const set = (count: number, fields: (index: number) => Partial<EndpointFields> = () => ({})) =>
  Array.from({ length: count }, (_, i) => endpointAddress({ address: `10.0.${i >> 8}.${i & 255}:7001`, ...fields(i) }));
const ids = (all: readonly EndpointAddress[]) => new Set(all.map(({ id }) => id));

const sim = createSimulation({ seed: 1 });
for (const [kind, wrap] of [
  ["subset", (memory: ReturnType<typeof memoryDiscovery>) => subsetDiscovery(memory, { clientId: "c", size: 2_000 })],
  ["coalesced", (memory: ReturnType<typeof memoryDiscovery>) =>
    coalescedDiscovery(sim.host("client"), memory, { coalesceMs: 0 })],
] as const) {
  for (const { name, run } of discoveryCases((services) => {
    const memory = memoryDiscovery();
    const set = (all: typeof services) => {
      for (const [service, endpoints] of Object.entries(all)) memory.set(service, endpoints);
    };
    set(services);
    return { discovery: wrap(memory), registrar: memory, set };
  }, { changes: true, registrar: true })) {
    test(`${kind} ${name}`, { timeout: 20_000 }, run);
  }
}

test("one server more or less changes at most one member of any client's part, and on average next to none", () => {
  let changes = 0;
  let cases = 0;
  fc.assert(fc.property(fc.integer({ min: 30, max: 400 }), fc.nat(), fc.string({ minLength: 1, maxLength: 12 }),
    fc.boolean(), (count, drop, clientId, isWeighted) => {
      const all = set(count, (i) => (isWeighted ? { weight: 1 + (i % 3) * 4 } : {}));
      const choose = subsetOf({ clientId, size: 20 });
      const before = ids(choose(all));
      assert.equal(before.size, 20);
      const without = all.toSpliced(drop % count, 1);
      const after = ids(choose(without));
      const changed = [...after].filter((id) => !before.has(id)).length;
      assert.ok(changed <= 1);
      assert.deepEqual(ids(choose(all)), before, "and it is as before when the server is back");
      changes += changed;
      cases++;
    }), { seed: 7, numRuns });
  assert.ok(changes / cases < 0.5, `${changes} of ${cases}`);
});

test("from 300 servers to 301 and 330 a part changes by what is new (SRE book's subsets: a third, nearly all)", () => {
  const [all, grown] = [set(330), [300, 301, 330]];
  const changed = grown.map((count) => {
    let sum = 0;
    for (let client = 0; client < 300; client++) {
      const choose = subsetOf({ clientId: `client-${client}`, size: 20 });
      const before = ids(choose(all.slice(0, 300)));
      sum += [...ids(choose(all.slice(0, count)))].filter((id) => !before.has(id)).length;
    }
    return sum / (300 * 20);
  });
  assert.equal(changed[0], 0);
  // Ideal 0.33 % and 9.1 %; the goal is twice that.
  assert.ok((changed[1] as number) < 0.0066, String(changed[1]));
  assert.ok((changed[2] as number) > 0.07 && (changed[2] as number) < 0.11, String(changed[2]));
});

test("300 clients of 90 of 300 servers each load them as evenly as chance does (SRE book: 63 to 121 %)", () => {
  const all = set(300);
  const loads = new Map(all.map(({ id }) => [id, 0]));
  for (let client = 0; client < 300; client++) {
    const choose = subsetOf({ clientId: `client-${client}`, size: 90 });
    for (const { id } of choose(all)) loads.set(id, (loads.get(id) ?? 0) + 1);
  }
  // Hypergeometric: each client takes each server with a chance of 0.3, so the variance is 300 * 0.3 * 0.7.
  const deviation = Math.sqrt(63);
  for (const [id, load] of loads) assert.ok(Math.abs(load - 90) <= 3.5 * deviation, `${id}: ${load}`);
  const variance = [...loads.values()].reduce((sum, load) => sum + (load - 90) ** 2, 0) / 300;
  assert.ok(variance / 63 > 0.75 && variance / 63 < 1.25, String(variance));
});

test("weights come out as without a subset: drawn by weight, told by the chance of having been drawn", () => {
  for (const [count, heavyEvery] of [[2_000, 100], [60, 3], [21, 10]] as const) {
    const all = set(count, (i) => ({ weight: i % heavyEvery === 0 ? 10 : 1 }));
    let heavy = 0;
    let total = 0;
    for (let client = 0; client < 2_000; client++) {
      const part = subsetOf({ clientId: `c${client}`, size: 20 })(all);
      const sum = part.reduce((weights, { weight }) => weights + weight, 0);
      for (const { id, weight } of part) {
        total += weight / sum;
        if (all.find((one) => one.id === id)?.weight === 10) heavy += weight / sum;
      }
    }
    const ideal = all.filter(({ weight }) => weight === 10).length * 10 /
      all.reduce((weights, { weight }) => weights + weight, 0);
    assert.ok(Math.abs(heavy / total - ideal) < 0.02, `${count}: ${heavy / total}, ideal ${ideal}`);
  }
});

test("every region and priority keeps members, small groups all of them, and nobody who shall get nothing", () => {
  const all = [
    ...set(100, () => ({ region: "eu" })),
    ...set(300, (i) => ({ id: `us${i}`, region: "us", zone: "abc"[i % 3] ?? "" })),
    ...set(5, (i) => ({ id: `asia${i}`, region: "asia" })),
    ...set(40, (i) => ({ id: `b${i}`, region: "eu", priority: 1 })),
    ...set(40, (i) => ({ id: `z${i}`, region: "eu", priority: 2, weight: i < 10 ? 0 : 1 })),
  ];
  const count = (part: readonly EndpointAddress[], key: (one: EndpointAddress) => string) =>
    Object.fromEntries(Object.entries(Object.groupBy(part, key)).map(([group, of]) => [group, of?.length]));
  const part = subsetOf({ clientId: "c" })(all);
  assert.deepEqual(count(part, ({ region, priority }) => `${region}${priority}`),
    { eu0: 20, us0: 20, asia0: 5, eu1: 20, eu2: 20 });
  assert.ok(part.every(({ weight }) => weight > 0));
  assert.deepEqual(part.map(({ id }) => id), all.filter(({ id }) => ids(part).has(id)).map(({ id }) => id));
  assert.deepEqual(count(subsetOf({ clientId: "c", per: "zone", size: 7 })(all).filter((one) => one.region === "us"),
    ({ zone }) => zone), { a: 7, b: 7, c: 7 });
});

test("the same client has the same part in every process; another client has another", () => {
  const program = `import { subsetOf } from "./src/discovery/subset.ts";
    import { endpointAddress } from "./src/core/endpoint.ts";
    const all = Array.from({ length: 1000 }, (_, i) => endpointAddress({ address: "h" + (999 - i) + ":1" }));
    console.log(subsetOf({ clientId: "pod-7", size: 5 })(all).map((one) => one.id).sort().join());`;
  const there = execFileSync(process.execPath, ["--input-type=module-typescript", "-e", program],
    { encoding: "utf8", cwd: new URL("../..", import.meta.url) }).trim();
  const all = Array.from({ length: 1_000 }, (_, i) => endpointAddress({ address: `h${i}:1` }));
  const here = (clientId: string) => subsetOf({ clientId, size: 5 })(all).map(({ id }) => id).sort().join();
  assert.equal(here("pod-7"), there);
  assert.notEqual(here("pod-8"), there);
});

test("a client without a name, or a size that is none, is refused", () => {
  for (const options of [{ clientId: "" }, { clientId: "c", size: 0 }, { clientId: "c", size: 1.5 }]) {
    assert.throws(() => subsetDiscovery(memoryDiscovery(), options), { code: "invalid_argument" });
  }
});

test("a storm of changes is told at most so often, the first at once and the last always", async () => {
  const simulation = createSimulation({ seed: 1 });
  const runtime = simulation.host("client");
  const memory = memoryDiscovery();
  memory.set(name, set(1));
  const told: [number, number][] = [];
  const stop = coalescedDiscovery(runtime, memory).watch(name, {
    snapshot: ({ length }) => void told.push([runtime.clock.now(), length]),
  });
  for (let i = 0; i < 1_000; i++) simulation.at(10 + i * 0.95, () => memory.set(name, set(2 + i)));
  await simulation.run(3_000);
  assert.deepEqual(told[0], [0, 1]);
  assert.deepEqual(told[1], [10, 2]);
  assert.ok(told.length <= 13, String(told.length));
  assert.equal(told.at(-1)?.[1], 1_001);
  assert.ok((told.at(-1)?.[0] ?? 0) <= 10 + 950 + 100);
  const { length } = told;
  memory.set(name, set(5));
  memory.set(name, set(6));
  assert.equal(told.length, length + 1, "after a pause at once again");
  stop();
  await simulation.run(4_000);
  assert.equal(told.length, length + 1, "nothing after the end");
});
