// The harness of the benchmarks: what it reads, what it reckons, and that a wrong reply does not go unnoticed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { judge } from "../../bench/harness/goals.ts";
import { createHistogram } from "../../bench/harness/histogram.ts";
import { type Load, offer } from "../../bench/harness/load.ts";
import { readCase, readOptions } from "../../bench/harness/options.ts";
import { median, type Row, tables } from "../../bench/harness/rows.ts";
import type { Caller } from "../../bench/harness/system.ts";
import { recordsOf, sameRecord, smallRecord, userRecord } from "../../bench/records.ts";
import { codecOf, type Bytes, maxRecordBytes } from "../../bench/systems/raw/codec.ts";

test("a histogram's quantiles lie within 1.2 % of the truth", () => {
  const histogram = createHistogram();
  for (let ms = 1; ms <= 1000; ms++) histogram.record(ms);
  for (const q of [0.5, 0.9, 0.99]) {
    const found = histogram.quantileMs(q);
    assert.ok(found >= 1000 * q && found <= 1000 * q * 1.012, `${q}: ${found}`);
  }
  histogram.clear();
  assert.equal(histogram.quantileMs(0.5), 0);
});

test("cases are read by name, and what is none is refused by name", () => {
  assert.deepEqual(readCase("M@512"), {
    name: "M@512", shape: "M", load: { kind: "closed", outstanding: 512 }, tls: false,
  });
  assert.deepEqual(readCase("S@rate:5000").load, { kind: "open", perSecond: 5000 });
  assert.deepEqual(readCase("S@receive").load, { kind: "receive" });
  assert.equal(readCase("S@64+tls").tls, true);
  for (const name of ["S@0", "X@1", "M@send", "S@rate:", "S@receive5", ""]) {
    assert.throws(() => readCase(name), /is no case/, name);
  }
});

test("an unknown system is refused with those that are known", () => {
  const known = { cases: ["S@1"], systems: ["a", "b"] };
  assert.throws(() => readOptions(["--system", "c"], known), /c; there are a, b/);
  assert.deepEqual(readOptions(["--system", "b", "--rate", "7"], known).cases.map((one) => one.name), ["S@rate:7"]);
  assert.throws(() => readOptions(["--rounds", "0"], known), /--rounds is 0/);
});

test("records are compared by content, whatever their prototype", () => {
  assert.ok(sameRecord(Object.assign(Object.create(null), userRecord(3)), userRecord(3)));
  assert.ok(!sameRecord(smallRecord(1), smallRecord(2)));
  assert.ok(!sameRecord({ ...smallRecord(1), more: 1 }, smallRecord(1)));
  assert.ok(!sameRecord({ ...smallRecord(1), tags: ["alpha"] }, smallRecord(1)));
});

test("the ceiling's codec gives back what it got, in about the sizes that the records claim", () => {
  for (const [shape, least, most] of [["S", 45, 75], ["M", 900, 1_300]] as const) {
    const bytes = Buffer.alloc(maxRecordBytes) as Bytes;
    const [record] = recordsOf(shape);
    assert.ok(record !== undefined);
    const end = codecOf(shape).write(bytes, 5, record);
    assert.deepEqual(codecOf(shape).read(bytes, 5, end), record);
    assert.ok(end - 5 >= least && end - 5 <= most, `${shape} takes ${end - 5} bytes`);
  }
});

/** Long enough that no stall of a busy machine takes up all of it. */
const timing = { warmUpMs: 5, measureMs: 500 };
const closed: Load = { kind: "closed", outstanding: 4 };
const later = <T>(value: T) => new Promise<T>((resolve) => {
  setImmediate(resolve, value);
});

function offerTo(caller: Omit<Caller, "close">, load: Load) {
  return offer({ ...caller, close: () => undefined }, recordsOf("S"), { load, timing, begin: () => undefined });
}

test("a closed load counts, times and checks calls", async () => {
  const measured = await offerTo({ call: later }, closed);
  assert.ok(measured.done > 0 && measured.elapsedMs >= 500 && (measured.p99Ms ?? 0) > 0);
  await assert.rejects(offerTo({ call: () => later(smallRecord(0)) }, closed), /came back as/);
  await assert.rejects(offerTo({ call: () => Promise.reject(new Error("no")) }, closed), /no/);
});

test("an open load counts the wait of calls that were due while the client stood still", async () => {
  let calls = 0;
  const call: Caller["call"] = (record) => {
    if (++calls === 750) for (const until = performance.now() + 50; performance.now() < until;);
    return later(record);
  };
  const measured = await offerTo({ call }, { kind: "open", perSecond: 3_000 });
  assert.ok(measured.sustained);
  assert.ok((measured.p99Ms ?? 0) > 25, `p99 is ${measured.p99Ms} ms, though all stood still for 50`);
});

test("an open load that is not answered has fallen behind", async () => {
  let calls = 0;
  // The first call is the one that connects.
  const call: Caller["call"] = (record) => ++calls === 1 ? later(record) : new Promise(() => undefined);
  assert.equal((await offerTo({ call }, { kind: "open", perSecond: 3_000 })).sustained, false);
});

test("goals compare with the best contender measured, and are left out where there is none", () => {
  const row = (system: string, value: number, p99Ms: number): Row =>
    ({ bench: "unary", case: "S@64", system, value, p99Ms, unit: "calls/s" });
  const rows = [row("meridian", 300, 2), row("a", 100, 1), row("b", 150, 4)];
  const against = ["a", "b"];
  assert.deepEqual(judge(rows, [
    { case: "S@64", against, whom: "the best", ratio: 2 },
    { case: "S@64", against, whom: "the best", ratio: 1, figure: "p99Ms" },
    { case: "S@1", against, whom: "the best", ratio: 1 },
  ]).map(({ goal, value, met }) => [goal, value, met]), [
    ["≥ 2x the best", 2, true],
    ["p99 ≤ 1x the best", 2, false],
  ]);
});

test("medians and tables", () => {
  assert.equal(median([3, 1, undefined, 2]), 2);
  assert.equal(median([1, 4]), 2.5);
  assert.equal(median([]), undefined);
  const table = tables([{ bench: "unary", case: "S@1", system: "a", value: null, unit: "calls/s", error: "gone" }]);
  assert.match(table, /\| a +\| +failed \|/);
});
