// What a snapshot costs with many endpoints, and that nothing of an admin grows with time.
import assert from "node:assert/strict";
import { test } from "node:test";
import { onMachine } from "../machine/stalls.ts";
import { createDecisions, type Snapshot } from "../../src/admin/index.ts";
import { createFigures, figureLimits } from "../../src/admin/figures.ts";
import { createHappenings } from "../../src/admin/happenings.ts";
import { RegionTally, snapshotOf } from "../../src/admin/snapshot.ts";
import { manyEndpoints, methodsOf } from "./many.ts";
import { createMetadata, Context, emptyMetadata, RpcError } from "../../src/core/index.ts";
import { createSimulation } from "../../src/runtime/sim/index.ts";

test("a snapshot of 50 services of 1,000 endpoints is made in less than 20 ms", async () => {
  const byService = manyEndpoints(50, 1_000);
  const methods = methodsOf(50, 4);
  const figures = createFigures(0, false);
  const [endpoint] = byService.get("s0.v1.S") ?? [];
  const tally = new RegionTally();
  let nowMs = 0;
  await onMachine(async () => {
    for (const method of methods) {
      const context = new Context(method, 0);
      for (let i = 0; i < 20; i++) {
        figures.observer.attemptEnded?.(context, endpoint?.address as never, i, undefined);
        figures.observer.callEnded?.(context, i, undefined);
      }
    }
    // As a process makes one each second: the first few warm up.
    let tookMs = Infinity;
    let snapshot: Snapshot | undefined;
    for (let i = 0; i < 20; i++) {
      nowMs += 1_000;
      const startedMs = performance.now();
      snapshot = snapshotOf({
        atMs: 0, region: "r0", byService, seen: figures.tick(nowMs), control: undefined, drainReasons: new Map(),
        places: {}, isBudgetEmpty: () => false, happenings: [], tally,
      });
      tookMs = Math.min(tookMs, performance.now() - startedMs);
    }
    assert.ok(snapshot !== undefined);
    assert.equal(snapshot.services.length, 50);
    assert.equal(snapshot.regions.reduce((sum, one) => sum + one.endpoints, 0), 1_000);
    assert.ok(tookMs < 20, `${tookMs.toFixed(1)} ms`);
  });
});

test("servers and regions that are gone leave nothing behind, and come back as they were", () => {
  const tally = new RegionTally();
  const seen = createFigures(0, false).seen;
  const regionsOf = (byService: ReturnType<typeof manyEndpoints>): [string, number, number][] => snapshotOf({
    atMs: 0, region: "", byService, seen, control: undefined, drainReasons: new Map(), places: {},
    isBudgetEmpty: () => false, happenings: [], tally,
  }).regions.map(({ name, endpoints, ready }) => [name, endpoints, ready]);
  const many = manyEndpoints(2, 1_000);
  const before = regionsOf(many);
  assert.deepEqual(before[0], ["r0", 100, 80]);
  assert.deepEqual(regionsOf(new Map()), []);
  assert.deepEqual(regionsOf(manyEndpoints(1, 3)), [["r0", 1, 0], ["r1", 1, 1], ["r2", 1, 1]]);
  assert.deepEqual(regionsOf(many), before);
  assert.deepEqual(regionsOf(many), before);
});

test("figures have fixed memory: beyond its limits everything shares one cell, and a tick empties them", () => {
  const figures = createFigures(0, false);
  const methods = methodsOf(figureLimits.maxMethods + 50, 1);
  const [endpoint] = manyEndpoints(1, 1).get("s0.v1.S") ?? [];
  for (const [i, method] of methods.entries()) {
    const context = new Context(method, 0);
    const address = { ...endpoint?.address, region: `r${i}` } as never;
    figures.observer.attemptEnded?.(context, address, 1, undefined);
    figures.observer.callEnded?.(context, 1, undefined);
  }
  const seen = figures.tick(1_000);
  assert.equal(seen.byService.size, figureLimits.maxMethods + 1);
  assert.equal(seen.byService.get("_OTHER")?.figures.callsPerSecond, 50);
  assert.equal(seen.byRegion.size, figureLimits.maxRegions + 1);
  let calls = 0;
  for (const { figures: one } of seen.byService.values()) calls += one.callsPerSecond;
  assert.equal(calls, methods.length);
  assert.ok([...figures.tick(2_000).byService.values()].every(({ figures: one }) => one.callsPerSecond === 0));
  assert.equal(figures.tick(100_000).byService.size, 0, "what was not called for a minute is not shown");
});

test("calls that another gateway counts are in none of the sums", () => {
  const figures = createFigures(0, false);
  const [method] = methodsOf(1, 1);
  assert.ok(method !== undefined);
  const [endpoint] = manyEndpoints(1, 1).get("s0.v1.S") ?? [];
  for (const hops of [1, 2]) {
    const context = new Context(method, 0, Infinity, { hops });
    figures.observer.attemptEnded?.(context, endpoint?.address as never, 1, undefined);
    figures.observer.callEnded?.(context, 1, undefined);
  }
  const seen = figures.tick(1_000);
  assert.equal(seen.byService.get(method.service)?.figures.callsPerSecond, 1);
  assert.equal(seen.byRegion.get("r0")?.callsPerSecond, 1);
  assert.equal(seen.relayed.callsPerSecond, 1);
});

test("a flood of failures leaves the records of calls that were asked for, and the ring its size", async () => {
  const simulation = createSimulation({ seed: 1 });
  const runtime = simulation.host("here");
  const decisions = createDecisions(runtime, { maxRecords: 100 });
  const [method] = methodsOf(1, 1);
  assert.ok(method !== undefined);
  const end = (metadata: Readonly<Record<string, string>>, error?: RpcError): void =>
    decisions.observer.callEnded?.(new Context(method, runtime.clock.now(), Infinity, { metadata }), 1, error);
  end(createMetadata({ "meridian-why": "1" }));
  const [asked] = decisions.list();
  assert.equal(asked?.kept, "asked");
  for (let second = 0; second < 20; second++) {
    for (let i = 0; i < 1_000; i++) end(emptyMetadata, new RpcError("unavailable", "down"));
    await simulation.run(simulation.nowMs + 1_000);
  }
  assert.equal(decisions.list({ kept: "failed", limit: 1_000 }).length, 35);
  assert.ok(decisions.size <= 100);
  assert.equal(decisions.find(asked?.id ?? "")?.kept, "asked");
});

test("slow calls are those above the method's p99 of late, and few others are kept", () => {
  const simulation = createSimulation({ seed: 1 });
  const decisions = createDecisions(simulation.host("here"), { sampleEvery: 1_000_000 });
  const [method] = methodsOf(1, 1);
  assert.ok(method !== undefined);
  for (let i = 0; i < 10_000; i++) {
    decisions.observer.callEnded?.(new Context(method, 0), 1 + (i % 97) / 100, undefined);
  }
  const before = decisions.list({ limit: 1_000 }).length;
  decisions.observer.callEnded?.(new Context(method, 0), 50, undefined);
  assert.ok(before <= 20, `${before} of calls that are all alike`);
  if (before < 20) assert.equal(decisions.list({ kept: "slow" })[0]?.durationMs, 50);
});

test("happenings are bounded, in all and of one name a second, and a gap shows in the numbers", async () => {
  const simulation = createSimulation({ seed: 1 });
  const happenings = createHappenings(simulation.host("here"), { maxHappenings: 10 });
  for (let i = 0; i < 100; i++) happenings.note("noise", String(i));
  assert.equal(happenings.since(undefined, 100).length, 5);
  for (let i = 0; i < 30; i++) {
    happenings.note(`name${i}`, "x");
    await simulation.run(simulation.nowMs + 1);
  }
  const kept = happenings.since(undefined, 100);
  assert.equal(kept.length, 10);
  assert.equal(kept.at(-1)?.sequence, 35n);
  assert.equal(happenings.since(33n, 100).length, 2);
});
