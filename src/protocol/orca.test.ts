import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fromAnyBase64, toBase64 } from "../wire/base64.ts";
import { readLoadReport, writeLoadReport } from "./orca.ts";

const runs = { seed: 20261121, numRuns: Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 200) };
const figure = fc.double({ min: 0, max: 1e9, noNaN: true }).map((value) => value || 0);

test("a report is read as it was written", () => {
  fc.assert(fc.property(fc.record({
    cpu: figure, memory: figure, inFlight: fc.nat(), callsPerSecond: figure, errorsPerSecond: figure, loopLagMs: figure,
    latencyMs: figure,
  }, { noNullPrototype: true }), (report) => {
    assert.deepEqual(readLoadReport(writeLoadReport(report)), report);
  }), runs);
});

test("the fields are those of xds.data.orca.v3.OrcaLoadReport", () => {
  const text = writeLoadReport({
    cpu: 0.5, memory: 0.25, inFlight: 0, callsPerSecond: 100, errorsPerSecond: 2, loopLagMs: 0,
  });
  const tags = [...fromAnyBase64(text) as Uint8Array].filter((_, i) => i % 9 === 0);
  assert.deepEqual(tags, [1, 2, 6, 7].map((field) => field << 3 | 1));
  // application_utilization = 9, as C++ servers send, counts as processor time; unknown fields are passed over.
  const foreign = Uint8Array.of(9 << 3 | 1, 0, 0, 0, 0, 0, 0, 0xe8, 0x3f, 3 << 3, 0x96, 1);
  assert.equal(readLoadReport(toBase64(foreign))?.cpu, 0.75);
});

test("what is no report is none, and never throws", () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.uint8Array().map(toBase64)), (text) => {
    const report = readLoadReport(text);
    for (const value of Object.values(report ?? {})) assert.ok(value >= 0 && Number.isFinite(value));
  }), runs);
  assert.equal(readLoadReport("A".repeat(8_000)), undefined);
});
