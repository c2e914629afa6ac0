// The store in memory: the suite of all stores, its bounds, and what leaves when it is full.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { replayStoreCases } from "../testing/replay.ts";
import { memoryReplayStore, type MemoryReplayStore } from "./memory-store.ts";
import { RecordLog } from "./record-log.ts";
import type { ClaimAnswer, ReplayCall } from "./store.ts";

const hourMs = 3_600_000;
const startMs = 1_767_225_600_000;

for (const { name, run } of replayStoreCases(() => {
  let nowMs = startMs;
  let written = 0;
  const store = memoryReplayStore({ bornMs: nowMs - hourMs });
  return {
    store, nowMs: () => nowMs,
    advance: (ms) => {
      nowMs += ms;
      return Promise.resolve();
    },
    write: async (claim, outcome) => {
      await store.record(claim, outcome, () => written++);
    },
    written: () => Promise.resolve(written),
  };
})) test(name, run);

function callOf(fields: Partial<ReplayCall> & { key: string }): ReplayCall {
  return {
    stampMs: startMs, isFirst: true, method: "bank.v1.Bank/pay", fingerprint: "", nowMs: startMs, leaseMs: 10_000,
    retentionMs: hourMs, clockSkewMs: 1_000, takesOver: false, ...fields,
  };
}

function runOnce(store: MemoryReplayStore, call: ReplayCall, outcome: Uint8Array): ClaimAnswer["kind"] {
  const answer = store.claim(call) as ClaimAnswer;
  if (answer.kind === "claimed") void store.complete({ call, fence: answer.fence }, outcome);
  return answer.kind;
}

test("a full store drops the oldest and never runs again what it dropped", () => {
  const store = memoryReplayStore({ maxBytes: 262_144, bornMs: startMs - hourMs });
  const outcome = new Uint8Array(400);
  const count = 5_000;
  for (let i = 0; i < count; i++) {
    const call = callOf({ key: `k${i}`, stampMs: startMs + i, nowMs: startMs + i });
    assert.equal(runOnce(store, call, outcome), "claimed");
    assert.ok(store.figures.bytes <= 262_144, `${store.figures.bytes} bytes`);
  }
  const kinds = Array.from({ length: count }, (_, i) =>
    (store.claim(callOf({ key: `k${i}`, stampMs: startMs + i, nowMs: startMs + count })) as ClaimAnswer).kind);
  const firstKept = kinds.indexOf("done");
  assert.ok(firstKept > 4_000 && firstKept < 4_900, `kept from ${firstKept} on`);
  assert.ok(kinds.slice(0, firstKept).every((kind) => kind === "forgotten"));
  assert.ok(kinds.slice(firstKept).every((kind) => kind === "done"));
});

test("records without a stamp stay until they expire; beyond half of the room new ones are refused", () => {
  const store = memoryReplayStore({ maxBytes: 262_144, bornMs: startMs - hourMs });
  const outcome = new Uint8Array(400);
  const kinds: string[] = [];
  for (let i = 0; i < 1_000; i++) kinds.push(runOnce(store, callOf({ key: `u${i}`, stampMs: undefined }), outcome));
  const taken = kinds.filter((kind) => kind === "claimed").length;
  assert.ok(taken > 200 && taken < 400, `${taken} were taken`);
  assert.ok(kinds.slice(taken).every((kind) => kind === "full"));
  for (let i = 0; i < 2_000; i++) {
    const call = callOf({ key: `s${i}`, stampMs: startMs + i, nowMs: startMs + i });
    assert.equal(runOnce(store, call, outcome), "claimed");
  }
  assert.ok(store.figures.bytes <= 262_144, `${store.figures.bytes} bytes`);
  for (let i = 0; i < taken; i++) {
    assert.equal(runOnce(store, callOf({ key: `u${i}`, stampMs: undefined }), outcome), "done", `u${i}`);
  }
  const late = callOf({ key: "u0", stampMs: undefined, nowMs: startMs + hourMs + 1 });
  assert.equal(runOnce(store, late, outcome), "claimed");
});

test("is bounded by records too", () => {
  const store = memoryReplayStore({ maxRecords: 100, bornMs: startMs - hourMs });
  for (let i = 0; i < 1_000; i++) {
    runOnce(store, callOf({ key: `k${i}`, stampMs: startMs + i, nowMs: startMs + i }), new Uint8Array(30_000));
  }
  assert.ok(store.figures.records <= 100, `${store.figures.records} records`);
});

test("what ran before the process began is forgotten; a first attempt is its own witness", () => {
  const store = memoryReplayStore();
  runOnce(store, callOf({ key: "first" }), new Uint8Array(1));
  const kind = (fields: Partial<ReplayCall>): string =>
    (store.claim(callOf({ key: `x${JSON.stringify(fields)}`, nowMs: startMs + 100, ...fields })) as ClaimAnswer).kind;
  assert.equal(kind({ stampMs: startMs + 500, isFirst: false }), "forgotten");
  assert.equal(kind({ stampMs: startMs + 500, isFirst: true }), "claimed");
  assert.equal(kind({ stampMs: startMs - 500, isFirst: true }), "claimed");
  assert.equal(kind({ stampMs: startMs - 1_500, isFirst: true }), "forgotten");
  assert.equal(kind({ stampMs: startMs + 1_001, isFirst: false, nowMs: startMs + 2_000 }), "claimed");
});

test("a record takes no more than 100 bytes beyond its outcome", (t) => {
  const store = memoryReplayStore({ maxBytes: 1 << 28, bornMs: startMs - hourMs });
  const outcome = new Uint8Array(100);
  const count = 90_000;
  for (let i = 0; i < count; i++) {
    const key = `mA${(startMs + i).toString(16).padStart(11, "0")}-${String(i).padStart(32, "0")}`;
    runOnce(store, callOf({ key, fingerprint: "abcdefABCDEF", stampMs: startMs + i, nowMs: startMs + i }), outcome);
  }
  const each = store.figures.bytes / count - outcome.length;
  t.diagnostic(`${each.toFixed(1)} bytes a record`);
  assert.ok(each <= 100, `${each.toFixed(1)} bytes`);
});

test("refuses bounds that cannot be", () => {
  assert.throws(() => memoryReplayStore({ maxBytes: 10 }), { code: "invalid_argument", message: /^maxBytes is 10/ });
  assert.throws(() => memoryReplayStore({ maxRecords: 0 }), { code: "invalid_argument", message: /^maxRecords is 0/ });
});

test("the log finds what a Map finds, through growth, removal and dropping", () => {
  const numRuns = Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 40);
  const step = fc.record({ key: fc.integer({ min: 0, max: 400 }), bytes: fc.integer({ min: 0, max: 900 }),
    kind: fc.constantFrom("put", "put", "put", "remove", "drop") });
  fc.assert(fc.property(fc.array(step, { minLength: 200, maxLength: 2_000 }), (steps) => {
    const log = new RecordLog(1);
    const model = new Map<string, number>();
    steps.forEach(({ key, bytes, kind }, i) => {
      const name = `key ${key}`;
      if (kind === "put" && !model.has(name)) {
        log.append({ key: name, method: `m${key % 3}`, fingerprint: String(i), stampMs: i, expiresMs: 1,
          outcome: new Uint8Array(bytes).fill(key) });
        model.set(name, bytes);
      } else if (kind === "remove") {
        log.remove(name);
        model.delete(name);
      } else if (kind === "drop" && i % 10 === 0) {
        log.dropOldest(0, () => assert.fail());
        for (const known of [...model.keys()]) if (log.find(known) === undefined) model.delete(known);
      }
    });
    assert.equal(log.size, model.size);
    for (const [name, bytes] of model) {
      const found = log.find(name);
      assert.equal(found?.outcome.length, bytes);
      assert.equal(found.method, `m${Number(name.slice(4)) % 3}`);
      assert.ok(found.outcome.every((byte) => byte === Number(name.slice(4)) % 256));
    }
    while (log.segments > 0) log.dropOldest(0, () => assert.fail());
    assert.equal(log.size, 0);
    assert.equal(log.bytes, 0);
  }), { seed: 7, numRuns });
});
