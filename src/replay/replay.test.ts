// The layer: one run a key, answers from the record, waiting, refusals, crashes and stores that fail.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { rpc, service } from "../contract/index.ts";
import { createIdempotencyKey, stampedKey, stampOf } from "../core/idempotency-key.ts";
import { Context, type Observer, RpcError } from "../core/index.ts";
import { createSimulation, type Simulation } from "../runtime/sim/index.ts";
import {
  isOutcomeUnknown, memoryReplayStore, replay, type Replay, type ReplayOptions, type ReplayStore,
} from "./index.ts";

const Bank = service("bank.v1.Bank", {
  pay: rpc({
    input: z.object({ to: z.string(), cents: z.int32() }), output: z.object({ total: z.int32() }), idempotent: "keyed",
    errors: { Poor: z.object({ missing: z.int32() }) },
  }),
  refund: rpc({ input: z.object({ cents: z.int32() }), output: z.object({ total: z.int32() }), idempotent: "keyed" }),
  read: rpc({ input: z.object({}), output: z.object({ total: z.int32() }) }),
  watch: rpc({ kind: "server_stream", input: z.object({}), output: z.object({}), idempotent: "keyed" }),
});
const { pay, refund, read, watch } = Bank.methods;
const request = { to: "ada", cents: 5 };
type Method = (typeof Bank)["methods"][keyof (typeof Bank)["methods"]];

interface Rig {
  readonly simulation: Simulation;
  readonly events: (readonly [string, Readonly<Record<string, unknown>>])[];
  readonly layer: Replay<() => unknown>;
  /** One call at once; `key` defaults to a stamped one that is always the same. */
  call(fields?: { method?: Method; key?: string | undefined; request?: unknown; metadata?: Record<string, string>;
    timeoutMs?: number; context?: (context: Context) => void }): Promise<unknown>;
  runs: number;
  /** Runs the simulation until the promise has settled. */
  end<T>(promise: Promise<T>): Promise<T>;
}

const theKey = stampedKey(1_767_225_600_000, "the key");

function rig(
  handler: (context: Context, rig: Rig) => unknown, options: ReplayOptions<() => unknown> = {},
  shared?: { simulation: Simulation; host: string },
): Rig {
  const simulation = shared?.simulation ?? createSimulation({ seed: 1 });
  const runtime = simulation.host(shared?.host ?? "server");
  const events: Rig["events"] = [];
  const observer: Observer = { event: (name, fields) => void events.push([name, fields]) };
  const bornMs = simulation.host("server").clock.wallMs() - 3_600_000;
  const layer = replay({ store: memoryReplayStore({ bornMs }), ...options });
  const inner = layer(runtime, observer);
  const made: Rig = {
    simulation, events, layer, runs: 0,
    call({ method = pay, request: given = request, metadata = {}, timeoutMs = 60_000, context, ...rest } = {}) {
      const key = "key" in rest ? rest.key : theKey;
      const { clock } = runtime;
      const now = clock.now();
      const of = new Context(method, now, now + timeoutMs, { idempotencyKey: key, metadata });
      context?.(of);
      return new Promise((resolve) => {
        resolve(inner((_request, inside) => {
          made.runs++;
          return handler(inside, made);
        })(given, of));
      });
    },
    end: (promise) => simulation.runUntil(promise, 10_000_000),
  };
  return made;
}

const sleep = (context: Context, { simulation }: Rig, ms: number): Promise<void> =>
  new Promise((resolve) => void simulation.host("server").clock.after(ms, resolve));

const unknownOutcome = (error: unknown): boolean =>
  isOutcomeUnknown(error) && !error.retryable && error.code === "unknown";

test("runs a keyed call once, and answers repeats with its value and metadata", async () => {
  const bank = rig((context, { runs }) => {
    context.setHeader("seen-by", "teller");
    context.setTrailer("receipt", "r1");
    return { total: runs };
  });
  assert.deepEqual(await bank.end(bank.call()), { total: 1 });
  let reply: Context["reply"];
  const repeat = bank.call({ context: (context) => queueMicrotask(() => {
    reply = context.reply;
  }) });
  assert.deepEqual(await bank.end(repeat), { total: 1 });
  assert.deepEqual({ ...reply?.header }, { "seen-by": "teller", "idempotent-replayed": "true" });
  assert.deepEqual({ ...reply?.trailer }, { receipt: "r1" });
  assert.deepEqual(await bank.end(bank.call({ key: "another" })), { total: 2 });
  assert.equal(bank.runs, 2);
  assert.deepEqual(bank.events.map(([name]) => name), ["replay.answered"]);
});

test("leaves methods that are not keyed, and calls without a key, alone", async () => {
  const bank = rig((_context, { runs }) => ({ total: runs }));
  await bank.end(bank.call({ method: read }));
  await bank.end(bank.call({ method: read }));
  await bank.end(bank.call({ key: undefined }));
  await bank.end(bank.call({ key: undefined }));
  assert.equal(bank.runs, 4);
  const strict = rig(() => ({ total: 1 }), { withoutKey: "refuse", withoutStamp: "refuse" });
  await assert.rejects(strict.call({ key: undefined }), { code: "invalid_argument", message: /idempotency-key/ });
  await assert.rejects(strict.call({ key: "foreign" }), { code: "invalid_argument", message: /createIdempotencyKey/ });
  await assert.rejects(strict.call({ method: watch }), { code: "unimplemented", neverStarted: true });
  assert.equal(strict.runs, 0);
});

test("answers a repeat with the declared error as it was decided", async () => {
  const bank = rig((context) => {
    context.setTrailer("branch", "7");
    throw pay.error("Poor", { missing: 95 }, "not enough");
  });
  for (let i = 0; i < 3; i++) {
    await assert.rejects(bank.end(bank.call()), (error: RpcError) => {
      assert.equal(error.reason, "Poor");
      assert.deepEqual(error.data, { missing: 95 });
      assert.equal(error.message, "not enough");
      assert.equal(error.code, "failed_precondition");
      return true;
    });
  }
  assert.equal(bank.runs, 1);
});

test("keeps no text of an exception that is no RpcError", async () => {
  const bank = rig(() => {
    throw new TypeError("password is hunter2");
  });
  await assert.rejects(bank.end(bank.call()), TypeError);
  await assert.rejects(bank.end(bank.call()), { code: "internal", message: "the handler failed unexpectedly" });
  assert.equal(bank.runs, 1);
});

test("a repeat waits for the first, and for no longer than it was told and its deadline allows", async () => {
  const bank = rig(async (context, made) => {
    await sleep(context, made, 3_000);
    return { total: made.runs };
  }, { waitMs: 5_000 });
  const first = bank.call();
  const second = bank.call();
  const hurried = bank.call({ timeoutMs: 1_000 });
  const cancelled = bank.call({ context: (context) =>
    void bank.simulation.host("server").clock.after(500, () => context.cancel()) });
  const ends = Promise.allSettled([first, second, hurried, cancelled]);
  const [one, two, three, four] = await bank.end(ends);
  assert.deepEqual(one, { status: "fulfilled", value: { total: 1 } });
  assert.deepEqual(two, { status: "fulfilled", value: { total: 1 } });
  assert.equal(three.status === "rejected" && (three.reason as RpcError).reason, "StillRunning");
  assert.equal(three.status === "rejected" && (three.reason as RpcError).retryAfterMs, 100);
  assert.equal(four.status === "rejected" && (four.reason as RpcError).code, "cancelled");
  assert.equal(bank.runs, 1);
  const impatient = rig(async (context, made) => {
    await sleep(context, made, 3_000);
    return { total: made.runs };
  }, { waitMs: 200 });
  void impatient.call();
  await assert.rejects(impatient.end(impatient.call()), { code: "aborted", message: /still runs after 200 ms/ });
});

test("a repeat on another server waits for the first", async () => {
  const store = memoryReplayStore({ bornMs: 0 });
  const handler = async (context: Context, made: Rig): Promise<unknown> => {
    await sleep(context, made, 3_000);
    return { total: 42 };
  };
  const a = rig(handler, { store });
  const b = rig(handler, { store }, { simulation: a.simulation, host: "other" });
  const answers = await a.end(Promise.all([a.call(), b.call(), b.call(), a.call()]));
  assert.deepEqual(answers, [42, 42, 42, 42].map((total) => ({ total })));
  assert.deepEqual([a.runs, b.runs], [1, 0]);
  const impatient = rig(handler, { store, waitMs: 100 }, { simulation: a.simulation, host: "third" });
  void a.call({ key: "k2" });
  await assert.rejects(a.end(impatient.call({ key: "k2" })), { code: "aborted", reason: "StillRunning" });
});

test("refuses a key that comes with another request or method", async () => {
  const bank = rig(() => ({ total: 1 }));
  await bank.end(bank.call());
  await assert.rejects(bank.end(bank.call({ request: { to: "ada", cents: 6 } })),
    { code: "invalid_argument", reason: "IdempotencyKeyReused", retryable: false });
  await assert.rejects(bank.end(bank.call({ method: refund })), { message: /used for a call of bank.v1.Bank\/pay/ });
  assert.deepEqual(await bank.end(bank.call({ request: { cents: 5, to: "ada" } })), { total: 1 });
  const running = rig(async (context, made) => {
    await sleep(context, made, 100);
    return { total: 1 };
  });
  const first = running.call();
  await assert.rejects(running.call({ request: { to: "bob", cents: 5 } }), { reason: "IdempotencyKeyReused" });
  await running.end(first);
  const lax = rig(() => ({ total: 1 }), { fingerprint: false });
  await lax.end(lax.call());
  assert.deepEqual(await lax.end(lax.call({ request: { to: "bob", cents: 6 } })), { total: 1 });
});

test("keys of different scopes are different keys", async () => {
  const bank = rig((_context, { runs }) => ({ total: runs }), { scope: ({ metadata }) => metadata["tenant"] ?? "" });
  assert.deepEqual(await bank.end(bank.call({ metadata: { tenant: "a" } })), { total: 1 });
  assert.deepEqual(await bank.end(bank.call({ metadata: { tenant: "b" } })), { total: 2 });
  assert.deepEqual(await bank.end(bank.call({ metadata: { tenant: "a" } })), { total: 1 });
});

test("an error that says that nothing was done lets the repeat run", async () => {
  const bank = rig((_context, { runs }) => {
    if (runs === 1) throw new RpcError("unavailable", "the vault is shut", { neverStarted: true });
    return { total: runs };
  });
  await assert.rejects(bank.end(bank.call()), { code: "unavailable" });
  assert.deepEqual(await bank.end(bank.call()), { total: 2 });
});

test("an error that leaves open what was done is an unknown outcome, or where told so another run", async () => {
  const handler = (_context: Context, { runs }: Rig): unknown => {
    if (runs === 1) throw new RpcError("unavailable", "the vault does not answer");
    return { total: runs };
  };
  const bank = rig(handler);
  await assert.rejects(bank.end(bank.call()), { code: "unavailable" });
  for (let i = 0; i < 2; i++) await assert.rejects(bank.end(bank.call()), unknownOutcome);
  assert.equal(bank.runs, 1);
  const again = rig(handler, { afterCrash: (method) => (method === pay ? "run_again" : "unknown") });
  await assert.rejects(again.end(again.call()), { code: "unavailable" });
  assert.deepEqual(await again.end(again.call()), { total: 2 });
});

for (const afterCrash of ["unknown", "run_again"] as const) {
  test(`after a crash in the middle of a call the repeat is ${afterCrash}`, async () => {
    const store = memoryReplayStore({ bornMs: 0 });
    const stuck = rig(() => new Promise(() => undefined), { store, leaseMs: 2_000, afterCrash });
    const other = rig((_context, { runs }) => ({ total: runs }), { store, leaseMs: 2_000, afterCrash },
      { simulation: stuck.simulation, host: "other" });
    void stuck.call();
    await stuck.simulation.run(7_000);
    // It is renewed as long as its server lives.
    await assert.rejects(other.end(other.call({ timeoutMs: 300 })), { reason: "StillRunning" });
    stuck.simulation.crash("server");
    const repeat = other.end(other.call());
    if (afterCrash === "unknown") await assert.rejects(repeat, unknownOutcome);
    else assert.deepEqual(await repeat, { total: 1 });
    assert.equal(other.runs, afterCrash === "unknown" ? 0 : 1);
  });
}

interface Mood {
  of: "well" | "failing" | "silent";
  from: "claim" | "complete";
}

/** The same store with some of its ways changed. */
function changed(
  inner: ReplayStore<() => unknown>, changes: Partial<ReplayStore<() => unknown>>,
): ReplayStore<() => unknown> {
  return {
    name: inner.name, claim: (call) => inner.claim(call), complete: (claim, outcome) => inner.complete(claim, outcome),
    release: (claim) => inner.release(claim), record: (claim, outcome, effect) => inner.record(claim, outcome, effect),
    ...changes,
  };
}

/** A store in front of the one in memory that fails, or takes its time, when told. */
function moody(): { store: ReplayStore<() => unknown>; mood: Mood } {
  const inner = memoryReplayStore({ bornMs: 0 });
  const mood: Mood = { of: "well", from: "claim" };
  const through = <T>(step: "claim" | "complete", action: () => T): Promise<Awaited<T>> => {
    if (mood.of === "well" || mood.from !== step) return Promise.resolve(action());
    return mood.of === "failing" ? Promise.reject(new Error("disk full")) : new Promise(() => undefined);
  };
  return { mood, store: changed(inner, {
    name: "moody",
    claim: (call) => through("claim", () => inner.claim(call)),
    complete: (claim, outcome) => through("complete", () => inner.complete(claim, outcome)),
  }) };
}

test("without its store it refuses, never started, or runs unprotected where told so", async () => {
  for (const how of ["failing", "silent"] as const) {
    const { store, mood } = moody();
    mood.of = how;
    const bank = rig((_context, { runs }) => ({ total: runs }), { store, storeTimeoutMs: 50 });
    await assert.rejects(bank.end(bank.call()), { code: "unavailable", neverStarted: true, message: /moody/ });
    assert.equal(bank.runs, 0);
    assert.equal(bank.events[0]?.[0], "replay.store.failed");
    const open = rig((_context, { runs }) => ({ total: runs }), { store, storeTimeoutMs: 50, withoutStore: "run" });
    assert.deepEqual(await open.end(open.call()), { total: 1 });
  }
});

test("a store that cannot take the end takes back no answer, and a repeat runs nothing again", async () => {
  for (const how of ["failing", "silent"] as const) {
    const { store, mood } = moody();
    mood.from = "complete";
    mood.of = how;
    const bank = rig((_context, { runs }) => ({ total: runs }), { store, storeTimeoutMs: 50, leaseMs: 300 });
    assert.deepEqual(await bank.end(bank.call()), { total: 1 });
    await bank.simulation.run(bank.simulation.nowMs + 10_000);
    await assert.rejects(bank.end(bank.call()), unknownOutcome);
    assert.equal(bank.runs, 1);
    mood.of = "well";
    const healed = bank.call({ key: "k2" });
    assert.deepEqual(await bank.end(healed), { total: 2 });
  }
});

test("an end that is written late is found by repeats", async () => {
  const { store, mood } = moody();
  mood.from = "complete";
  mood.of = "failing";
  const bank = rig((_context, { runs }) => ({ total: runs }), { store });
  assert.deepEqual(await bank.end(bank.call()), { total: 1 });
  mood.of = "well";
  await bank.simulation.run(bank.simulation.nowMs + 1_000);
  assert.deepEqual(await bank.end(bank.call()), { total: 1 });
  assert.equal(bank.runs, 1);
});

test("a claim that is told too late is given back", async () => {
  const inner = memoryReplayStore({ bornMs: 0 });
  const bank = rig((_context, { runs }) => ({ total: runs }), {
    storeTimeoutMs: 50,
    store: changed(inner, { claim: (call) => new Promise((resolve) => void bank.simulation.host("server").clock.after(
      bank.runs === 0 && inner.figures.running === 0 && bank.events.length === 0 ? 80 : 1,
      () => resolve(inner.claim(call)))) }),
  });
  await assert.rejects(bank.end(bank.call()), { code: "unavailable", neverStarted: true });
  await bank.simulation.run(bank.simulation.nowMs + 100);
  assert.equal(inner.figures.running, 0);
  assert.deepEqual(await bank.end(bank.call()), { total: 1 });
});

test("a handler that records with its effect is answered by its record, whatever it does afterwards", async () => {
  let balance = 0;
  const bank = rig(async (context, made) => {
    const result = { total: balance + 5 };
    await made.layer.record(context, result, () => balance += 5);
    if (made.runs === 1) throw new RpcError("unavailable", "the light went out");
    return result;
  }, { afterCrash: "run_again" });
  await assert.rejects(bank.end(bank.call()), { code: "unavailable" });
  assert.deepEqual(await bank.end(bank.call()), { total: 5 });
  assert.equal(balance, 5);
  assert.equal(bank.runs, 1);
  assert.deepEqual(await bank.end(bank.call({ key: undefined })), { total: 10 });
  assert.equal(balance, 10);
});

test("a handler whose claim was taken over cannot record, and its caller gets the record of the other", async () => {
  const store = memoryReplayStore({ bornMs: 0 });
  let balance = 0;
  const options = { store, leaseMs: 1_000, afterCrash: "run_again" as const };
  const slow = rig(async (context, made) => {
    assert.equal(made.layer.fenceOf(context), 1);
    await sleep(context, made, 10);
    made.simulation.silence("server");
    await sleep(context, made, 10);
    const result = { total: balance + 5 };
    await made.layer.record(context, result, () => balance += 5);
    return result;
  }, options);
  const other = rig(async (context, made) => {
    assert.equal(made.layer.fenceOf(context), 2);
    const result = { total: balance + 100 };
    await made.layer.record(context, result, () => balance += 100);
    return result;
  }, options, { simulation: slow.simulation, host: "other" });
  const first = slow.call().then((value) => value, (error: unknown) => error);
  await slow.simulation.run(3_000);
  assert.deepEqual(await other.end(other.call()), { total: 100 });
  slow.simulation.wake("server");
  const seen = await slow.end(first);
  assert.deepEqual(seen, { total: 100 });
  assert.deepEqual(await slow.end(slow.call()), { total: 100 });
  assert.equal(balance, 100);
});

test("a reply that is too long to be kept is an unknown outcome to repeats", async () => {
  const bank = rig(() => ({ total: 1_000_000 }), { maxOutcomeBytes: 3 });
  assert.deepEqual(await bank.end(bank.call()), { total: 1_000_000 });
  await assert.rejects(bank.end(bank.call()), unknownOutcome);
  assert.equal(bank.runs, 1);
});

test("a key that is too old ends as unknown, one from the future is refused", async () => {
  const bank = rig(() => ({ total: 1 }), { store: memoryReplayStore() });
  await bank.end(bank.call({ key: "warm up" }));
  const nowMs = bank.simulation.host("server").clock.wallMs();
  await assert.rejects(bank.end(bank.call({ key: stampedKey(nowMs - 90_000_000, "order 7") })), unknownOutcome);
  await assert.rejects(bank.end(bank.call({ key: stampedKey(nowMs + 60_000, "order 8") })),
    { code: "failed_precondition", message: /clock/ });
  assert.equal(bank.runs, 1);
});

test("keys say when they were made; others do not", () => {
  const { clock, random } = createSimulation({ seed: 1 }).host("a");
  const key = createIdempotencyKey({ clock, random });
  assert.deepEqual(stampOf(key), { atMs: clock.wallMs(), isAutomatic: false });
  assert.match(key, /^mU[0-9a-f]{11}-[0-9a-f]{32}$/);
  assert.deepEqual(stampOf(stampedKey(1, "x")), { atMs: 1, isAutomatic: false });
  for (const foreign of ["", "x", "mA", "mA00000000001-", "mB00000000001-x", "mA0000000000g-x", "mA00000000001x-",
    "3f2c7d1e-8a4b-4c5d-9e6f-1a2b3c4d5e6f"]) assert.equal(stampOf(foreign), undefined, foreign);
  assert.throws(() => stampedKey(-1, "x"), { message: /createdMs is -1/ });
  assert.throws(() => stampedKey(1, ""), { message: /name is ""/ });
});

test("refuses options that cannot be, by their names", () => {
  const refused = (options: ReplayOptions<() => unknown>, message: RegExp): void =>
    assert.throws(() => replay(options), { code: "invalid_argument", message });
  refused({ retentionMs: 10 }, /^retentionMs is 10/);
  refused({ leaseMs: 1 }, /^leaseMs is 1/);
  refused({ leaseMs: 5_000, retentionMs: 4_000 }, /^leaseMs is 5000: expected less than retentionMs, 4000/);
  refused({ clockSkewMs: 3_000, retentionMs: 5_000, leaseMs: 1_000 }, /^clockSkewMs is 3000/);
  refused({ waitMs: -1 }, /^waitMs is -1/);
  refused({ storeTimeoutMs: Number.NaN }, /^storeTimeoutMs is NaN/);
  refused({ maxOutcomeBytes: 0.5 }, /^maxOutcomeBytes is 0.5/);
  refused({ afterCrash: "maybe" as "unknown" }, /^afterCrash is "maybe"/);
  refused({ withoutKey: "x" as "run" }, /^withoutKey is "x"/);
  refused({ withoutStamp: "x" as "take" }, /^withoutStamp is "x"/);
  refused({ withoutStore: "x" as "run" }, /^withoutStore is "x"/);
});
