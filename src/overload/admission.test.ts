import assert from "node:assert/strict";
import { test } from "node:test";
import { context as contextOf, handClock, seededRandom } from "../../test/policies/support.ts";
import { endIsTold } from "../core/gate.ts";
import {
  Context, type Criticality, nextMethodOrdinal, type Observer, RpcError, type Runtime, type Service,
} from "../core/index.ts";
import {
  admission, type AdmissionLayer, type AdmissionOptions, admissionName, backPressure, criticalityName, fixedLimit,
  levelText, userLevels, userName,
} from "./index.ts";

function setUp(options?: AdmissionOptions, observer: Observer = {}) {
  const clock = handClock();
  const runtime = { clock, random: seededRandom(1) } as unknown as Runtime;
  const layer = admission(options)(runtime, observer) as AdmissionLayer;
  const waiting: { resolve: (value: unknown) => void; reject: (error: unknown) => void; request: unknown }[] = [];
  const handler: Service = (request) => new Promise((resolve, reject) => waiting.push({ request, resolve, reject }));
  const service = layer(handler);
  const method = (criticality: Criticality) => ({ ...contextOf().method, criticality, ordinal: nextMethodOrdinal() });
  const methods = { critical: method("critical"), default: method("default"), sheddable: method("sheddable") };
  const call = (criticality: Criticality = "default", fields: { deadline?: number; request?: unknown } = {}) => {
    const context = new Context(methods[criticality], clock.now(), fields.deadline);
    const told: { context: Context; error?: RpcError; value?: unknown } = { context };
    try {
      Promise.resolve(service(fields.request, context)).then((value) => {
        told.value = value;
      }, (error: unknown) => {
        told.error = RpcError.from(error);
      });
    } catch (error) {
      told.error = RpcError.from(error);
    }
    return told;
  };
  return { clock, layer, call, waiting, service, methods };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const one = { room: 1, limit: () => fixedLimit(1) };

test("as many work as the limit says, as many wait as there is room for, the rest is told so at once", async () => {
  const { call, layer, waiting } = setUp(one);
  const calls = Array.from({ length: 5 }, () => call());
  assert.deepEqual([layer.state.inFlight, layer.state.waiting], [1, 2]);
  await settled();
  const { error } = calls[4] as { error?: RpcError };
  assert.equal(error?.code, "resource_exhausted");
  assert.equal(error.neverStarted, true);
  assert.equal(error.phase, "queue");
  assert.ok((error.retryAfterMs ?? 0) > 0);
  assert.equal(error.metadata?.[criticalityName], "default");
  assert.equal(layer.state.shed, 2);
  waiting[0]?.resolve("a");
  await settled();
  assert.equal(calls[0]?.value, "a");
  assert.deepEqual([layer.state.inFlight, layer.state.waiting, waiting.length], [1, 1, 2]);
});

test("a handler that answers at once is asked at once and leaves nothing behind", () => {
  const { layer } = setUp(one);
  const service = layer((request) => request);
  for (let i = 0; i < 100; i++) assert.equal(service(i, contextOf()), i);
  assert.throws(() => layer(() => {
    throw new Error("no");
  })(1, contextOf()), /no/);
  assert.equal(layer.state.inFlight, 0);
});

test("a critical call takes the place of another, and is served first", async () => {
  const { call, waiting } = setUp(one);
  call();
  const [first, second] = [call("sheddable"), call("default")];
  call("critical", { request: "critical" });
  await settled();
  assert.equal(first.error?.code, "resource_exhausted");
  assert.equal(first.error.metadata?.[criticalityName], "sheddable");
  assert.equal(second.error, undefined);
  waiting[0]?.resolve(0);
  await settled();
  assert.equal(waiting[1]?.request, "critical");
});

test("whoever is cancelled leaves the line", async () => {
  const { call, layer, waiting } = setUp(one);
  call();
  const left = call();
  left.context.cancel(new RpcError("cancelled", "enough"));
  await settled();
  assert.equal(left.error?.message, "enough");
  assert.equal(layer.state.waiting, 0);
  waiting[0]?.resolve(0);
  await settled();
  assert.equal(waiting.length, 1);
});

test("what cannot be done in what is left of the deadline is not begun", async () => {
  const { call, clock, waiting } = setUp(one);
  for (let i = 0; i < 60; i++) {
    call();
    clock.advance(50);
    waiting[i]?.resolve(0);
    await settled();
  }
  call();
  const late = call("default", { deadline: clock.now() + 20 });
  const inTime = call("default", { deadline: clock.now() + 400 });
  await settled();
  assert.equal(late.error?.code, "deadline_exceeded");
  assert.equal(late.error.neverStarted, true);
  assert.match(late.error.message, /20\.0 ms are left of the deadline, and calls take \d.* or more now/);
  assert.equal(inTime.error, undefined);
});

test("streams pass, and count against no limit", () => {
  const { layer, call } = setUp(one);
  call();
  const stream = { ...contextOf().method, kind: "server_stream" as const };
  let begun = 0;
  const service = layer(() => ++begun);
  for (let i = 0; i < 10; i++) service(i, new Context(stream, 0));
  assert.equal(begun, 10);
});

test("while more comes than is done the door is shut to the least important, and opened afterwards", async () => {
  const events: [string, Readonly<Record<string, unknown>>][] = [];
  const { call, clock, layer, waiting } = setUp({ limit: () => fixedLimit(4), room: 4 },
    { event: (name, fields) => void events.push([name, fields]) });
  let finished = 0;
  const told = { critical: [] as { error?: RpcError }[], sheddable: [] as { error?: RpcError }[] };
  const second = async (perTick: number): Promise<void> => {
    for (let tick = 0; tick < 100; tick++) {
      for (let i = 0; i < perTick; i++) told.sheddable.push(call("sheddable"));
      if (tick % 2 === 0) told.critical.push(call("critical"));
      clock.advance(10);
      // Two are done every ten milliseconds.
      for (let i = 0; i < 2; i++) waiting[finished++]?.resolve(0);
      finished = Math.min(finished, waiting.length);
      await settled();
    }
  };
  for (let i = 0; i < 3; i++) await second(5);
  assert.equal(layer.gate.isShut, true);
  assert.ok(layer.state.share < 0.8, String(layer.state.share));
  assert.equal(told.critical.filter(({ error }) => error !== undefined).length, 0);
  const shed = told.sheddable.find(({ error }) => error?.message.includes("lets in") === true)?.error;
  assert.match(shed?.metadata?.[admissionName] ?? "", /^2\.\d+$/);
  for (let i = 0; i < 2; i++) await second(1);
  clock.advance(2_000);
  assert.equal(layer.gate.isShut, false);
  assert.equal(layer.state.share, 1);
  const names = events.map(([name]) => name);
  assert.ok(names.includes("overload.begins") && names.includes("overload.ends"), names.join());
  assert.ok(events.every(([, { why }]) => typeof why === "string"));
  assert.ok(events.length <= 3 * 12, `${events.length} events in seven seconds`);
});

test("an event loop that stays late is overload: one pause is not, nor what is worked off after it", () => {
  const { clock, layer } = setUp();
  const service = layer((request) => request);
  const callsPerMs = 0.8;
  /** The loop runs for so long without looking at its clock, and takes on what comes meanwhile. */
  const busy = (ms: number, leftMs = 500): void => {
    for (let i = 0; i < ms * callsPerMs && !layer.gate.isShut; i++) {
      service(i, new Context(contextOf().method, clock.now(), clock.now() + leftMs));
    }
    clock.stall(ms);
  };
  for (let i = 0; i < 40; i++) busy(50);
  clock.stall(2_000);
  for (let ms = 2_000; ms > 50; ms *= 0.85) busy(ms);
  assert.equal(layer.gate.isShut, false);
  assert.equal(layer.state.shed, 0);
  // Late as it is, whoever has two seconds is answered: a busy machine is no reason to turn anybody away.
  for (let i = 0; i < 50; i++) busy(600, 2_000);
  assert.equal(layer.gate.isShut, false);
  for (let i = 0; i < 5; i++) busy(250);
  assert.equal(layer.gate.isShut, true);
});

test("what comes at once after a standstill waits, however long the line; without one it is turned away", async () => {
  for (const silence of ["its own", "of its callers", "none"]) {
    const events: string[] = [];
    const { call, clock, layer, waiting } = setUp({ ...one, room: 4 }, { event: (name) => void events.push(name) });
    let done = 0;
    const step = async (calls: number): Promise<void> => {
      for (let i = 0; i < calls; i++) call();
      clock.advance(5);
      await settled();
      waiting[done++]?.resolve(0);
      await settled();
      done = Math.min(done, waiting.length);
    };
    // A call each 10 ms, each of which takes 5.
    for (let i = 0; i < 400; i++) await step(i % 2);
    if (silence === "its own") clock.stall(1_000);
    if (silence === "of its callers") clock.advance(1_000);
    await step(100);
    for (let i = 0; i < 400; i++) await step(i % 2);
    const { state } = layer;
    assert.equal(state.waiting, 0);
    if (silence === "none") assert.ok(state.shed > 50, String(state.shed));
    else assert.equal(state.shed, 0, silence);
    assert.equal(events.includes("overload.standstill"), silence !== "none");
  }
});

test("the end of a call is told by its wire where that says so, and else seen by a promise handler", async () => {
  const { layer, methods, waiting, clock } = setUp({ ...one, line: false, levels: false });
  const service = layer(() => new Promise((resolve, reject) => waiting.push({ request: 0, resolve, reject })));
  const context = new Context(methods.default, clock.now());
  context.atWork = endIsTold;
  void service(1, context);
  assert.deepEqual([layer.state.inFlight, context.atWork], [1, 1]);
  waiting[0]?.resolve(0);
  await settled();
  assert.equal(layer.state.inFlight, 1, "until it is told");
  layer.gate.ended(context, clock.now(), undefined);
  assert.deepEqual([layer.state.inFlight, context.atWork], [0, 0]);
  void service(1, new Context(methods.default, clock.now()));
  waiting[1]?.resolve(0);
  await settled();
  assert.equal(layer.state.inFlight, 0);
});

test("prices of what a handler calls are asked at the door, and at the caller", async () => {
  const prices = backPressure();
  const { clock, layer, methods } = setUp({ backPressure: prices });
  const runtime = { clock, random: seededRandom(1) } as unknown as Runtime;
  const below = { ...contextOf().method, path: "below/it" };
  const metadata = { [admissionName]: levelText(userLevels + 100) };
  const refusal = new RpcError("resource_exhausted", "full", { metadata });
  const client = prices.client(runtime, {})(() => Promise.reject(refusal));
  const downstream = new Context(below, clock.now(), Infinity, { caller: methods.default });
  await assert.rejects(async () => client(1, downstream), /full/);
  assert.equal(prices.cursorOf(methods.default.path, clock.now()), userLevels + 100);
  // Of a thousand users about nine in ten cannot pay.
  let refused = 0;
  const service = layer(() => "done");
  for (let i = 0; i < 1_000; i++) {
    const user = { [userName]: `user-${i}` };
    try {
      service(i, new Context(methods.default, clock.now(), Infinity, { metadata: user }));
    } catch (error) {
      refused++;
      assert.equal((error as RpcError).code, "resource_exhausted");
    }
  }
  assert.ok(refused > 850 && refused < 930, String(refused));
  assert.equal(service(1, new Context(methods.critical, clock.now())), "done");
  const own = client(1, new Context({ ...below, criticality: "critical" }, clock.now()));
  await assert.rejects(async () => own, /full/, "the critical can pay");
  const sheddable = new Context({ ...below, criticality: "sheddable" }, clock.now());
  assert.throws(() => client(1, sheddable), /before it was sent/);
  clock.advance(1_000);
  assert.equal(prices.cursorOf(methods.default.path, clock.now()), 3 * userLevels);
  assert.throws(() => backPressure({ freshMs: 0 }), /freshMs is 0/);
});

test("impossible options are refused by name, before there is a server", () => {
  assert.throws(() => admission({ room: 0 }), /room is 0/);
  assert.throws(() => admission({ maxLoopLagMs: 0 }), /maxLoopLagMs is 0/);
  assert.throws(() => admission({ line: { capacity: -1 } }), /line.capacity is -1/);
  assert.throws(() => admission({ line: { intervalMs: 10, maxWaitMs: 5 } }), /maxWaitMs is 5/);
});
