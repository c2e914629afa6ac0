import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { candidate, context, handClock, property } from "../../test/policies/support.ts";
import { type Context, expected, type RpcError } from "../core/index.ts";
import { attemptTimeout, circuitBreaker, type CircuitBreakerOptions, tokenBucket } from "./index.ts";

function setUp(options: CircuitBreakerOptions = {}) {
  const clock = handClock();
  const breaker = circuitBreaker({ clock }, options);
  const call = (failed: boolean): boolean => {
    if (!breaker.allows(clock.now())) return false;
    breaker.record(failed, clock.now());
    return true;
  };
  return { clock, breaker, call };
}

test("five failures in a row open it, a success in between does not", () => {
  const { breaker, call } = setUp();
  for (const failed of [true, true, true, true, false, true, true, true, true]) call(failed);
  assert.equal(breaker.state.kind, "closed");
  call(true);
  assert.equal(breaker.state.kind, "open");
  assert.equal(call(false), false);
});

test("half of the calls of the window open it, once there are enough, and old ones are forgotten", () => {
  const { breaker, call, clock } = setUp();
  for (let i = 0; i < 19; i++) call(i % 2 === 0);
  assert.equal(breaker.state.kind, "closed");
  clock.advance(11_000);
  for (let i = 0; i < 19; i++) call(i % 2 === 1);
  assert.equal(breaker.state.kind, "closed");
  call(true);
  assert.equal(breaker.state.kind, "open");
});

test("half-open lets through one more at a time, then closes", () => {
  const { breaker, call, clock } = setUp({ closeAfter: 4 });
  for (let i = 0; i < 5; i++) call(true);
  clock.advance(1_000);
  const now = clock.now();
  const admit = () => {
    let admitted = 0;
    while (breaker.allows(now)) admitted++;
    return admitted;
  };
  assert.equal(admit(), 1);
  breaker.record(false, now);
  assert.equal(admit(), 2);
  breaker.record(false, now);
  assert.equal(admit(), 2);
  breaker.release();
  assert.equal(admit(), 1);
  breaker.record(false, now);
  breaker.record(false, now);
  assert.equal(breaker.state.kind, "closed");
});

test("each failure to recover doubles the time it stays open, up to the limit", () => {
  const { breaker, call, clock } = setUp();
  for (let i = 0; i < 5; i++) call(true);
  const waits: number[] = [];
  for (let i = 0; i < 8; i++) {
    const state = breaker.state;
    assert.ok(state.kind === "open");
    waits.push(state.untilMs - clock.now());
    clock.advance(waits.at(-1) as number);
    call(true);
  }
  assert.deepEqual(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
});

test("calls whose end nobody recorded do not keep it half-open for ever", () => {
  const { breaker, call, clock } = setUp();
  for (let i = 0; i < 5; i++) call(true);
  clock.advance(1_000);
  assert.equal(breaker.allows(clock.now()), true);
  assert.equal(breaker.allows(clock.now()), false);
  clock.advance(30_001);
  assert.equal(breaker.allows(clock.now()), true);
});

test("whatever happens: an open breaker lets nothing through before its time", () => {
  const step = fc.record({ failed: fc.boolean(), waitMs: fc.integer({ min: 0, max: 3_000 }) });
  const steps = fc.array(step, { maxLength: 200 });
  fc.assert(fc.property(steps, (events) => {
    const { breaker, call, clock } = setUp();
    for (const { failed, waitMs } of events) {
      clock.advance(waitMs);
      const { state } = breaker;
      const mustRefuse = state.kind === "open" && clock.now() < state.untilMs;
      assert.equal(call(failed), !mustRefuse);
    }
  }), property);
});

test("as a layer: refuses as never started, counts what speaks against the callee, hands answers on", async () => {
  const { breaker } = setUp();
  let error: RpcError | undefined = expected("not_found", "no");
  const service = breaker.layer(async () => {
    if (error !== undefined) throw error;
    return "ok";
  });
  const call = async () => service(1, context());
  for (let i = 0; i < 10; i++) await assert.rejects(call);
  assert.equal(breaker.state.kind, "closed");
  error = expected("unavailable", "no");
  for (let i = 0; i < 5; i++) await assert.rejects(call);
  assert.equal(breaker.state.kind, "open");
  await assert.rejects(call, (refused: RpcError) => refused.neverStarted && refused.code === "unavailable");
  assert.equal(setUp().breaker.layer(() => 5)(1, context()), 5);
});

test("an attempt's own timeout is retryable while the call has time left", async () => {
  const clock = handClock();
  let seen: Context | undefined;
  const failure = expected("deadline_exceeded", "late", { region: "eu" });
  failure.candidate = candidate();
  const service = attemptTimeout({ clock }, 100)(async (_request, context: Context) => {
    seen = context;
    throw failure;
  });
  const call = async (deadline: number) => service(1, context({ startedMs: clock.now(), deadline }));
  await assert.rejects(call(clock.now() + 1_000), (error: RpcError) => {
    assert.equal(error.retryable, true);
    assert.equal(error.candidate, failure.candidate);
    assert.equal(error.region, "eu");
    return error.code === "deadline_exceeded";
  });
  assert.equal(seen?.deadline, clock.now() + 100);
  await assert.rejects(call(clock.now() + 50), (error: RpcError) => error === failure);
  assert.equal(seen?.deadline, clock.now() + 50);
});

test("a token bucket lets its rate through on average, and its burst at once", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 1_000 }), fc.integer({ min: 1, max: 100 }), fc.array(fc.integer({ min: 0, max: 500 })),
    (perSecond, burst, waits) => {
      const clock = handClock();
      const bucket = tokenBucket(clock, { perSecond, burst });
      let taken = 0;
      let elapsed = 0;
      for (const wait of waits) {
        clock.advance(wait);
        elapsed += wait;
        while (bucket.take()) taken++;
        assert.ok(taken <= burst + (elapsed * perSecond) / 1_000 + 1e-6);
        const due = bucket.waitMs();
        clock.advance(due);
        elapsed += due;
        assert.ok(bucket.take());
        taken++;
      }
      assert.equal(bucket.waitMs(burst + 1), Infinity);
    },
  ), property);
});
