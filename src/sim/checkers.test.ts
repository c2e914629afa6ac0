import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { property } from "../../test/policies/support.ts";
import { broken, type CallRecord, complaints, type EffectRecord } from "./checkers.ts";
import { checkEffects } from "./check-effects.ts";
import { checkLinearizable, counterModel, type Operation, registerModel } from "./check-linearizable.ts";
import { checkSessions, type SessionOperation } from "./check-sessions.ts";
import { checkLargestShare, checkRamp } from "./check-shares.ts";
import { checkAmplification, checkDeadlines, checkRecovery, checkWastedWork } from "./check-traffic.ts";

let count = 0;
const call = (fields: Partial<CallRecord> = {}): CallRecord => ({
  id: String(count++), method: "add", caller: "c1", dueMs: 0, endedMs: 10, deadlineMs: 100, outcome: "acknowledged",
  ...fields,
});
const effect = (key: string, atMs = 5, answer?: string): EffectRecord => ({ key, atMs, at: "s1", answer });

test("effects: what was acknowledged was done once, before, and answered with what it gave", () => {
  const held = checkEffects([
    call({ key: "a", answer: "1" }), call({ key: "b", outcome: "unknown" }), call({ key: "c", outcome: "unknown" }),
    call({ key: "d", outcome: "refused" }), call({ method: "read" }),
  ], [effect("a", 5, "1"), effect("b", 9_999)]);
  assert.deepEqual([held.held, held.figures["unknownButDone"], held.figures["acknowledged"]], [true, 1, 1]);

  for (const [calls, effects, complaint] of [
    [[call({ key: "a" })], [], /add a of c1 was acknowledged at 10.0 ms and never done/],
    [[call({ key: "a" })], [effect("a"), effect("a", 7)], /add a of c1 was done 2 times: at 5.0 ms by s1, at 7.0 ms/],
    [[call({ key: "a", outcome: "unknown" })], [effect("a"), effect("a")], /done 2 times/],
    [[call({ key: "a" })], [effect("a", 11)], /acknowledged at 10.0 ms, before it was done at 11.0 ms/],
    [[call({ key: "a", outcome: "refused" })], [effect("a")], /refused as certainly not done, but was done/],
    [[call({ key: "a", answer: "2" })], [effect("a", 5, "1")], /answered 2, but what was done gave 1/],
    [[], [effect("z")], /nobody asked for z/],
  ] as const) {
    const verdict = checkEffects(calls, effects);
    assert.equal(verdict.held, false);
    assert.equal(verdict.count, 1);
    assert.match(verdict.violations[0] ?? "", complaint);
  }
  // The same key twice is one request, repeated by its caller: the first attempt may have been refused.
  assert.equal(checkEffects([call({ key: "a", outcome: "refused" }), call({ key: "a" })], [effect("a")]).held, true);
});

const operation = (name: string, startedMs: number, endedMs: number, fields: Partial<Operation> = {}): Operation =>
  ({ object: "x", name, startedMs, endedMs, ...fields });
const write = (argument: string, startedMs: number, endedMs: number): Operation =>
  operation("write", startedMs, endedMs, { argument });
const read = (answer: string, startedMs: number, endedMs: number): Operation =>
  operation("read", startedMs, endedMs, { answer });

test("linearizability: answers that an order explains, and those that none does", () => {
  const check = (...operations: Operation[]) => checkLinearizable(registerModel, operations);
  assert.equal(check(write("a", 0, 10), read("a", 2, 3), read("a", 20, 30)).held, true);
  // Two overlapping writes: either order, but both readers must agree on it.
  assert.equal(check(write("a", 0, 10), write("b", 0, 10), read("b", 11, 12), read("b", 13, 14)).held, true);
  const split = check(write("a", 0, 10), write("b", 0, 10), read("b", 11, 12), read("a", 13, 14));
  assert.equal(split.held, false);
  assert.match(split.violations[0] ?? "", /^x: no order explains read\(\) from 13\.0 to 14\.0 ms answering a/);
  // A stale read after the write was acknowledged.
  assert.equal(check(write("a", 0, 10), read("", 11, 12)).held, false);
  // A write of which nobody learnt the outcome may show later, or never, but not come and go.
  const lost = write("b", 5, Infinity);
  assert.equal(check(write("a", 0, 1), lost, read("a", 6, 7), read("b", 50, 60)).held, true);
  assert.equal(check(write("a", 0, 1), lost, read("a", 6, 7)).held, true);
  assert.equal(check(write("a", 0, 1), lost, read("b", 6, 7), read("a", 50, 60)).held, false);
  assert.throws(() => check(operation("increment", 0, 1)), /the model has no operation "increment"/);
});

test("linearizability: a counter that counts one call twice is found, and a search that is too long gives up", () => {
  const add = (answer: number, startedMs: number, endedMs: number): Operation =>
    operation("add", startedMs, endedMs, { answer, argument: 1 });
  assert.equal(checkLinearizable(counterModel, [add(1, 0, 1), add(2, 2, 3), add(3, 4, 5)]).held, true);
  assert.equal(checkLinearizable(counterModel, [add(1, 0, 1), add(3, 2, 3)]).held, false);
  assert.equal(checkLinearizable(counterModel, [add(1, 0, 1), add(1, 2, 3)]).held, false);
  // Those that do the same are interchangeable while nobody learnt of them: that is no long search.
  const lost = Array.from({ length: 60 }, () => operation("add", 0, Infinity, { argument: 1 }));
  const many = checkLinearizable(counterModel, [...lost, add(31, 10, 11), add(30, 12, 13)]);
  assert.deepEqual([many.held, many.figures["undecided"]], [false, 0]);
  assert.equal(checkLinearizable(counterModel, [...lost, add(31, 10, 11), add(50, 12, 13)]).held, true);
  const hard = Array.from({ length: 20 }, (_, i) => operation("write", 0, 100, { argument: String(i) }));
  const verdict = checkLinearizable(registerModel, [...hard, read("none", 200, 201)], { maxSteps: 1_000 });
  assert.deepEqual([verdict.held, verdict.figures["undecided"]], [true, 1]);
});

/** All orders of a few operations: slow and obviously right. */
function explained(operations: readonly Operation[], state = ""): boolean {
  const known = operations.filter(({ endedMs }) => endedMs < Infinity);
  if (known.length === 0) return true;
  const firstEndMs = Math.min(...known.map(({ endedMs }) => endedMs));
  return operations.some((one, i) => {
    if (one.startedMs > firstEndMs) return false;
    const next = registerModel.step(state, one);
    return next !== undefined && explained(operations.toSpliced(i, 1), next);
  });
}

test("linearizability: the search agrees with trying every order", () => {
  const arbitrary = fc.array(fc.record({
    name: fc.constantFrom("read", "write"), value: fc.constantFrom("a", "b", ""), startedMs: fc.nat(12),
    lastsMs: fc.constantFrom(0, 1, 3, 6, Infinity),
  }), { maxLength: 7 });
  const seen = { yes: 0, no: 0 };
  fc.assert(fc.property(arbitrary, (drawn) => {
    const operations = drawn.map(({ name, value, startedMs, lastsMs }) => operation(name, startedMs,
      startedMs + lastsMs, name === "write" ? { argument: value } : { answer: value }));
    const expected = explained(operations);
    seen[expected ? "yes" : "no"]++;
    assert.equal(checkLinearizable(registerModel, operations).held, expected, JSON.stringify(operations));
  }), { ...property, numRuns: property.numRuns * 10 });
  assert.ok(seen.yes > 50 && seen.no > 50, JSON.stringify(seen));
});

test("linearizability: a long atomic history is accepted, and a wrong answer planted in it is found", () => {
  let [undecided, judged] = [0, 0];
  fc.assert(fc.property(fc.infiniteStream(fc.nat(999)), fc.nat(199), (stream, planted) => {
    const next = (): number => stream.next().value as number;
    let [state, atMs] = ["", 0];
    const operations = Array.from({ length: 200 }, (_, i): Operation => {
      atMs += next() % 5;
      // It takes effect at `atMs`, and lasts for a while around that.
      const [startedMs, endedMs] = [atMs - (next() % 8), atMs + (next() % 8)];
      if (next() % 2 === 0) return read(state, startedMs, endedMs);
      state = `v${i}`;
      // Few of which nobody learnt the outcome: each may be anywhere later, which makes a search in vain long.
      return i % 60 === 0 ? write(state, startedMs, Infinity) : write(state, startedMs, endedMs);
    });
    const whole = checkLinearizable(registerModel, operations);
    assert.deepEqual([whole.held, whole.figures["undecided"]], [true, 0]);
    const victim = operations.findIndex(({ name }, i) => name === "read" && i >= planted);
    if (victim === -1) return;
    const wrong = operations.with(victim, { ...operations[victim] as Operation, answer: "never written" });
    const { held, figures } = checkLinearizable(registerModel, wrong);
    // A search in vain may be given up, which is told; what is decided is decided rightly.
    if (figures["undecided"] === 1) undecided++;
    else assert.equal(held, false);
    judged++;
  }), { ...property, numRuns: Math.max(20, property.numRuns / 5) });
  assert.ok(undecided <= judged / 10, `${undecided} of ${judged} undecided`);
});

test("sessions: nobody sees the past after the present, nor misses what he wrote", () => {
  const one = (kind: "read" | "write", version: number, startedMs: number, session = "s"): SessionOperation =>
    ({ session, object: "x", kind, version, startedMs, endedMs: startedMs + 5 });
  const fine = [one("write", 1, 0), one("read", 1, 5), one("read", 2, 10), one("read", 2, 20)];
  assert.equal(checkSessions(fine).held, true);
  const back = checkSessions([one("read", 2, 0), one("read", 1, 10)]);
  assert.deepEqual([back.held, back.figures["monotonicReadsBroken"]], [false, 1]);
  assert.match(back.violations[0] ?? "", /s read version 1 of x at 10\.0 ms, after it had read 2 by 5\.0 ms/);
  const missed = checkSessions([one("write", 3, 0), one("read", 2, 10)]);
  assert.deepEqual([missed.held, missed.figures["readYourWritesBroken"]], [false, 1]);
  // Others' sessions and reads that overlap say nothing.
  assert.equal(checkSessions([one("write", 3, 0, "other"), one("read", 2, 10), one("read", 3, 12), one("read", 2, 14)])
    .held, true);
});

test("deadlines: a call that ends late, and one that never ends", () => {
  assert.equal(checkDeadlines([call(), call({ endedMs: 100.5 })]).held, true);
  const late = checkDeadlines([call({ endedMs: 103 }), call({ endedMs: Infinity })]);
  assert.equal(late.count, 2);
  assert.match(late.violations.join("\n"), /ended 3\.0 ms after its deadline\n.* never ended/);
});

test("amplification: a storm within any one window, of any hop", () => {
  const firsts = Array.from({ length: 1_000 }, (_, i) => ({ atMs: i * 10, hop: "a>b", isFirst: true }));
  const retries = (n: number, atMs: number, hop = "a>b") =>
    Array.from({ length: n }, (_, i) => ({ atMs: atMs + i * (900 / n), hop, isFirst: false }));
  assert.equal(checkAmplification([...firsts, ...retries(29, 4_037)], { most: 1.2 }).held, true);
  const storm = checkAmplification([...firsts, ...retries(60, 4_037)], { most: 1.2 });
  assert.equal(storm.held, false);
  assert.match(storm.violations[0] ?? "", /a>b: \d+ attempts for \d+ first ones within 1000 ms of/);
  assert.ok((storm.figures["worst"] ?? 0) > 1.2);
  assert.equal(checkAmplification([...firsts, ...retries(60, 0, "b>c")], { most: 1.2 }).held, false);
  assert.throws(() => checkAmplification([], { most: 0.5 }), /most is 0\.5/);
});

test("recovery: goodput stays up once the time allowed is over", () => {
  const calls = Array.from({ length: 2_000 }, (_, i) =>
    call({ dueMs: i * 10, endedMs: i * 10 + 5, deadlineMs: i * 10 + 50 }));
  const failing = (fromMs: number, toMs: number) => calls.map((one) =>
    (one.dueMs >= fromMs && one.dueMs < toMs ? { ...one, outcome: "unknown" as const } : one));
  const options = { healedMs: 10_000, withinMs: 3_000, goodput: 0.97 };
  const slow = checkRecovery(failing(5_000, 12_500), options);
  assert.deepEqual([slow.held, slow.figures["recoveredAfterMs"]], [true, 3_000]);
  const never = checkRecovery(failing(5_000, 14_000), options);
  assert.deepEqual([never.held, never.figures["recoveredAfterMs"]], [false, 4_000]);
  assert.match(never.violations[0] ?? "", /0 of 100 calls were good 3000\.0 ms after the healing/);
  // An answer after the deadline is no good, and no calls at all prove nothing.
  assert.equal(checkRecovery(calls.map((one) => ({ ...one, endedMs: one.deadlineMs + 1 })), options).held, false);
  assert.equal(checkRecovery([], options).held, false);
});

test("wasted work: what is done for nobody", () => {
  const piece = (startedMs: number, wantedUntilMs: number) => ({ startedMs, endedMs: startedMs + 10, wantedUntilMs });
  assert.equal(checkWastedWork([piece(0, 100), piece(0, 10)], { most: 0 }).held, true);
  const some = checkWastedWork([piece(0, 100), piece(0, 5), piece(0, -3)], { most: 0.49 });
  assert.deepEqual([some.held, some.figures["share"], some.figures["begunLate"]], [false, 0.5, 1]);
});

test("ramps: turns are counted, noise is not, jumps are seen", () => {
  const samples = (...shares: number[]) => shares.map((share, i) => ({ atMs: i * 1_000, share }));
  assert.equal(checkRamp(samples(0, 0.2, 0.19, 0.4, 0.6, 0.59, 1), { mostTurns: 0 }).held, true);
  assert.equal(checkRamp(samples(1, 0, 0.5, 1), { mostTurns: 0 }).held, false);
  assert.equal(checkRamp(samples(1, 0, 0.5, 1), { mostTurns: 1 }).held, true);
  const flapping = checkRamp(samples(1, 0, 1, 0, 1), { mostTurns: 1 });
  assert.deepEqual([flapping.held, flapping.figures["turns"]], [false, 3]);
  assert.match(flapping.violations[0] ?? "", /2 changes of direction within 60000 ms, from 1000\.0 ms to 2000\.0 ms/);
  assert.equal(checkRamp(samples(1, 0, 1, 0, 1), { mostTurns: 1, perMs: 500 }).held, true);
  const jump = checkRamp(samples(0, 0.05, 0.5), { mostPerSecond: 0.1 });
  assert.match(jump.violations[0] ?? "", /from 5\.0 % to 50\.0 % within a second/);
});

test("largest share: a sinkhole", () => {
  const served = Array.from({ length: 400 }, (_, i) =>
    ({ atMs: i * 10, by: i >= 200 && i % 2 === 0 ? "s1" : `s${i % 7}` }));
  const verdict = checkLargestShare(served, { most: 0.4 });
  assert.equal(verdict.count, 2);
  assert.match(verdict.violations[0] ?? "", /s1 served \d+ of 100 calls in the 1000 ms from 2000\.0 ms/);
  assert.equal(checkLargestShare(served, { most: 0.4, by: "s2" }).held, true);
  assert.equal(checkLargestShare(served, { most: 0.4, untilMs: 2_000 }).held, true);
});

test("verdicts tell the first violations and count the rest", () => {
  const found = complaints("mine");
  for (let i = 0; i < 12; i++) found.add(() => `number ${i}`);
  const text = broken([found.verdict(), complaints("fine").verdict()]);
  assert.match(text, /^mine: 12 violations\n {2}number 0\n/);
  assert.match(text, / {2}and 2 more$/);
});
