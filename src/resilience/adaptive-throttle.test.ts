import assert from "node:assert/strict";
import { test } from "node:test";
import { context, handClock, jobs, seededRandom } from "../../test/policies/support.ts";
import { type Criticality, expected, RpcError, type Service } from "../core/index.ts";
import { adaptiveThrottle, adaptiveThrottleLayer, type AdaptiveThrottleOptions } from "./index.ts";

const shed = expected("resource_exhausted", "no room", { remote: true, phase: "server", neverStarted: true });

/** A client of `rate` calls a second before servers that accept `capacity(second)` of them. */
function play(
  options: AdaptiveThrottleOptions, seconds: number, capacity: (second: number) => number,
  { rate = 1_000, criticality = "default" }: { rate?: number; criticality?: Criticality } = {},
) {
  const clock = handClock(0);
  const throttle = adaptiveThrottle({ clock, random: seededRandom(5) }, options);
  const perSecond = Array.from({ length: seconds }, () => ({ sent: 0, accepted: 0 }));
  let room = 0;
  for (let i = 0; i < rate * seconds; i++) {
    clock.advance(1_000 / rate);
    const second = Math.min(seconds - 1, Math.floor(clock.now() / 1_000));
    room = Math.min(5, room + capacity(second) / rate);
    if (!throttle.passes("eu", clock.now()) && !throttle.admits("eu", criticality, clock.now())) continue;
    const figures = perSecond[second] as (typeof perSecond)[number];
    figures.sent++;
    if (room >= 1) {
      room--;
      figures.accepted++;
    } else {
      throttle.failed("eu", shed, clock.now());
    }
  }
  return perSecond;
}

test("a server that accepts a quarter is offered about twice what it accepts, and gets all it can do", () => {
  const figures = play({}, 30, (second) => (second < 5 ? 1_000 : 250));
  const late = figures.slice(-5);
  for (const { sent, accepted } of late) {
    assert.ok(sent > 420 && sent < 600, `${sent} sent`);
    assert.ok(accepted > 235, `${accepted} accepted`);
  }
});

test("it does not latch, at any K: once a server has room again everything comes back", () => {
  for (const k of [1.1, 1.5, 2, 4]) {
    const figures = play({ k }, 60, (second) => (second >= 5 && second < 20 ? 0 : 1_000));
    const during = figures.slice(17, 20);
    for (const { sent } of during) assert.ok(sent >= 8 && sent < 120, `K ${k}: ${sent} a second go on to be tried`);
    const back = figures.findIndex(({ accepted }, second) => second >= 20 && accepted >= 990);
    assert.ok(back !== -1 && back <= (k < 1.5 ? 55 : 40), `K ${k}: all of it is back at second ${back}`);
  }
});

test("a default client has all of its traffic back within 12 s of a complete refusal", () => {
  const figures = play({}, 40, (second) => (second >= 5 && second < 20 ? 0 : 1_000));
  assert.ok(figures.slice(32).every(({ accepted }) => accepted >= 990), JSON.stringify(figures.slice(20)));
});

test("what matters least is turned away first, what is critical last", () => {
  const sent = (["sheddable", "default", "critical"] as const).map((criticality) =>
    play({}, 30, () => 400, { criticality }).slice(-10).reduce((sum, one) => sum + one.sent, 0));
  assert.ok((sent[0] ?? 0) < (sent[1] ?? 0) * 0.9 && (sent[1] ?? 0) < (sent[2] ?? 0) * 0.9, sent.join());
});

test("groups do not pay for each other, and only so many are kept", () => {
  const clock = handClock();
  const throttle = adaptiveThrottle({ clock, random: seededRandom(1) }, { maxGroups: 2 });
  for (let i = 0; i < 500; i++) {
    throttle.admits("sick", "default", clock.now());
    throttle.failed("sick", shed, clock.now());
    assert.equal(throttle.admits("well", "default", clock.now()), true);
  }
  assert.ok(throttle.share("sick") > 0.9 && throttle.share("well") === 0);
  throttle.admits("third", "default", clock.now());
  throttle.admits("sick", "default", clock.now());
  assert.equal(throttle.share("sick"), 0, "who was forgotten begins anew");
});

test("only a server's own refusals count: not a lost connection, not a passed deadline, not a handler's error", () => {
  const clock = handClock();
  const throttle = adaptiveThrottle({ clock, random: seededRandom(1) });
  const others = [
    expected("unavailable", "lost", { neverStarted: true, phase: "connect" }),
    expected("deadline_exceeded", "late", { remote: true }), expected("not_found", "none", { remote: true }),
    expected("resource_exhausted", "too many waiting here"),
  ];
  for (let i = 0; i < 100; i++) {
    for (const error of others) {
      throttle.admits("eu", "default", clock.now());
      throttle.failed("eu", error, clock.now());
    }
  }
  assert.equal(throttle.share("eu"), 0);
});

test("as a layer: what is turned away never started, is not to be repeated, and says when to come again", async () => {
  const clock = handClock();
  const events: string[] = [];
  const observer = { event: (name: string) => void events.push(name) };
  const layer = adaptiveThrottleLayer({ clock, random: seededRandom(1) }, { observer });
  const service: Service = async () => {
    throw shed;
  };
  const errors: RpcError[] = [];
  for (let i = 0; i < 300; i++) {
    clock.advance(1);
    try {
      await layer(service)(1, context({ startedMs: clock.now() }));
    } catch (error) {
      errors.push(RpcError.from(error));
    }
    await jobs();
  }
  const own = errors.filter((error) => error !== shed);
  assert.ok(own.length > 150, `${own.length}`);
  assert.deepEqual(
    [own[0]?.code, own[0]?.neverStarted, own[0]?.retryable, own[0]?.reason, own[0]?.retryAfterMs],
    ["resource_exhausted", true, false, "THROTTLED", 100]);
  assert.deepEqual(events, ["throttle.share"]);
});

test("options that cannot be are refused by name", () => {
  const runtime = { clock: handClock(), random: seededRandom(1) };
  assert.throws(() => adaptiveThrottle(runtime, { k: 1 }), /k is 1: expected a number from 1.1/);
  assert.throws(() => adaptiveThrottle(runtime, { maxReject: 1 }), /maxReject is 1/);
  assert.throws(() => adaptiveThrottle(runtime, { windowMs: 0 }), /windowMs is 0/);
  assert.throws(() => adaptiveThrottle(runtime, { probeMs: NaN }), /probeMs is NaN/);
});

test("while nobody was refused a call passes by one look, and is counted as any other", () => {
  const clock = handClock(0);
  const throttle = adaptiveThrottle({ clock, random: seededRandom(5) });
  for (let i = 0; i < 50; i++) assert.equal(throttle.passes("eu", clock.now()), true);
  for (let i = 0; i < 40; i++) throttle.failed("eu", shed, clock.now());
  assert.equal(throttle.passes("eu", clock.now()), false);
  // 50 made, 10 taken on: (50 - 2 x 10) / 51.
  assert.ok(Math.abs(throttle.share("eu") - 30 / 51) < 1e-9, String(throttle.share("eu")));
});
