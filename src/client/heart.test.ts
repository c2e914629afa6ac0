import assert from "node:assert/strict";
import { test } from "node:test";
import { handClock } from "../../test/policies/support.ts";
import type { Connection } from "../core/connection.ts";
import { createLoad } from "../core/load.ts";
import { Heart, type HeartOptions } from "./heart.ts";

/** A heart over a connection that is played by hand; `pings` are the times at which it asked. */
function setUp(options: HeartOptions = {}, pingsSparingly = false) {
  const clock = handClock();
  const load = createLoad();
  const pings: number[] = [];
  const found: string[] = [];
  const state = { lastReceivedMs: clock.now() };
  const connection: Connection = {
    get lastReceivedMs() {
      return state.lastReceivedMs;
    },
    inFlight: 0,
    pingsSparingly,
    ping: () => pings.push(clock.now()) > 0,
    call: () => undefined,
    failRepeatable: () => undefined,
    abort: () => undefined,
    close: () => undefined,
  };
  const guard = { lagMs: () => 0, stalledRecently: () => false, close: () => undefined };
  const heart = new Heart(clock, guard, options, load, {
    waiting: 0,
    suspected: () => found.push(`suspected ${clock.now()}`),
    recovered: () => found.push("recovered"),
    dead: () => found.push("dead"),
  });
  heart.start(connection);
  /** Something comes in: the answer to a ping after so long, or else to a call. */
  const hear = (roundTripMs?: number): void => {
    state.lastReceivedMs = clock.now();
    if (roundTripMs !== undefined) heart.answered(roundTripMs);
  };
  hear(1);
  pings.length = 0;
  const call = (): void => {
    heart.quicken(clock.now());
    load.inFlight++;
  };
  return { clock, load, pings, found, hear, call, heart };
}

test("while an answer is overdue it is asked for every quarter of the interval", () => {
  const { clock, pings, found, call } = setUp();
  const calledMs = clock.now();
  call();
  clock.advance(200);
  assert.deepEqual(pings.map((atMs) => atMs - calledMs), [100, 125, 150, 175, 200]);
  clock.advance(110);
  assert.equal(found.length, 1);
});

test("who takes offence at pings gets no more of them in doubt", () => {
  const { clock, pings, call } = setUp({}, true);
  const calledMs = clock.now();
  call();
  clock.advance(1_290);
  assert.deepEqual(pings.map((atMs) => atMs - calledMs), [1_000]);
});

test("a ping whose answer is missing while others arrive is followed by another, but not for ever", () => {
  const { clock, load, pings, hear, call } = setUp();
  call();
  clock.advance(100);
  assert.equal(pings.length, 1);
  hear();
  load.inFlight = 0;
  clock.advance(25);
  assert.equal(pings.length, 2);
  hear(1);
  hear(1);
  clock.advance(1_000);
  assert.equal(pings.length, 2);
  call();
  clock.advance(100);
  hear();
  load.inFlight = 0;
  clock.advance(4_000);
  assert.equal(pings.length, 2 + 1 + 8);
});

test("an answer that was late once does not put off the next suspicion", () => {
  const { clock, found, hear, call } = setUp();
  hear(20_000);
  const calledMs = clock.now();
  call();
  clock.advance(2_000);
  const [at] = found.map((text) => Number(text.split(" ")[1]));
  assert.ok((at as number) - calledMs <= 300 + 2 * 54 + 1, `suspected after ${(at as number) - calledMs} ms`);
});
