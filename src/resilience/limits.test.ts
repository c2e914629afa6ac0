import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { context, handClock, jobs, property } from "../../test/policies/support.ts";
import { type Context, type RpcError, type Service } from "../core/index.ts";
import { bulkhead, decideRate, memoryRateLimitStore, rateLimit, type RateLimitStore, resolveRate } from "./index.ts";

/** A service whose calls end when the test says so. */
function held(): Service & { begun: Context[]; finish(): void; fail(error: Error): void } {
  const begun: Context[] = [];
  const ends: { resolve(value: unknown): void; reject(error: unknown): void }[] = [];
  const service: Service = (_request, call) => {
    begun.push(call);
    return new Promise((resolve, reject) => void ends.push({ resolve, reject }));
  };
  return Object.assign(service, {
    begun, finish: () => ends.shift()?.resolve("done"), fail: (error: Error) => ends.shift()?.reject(error),
  });
}

test("so many go through, so many wait in order, the next is refused at once", async () => {
  const clock = handClock();
  const events: string[] = [];
  const layer = bulkhead({ clock }, {
    maxConcurrent: 2, maxQueued: 2, name: "reports", observer: { event: (name) => events.push(name) },
  });
  const service = held();
  const call = layer(service);
  const calls = [1, 2, 3, 4].map((n) => Promise.resolve(call(n, context({ routeKey: String(n) }))));
  await assert.rejects(Promise.resolve(call(5, context())), (error: RpcError) => {
    assert.deepEqual([error.code, error.neverStarted, error.reason], ["resource_exhausted", true, "BULKHEAD_FULL"]);
    assert.match(error.message, /the bulkhead reports is full: 2 calls are under way and 2 wait/);
    return true;
  });
  assert.deepEqual([layer.running, layer.waiting, layer.refused], [2, 2, 1]);
  assert.deepEqual(events, ["bulkhead.full"]);
  for (let i = 0; i < 4; i++) {
    service.finish();
    await jobs();
  }
  assert.deepEqual(await Promise.all(calls), ["done", "done", "done", "done"]);
  assert.deepEqual(service.begun.map((one) => one.routeKey), ["1", "2", "3", "4"]);
  assert.deepEqual([layer.running, layer.waiting], [0, 0]);
});

test("who waits leaves at its wait's end, at its deadline, or when cancelled", async () => {
  const clock = handClock();
  const layer = bulkhead({ clock }, { maxConcurrent: 1, maxQueued: 3, maxWaitMs: 50 });
  const service = held();
  const call = layer(service);
  const first = assert.rejects(Promise.resolve(call(0, context())), /broken/);
  const cancelled = context();
  const codes = [
    Promise.resolve(call(1, context())), Promise.resolve(call(2, context({ deadline: clock.now() + 20 }))),
    Promise.resolve(call(3, cancelled)),
  ].map((one) => one.then(() => "ok", (error: RpcError) => `${error.code} ${error.neverStarted}`));
  cancelled.cancel();
  clock.advance(20);
  await jobs();
  assert.equal(layer.waiting, 1);
  clock.advance(30);
  assert.deepEqual(await Promise.all(codes),
    ["resource_exhausted true", "deadline_exceeded true", "cancelled false"]);
  assert.equal(layer.waiting, 0);
  service.fail(new Error("broken"));
  await first;
  assert.equal(layer.running, 0, "a failed call gives its place back too");
});

test("a stream holds its place until its last item, or until its reader leaves", async () => {
  const layer = bulkhead({ clock: handClock() }, { maxConcurrent: 1 });
  const stream = () => context({}, { kind: "server_stream" });
  const items = async function* (): AsyncGenerator<number> {
    yield 1;
    yield 2;
  };
  const call = layer(items);
  const first = call(1, stream()) as AsyncIterable<number>;
  assert.equal(layer.running, 1);
  const second = call(1, stream()) as AsyncIterable<number>;
  const later = (async () => {
    const items = [];
    for await (const item of second) items.push(item);
    return items;
  })();
  await jobs();
  assert.equal(layer.waiting, 1);
  for await (const item of first) if (item === 1) break;
  assert.deepEqual(await later, [1, 2]);
  assert.equal(layer.running, 0);
});

test("GCRA lets through what a bucket of tokens would, at any times and costs", () => {
  fc.assert(fc.property(
    fc.array(fc.tuple(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 1, max: 4 })), { maxLength: 100 }),
    fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 8 }),
    (steps, perSecond, burst) => {
      const rate = resolveRate({ perSecond, burst });
      let paid: number | undefined;
      let tokens = burst;
      let now = 0;
      for (const [waitMs, cost] of steps) {
        now += waitMs;
        tokens = Math.min(burst, tokens + (waitMs * perSecond) / 1_000);
        const decision = decideRate(rate, paid, cost, now);
        // What falls on the very edge may go either way by rounding.
        if (Math.abs(tokens - cost) > 1e-6) assert.equal(decision.allowed, tokens >= cost);
        if (decision.allowed) tokens -= cost;
        else if (cost <= burst) assert.ok(decideRate(rate, paid, cost, now + decision.retryAfterMs + 1e-3).allowed);
        else assert.equal(decision.retryAfterMs, Infinity);
        paid = decision.paidAtMs;
      }
    },
  ), property);
});

test("each key has its rate; who is too fast hears when to come again", async () => {
  const clock = handClock();
  const layer = rateLimit({ clock }, { perSecond: 10, burst: 2, key: (call) => call.routeKey ?? "" });
  const call = layer(() => "ok");
  const made = (routeKey?: string): unknown => {
    try {
      return call(1, context({ startedMs: clock.now(), routeKey }));
    } catch (error) {
      return error;
    }
  };
  assert.deepEqual([made("a"), made("a"), made("b"), made()], ["ok", "ok", "ok", "ok"]);
  const refused = made("a") as RpcError;
  assert.deepEqual([refused.code, refused.neverStarted, refused.reason, refused.retryAfterMs],
    ["resource_exhausted", true, "RATE_LIMITED", 100]);
  clock.advance(100);
  assert.equal(made("a"), "ok");
  assert.ok(made("a") !== "ok");
  for (let i = 0; i < 99; i++) assert.equal(made(""), "ok");
});

test("keys are bounded, and those that owe nothing are forgotten first", () => {
  const store = memoryRateLimitStore({ perSecond: 1, burst: 1, maxKeys: 3 });
  assert.equal(store.take("spent", 1, 0).allowed, true);
  for (let i = 0; i < 50; i++) store.take(`k${i}`, 1, 5_000 + i * 10);
  assert.equal(store.size, 3);
  // "spent" had paid back long since; k49 has not.
  assert.equal(store.take("k49", 1, 5_600).allowed, false);
});

test("a store elsewhere is asked by the wall clock; while it fails calls are let through or refused", async () => {
  const clock = handClock();
  let answer: () => ReturnType<RateLimitStore["take"]> = () => Promise.reject(new Error("no route to the store"));
  const asked: [string, number, number][] = [];
  const store: RateLimitStore = {
    take: (key, tokens, nowMs) => {
      asked.push([key, tokens, nowMs]);
      return answer();
    },
  };
  const events: string[] = [];
  const options = { store, observer: { event: (name: string) => events.push(name) }, tokens: () => 3 };
  const lenient = rateLimit({ clock }, options)(() => "ok");
  const strict = rateLimit({ clock }, { ...options, whenStoreFails: "refuse" })(() => "ok");
  assert.equal(await lenient(1, context()), "ok");
  await assert.rejects(Promise.resolve(strict(1, context())), /the rate limit cannot be looked up: no route/);
  assert.deepEqual(asked[0], ["all", 3, clock.wallMs()]);
  answer = () => Promise.resolve({ allowed: false, remaining: 0, retryAfterMs: 40.2 });
  await assert.rejects(Promise.resolve(lenient(1, context())), (error: RpcError) => error.retryAfterMs === 41);
  answer = () => new Promise(() => undefined);
  const slow = Promise.resolve(lenient(1, context()));
  await jobs();
  clock.advance(100);
  assert.equal(await slow, "ok", "a store that does not answer in time has failed");
  assert.deepEqual(events, ["ratelimit.store.failed", "ratelimit.store.failed", "ratelimit.refused"]);
});

test("options that cannot be, or contradict each other, are refused by name", () => {
  const runtime = { clock: handClock() };
  const store = memoryRateLimitStore({ perSecond: 1 });
  assert.throws(() => bulkhead(runtime, { maxConcurrent: 0 }), /maxConcurrent is 0/);
  assert.throws(() => bulkhead(runtime, { maxQueued: -1 }), /maxQueued is -1/);
  assert.throws(() => bulkhead(runtime, { maxWaitMs: NaN }), /maxWaitMs is NaN/);
  assert.throws(() => rateLimit(runtime, {}), /perSecond is undefined: a rate limit needs a rate or a store/);
  assert.throws(() => rateLimit(runtime, { perSecond: 0 }), /perSecond is 0/);
  assert.throws(() => rateLimit(runtime, { perSecond: 5, burst: 0.5 }), /burst is 0.5/);
  assert.throws(() => rateLimit(runtime, { store, perSecond: 5 }),
    /perSecond is 5: the store given has a rate of its own/);
  assert.throws(() => rateLimit(runtime, { perSecond: 5, whenStoreFails: "panic" as never }),
    /whenStoreFails is "panic"/);
  assert.throws(() => memoryRateLimitStore({ perSecond: 1, maxKeys: 0 }), /maxKeys is 0/);
  assert.throws(() => store.take("a", 0, 0), /tokens is 0/);
});
