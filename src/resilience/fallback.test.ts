import assert from "node:assert/strict";
import { test } from "node:test";
import { context, handClock, jobs } from "../../test/policies/support.ts";
import { type Code, expected, type Observer, type RpcError, type Service } from "../core/index.ts";
import { circuitBreaker, fallback, keyedBreakers } from "./index.ts";

const failing = (code: Code): Service => async () => {
  throw expected(code, `it is ${code}`);
};

test("answers where the service could not, with a value or what a function makes, and tells of it", async () => {
  const events: unknown[] = [];
  const observer: Observer = { event: (name, fields) => void events.push([name, fields["code"]]) };
  const value = fallback({ answer: { sum: 0 }, observer });
  assert.deepEqual(await value(failing("unavailable"))(1, context()), { sum: 0 });
  const made = fallback({
    answer: async (error: RpcError, request: unknown) => `${error.code} ${String(request)}`, observer,
  });
  assert.equal(await made(failing("deadline_exceeded"))(7, context()), "deadline_exceeded 7");
  const sync: Service = () => {
    throw expected("resource_exhausted", "full");
  };
  assert.deepEqual(await value(sync)(1, context()), { sum: 0 });
  assert.deepEqual(events,
    ["unavailable", "deadline_exceeded", "resource_exhausted"].map((code) => ["fallback.used", code]));
});

test("stands aside for errors about the request, for other methods, streams, and callers who have left", async () => {
  const layer = fallback({ answer: 0, methods: ["call"] });
  await assert.rejects(Promise.resolve(layer(failing("not_found"))(1, context())), /not_found/);
  await assert.rejects(Promise.resolve(layer(failing("cancelled"))(1, context())), /cancelled/);
  const other = context({}, { name: "other" });
  await assert.rejects(Promise.resolve(layer(failing("unavailable"))(1, other)), /unavailable/);
  const left = context();
  left.cancel();
  await assert.rejects(Promise.resolve(layer(failing("unavailable"))(1, left)), /unavailable/);
  const stream = (async function* () {})();
  assert.equal(layer(() => stream)(1, context({}, { kind: "server_stream" })), stream);
  assert.equal(layer(() => 5)(1, context()), 5);
});

test("chosen errors replace the usual ones; a fallback that fails leaves the call's own error", async () => {
  const chosen = fallback({ answer: 0, codes: ["not_found"] });
  assert.equal(await chosen(failing("not_found"))(1, context()), 0);
  await assert.rejects(Promise.resolve(chosen(failing("unavailable"))(1, context())), /unavailable/);
  const decided = fallback({ answer: 0, isFor: (error) => error.message.includes("internal") });
  assert.equal(await decided(failing("internal"))(1, context()), 0);
  for (const answer of [() => Promise.reject(new Error("no")), () => { throw new Error("no"); }]) {
    const layer = fallback({ answer });
    await assert.rejects(Promise.resolve(layer(failing("unavailable"))(1, context())), /it is unavailable/);
  }
  assert.throws(() => fallback({ answer: 0, codes: ["internal"], isFor: () => true }),
    /codes is .*`isFor` decides instead/);
  assert.throws(() => fallback({} as never), /answer is undefined/);
});

test("a breaker opens for slowness too, and slow probes keep it open", () => {
  const clock = handClock();
  const events: unknown[] = [];
  const breaker = circuitBreaker({ clock }, {
    slowCallMs: 100, slowCallRate: 0.5, minCalls: 10,
    observer: { event: (_name, fields) => events.push(fields["why"]) },
  });
  const state = (): string => breaker.state.kind;
  for (let i = 0; i < 9; i++) breaker.record(false, clock.now(), 500);
  assert.equal(state(), "closed");
  breaker.record(false, clock.now(), 500);
  assert.equal(state(), "open");
  clock.advance(1_000);
  assert.equal(breaker.allows(clock.now()), true);
  breaker.record(false, clock.now(), 300);
  assert.equal(state(), "open");
  clock.advance(2_000);
  for (let i = 0; i < 10; i++) {
    assert.equal(breaker.allows(clock.now()), true);
    breaker.record(false, clock.now(), 5);
  }
  assert.equal(state(), "closed");
  assert.deepEqual(events,
    ["10 of 10 calls took longer than 100 ms", "time is up", "slow again", "time is up", "recovered"]);
});

test("half-open, a breaker lets a share through that grows with every success", () => {
  const clock = handClock();
  const breaker = circuitBreaker({ clock }, { consecutiveFailures: 1, closeAfter: 20 });
  breaker.record(true, clock.now());
  clock.advance(1_000);
  const rounds: number[] = [];
  while (breaker.state.kind !== "closed") {
    let through = 0;
    while (through < 50 && breaker.allows(clock.now())) through++;
    rounds.push(through);
    for (let i = 0; i < through && breaker.state.kind === "half_open"; i++) breaker.record(false, clock.now());
  }
  assert.deepEqual(rounds, [1, 2, 4, 8, 16]);
});

test("the layer tells the breaker how long a call took", async () => {
  const clock = handClock();
  const breaker = circuitBreaker({ clock }, { slowCallMs: 10, slowCallRate: 1, minCalls: 1 });
  const answer = breaker.layer(() => new Promise((resolve) => void clock.after(11, () => resolve(1))))(1, context());
  clock.advance(11);
  await answer;
  await jobs();
  assert.equal(breaker.state.kind, "open");
});

test("keyed breakers are apart for each key, and bounded: of those that are closed one goes first", async () => {
  const breakers = keyedBreakers({ clock: handClock() }, { consecutiveFailures: 2, maxKeys: 3 });
  const call = (name: string, service: Service) =>
    Promise.resolve().then(() => breakers.layer(service)(1, context({}, { path: `s/${name}` })));
  for (let i = 0; i < 2; i++) await assert.rejects(call("bad", failing("unavailable")), /it is unavailable/);
  await assert.rejects(call("bad", () => 1), /the circuit breaker of s\/bad is open/);
  assert.equal(await call("good", () => 1), 1);
  for (let i = 0; i < 20; i++) await call(`m${i}`, () => 1);
  assert.equal(breakers.size, 3);
  await assert.rejects(call("bad", () => 1), /is open/);
});

test("a breaker's options that cannot be, or contradict each other, are refused by name", () => {
  const runtime = { clock: handClock() };
  assert.throws(() => circuitBreaker(runtime, { failureRate: 0 }), /failureRate is 0/);
  assert.throws(() => circuitBreaker(runtime, { openMs: 5_000, maxOpenMs: 1_000 }),
    /openMs is 5000: it is above maxOpenMs/);
  assert.throws(() => circuitBreaker(runtime, { slowCallRate: 0.5 }), /slowCallRate is 0.5: it needs slowCallMs/);
  assert.throws(() => keyedBreakers(runtime, { windowMs: 0 }), /windowMs is 0/);
  assert.throws(() => keyedBreakers(runtime, { maxKeys: 0 }), /maxKeys is 0/);
});
