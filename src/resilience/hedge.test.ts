import assert from "node:assert/strict";
import { test } from "node:test";
import { candidate, context, type HandClock, handClock, jobs, seededRandom } from "../../test/policies/support.ts";
import { type Context, expected, type MethodInfo, RpcError, type Service } from "../core/index.ts";
import { hedge, type HedgeOptions, liveLatency, retry, retryBudget } from "./index.ts";

/** `nowhere`: the picker finds nobody to send it to. */
type Plan = { afterMs?: number; error?: RpcError; value?: unknown; nowhere?: boolean };

interface Attempt {
  readonly context: Context;
  readonly atMs: number;
  cancelled: RpcError | undefined;
}

/** What servers report. */
const load = { cpu: 0 };

/** Answers each attempt as planned, ends it when it is cancelled, and tells of its end as an endpoint does. */
function scripted(clock: HandClock, plans: readonly Plan[]): Service & { attempts: Attempt[] } {
  const attempts: Attempt[] = [];
  const service: Service = (_request, call) => {
    const attempt: Attempt = { context: call, atMs: clock.now(), cancelled: undefined };
    const { afterMs = 0, error, value = `answer ${attempts.length}`, nowhere } = plans[attempts.length] ?? {};
    attempts.push(attempt);
    if (nowhere === true) throw expected("unavailable", "nobody else", { neverStarted: true, phase: "pick" });
    const report = { cpu: load.cpu, memory: 0, inFlight: 9, callsPerSecond: 1, errorsPerSecond: 0, loopLagMs: 0 };
    call.picked = candidate({ address: `e${attempts.length}`, region: "eu" }, "ready", { report });
    return new Promise((resolve, reject) => {
      call.onCancel({
        cancelled: (reason) => {
          attempt.cancelled = reason;
          call.attemptEnded = true;
          reject(reason);
        },
      });
      const end = (): void => {
        call.attemptEnded = true;
        if (error === undefined) resolve(value);
        else reject(error);
      };
      if (afterMs !== Infinity) clock.after(afterMs, end);
    });
  };
  return Object.assign(service, { attempts });
}

/** A client's stack in small: hedges over retries over a script; ends are told. */
function setUp(plans: readonly Plan[], options: HedgeOptions = {}, isStacked = true, clock = handClock()) {
  const events: [name: string, fields: Readonly<Record<string, unknown>>][] = [];
  const budget = retryBudget(clock, { minPerSecond: 1_000 });
  const service = scripted(clock, plans);
  const layer = hedge({ clock }, {
    delayMs: 10, ratio: 1, observer: { event: (name, fields) => void events.push([name, fields]) },
    ...(isStacked ? { endsAreTold: true, budget } : {}), ...options,
  });
  const inner = isStacked ? retry({ clock, random: seededRandom(1) }, { budget })(service) : service;
  const call = layer(inner);
  return {
    clock, events, budget, service, layer,
    /** Makes a call. At this ratio each pays for one hedge. */
    begin(fields: { deadline?: number } = {}, method: Partial<MethodInfo> = {}) {
      const own = context({ startedMs: clock.now(), ...fields }, method);
      return { own, answer: Promise.resolve(call(1, own)) };
    },
    async pass(ms: number) {
      for (let i = 0; i < ms; i++) {
        clock.advance(1);
        await jobs();
      }
    },
  };
}

test("what found nobody to go to costs nothing, and is no attempt", async () => {
  const lost = expected("unavailable", "silent", { retryable: true });
  const { service, begin, pass, budget, layer, events } = setUp([{ afterMs: 100, error: lost }, { nowhere: true }]);
  const before = budget.balance("eu");
  const { answer } = begin();
  await pass(20);
  assert.equal(service.attempts.length, 2);
  assert.deepEqual([budget.retries, layer.hedges, events.length], [0, 0, 0]);
  assert.ok(budget.balance("eu") >= before);
  // The repeat is the first, and does not wait.
  await pass(85);
  assert.equal(await answer, "answer 2");
  assert.equal(service.attempts[2]?.context.attempt, 1);
  assert.equal(service.attempts[2]?.atMs, (service.attempts[0]?.atMs ?? 0) + 100);
  assert.equal(budget.retries, 1);
});

for (const isStacked of [true, false]) {
  const how = isStacked ? "over retries" : "alone";
  test(`${how}: a call that is late is sent elsewhere, the first answer counts, the loser is cancelled`, async () => {
    const { service, begin, pass, layer } = setUp([{ afterMs: 500 }, { afterMs: 5 }], {}, isStacked);
    const { answer } = begin();
    await pass(30);
    assert.equal(await answer, "answer 1");
    const [first, second] = service.attempts as [Attempt, Attempt];
    assert.equal(second.context.attempt, 1);
    assert.equal(second.context.hedged, true);
    assert.deepEqual(second.context.avoid, [first.context.picked]);
    assert.equal(second.atMs - first.atMs, 10);
    assert.equal(first.cancelled?.code, "cancelled");
    assert.equal(layer.wins, 1);
  });

  test(`${how}: when the first answers after all, its hedge is cancelled`, async () => {
    const { service, begin, pass } = setUp([{ afterMs: 1 }, { afterMs: 14 }, { afterMs: Infinity }], {}, isStacked);
    const earlier = begin();
    await pass(3);
    await earlier.answer;
    const { answer } = begin();
    await pass(20);
    assert.equal(await answer, "answer 1");
    assert.equal(service.attempts.length, 3);
    assert.equal(service.attempts[2]?.cancelled?.code, "cancelled");
  });

  test(`${how}: a call that its caller cancels takes its hedges with it`, async () => {
    const plans = [{ afterMs: 1 }, { afterMs: Infinity }, { afterMs: Infinity }];
    const { service, begin, pass } = setUp(plans, {}, isStacked);
    const earlier = begin();
    await pass(3);
    await earlier.answer;
    const { own, answer } = begin();
    const failed = assert.rejects(answer, /enough/);
    await pass(12);
    own.cancel(expected("cancelled", "enough"));
    await failed;
    assert.deepEqual(service.attempts.slice(1).map((one) => one.cancelled?.message), ["enough", "enough"]);
  });
}

test("an answer in time, and a method that bears no repeat, cost no hedge", async () => {
  const { service, begin, pass } = setUp([{ afterMs: 5 }, { afterMs: 50 }, { afterMs: 50 }, { afterMs: 50 }]);
  const calls = [
    begin(), begin({}, { idempotent: false }), begin({}, { idempotent: "keyed" }), begin({}, { kind: "server_stream" }),
  ];
  await pass(60);
  await Promise.all(calls.map((one) => one.answer));
  assert.equal(service.attempts.length, 4);
  const safe = setUp([{ afterMs: 1 }, { afterMs: 50 }, { afterMs: 1 }]);
  const first = safe.begin({}, { idempotent: false, safe: true });
  await safe.pass(2);
  const second = safe.begin({}, { idempotent: false, safe: true });
  await safe.pass(20);
  await Promise.all([first.answer, second.answer]);
  assert.equal(safe.service.attempts.length, 3, "safe methods are hedged");
});

test("attempts end at maxAttempts, each a delay after the one before", async () => {
  const slow = Array.from({ length: 9 }, () => ({ afterMs: 1_000 }));
  const { service, begin, pass } = setUp([{ afterMs: 1 }, { afterMs: 1 }, { afterMs: 1 }, ...slow], { maxAttempts: 3 });
  for (let i = 0; i < 3; i++) {
    const one = begin();
    await pass(2);
    await one.answer;
  }
  const { answer } = begin();
  answer.catch(() => undefined);
  await pass(100);
  const times = service.attempts.slice(3).map((one) => one.atMs);
  assert.deepEqual(times.map((at) => at - (times[0] ?? 0)), [0, 10, 20]);
});

test("hedges are at most their share of the calls, and draw on the retries' budget", async () => {
  const plans = Array.from({ length: 4_000 }, () => ({ afterMs: 30 }));
  const { begin, pass, layer, budget } = setUp(plans, { ratio: 0.02 });
  const answers = [];
  for (let i = 0; i < 1_000; i++) {
    answers.push(begin().answer);
    await pass(1);
  }
  await pass(50);
  await Promise.all(answers);
  assert.ok(layer.hedges > 10 && layer.hedges <= 20, `${layer.hedges} of ${layer.calls}`);
  assert.equal(budget.retries, layer.hedges);
});

test("while half the retries' budget or less is left nothing is hedged", async () => {
  const budget = retryBudget(handClock(), { minPerSecond: 10, ratio: 0 });
  const { begin, pass, service } = setUp([{ afterMs: 50 }, { afterMs: 50 }], { budget });
  while (!(budget.isLow?.("eu") ?? true)) budget.withdraw("eu");
  assert.ok(budget.balance("eu") > 3, "it is not that nothing is left");
  const calls = [begin(), begin()];
  await pass(70);
  await Promise.all(calls.map((one) => one.answer));
  assert.equal(service.attempts.length, 2);
});

test("push-back delays the next attempt exactly, and one that says no stops further ones", async () => {
  const full = (retryAfterMs: number) =>
    expected("unavailable", "full", { remote: true, phase: "server", retryAfterMs });
  const warm = [{ afterMs: 1 }, { afterMs: 1 }, { afterMs: 1 }];
  for (const [retryAfterMs, attempts] of [[40, 3], [-1, 2], [NaN, 2]] as const) {
    const { begin, pass, service } = setUp(
      [...warm, { afterMs: 400 }, { afterMs: 5, error: full(retryAfterMs) }, { afterMs: 400 }], { maxAttempts: 3 });
    for (let i = 0; i < 3; i++) {
      const one = begin();
      await pass(2);
      await one.answer;
    }
    const { answer } = begin();
    await pass(450);
    await answer;
    const times = service.attempts.slice(3).map((one) => one.atMs);
    assert.equal(times.length, attempts, String(retryAfterMs));
    // The hedge left at 10 ms and was turned away at 15 ms.
    if (attempts === 3) assert.equal((times[2] ?? 0) - (times[0] ?? 0), 55);
  }
});

test("a fatal error of any attempt ends the call and the others", async () => {
  const { begin, pass, service } = setUp(
    [{ afterMs: 1 }, { afterMs: 400 }, { afterMs: 5, error: expected("not_found", "none", { remote: true }) }]);
  const one = begin();
  await pass(2);
  await one.answer;
  const { answer } = begin();
  const failed = assert.rejects(answer, /none/);
  await pass(30);
  await failed;
  assert.equal(service.attempts[1]?.cancelled?.code, "cancelled");
});

test("alone, a failure that is not fatal sends the next attempt at once, and one that is ends the call", async () => {
  const aborted = expected("aborted", "again");
  const { begin, pass, service } = setUp([{ afterMs: 1 }, { afterMs: 2, error: aborted }, { afterMs: 1 }],
    { nonFatalCodes: ["aborted"] }, false);
  const one = begin();
  await pass(2);
  await one.answer;
  const { answer } = begin();
  await pass(5);
  assert.equal(await answer, "answer 2");
  assert.equal((service.attempts[2]?.atMs ?? 0) - (service.attempts[1]?.atMs ?? 0), 2);
  const fatal = setUp([{ afterMs: 2, error: aborted }], {}, false);
  const refused = assert.rejects(fatal.begin().answer, /again/);
  await fatal.pass(5);
  await refused;
  assert.equal(fatal.service.attempts.length, 1);
});

test("when every attempt has failed the call goes on as a retry, with the attempts counted", async () => {
  const gone = (text: string) => expected("unavailable", text, { region: "eu" });
  const { begin, pass, service } = setUp([{ afterMs: 1 }, { afterMs: 20, error: gone("first") },
    { afterMs: 5, error: gone("second") }, { afterMs: 1 }], { maxAttempts: 2 });
  const one = begin();
  await pass(2);
  await one.answer;
  const { answer } = begin();
  await pass(60);
  assert.equal(await answer, "answer 3");
  assert.deepEqual(service.attempts.slice(1).map((one) => one.context.attempt), [0, 1, 2]);
  assert.equal(service.attempts[3]?.context.hedged, false);
});

test("the delay is the live quantile of the method, between its bounds, and its changes are told", async () => {
  const clock = handClock();
  const latency = liveLatency(clock);
  const events: Readonly<Record<string, unknown>>[] = [];
  const observer = { event: (name: string, fields: Readonly<Record<string, unknown>>) =>
    void (name === "hedge.delay" && events.push(fields)) };
  const { method } = context();
  const layer = hedge({ clock }, { latency, quantile: 0.9, leastDelayMs: 2, mostDelayMs: 60, observer });
  assert.equal(layer.delayMs(method), undefined, "nothing is known yet");
  const fill = (ms: number): void => {
    for (let i = 0; i < 2_000; i++) latency.record(method, ms * (i % 100 < 85 ? 1 : 4), clock.now());
    clock.advance(120_000);
    for (let i = 0; i < 2_000; i++) latency.record(method, ms * (i % 100 < 85 ? 1 : 4), clock.now());
  };
  fill(5);
  assert.ok(Math.abs((layer.delayMs(method) ?? 0) - 20) < 2, `${layer.delayMs(method)}`);
  fill(0.1);
  assert.equal(layer.delayMs(method), 2);
  fill(500);
  assert.equal(layer.delayMs(method), 60);
  assert.equal(events.length, 3);
  assert.match(String(events[0]?.["why"]), /90 % of about \d+ attempts were faster/);
});

test("where latencies hardly vary a hedge leaves after the slowest, unless its quantile was given", () => {
  const delayOf = (spreadMs: number, options: HedgeOptions = {}): number => {
    const clock = handClock();
    const latency = liveLatency(clock);
    const { method } = context();
    for (let i = 0; i < 4_000; i++) latency.record(method, 100 + spreadMs * ((i % 1_000) / 1_000) ** 8, clock.now());
    return hedge({ clock }, { latency, ...options }).delayMs(method) ?? NaN;
  };
  const narrow = delayOf(20);
  assert.ok(narrow > 119 * 1.05 && narrow < 120 * 1.2, `${narrow} ms`);
  const given = delayOf(20, { quantile: 0.985 });
  assert.ok(given < 120, `${given} ms: as it was asked for`);
  const wide = delayOf(1_000);
  assert.ok(wide > 900 && wide < 1_100, `${wide} ms: by the quantile`);
});

test("nothing is hedged while servers report load, or after one said it has no room; both are told", async () => {
  const plans = Array.from({ length: 3_000 }, () => ({ afterMs: 20 }));
  const { begin, pass, layer, events } = setUp(plans, { maxLoad: 0.8 });
  const answers = [];
  const call = async (count: number, cpu: number): Promise<void> => {
    load.cpu = cpu;
    for (let i = 0; i < count; i++) {
      answers.push(begin().answer);
      await pass(1);
    }
  };
  await call(300, 0.95);
  assert.match(layer.held ?? "", /servers report \d+ % utilisation/);
  const held = layer.hedges;
  await call(100, 0.95);
  assert.equal(layer.hedges, held);
  await call(300, 0.3);
  assert.equal(layer.held, undefined);
  assert.ok(layer.hedges > held);
  layer.told(expected("resource_exhausted", "full", { remote: true }));
  const before = layer.hedges;
  await call(200, 0.3);
  assert.equal(layer.held, "a server has no room");
  assert.equal(layer.hedges, before);
  assert.deepEqual(events.map(([name]) => name).filter((name) => name === "hedge.held" || name === "hedge.resumed"),
    ["hedge.held", "hedge.resumed", "hedge.held"]);
  load.cpu = 0;
});

test("an attempt that hangs is replaced on the retries' budget when no hedge is left", async () => {
  const clock = handClock();
  const latency = liveLatency(clock);
  const budget = retryBudget(clock, { minPerSecond: 1_000 });
  const service = scripted(clock, [{ afterMs: Infinity }, { afterMs: 3 }]);
  const layer = hedge({ clock }, { latency, budget, ratio: 0, endsAreTold: true, hangsAfter: 4, leastHangMs: 5 });
  const own = context({ startedMs: clock.now() });
  for (let i = 0; i < 500; i++) latency.record(own.method, 10, clock.now());
  const answer = layer(retry({ clock, random: seededRandom(1) }, { budget })(service))(1, own);
  for (let i = 0; i < 60; i++) {
    clock.advance(1);
    await jobs();
  }
  assert.equal(await answer, "answer 1");
  const afterMs = (service.attempts[1]?.atMs ?? 0) - (service.attempts[0]?.atMs ?? 0);
  assert.ok(afterMs >= 38 && afterMs <= 44, `${afterMs} ms, four times the 99th percentile`);
  assert.equal(budget.retries, 1);
});

test("no attempt is made for which less than a usual attempt's time is left", async () => {
  const clock = handClock();
  const latency = liveLatency(clock);
  const service = scripted(clock, [{ afterMs: 60 }, { afterMs: 3 }]);
  const layer = hedge({ clock }, { latency, ratio: 1, quantile: 0.5, endsAreTold: true });
  const own = context({ startedMs: clock.now(), deadline: clock.now() + 15 });
  for (let i = 0; i < 500; i++) latency.record(own.method, 10, clock.now());
  const answer = layer(service)(1, own);
  for (let i = 0; i < 70; i++) {
    clock.advance(1);
    await jobs();
  }
  await answer;
  assert.equal(service.attempts.length, 1);
});

test("options that cannot be, or contradict each other, are refused by name", () => {
  const runtime = { clock: handClock() };
  const cases: [HedgeOptions, RegExp][] = [
    [{ maxAttempts: 1 }, /maxAttempts is 1: expected a whole number of attempts from 2 to 5/],
    [{ maxAttempts: 6 }, /maxAttempts is 6/],
    [{ leastDelayMs: 50, mostDelayMs: 10 }, /leastDelayMs is 50: it is above mostDelayMs, which is 10/],
    [{ delayMs: 5, quantile: 0.9 }, /delayMs is 5: a fixed delay and a quantile contradict each other/],
    [{ delayMs: -1 }, /delayMs is -1/],
    [{ quantile: 1 }, /quantile is 1/],
    [{ ratio: NaN }, /ratio is NaN/],
    [{ hangsAfter: 0 }, /hangsAfter is 0/],
    [{ maxPending: 3 }, /maxPending is 3/],
  ];
  for (const [options, message] of cases) {
    assert.throws(() => hedge(runtime, options), (error: RpcError) => {
      assert.equal(error.code, "invalid_argument");
      assert.match(error.message, message);
      return RpcError.is(error);
    });
  }
});

test("without another endpoint no call is followed, until there is one", async () => {
  let isAlone = true;
  const plans = [{ afterMs: 40 }, { afterMs: 500 }, { afterMs: 5 }];
  const { service, begin, pass, layer } = setUp(plans, { isAlone: () => isAlone });
  const first = begin();
  await pass(60);
  assert.equal(await first.answer, "answer 0");
  assert.equal(service.attempts.length, 1);
  isAlone = false;
  const second = begin();
  await pass(30);
  assert.equal(await second.answer, "answer 2");
  assert.equal(layer.hedges, 1);
});

test("what seems late only because its answer lies unread is not sent again", async () => {
  const clock = handClock();
  const unread: (() => void)[] = [];
  const busy = Object.assign(clock, { afterInput: (callback: () => void) => void unread.push(callback) });
  const { begin, pass, service, layer } = setUp([{ afterMs: 13 }, { afterMs: Infinity }], { delayMs: 10 }, true, busy);
  const read = begin();
  await pass(12);
  assert.equal(unread.length, 1, "nothing is looked at before what has arrived is read");
  await pass(1);
  assert.equal(await read.answer, "answer 0");
  unread.shift()?.();
  assert.equal(service.attempts.length, 1);

  begin();
  await pass(11);
  unread.shift()?.();
  assert.equal(service.attempts.length, 3, "what is late all the same is");
  assert.equal(layer.hedges, 1);
});
