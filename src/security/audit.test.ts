import assert from "node:assert/strict";
import { test } from "node:test";
import type { Observer } from "../core/index.ts";
import { createSimulation } from "../runtime/sim/index.ts";
import { Audit, type AuditEntry, type AuditGap } from "./audit.ts";

const entry = (decision: "allow" | "deny") => ({
  decision, method: "a.B/c", kind: "jwt", name: "alice", peer: "10.0.0.1:1", secured: true, reason: "because",
});

test("no denial is dropped without being counted", async () => {
  const simulation = createSimulation({ seed: 1 });
  const runtime = simulation.host("server");
  const told: (AuditEntry | AuditGap)[] = [];
  const audit = new Audit(runtime.clock, {}, { sink: (one) => void told.push(one) }, 3);
  for (let i = 0; i < 10; i++) audit.record(entry("deny"));
  for (let i = 0; i < 5; i++) audit.record(entry("allow"));
  assert.equal(told.length, 6);
  await simulation.run(5_000);
  assert.equal(told.length, 7);
  const gap = told[6] as AuditGap;
  assert.deepEqual([gap.decision, gap.denied, gap.allowed], ["dropped", 7, 2]);
  audit.record(entry("deny"));
  assert.equal(told.length, 8);
});

test("a sink that fails ends no call, and is told of", () => {
  const runtime = createSimulation({ seed: 1 }).host("server");
  const events: string[] = [];
  const sink = (): void => {
    throw new Error("disk full");
  };
  const observer: Observer = { event: (name, fields) => void events.push(`${name} ${String(fields["why"])}`) };
  const audit = new Audit(runtime.clock, observer, { sink }, 3);
  audit.record(entry("deny"));
  assert.deepEqual(events, ["audit undefined", "audit.failed disk full"]);
});
