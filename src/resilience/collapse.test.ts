import assert from "node:assert/strict";
import { test } from "node:test";
import { context, handClock, jobs } from "../../test/policies/support.ts";
import { type Context, type ContextFields, createMetadata, expected, type MethodInfo, type RpcError, type Service }
  from "../core/index.ts";
import { collapseLayer, type CollapseOptions } from "./index.ts";

const { method: plain } = context({}, { safe: true, name: "get" });

function setUp(options: CollapseOptions = {}) {
  const clock = handClock();
  const begun: { context: Context; resolve(value: unknown): void; reject(error: unknown): void }[] = [];
  const service: Service = (_request, own) => new Promise((resolve, reject) => {
    own.onCancel({ cancelled: reject });
    begun.push({ context: own, resolve, reject });
  });
  const layer = collapseLayer({ clock }, options);
  const call = layer(service);
  return {
    clock, begun, layer,
    call(request: unknown, fields: ContextFields = {}, method: MethodInfo = plain) {
      const given = context(fields, method);
      // One method is one ordinal: contexts of the support have methods of their own.
      Object.assign(given.method, { ordinal: method.ordinal });
      return { own: given, answer: Promise.resolve(call(request, given)) };
    },
  };
}

test("identical calls under way share one attempt, whatever the order of their members; others do not", async () => {
  const { call, begun, layer } = setUp();
  const same = [call({ a: 1, b: [{ c: 2n, d: 3 }] }), call({ b: [{ d: 3, c: 2n }], a: 1 })];
  const others = [
    call({ a: 1 }), call({ a: "1", b: [{ c: 2n, d: 3 }] }), call({ a: 1, b: [{ c: 2n, d: 3 }] }, { routeKey: "x" }),
  ];
  assert.equal(begun.length, 4);
  assert.equal(layer.shared, 4);
  begun.forEach(({ resolve }, i) => resolve(i));
  assert.deepEqual(await Promise.all(same.map(({ answer }) => answer)), [0, 0]);
  assert.deepEqual(await Promise.all(others.map(({ answer }) => answer)), [1, 2, 3]);
  assert.equal(layer.joined, 1);
  assert.equal(layer.shared, 0);
  void call({ a: 1 }).answer.catch(() => undefined);
  assert.equal(begun.length, 5, "what is over is not shared any more");
});

test("bytes tell calls apart, and so does metadata, unless told that it does not matter", () => {
  const { call, begun } = setUp();
  void call({ b: new Uint8Array([1, 2]) });
  void call({ b: new Uint8Array([1, 3]) });
  void call({ b: new Uint8Array([1, 2]) }, { metadata: createMetadata({ user: "ann" }) });
  void call({ b: new Uint8Array([1, 2]) }, { metadata: createMetadata({ user: "bob" }) });
  assert.equal(begun.length, 4);
  const lax = setUp({ metadata: ["user"] });
  void lax.call(1, { metadata: createMetadata({ user: "ann", trace: "1" }) });
  void lax.call(1, { metadata: createMetadata({ trace: "2", user: "ann" }) });
  void lax.call(1, { metadata: createMetadata({ trace: "2" }) });
  assert.equal(lax.begun.length, 2);
});

test("only safe methods are shared, or those named; nor calls whose caller looks at response metadata", () => {
  const unsafe = context({}, { idempotent: true, name: "put" }).method;
  for (const [options, method, shared] of [
    [{}, plain, true], [{}, unsafe, false], [{ methods: ["put"] }, unsafe, true], [{ methods: ["put"] }, plain, false],
  ] as const) {
    const { call, begun } = setUp(options);
    void call(1, {}, method);
    void call(1, {}, method);
    assert.equal(begun.length, shared ? 1 : 2);
  }
  const { call, begun } = setUp();
  void call(1);
  void call(1, { onMetadata: () => undefined });
  assert.equal(begun.length, 2);
});

test("each keeps his own deadline and cancellation; the attempt is cancelled when the last has gone", async () => {
  const { call, begun, clock } = setUp();
  const now = clock.now();
  const first = call(1, { startedMs: now, deadline: now + 100 });
  const second = call(1, { startedMs: now, deadline: now + 150 });
  const third = call(1, { startedMs: now, deadline: now + 200 });
  const fourth = call(1, { startedMs: now, deadline: now + 900 });
  assert.equal(begun.length, 2, "who has more time than the shared attempt goes alone");
  assert.equal(begun[0]?.context.deadline, now + 200);
  fourth.answer.catch(() => undefined);
  const codes = [first, second, third].map(({ answer }) => answer.then(() => "ok", (error: RpcError) => error.code));
  first.own.cancel(expected("cancelled", "enough"));
  await jobs();
  assert.ok(begun[0]?.context.cancelReason === undefined);
  clock.advance(150);
  await jobs();
  assert.ok(begun[0]?.context.cancelReason === undefined, "the third still waits");
  third.own.cancel();
  assert.deepEqual(await Promise.all(codes), ["cancelled", "deadline_exceeded", "cancelled"]);
  assert.equal(reasonOf(begun[0]?.context), "nobody waits for the shared call any more");
});

function reasonOf(context: Context | undefined): string | undefined {
  return context?.cancelReason?.message;
}

test("a failure is everybody's; a synchronous one too", async () => {
  const { call, begun } = setUp();
  const both = [call(1), call(1)];
  begun[0]?.reject(expected("not_found", "none"));
  for (const { answer } of both) await assert.rejects(answer, /none/);
  const layer = collapseLayer({ clock: handClock() });
  await assert.rejects(Promise.resolve(layer(() => {
    throw expected("internal", "at once");
  })(1, context({}, plain))), /at once/);
  assert.equal(layer.shared, 0);
});

test("so many are shared, of so large requests; a request without JSON goes alone", () => {
  const { call, begun } = setUp({ maxShared: 1, maxKeyChars: 20 });
  for (const request of [1, 2, 2, "x".repeat(50), "x".repeat(50)]) void call(request);
  assert.equal(begun.length, 5);
  const circular: { self?: unknown } = {};
  circular.self = circular;
  const odd = setUp();
  void odd.call(circular);
  void odd.call(circular);
  assert.equal(odd.begun.length, 2);
  assert.throws(() => setUp({ maxShared: 0 }), /maxShared is 0/);
});
