import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { candidate, context, handClock, jobs, property, seededRandom } from "../../test/policies/support.ts";
import { type Context, expected, makesAttempts, RpcError, type Service } from "../core/index.ts";
import { backoff, retry, retryBudget, type RetryOptions } from "./index.ts";

function setUp(options: RetryOptions = {}) {
  const clock = handClock();
  const layer = retry({ clock, random: seededRandom(1) }, options);
  return { clock, layer };
}

/** Fails with each of `errors` in turn, then answers "done"; keeps the contexts it saw. */
function failing(...errors: unknown[]): Service & { seen: Context[] } {
  const seen: Context[] = [];
  const service = async (_request: unknown, context: Context): Promise<string> => {
    seen.push(context);
    const error = errors[seen.length - 1];
    if (error !== undefined) throw error;
    return "done";
  };
  return Object.assign(service, { seen });
}

const unavailable = (more = {}) => expected("unavailable", "no", more);

test("the first retry goes elsewhere at once, with the attempt counted and the endpoint avoided", async () => {
  const { layer } = setUp();
  const error = unavailable({ region: "eu" });
  error.candidate = candidate();
  const service = failing(error);
  assert.equal(await layer(service)(1, context()), "done");
  assert.deepEqual(service.seen.map((each) => each.attempt), [0, 1]);
  assert.deepEqual(service.seen[1]?.avoid, [error.candidate]);
  assert.equal(layer.budget.calls, 1);
  assert.equal(layer.budget.retries, 1);
});

test("an answer that is no promise passes untouched, and a synchronous throw is retried like a rejection", async () => {
  const { layer } = setUp();
  assert.equal(layer(() => 7)(1, context()), 7);
  let calls = 0;
  const answer = layer(() => {
    calls++;
    if (calls === 1) throw unavailable();
    return "ok";
  })(1, context());
  assert.equal(await answer, "ok");
});

test("what may be repeated follows from error and method", async () => {
  const cases: [boolean | "keyed", string | undefined, RpcError, number][] = [
    [false, undefined, unavailable(), 1],
    [false, undefined, unavailable({ neverStarted: true }), 2],
    [true, undefined, unavailable(), 2],
    [true, undefined, expected("not_found", "no"), 1],
    [true, undefined, expected("deadline_exceeded", "no", { retryable: true }), 2],
    ["keyed", undefined, unavailable(), 1],
    ["keyed", "k", unavailable(), 2],
    [true, undefined, unavailable({ retryAfterMs: -1 }), 1],
    [true, undefined, unavailable({ retryAfterMs: NaN }), 1],
    [true, undefined, expected("aborted", "no"), 2],
  ];
  for (const [idempotent, idempotencyKey, error, attempts] of cases) {
    const { layer } = setUp({ codes: ["aborted"] });
    const service = failing(error);
    await Promise.resolve(layer(service)(1, context({ idempotencyKey }, { idempotent }))).catch(() => undefined);
    assert.equal(service.seen.length, attempts, `${String(idempotent)} ${error.code} ${error.retryAfterMs}`);
  }
});

test("attempts never exceed five, and the last error is the one that is told", async () => {
  const { layer, clock } = setUp({ maxAttempts: 50, budget: { minPerSecond: 1000 } });
  const errors = Array.from({ length: 9 }, (_, i) => expected("unavailable", `no ${i}`));
  const service = failing(...errors);
  const answer = Promise.resolve(layer(service)(1, context()));
  const failed = assert.rejects(answer, /no 4/);
  for (let i = 0; i < 10; i++) {
    await jobs();
    clock.advance(2_000);
  }
  await failed;
  assert.equal(service.seen.length, 5);
});

test("push-back delays exactly, and a retry that cannot fit the deadline is not begun", async () => {
  const { layer, clock } = setUp();
  const service = failing(unavailable({ retryAfterMs: 70 }));
  const answer = layer(service)(1, context({ deadline: clock.now() + 100 }));
  await jobs();
  clock.advance(69);
  await jobs();
  assert.equal(service.seen.length, 1);
  clock.advance(1);
  assert.equal(await answer, "done");
  assert.equal(service.seen[1]?.startedMs, clock.now());

  const late = failing(unavailable({ retryAfterMs: 100 }));
  await assert.rejects(Promise.resolve(layer(late)(1, context({ deadline: clock.now() + 100 }))), /no/);
  assert.equal(late.seen.length, 1);
});

test("a wait ends with the call", async () => {
  const { layer } = setUp();
  const service = failing(unavailable({ retryAfterMs: 1_000 }));
  const call = context();
  const answer = Promise.resolve(layer(service)(1, call));
  await jobs();
  call.cancel();
  await assert.rejects(answer, (error: RpcError) => error.code === "cancelled");
  assert.equal(service.seen.length, 1);
});

test("a server stream is repeated until its first item, and not after", async () => {
  const { layer } = setUp();
  let attempts = 0;
  const service: Service = () => {
    const attempt = attempts++;
    return (async function* () {
      if (attempt === 0) throw unavailable();
      yield "a";
      if (attempt === 1) throw unavailable();
      yield "b";
    })();
  };
  const items: unknown[] = [];
  const stream = layer(service)(1, context({}, { kind: "server_stream" })) as AsyncIterable<unknown>;
  await assert.rejects(async () => {
    for await (const item of stream) items.push(item);
  }, /no/);
  assert.deepEqual(items, ["a"]);
  assert.equal(attempts, 2);
});

test("a stream that may have run is never said to have not, whatever became of its last attempt", async () => {
  for (const [first, second, isCertain] of [[false, true, false], [true, true, true], [true, false, false]] as const) {
    const { layer } = setUp({ maxAttempts: 2 });
    let attempts = 0;
    const service: Service = () => {
      const neverStarted = [first, second][attempts++];
      return (async function* () {
        yield* [];
        throw unavailable({ neverStarted, retryable: true });
      })();
    };
    const streams = context({}, { kind: "server_stream", idempotent: true });
    const stream = layer(service)(1, streams) as AsyncIterable<unknown>;
    await assert.rejects(stream[Symbol.asyncIterator]().next(), (error: RpcError) => {
      assert.equal(error.neverStarted, isCertain);
      assert.equal(/an earlier attempt may have run/.test(error.message), !first && second);
      return true;
    });
    assert.equal(attempts, 2);
  }
});

test("a client stream is repeated only if it never started and nobody read the caller's items", async () => {
  const items = (async function* () {
    yield 1;
  })();
  for (const [reads, neverStarted, attempts] of [[false, true, 2], [true, true, 1], [false, false, 1]] as const) {
    const { layer } = setUp();
    let made = 0;
    const service: Service = async (request) => {
      made++;
      if (reads) (request as AsyncIterable<unknown>)[Symbol.asyncIterator]();
      if (made === 1) throw unavailable({ neverStarted });
      return "done";
    };
    await Promise.resolve(layer(service)(items, context({}, { kind: "client_stream" }))).catch(() => undefined);
    assert.equal(made, attempts);
  }
});

test("backoff stays within its bounds", () => {
  fc.assert(fc.property(
    fc.integer(), fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 500 }), fc.integer({ min: 1, max: 4 }),
    (seed, retryNumber, initialMs, multiplier) => {
      const maxMs = 1_000;
      const waitMs = backoff(seededRandom(seed), { initialMs, multiplier, maxMs })(retryNumber);
      assert.ok(waitMs >= 0 && waitMs <= Math.min(initialMs * multiplier ** (retryNumber - 1), maxMs));
    },
  ), property);
});

/**
 * Plays `seconds` of `rate` calls a second, each attempt failing with probability `failing(t)`; answers the worst
 * amplification of any second (sliding by 100 ms) and the share of calls that failed for good.
 */
function play(rate: number, seconds: number, failing: (second: number, attempt: number) => number) {
  const clock = handClock(0);
  const random = seededRandom(7);
  const budget = retryBudget(clock);
  const calls: number[] = [];
  const attempts: number[] = [];
  let lost = 0;
  for (let i = 0; i < rate * seconds; i++) {
    clock.advance(1_000 / rate);
    const slot = Math.floor(clock.now() / 100);
    calls[slot] = (calls[slot] ?? 0) + 1;
    attempts[slot] = (attempts[slot] ?? 0) + 1;
    budget.began(clock.now());
    for (let attempt = 0; ; attempt++) {
      if (random.next() >= failing(clock.now() / 1_000, attempt)) break;
      if (attempt > 0) budget.retryFailed("a");
      if (attempt === 2 || !budget.withdraw("a")) {
        lost++;
        break;
      }
      attempts[slot] = (attempts[slot] ?? 0) + 1;
    }
  }
  let worst = 0;
  for (let at = 10; at < calls.length; at++) {
    const sum = (figures: number[]) => figures.slice(at - 10, at).reduce((total, each) => total + each, 0);
    worst = Math.max(worst, sum(attempts) / sum(calls));
  }
  return { worst, lost: lost / (rate * seconds) };
}

test("when retries are in vain, amplification stays below 1.2 in every second", () => {
  for (const rate of [100, 1_000, 5_000]) {
    const outage = play(rate, 20, (second) => (second > 8 ? 1 : 0));
    assert.ok(outage.worst <= 1.2, `outage at ${rate}/s: ${outage.worst}`);
    const third = play(rate, 20, (second) => (second > 8 ? 0.35 : 0));
    assert.ok(third.worst <= 1.2, `a third failing at ${rate}/s: ${third.worst}`);
  }
});

test("when another endpoint answers, a burst of 350 ms of the whole traffic is paid for, and no call is lost", () => {
  const died = play(2_000, 20, (second, attempt) => (second > 10 && second < 10.35 && attempt === 0 ? 1 : 0));
  assert.equal(died.lost, 0);
  assert.ok(died.worst <= 1.36, `worst second ${died.worst}`);
});

test("one key cannot spend what is left for the others", () => {
  const clock = handClock(0);
  const budget = retryBudget(clock);
  for (let i = 0; i < 1_000; i++) {
    clock.advance(1);
    budget.began(clock.now());
    if (i % 20 === 19) budget.balance("a");
  }
  while (budget.withdraw("a"));
  assert.ok(budget.balance("b") > 0);
});

test("an empty budget is told of, and the error stands", async () => {
  const events: string[] = [];
  const { layer } = setUp({
    budget: { minPerSecond: 0, ratio: 0 }, observer: { event: (name) => events.push(name) },
  });
  await assert.rejects(Promise.resolve(layer(failing(unavailable()))(1, context())), /no/);
  assert.deepEqual(events, ["retry.budget.empty"]);
});

test("what a peer's transport handed back unseen is repeated once without drawing on the budget", async () => {
  const refused = () => expected("unavailable", "refused", { neverStarted: true, remote: true, phase: "network" });
  const { layer } = setUp();
  for (let n = 0; n < 500; n++) assert.equal(await layer(failing(refused()))(1, context()), "done");
  assert.equal(layer.budget.retries, 0);
  // A server's own word is no transport's: it refuses because it is busy.
  const busy = expected("unavailable", "busy", { neverStarted: true, remote: true, phase: "server" });
  let spent = 0;
  for (let n = 0; n < 500; n++) {
    try {
      await layer(failing(busy))(1, context());
      spent++;
    } catch (error) {
      assert.equal(error, busy);
    }
  }
  assert.ok(spent < 500, "such repeats are budgeted");
});

test("a call that may have run is never said to have not, whatever became of its last attempt", async () => {
  const clock = handClock();
  const failures = [
    new RpcError("unavailable", "the connection broke"),
    new RpcError("unavailable", "nobody is ready", { neverStarted: true, endpoint: "eu a:1", region: "eu" }),
  ];
  const service = retry({ clock, random: seededRandom(1) }, { maxAttempts: 2 })(
    () => Promise.reject(failures.shift()));
  await assert.rejects(async () => service(1, context()), (error: RpcError) => {
    const { code, neverStarted, retryable, region } = error;
    assert.deepEqual([code, neverStarted, retryable, region], ["unavailable", false, true, "eu"]);
    return true;
  });
  const certain = [1, 2].map(() => new RpcError("unavailable", "refused", { neverStarted: true }));
  const refused = retry({ clock, random: seededRandom(1) }, { maxAttempts: 2 })(
    () => Promise.reject(certain.shift()));
  await assert.rejects(async () => refused(1, context()), { neverStarted: true });
});

test("over attempts alone a call's promise is the connection's own; failures come back by the call", async () => {
  const ended: [latencyMs: number, code: string | undefined][] = [];
  const { layer } = setUp({
    observer: { callEnded: (_context, latencyMs, error) => void ended.push([latencyMs, error?.code]) },
  });
  const seen: Context[] = [];
  // The second attempt is a repeat's, which hears of its end by its promise.
  const service = makesAttempts((_request, call) => {
    seen.push(call);
    return call.answer = seen.length === 2 ? Promise.resolve("repeated") : new Promise(() => undefined);
  });
  const first = context({ startedMs: 0 });
  assert.equal(layer(service)(1, first), first.answer);
  const answer = first.recovery?.failed(first, unavailable({ neverStarted: true, retryable: true }));
  assert.equal(await answer, "repeated");
  assert.deepEqual(seen.map(({ attempt, recovery }) => [attempt, recovery === undefined]), [[0, false], [1, true]]);
  assert.equal(ended.length, 1);
  const other = context({ startedMs: 5 });
  assert.equal(layer(service)(1, other), other.answer);
  other.recovery?.answered(other, 12);
  assert.deepEqual(ended[1], [7, undefined]);
  // With a layer in between the promise is another, and nobody else hears of attempts.
  const wrapped = context({ startedMs: 5 });
  void layer((request, call) => service(request, call))(1, wrapped);
  assert.equal(wrapped.recovery, undefined);
});

test("attempts made further up count towards the most, and the first repeat here still goes elsewhere at once",
  async () => {
    const { layer, clock } = setUp();
    const service = failing(unavailable(), unavailable(), unavailable());
    const nowMs = clock.now();
    await assert.rejects(layer(service)(1, context().with({ priorAttempts: 1 })) as Promise<unknown>);
    assert.deepEqual(service.seen.map((each) => each.attempt), [0, 1]);
    assert.equal(clock.now(), nowMs);
    const last = failing(unavailable());
    await assert.rejects(layer(last)(1, context().with({ priorAttempts: 2 })) as Promise<unknown>);
    assert.equal(last.seen.length, 1);
  });

test("with nothing left to repeat with, who works for another forbids the repeat; the error itself stays",
  async () => {
    const { layer } = setUp({ budget: { ratio: 0, minPerSecond: 0, burstMs: 0 } });
    const error = unavailable({ neverStarted: true, region: "eu", retryAfterMs: 5 });
    const working = context().with({ caller: context().method });
    const told = await (layer(failing(error))(1, working) as Promise<unknown>).then(() => undefined, RpcError.from);
    assert.equal(told?.retryAfterMs, -1);
    assert.deepEqual([told.code, told.message, told.neverStarted, told.retryable, told.region],
      [error.code, error.message, true, true, "eu"]);
    assert.equal(error.retryAfterMs, 5);
    await assert.rejects(layer(failing(error))(1, context()) as Promise<unknown>, error);

    const streaming = context({ caller: working.caller }, { kind: "server_stream" });
    const items = layer(failing(error))(1, streaming) as Promise<AsyncIterable<unknown>>;
    await assert.rejects(async () => {
      for await (const _ of await items) assert.fail("there was an item");
    }, { retryAfterMs: -1 });
  });
