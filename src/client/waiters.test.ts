import assert from "node:assert/strict";
import { test } from "node:test";
import { callContext, outcomeOf } from "../../test/client/scripted.ts";
import { expected } from "../core/index.ts";
import { createSimulation } from "../runtime/sim/index.ts";
import { Waiters } from "./waiters.ts";

function setUp() {
  const simulation = createSimulation({ seed: 1 });
  const { clock } = simulation.host("client");
  return { simulation, clock, waiters: new Waiters(clock) };
}

test("those who wait go on together, and nobody is left", async () => {
  const { simulation, clock, waiters } = setUp();
  const outcomes = [outcomeOf(waiters.wait(callContext(clock))), outcomeOf(waiters.wait(callContext(clock, 1_000)))];
  assert.equal(waiters.size, 2);
  waiters.release();
  const { events } = simulation;
  await simulation.run(5_000);
  assert.equal(simulation.events, events, "no alarm is left behind");
  assert.deepEqual(outcomes, [{ value: undefined }, { value: undefined }]);
  assert.equal(waiters.size, 0);
  assert.equal(clock.now(), 5_000);
});

test("each waits no longer than its own deadline, and is told for what it waited", async () => {
  const { simulation, clock, waiters } = setUp();
  const soon = outcomeOf(waiters.wait(callContext(clock, 200)));
  const late = outcomeOf(waiters.wait(callContext(clock, 900)));
  await simulation.run(500);
  assert.equal(soon.error?.code, "deadline_exceeded");
  assert.equal(soon.error?.message, "the deadline passed after 200 ms of waiting for a connection; " +
    "200.0 ms went into connect 200.0 ms; the event loop was 0.0 ms late");
  assert.deepEqual(soon.error?.spent, { totalMs: 200, ms: { connect: 200 }, loopLagMs: 0 });
  assert.equal(soon.error?.neverStarted, true);
  assert.equal(soon.error?.retryable, false);
  assert.deepEqual(late, {});
  waiters.fail(expected("unavailable", "no such host"));
  await simulation.run(501);
  assert.equal(late.error?.message, "no such host");
  assert.equal(waiters.size, 0);
});

test("a call that is cancelled waits no more; one that was cancelled before does not begin to", async () => {
  const { simulation, clock, waiters } = setUp();
  const context = callContext(clock, 1_000);
  const outcome = outcomeOf(waiters.wait(context));
  context.cancel(expected("cancelled", "changed my mind"));
  const never = outcomeOf(waiters.wait(context));
  await simulation.run(1);
  assert.equal(outcome.error?.message, "changed my mind");
  assert.equal(never.error?.message, "changed my mind");
  assert.equal(waiters.size, 0);
});

test("who comes while the others are told waits for the next time", async () => {
  const { simulation, clock, waiters } = setUp();
  let again: object | undefined;
  const first = waiters.wait(callContext(clock)).then(() => { again = outcomeOf(waiters.wait(callContext(clock))); });
  waiters.release();
  await first;
  await simulation.run(10);
  assert.deepEqual(again, {});
  assert.equal(waiters.size, 1);
});

test("10,000 calls may wait; one more is refused, certain not to have started", async () => {
  const { clock, waiters } = setUp();
  for (let i = 0; i < 10_000; i++) outcomeOf(waiters.wait(callContext(clock)));
  await assert.rejects(waiters.wait(callContext(clock)), {
    code: "resource_exhausted", neverStarted: true,
    message: "10000 calls wait for a connection already; make fewer at once",
  });
  waiters.release();
  assert.equal(waiters.size, 0);
});
