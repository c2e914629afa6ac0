// The cache as a layer: fresh, stale and refused answers, coalescing, invalidation, copies, dead engines.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { rpc, service } from "../contract/index.ts";
import { Context, type MethodInfo, type Observer, RpcError, type RpcErrorOptions } from "../core/index.ts";
import { createSimulation, type Simulation } from "../runtime/sim/index.ts";
import { cacheStoreCases } from "../testing/cache.ts";
import {
  adviseCaches, type CacheStore, memoryCacheStore, responseCache, type ResponseCache, type ResponseCacheOptions,
  spreadCacheStore,
} from "./index.ts";

const anything = z.unknown();
const Shop = service("shop.v1.Shop", {
  find: rpc({ input: anything, output: anything, safe: true }),
  list: rpc({ input: anything, output: anything, safe: true }),
  touch: rpc({ input: anything, output: anything, idempotent: true }),
  buy: rpc({ input: anything, output: anything, idempotent: "keyed" }),
  spend: rpc({ input: anything, output: anything }),
  watch: rpc({ kind: "server_stream", input: anything, output: anything, safe: true }),
});
const { find, list, touch, buy, spend, watch } = Shop.methods;

interface CallFields {
  readonly method?: MethodInfo;
  readonly metadata?: Record<string, string>;
  readonly timeoutMs?: number;
  readonly context?: (context: Context) => void;
}

interface Rig {
  readonly simulation: Simulation;
  readonly cache: ResponseCache;
  readonly events: string[];
  runs: number;
  answer: (run: number, context: Context, request: unknown) => unknown;
  /** Begins a call, which goes on as the simulation does. */
  begin(request?: unknown, fields?: CallFields): Promise<unknown>;
  /** Begins a call and runs the simulation to its end. */
  call(request?: unknown, fields?: CallFields): Promise<unknown>;
  end<T>(promise: Promise<T>): Promise<T>;
  pass(ms: number): Promise<void>;
}

function rig(options: ResponseCacheOptions = {}, simulation = createSimulation({ seed: 1 })): Rig {
  const runtime = simulation.host("client");
  const events: string[] = [];
  const observer: Observer = { event: (name) => void events.push(name) };
  const cache = responseCache(options);
  const layer = cache(runtime, observer);
  const made: Rig = {
    simulation, cache, events, runs: 0, answer: (run) => ({ run }),
    begin(request = { id: 1 }, { method = find, metadata = {}, timeoutMs = 10_000, context } = {}) {
      const now = runtime.clock.now();
      const of = new Context(method, now, now + timeoutMs, { metadata });
      context?.(of);
      return new Promise((resolve) => resolve(layer((given, inner) =>
        made.answer(++made.runs, inner, given))(request, of)));
    },
    call: (request, fields) => made.end(made.begin(request, fields)),
    end: (promise) => simulation.runUntil(promise, simulation.nowMs + 1e6),
    pass: (ms) => simulation.run(simulation.nowMs + ms),
  };
  return made;
}

const failing = (code: "unavailable" | "not_found" | "invalid_argument", options?: RpcErrorOptions) => (): never => {
  throw new RpcError(code, "no", options);
};

for (const { name, run } of cacheStoreCases(() => {
  const simulation = createSimulation({ seed: 1 });
  return { store: memoryCacheStore(simulation.host("a")), advance: (ms) => simulation.run(simulation.nowMs + ms) };
})) test(`in memory: ${name}`, run);

for (const { name, run } of cacheStoreCases(() => {
  const simulation = createSimulation({ seed: 1 });
  const nodes = ["a", "b", "c"].map((node) => ({ ...memoryCacheStore(simulation.host(node)), name: node }));
  return { store: spreadCacheStore(nodes), advance: (ms) => simulation.run(simulation.nowMs + ms) };
})) test(`spread over three: ${name}`, run);

test("answers from what was answered before, until its time is over", async () => {
  const shop = rig({ ttlMs: 1_000 });
  assert.deepEqual(await shop.call({ a: 1, b: [2] }), { run: 1 });
  assert.deepEqual(await shop.call({ b: [2], a: 1 }), { run: 1 });
  assert.deepEqual(await shop.call({ a: 1, b: [3] }), { run: 2 });
  assert.deepEqual(await shop.call({ a: 1, b: [2] }, { method: list }), { run: 3 });
  await shop.pass(1_000);
  assert.deepEqual(await shop.call({ a: 1, b: [2] }), { run: 4 });
  assert.deepEqual(shop.cache.figures, { hits: 1, stale: 0, misses: 4, coalesced: 0 });
  assert.deepEqual(shop.events, ["cache.miss", "cache.hit", "cache.miss", "cache.miss", "cache.miss"]);
});

test("caches safe methods alone, and refuses others by their names", async () => {
  const shop = rig({ ttlMs: 1_000 });
  for (const method of [touch, buy, spend, watch]) {
    await shop.call({}, { method });
    await shop.call({}, { method });
  }
  assert.equal(shop.runs, 8);
  const declared = rig({ methods: [{ method: touch, ttlMs: 1_000 }] });
  await declared.call({}, { method: touch });
  await declared.call({}, { method: touch });
  await declared.call({});
  await declared.call({});
  assert.equal(declared.runs, 3);
  for (const method of [buy, spend]) {
    assert.throws(() => responseCache({ methods: [{ method, ttlMs: 1 }] }),
      { code: "invalid_argument", message: new RegExp(`^methods is "${method.path}": may change something`) });
  }
  assert.throws(() => responseCache({ methods: [{ method: watch }] }), { message: /is a server_stream/ });
});

test("each caller has its own copy, faithful to the value", async () => {
  const shop = rig({ ttlMs: 1_000 });
  const value = (): object => ({ list: [1, { deep: true }], at: new Date(5), bytes: Uint8Array.of(1, 2), big: 5n,
    map: new Map([["a", 1]]), set: new Set([1]), nothing: null, minus: -0, $: "tag" });
  shop.answer = value;
  const first = await shop.call() as { list: unknown[]; bytes: Uint8Array; map: Map<string, number> };
  first.list.push("spoilt");
  first.bytes[0] = 99;
  first.map.clear();
  const second = await shop.call() as typeof first;
  assert.deepEqual(second, value());
  second.list.length = 0;
  assert.deepEqual(await shop.call(), value());
  assert.equal(shop.runs, 1);
});

test("stale answers are given at once while one call renews them", async () => {
  const shop = rig({ ttlMs: 1_000, staleWhileRevalidateMs: 5_000 });
  shop.answer = async (run) => {
    await new Promise<void>((resolve) => void shop.simulation.host("client").clock.after(50, resolve));
    return { run };
  };
  await shop.call();
  await shop.pass(1_500);
  const atMs = shop.simulation.nowMs;
  assert.deepEqual(await Promise.all([shop.begin(), shop.begin()]), [{ run: 1 }, { run: 1 }]);
  assert.equal(shop.simulation.nowMs, atMs);
  await shop.pass(100);
  assert.deepEqual(await shop.call(), { run: 2 });
  assert.equal(shop.runs, 2);
  await shop.pass(1_500);
  shop.answer = failing("unavailable");
  assert.deepEqual(await shop.call(), { run: 2 });
  await shop.pass(100);
  assert.ok(shop.events.includes("cache.refresh.failed"));
  await shop.pass(6_000);
  await assert.rejects(shop.call(), { code: "unavailable" });
});

test("an old answer is better than none, but only where servers are in trouble, and for its time", async () => {
  const shop = rig({ ttlMs: 1_000, staleIfErrorMs: 5_000 });
  await shop.call();
  await shop.pass(2_000);
  shop.answer = failing("invalid_argument");
  await assert.rejects(shop.call(), { code: "invalid_argument" });
  shop.answer = failing("unavailable");
  assert.deepEqual(await shop.call(), { run: 1 });
  await shop.pass(5_000);
  await assert.rejects(shop.call(), { code: "unavailable" });
});

test("errors are kept by their codes, as they were", async () => {
  const shop = rig({ ttlMs: 1_000, negative: { not_found: 500 } });
  shop.answer = failing("not_found", { reason: "NoSuchThing", data: { id: 1n } });
  for (let i = 0; i < 3; i++) {
    await assert.rejects(shop.call(), { code: "not_found", message: "no", reason: "NoSuchThing", data: { id: 1n } });
  }
  assert.equal(shop.runs, 1);
  await shop.pass(500);
  await assert.rejects(shop.call(), { code: "not_found" });
  assert.equal(shop.runs, 2);
  shop.answer = failing("unavailable");
  for (let i = 0; i < 2; i++) await assert.rejects(shop.call({ other: true }), { code: "unavailable" });
  assert.equal(shop.runs, 4);
});

test("equal calls at once are one; each waits no longer than it may", async () => {
  const shop = rig({ ttlMs: 1_000 });
  const { clock } = shop.simulation.host("client");
  shop.answer = (run) => new Promise((resolve) => void clock.after(300, () => resolve({ run })));
  const calls = shop.end(Promise.allSettled([
    shop.begin(), shop.begin(), shop.begin({ id: 1 }, { timeoutMs: 100 }), shop.begin({ id: 2 }),
    shop.begin({ id: 1 }, { context: (context) => void clock.after(50, () => context.cancel()) }),
  ]));
  const [a, b, late, other, cancelled] = await calls;
  const values = [a, b, other].map((one) => one.status === "fulfilled" && one.value);
  assert.deepEqual(values, [{ run: 1 }, { run: 1 }, { run: 2 }]);
  assert.equal(late.status === "rejected" && (late.reason as RpcError).code, "deadline_exceeded");
  assert.equal(cancelled.status === "rejected" && (cancelled.reason as RpcError).code, "cancelled");
  assert.equal(shop.runs, 2);
  assert.equal(shop.cache.figures.coalesced, 3);
});

test("those who follow go on when the one who led gives up, and share what the server said", async () => {
  const shop = rig({ ttlMs: 1_000 });
  const { clock } = shop.simulation.host("client");
  shop.answer = (run, context) => new Promise((resolve, reject) => {
    clock.after(300, () => resolve({ run }));
    context.onCancel({ cancelled: reject });
  });
  const led = shop.begin({}, { context: (context) => void clock.after(50, () => context.cancel()) });
  const [first, second, third] = await shop.end(Promise.allSettled([led, shop.begin({}), shop.begin({})]));
  assert.equal(first.status, "rejected");
  assert.deepEqual([second, third].map((one) => one.status === "fulfilled" && one.value), [{ run: 2 }, { run: 2 }]);
  shop.answer = () => new Promise((_resolve, reject) => void clock.after(10, () =>
    reject(new RpcError("unavailable", "gone"))));
  const failed = await shop.end(Promise.allSettled([shop.begin("x"), shop.begin("x"), shop.begin("x")]));
  assert.ok(failed.every((one) => one.status === "rejected" && (one.reason as RpcError).code === "unavailable"));
  assert.equal(shop.runs, 3);
});

test("a server says how long, not at all, by what, and about what", async () => {
  const shop = rig({ ttlMs: 60_000 });
  shop.answer = (run, context) => {
    adviseCaches(context, { maxAgeMs: 2_000 });
    return { run };
  };
  await shop.call("short");
  await shop.pass(2_000);
  assert.deepEqual(await shop.call("short"), { run: 2 });
  shop.answer = (run, context) => {
    adviseCaches(context, { noStore: true });
    return { run };
  };
  await shop.call("never");
  assert.deepEqual(await shop.call("never"), { run: 4 });
  shop.answer = (run, context) => {
    adviseCaches(context, { vary: ["tenant"] });
    return { run, tenant: context.metadata["tenant"] };
  };
  const clock = shop.simulation.host("client").clock;
  const slow = shop.answer;
  shop.answer = async (run, context, request) => {
    await new Promise<void>((resolve) => void clock.after(10, resolve));
    return slow(run, context, request);
  };
  // At once, before anybody knows what the answer depends on.
  const tenants = ["a", "b", "a", "c", "b"];
  const answers = await shop.end(Promise.all(tenants.map((tenant) =>
    shop.begin("varied", { metadata: { tenant } }))));
  assert.deepEqual(answers.map((one) => (one as { tenant: string }).tenant), tenants);
  for (const tenant of tenants) {
    assert.equal((await shop.call("varied", { metadata: { tenant } }) as { tenant: string }).tenant, tenant);
  }
  const runsBefore = shop.runs;
  for (const tenant of tenants) await shop.call("varied", { metadata: { tenant } });
  assert.equal(shop.runs, runsBefore);
  assert.throws(() => adviseCaches(new Context(find, 0), { tags: ["a b"] }), { code: "invalid_argument" });
  assert.throws(() => adviseCaches(new Context(find, 0), { maxAgeMs: -1 }), { message: /^max-age is -1/ });
});

test("a hit carries the metadata of the answer", async () => {
  const shop = rig({ ttlMs: 1_000 });
  shop.answer = (_run, context) => {
    context.onMetadata?.("header", { etag: "7" });
    context.onMetadata?.("trailer", { cost: "3" });
    return 1;
  };
  const seen: string[] = [];
  for (let i = 0; i < 2; i++) {
    const context = (of: Context): void => void Object.assign(of, { onMetadata: (kind: string, metadata: object) =>
      void seen.push(`${kind} ${JSON.stringify(metadata)}`) });
    await shop.call({}, { context });
  }
  assert.deepEqual(seen.slice(2), seen.slice(0, 2));
  assert.equal(seen.length, 4);
});

test("what comes with credentials is its caller's alone, unless it is public or varied by them", async () => {
  const shop = rig({ ttlMs: 1_000 });
  const metadata = { authorization: "Bearer a" };
  await shop.call({}, { metadata });
  assert.deepEqual(await shop.call({}, { metadata }), { run: 2 });
  assert.deepEqual(await shop.call({}), { run: 3 });
  assert.deepEqual(await shop.call({}, { metadata }), { run: 4 });
  assert.deepEqual(await shop.call({}), { run: 3 });
  shop.answer = (run, context) => {
    adviseCaches(context, { isPublic: true, maxAgeMs: 1_000 });
    return { run };
  };
  await shop.call("p", { metadata });
  assert.deepEqual(await shop.call("p", { metadata: { authorization: "Bearer b" } }), { run: 5 });
  const varied = rig({ ttlMs: 1_000, vary: ["authorization"] });
  await varied.call({}, { metadata });
  assert.deepEqual(await varied.call({}, { metadata }), { run: 1 });
  assert.deepEqual(await varied.call({}, { metadata: { authorization: "Bearer b" } }), { run: 2 });
});

test("a caller may pass the cache by", async () => {
  const shop = rig({ ttlMs: 10_000 });
  const saying = (words: string) => ({ metadata: { "cache-control": words } });
  await assert.rejects(shop.call({}, saying("only-if-cached")), { code: "unavailable", neverStarted: true });
  await shop.call({});
  assert.deepEqual(await shop.call({}, saying("no-store")), { run: 2 });
  assert.deepEqual(await shop.call({}), { run: 1 });
  assert.deepEqual(await shop.call({}, saying("no-cache")), { run: 3 });
  assert.deepEqual(await shop.call({}, saying("only-if-cached")), { run: 3 });
});

test("forgets one request, or all with a tag, and what was under way", async () => {
  const shop = rig({ ttlMs: 10_000, tags: (request: { id: number }) => [`city:${request.id}`] });
  const { clock } = shop.simulation.host("client");
  await shop.call({ id: 1 });
  await shop.call({ id: 2 });
  await shop.cache.invalidate(find, { id: 1 });
  assert.deepEqual(await shop.call({ id: 1 }), { run: 3 });
  assert.deepEqual(await shop.call({ id: 2 }), { run: 2 });
  await shop.pass(1);
  await shop.cache.invalidateTag("city:2");
  await shop.pass(1);
  assert.deepEqual(await shop.call({ id: 2 }), { run: 4 });
  assert.deepEqual(await shop.call({ id: 2 }), { run: 4 });
  assert.deepEqual(await shop.call({ id: 1 }), { run: 3 });
  for (const forget of [() => shop.cache.invalidate(find, { id: 9 }), () => shop.cache.invalidateTag("city:9")]) {
    shop.answer = (run) => new Promise((resolve) => void clock.after(100, () => resolve({ run })));
    const before = shop.begin({ id: 9 });
    await Promise.resolve();
    await forget();
    const old = await shop.end(before) as { run: number };
    const fresh = await shop.call({ id: 9 }) as { run: number };
    assert.equal(fresh.run, old.run + 1);
    await shop.pass(1);
  }
});

interface Mood {
  of: "silent" | "failing" | "well";
}

/** An engine behind which there is nothing, or something slow. */
function engine(mood: Mood, simulation: Simulation, name = "engine"): CacheStore & { asked: number } {
  const inner = memoryCacheStore(simulation.host("engine"));
  const through = <T>(action: () => T): Promise<Awaited<T>> => {
    made.asked++;
    if (mood.of === "silent") return new Promise(() => undefined);
    return mood.of === "failing" ? Promise.reject(new Error("gone")) : Promise.resolve(action());
  };
  const made = {
    name, isShared: true, asked: 0,
    get: (keys: readonly string[]) => through(() => inner.get(keys)),
    set: (key: string, text: string, ttlMs: number) => through(() => inner.set(key, text, ttlMs)),
    delete: (key: string) => through(() => inner.delete(key)),
  };
  return made;
}

test("a dead engine fails no call, costs a few milliseconds, and soon nothing", async () => {
  for (const how of ["silent", "failing"] as const) {
    const simulation = createSimulation({ seed: 1 });
    const mood: Mood = { of: how };
    const store = engine(mood, simulation);
    const shop = rig({ ttlMs: 60_000, store }, simulation);
    for (let i = 0; i < 100; i++) {
      const atMs = simulation.nowMs;
      assert.deepEqual(await shop.call({ i }), { run: i + 1 });
      const tookMs = simulation.nowMs - atMs;
      assert.ok(tookMs <= 6, `${tookMs} ms`);
    }
    assert.ok(store.asked <= 6, `asked ${store.asked} times`);
    assert.ok(simulation.nowMs < 40, `${simulation.nowMs} ms for a hundred calls`);
    mood.of = "well";
    await simulation.run(simulation.nowMs + 1_100);
    await shop.call("again");
    assert.deepEqual(await shop.call("again"), { run: 101 });
  }
});

test("of several nodes one that is dead takes nothing else with it", async () => {
  const simulation = createSimulation({ seed: 1 });
  const mood: Mood = { of: "failing" };
  const nodes = ["a", "b", "c"].map((name) => engine(name === "b" ? mood : { of: "well" }, simulation, name));
  const shop = rig({ ttlMs: 60_000, store: spreadCacheStore(nodes) }, simulation);
  for (let round = 0; round < 2; round++) for (let i = 0; i < 300; i++) await shop.call({ i });
  const again = shop.runs - 300;
  assert.ok(again > 60 && again < 140, `${again} of 300 were not cached`);
});

test("keeps no more than its bounds", () => {
  const store = memoryCacheStore(createSimulation({ seed: 1 }).host("a"), { maxEntries: 3, maxBytes: 2_000 });
  for (const key of ["a", "b", "c"]) store.set(key, key, 1_000);
  store.get(["a"]);
  store.set("d", "d", 1_000);
  assert.deepEqual(store.get(["a", "b", "c", "d"]), ["a", undefined, "c", "d"]);
  store.set("e", "e".repeat(700), 1_000);
  assert.ok(store.figures.bytes <= 2_000);
  store.set("huge", "x".repeat(2_000), 1_000);
  assert.deepEqual(store.get(["huge", "e"]), [undefined, "e".repeat(700)]);
});

test("refuses options that cannot be, by their names", () => {
  const refused = (options: ResponseCacheOptions, message: RegExp): void =>
    assert.throws(() => responseCache(options), { code: "invalid_argument", message });
  refused({ ttlMs: -1 }, /^ttlMs is -1/);
  refused({ staleIfErrorMs: Number.NaN }, /^staleIfErrorMs is NaN/);
  refused({ negative: { cancelled: 5 } }, /^negative is "cancelled"/);
  refused({ negative: { nonsense: 5 } as never }, /^negative is "nonsense"/);
  refused({ vary: ["Tenant"] }, /^vary is "Tenant"/);
  refused({ storeTimeoutMs: 0 }, /^storeTimeoutMs is 0/);
  refused({ methods: [{ method: find, ttlMs: -1 }] }, /^methods: shop.v1.Shop\/find: ttlMs is -1/);
  refused({ methods: [{ method: find }, { method: find }] }, /named twice/);
  const store = memoryCacheStore(createSimulation({ seed: 1 }).host("a"));
  refused({ store, memory: {} }, /^memory is/);
  assert.throws(() => spreadCacheStore([]), { message: /^nodes is/ });
  assert.throws(() => spreadCacheStore([store, store]), { message: /^nodes is "memory"/ });
});
