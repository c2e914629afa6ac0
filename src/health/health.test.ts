import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { handClock, property, seededRandom } from "../../test/policies/support.ts";
import {
  heartbeats, loopGuard, outlierDetection, type OutlierOptions, successRateOutliers,
} from "./index.ts";

function setUp(members: number, options: OutlierOptions = {}) {
  const clock = handClock();
  const heard: string[] = [];
  const detector = outlierDetection({ clock }, options, (id, ejected) => heard.push(`${ejected ? "-" : "+"}${id}`));
  detector.retain(Array.from({ length: members }, (_, i) => `e${i}`));
  const fail = (id: string, times: number) => {
    for (let i = 0; i < times; i++) detector.attemptEnded(id, true, clock.now());
  };
  return { clock, heard, detector, fail };
}

test("five failures in a row eject at once, whatever succeeds elsewhere", () => {
  const { detector, fail, heard, clock } = setUp(4);
  for (let i = 0; i < 5; i++) {
    assert.equal(detector.isEjected("e0"), false);
    fail("e0", 1);
    detector.attemptEnded("e1", false, clock.now());
  }
  assert.equal(detector.isEjected("e0"), true);
  assert.deepEqual(heard, ["-e0"]);
  fail("e1", 4);
  detector.attemptEnded("e1", false, clock.now());
  fail("e1", 4);
  assert.equal(detector.isEjected("e1"), false);
});

test("ejections last longer each time, up to a cap, and clean intervals take that back", () => {
  const { clock, detector, fail } = setUp(4);
  const lastsMs = (): number => {
    fail("e0", 5);
    let ms = 0;
    for (; detector.isEjected("e0"); ms += 1_000) clock.advance(1_000);
    return ms;
  };
  assert.equal(lastsMs(), 30_000);
  assert.equal(lastsMs(), 60_000);
  for (let i = 0; i < 20; i++) lastsMs();
  assert.equal(lastsMs(), 300_000);
  clock.advance(300_000);
  assert.equal(lastsMs(), 30_000);
});

test("never more than half of a set is out", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 40 }), fc.integer(), (members, seed) => {
    const { clock, detector, fail } = setUp(members);
    const random = seededRandom(seed);
    for (let i = 0; i < 200; i++) {
      fail(`e${Math.floor(random.next() * members)}`, 5);
      clock.advance(random.next() * 2_000);
      assert.ok(detector.ejectedCount <= members / 2);
    }
  }), property);
});

test("the success rate test ejects the one that stands out, and spares an even crowd", () => {
  const { clock, detector, heard } = setUp(10, { failureRate: false, successRate: {} });
  for (let i = 0; i < 10; i++) {
    for (let call = 0; call < 200; call++) detector.attemptEnded(`e${i}`, i === 3 && call % 4 === 0, clock.now());
  }
  clock.advance(10_000);
  assert.deepEqual(heard, ["-e3"]);
  const rates = (...failed: number[]) => failed.map((each) => ({ succeeded: 1_000 - each, failed: each }));
  assert.deepEqual(successRateOutliers(rates(0, 0, 0, 0, 1)), []);
  assert.deepEqual(successRateOutliers(rates(0, 0, 0, 0, 0, 0, 0, 0, 0, 100)), [9]);
  assert.deepEqual(successRateOutliers(rates(0, 0, 0, 900)), []);
});

test("statistics alone take out three in ten, failures in a row as many as half", () => {
  const { clock, detector, heard, fail } = setUp(20, { consecutiveFailures: 1_000 });
  for (let i = 0; i < 8; i++) fail(`e${i}`, 200);
  for (let i = 8; i < 20; i++) for (let call = 0; call < 200; call++) detector.attemptEnded(`e${i}`, false, 0);
  clock.advance(10_000);
  assert.equal(heard.length, 6);
});

test("who left the set is forgotten, and makes no room for others to be ejected", () => {
  const { detector, fail } = setUp(2);
  fail("e0", 5);
  detector.retain(["e1", "e2"]);
  assert.equal(detector.ejectedCount, 0);
  assert.equal(detector.isEjected("e0"), false);
});

test("an observer that stalls for 20 seconds convicts nobody", () => {
  const clock = handClock();
  const guard = loopGuard({ clock });
  const heard: string[] = [];
  const detector = outlierDetection({ clock }, { loopGuard: guard }, (id) => heard.push(id));
  detector.retain(["a", "b"]);
  clock.advance(1_000);
  assert.equal(guard.stalledRecently(500), false);
  clock.stall(20_000);
  assert.ok(guard.lagMs() > 19_000);
  for (let i = 0; i < 50; i++) detector.attemptEnded("a", true, clock.now());
  assert.deepEqual(heard, []);
  clock.advance(600);
  assert.equal(guard.stalledRecently(500), false);
  for (let i = 0; i < 5; i++) detector.attemptEnded("a", true, clock.now());
  assert.deepEqual(heard, ["a"]);
  guard.close();
  detector.close();
});

/** Checks whenever due, as a connection would; `receives` says when something last came in. */
function beat(
  fromMs: number, untilMs: number, receives: (nowMs: number, pings: readonly number[]) => number,
  outstanding: number, roundTripMs = 1,
) {
  const policy = heartbeats();
  const state = policy.start(0);
  const pings: number[] = [];
  if (outstanding > 0) policy.busy(state, fromMs);
  while (state.dueAtMs <= untilMs) {
    const nowMs = Math.max(fromMs, state.dueAtMs);
    const view = { nowMs, lastReceivedMs: receives(nowMs, pings), outstanding, roundTripMs, stalled: false };
    const action = policy.check(state, view);
    if (action === "convict") return { convictedMs: nowMs, pings };
    if (action === "ping") pings.push(nowMs);
  }
  return { convictedMs: undefined, pings };
}

test("silent death with calls outstanding is noticed within 300 ms and two round trips", () => {
  const died = 4_000;
  const { convictedMs, pings } = beat(died, 10_000, () => died, 3, 10);
  assert.equal(convictedMs, died + 320);
  // In doubt it is asked every 25 ms: each is another chance for a connection that loses packets.
  assert.deepEqual(pings, [4_100, 4_125, 4_150, 4_175, 4_200, 4_225, 4_250, 4_275, 4_300]);
});

test("who is far is not asked more often before its answer could have come", () => {
  const died = 4_000;
  const far = beat(died, 10_000, () => died, 3, 80);
  assert.deepEqual(far.pings, [4_100, 4_200, 4_300, 4_400]);
  assert.equal(far.convictedMs, died + 460);
  const near = beat(died, 10_000, () => died, 3, 20);
  assert.deepEqual(near.pings, [4_100, 4_140, 4_180, 4_220, 4_260, 4_300]);
});

test("doubt costs nothing while pings are answered in time", () => {
  // A call of a minute: one ping in each 100 ms of silence, answered after 5 ms.
  const answered = (now: number, pings: readonly number[]): number =>
    pings.reduce((last, ping) => (ping + 5 <= now ? ping + 5 : last), 0);
  const alive = beat(0, 60_000, answered, 1, 5);
  assert.equal(alive.convictedMs, undefined);
  assert.equal(alive.pings.length, Math.floor(60_000 / 105));
});

test("whoever answers is never convicted, and is pinged only when silent", () => {
  assert.deepEqual(beat(1_000, 60_000, (now) => now - 20, 3), { convictedMs: undefined, pings: [] });
  const answering = beat(1_000, 3_000, (now) => Math.floor(now / 100) * 100 - 50, 1);
  assert.equal(answering.convictedMs, undefined);
});

test("an idle connection is pinged every five seconds, and convicted only after it owed an answer", () => {
  const alive = beat(0, 16_000, (now, pings) => pings.reduce((last, ping) => (ping < now ? ping + 1 : last), 0), 0);
  assert.deepEqual(alive, { convictedMs: undefined, pings: [5_000, 10_001, 15_002] });
  const dead = beat(0, 60_000, () => 0, 0);
  assert.equal(dead.pings[0], 5_000);
  assert.equal(dead.convictedMs, 5_302);
});

test("a server dead under calls that each give up soon is noticed like any other", () => {
  const policy = heartbeats();
  const state = policy.start(0);
  const died = 1_000;
  for (let nowMs = 0; nowMs < 3_000; nowMs += 10) {
    const lastReceivedMs = Math.min(died, nowMs - 5);
    // A call of 50 ms, a pause of 10.
    const inCall = nowMs % 60 < 50;
    if (nowMs % 60 === 0) policy.busy(state, nowMs, lastReceivedMs);
    if (state.dueAtMs > nowMs) continue;
    const outstanding = inCall ? 1 : 0;
    const action = policy.check(state, { nowMs, lastReceivedMs, outstanding, roundTripMs: 1, stalled: false });
    if (action !== "convict") continue;
    assert.ok(nowMs >= died + 300 && nowMs <= died + 600, `convicted at ${nowMs}`);
    return;
  }
  assert.fail("never convicted");
});

test("however late each check is, silent death is noticed once its pings have had their time", () => {
  const intervalMs = 1_000;
  const timeouts = fc.constantFrom(1_000, 1_300);
  const latenesses = fc.array(fc.double({ min: 0, max: 90, noNaN: true }), { minLength: 20, maxLength: 20 });
  const roundTrips = fc.double({ min: 1, max: 200, noNaN: true });
  fc.assert(fc.property(timeouts, latenesses, roundTrips, (timeoutMs, late, roundTripMs) => {
    const policy = heartbeats({ intervalMs, timeoutMs });
    const state = policy.start(0);
    policy.busy(state, 0);
    let pingedMs = Infinity;
    for (const lateMs of late) {
      const nowMs = state.dueAtMs + lateMs;
      const action = policy.check(state, { nowMs, lastReceivedMs: 0, outstanding: 1, roundTripMs, stalled: false });
      if (action === "ping") pingedMs = Math.min(pingedMs, nowMs);
      if (action !== "convict") continue;
      assert.ok(nowMs >= Math.max(timeoutMs, pingedMs) + 2 * roundTripMs, `convicted at ${nowMs} already`);
      assert.ok(nowMs <= timeoutMs + 2 * roundTripMs + 2 * 90, `convicted at ${nowMs} only`);
      return;
    }
    assert.fail("never convicted");
  }), property);
});

test("a check at a due time that is a rounded sum moves on", () => {
  const policy = heartbeats({ intervalMs: 1_000 });
  for (let i = 0; i < 10_000; i++) {
    const lastReceivedMs = 1_000 + i * 0.7317;
    const state = policy.start(lastReceivedMs);
    state.dueAtMs = lastReceivedMs + 1_000;
    const nowMs = state.dueAtMs;
    policy.check(state, { nowMs, lastReceivedMs, outstanding: 1, roundTripMs: 0, stalled: false });
    assert.ok(state.dueAtMs > nowMs, `${lastReceivedMs} is checked again at once`);
  }
});

test("a check that comes late convicts nobody, and begins to count anew", () => {
  const policy = heartbeats();
  const state = policy.start(0);
  policy.busy(state, 0);
  const view = { lastReceivedMs: 0, outstanding: 1, roundTripMs: 0, stalled: false };
  assert.equal(policy.check(state, { ...view, nowMs: 100 }), "ping");
  assert.equal(policy.check(state, { ...view, nowMs: 20_000 }), "ping");
  assert.equal(policy.check(state, { ...view, nowMs: 20_100 }), "ping");
  assert.equal(policy.check(state, { ...view, nowMs: 20_200, stalled: true }), "ping");
  assert.equal(policy.check(state, { ...view, nowMs: 20_300 }), "ping");
  assert.equal(policy.check(state, { ...view, nowMs: 20_400 }), "ping");
  assert.equal(policy.check(state, { ...view, nowMs: 20_500 }), "convict");
});
