import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { thrownBy } from "../../test/client/scripted.ts";
import { isError, rpc, service } from "../contract/index.ts";
import { type Candidate, type Context, type Observer, RpcError, type Runtime } from "../core/index.ts";
import { createSimulation } from "../runtime/sim/index.ts";
import { createServerOn, type ServerOptions } from "../server/server.ts";
import { type ClientOptions, createClientOn } from "./create-client.ts";

const Shop = service("test.v1.Shop", {
  buy: rpc({
    input: z.object({ item: z.string() }), output: z.object({ left: z.int32() }),
    errors: {
      SoldOut: z.object({ item: z.string(), until: z.int32() }),
      Unknown: { code: "not_found", data: z.object({ item: z.string() }) },
    },
  }),
  wait: rpc({ input: z.object({ ms: z.int32() }), output: z.object({ leftMs: z.int32() }), idempotent: true }),
  brief: rpc({ input: z.object({}), output: z.object({ leftMs: z.int32() }), timeoutMs: 700 }),
  ticks: rpc({ kind: "server_stream", input: z.object({}), output: z.object({ n: z.int32() }) }),
});

const sleepOn = ({ clock }: Runtime, ms: number) => new Promise<void>((resolve) => void clock.after(ms, resolve));
const left = ({ clock }: Runtime, context: Context) =>
  ({ leftMs: context.deadline === Infinity ? -1 : Math.round(context.deadline - clock.now()) });

/** A server at `server:1`, and what its handlers saw. */
async function setUp(options: ServerOptions = {}) {
  const simulation = createSimulation({ seed: 1, link: { latencyMs: 5 } });
  const server = simulation.host("server");
  const client = simulation.host("client");
  const contexts: Context[] = [];
  const serving = createServerOn(server, options).implement(Shop, {
    buy: ({ item }) => {
      if (item === "umbrella") throw Shop.methods.buy.error("SoldOut", { item, until: 7 }, "no umbrellas before June");
      if (item === "yeti") throw Shop.methods.buy.error("Unknown", { item });
      if (item === "bug") throw new Error("password is hunter2");
      return { left: 3 };
    },
    wait: async ({ ms }, context) => {
      contexts.push(context);
      const answer = left(server, context);
      await sleepOn(server, ms);
      return answer;
    },
    brief: (_, context) => left(server, context),
    async *ticks(_, context) {
      contexts.push(context);
      for (let n = 1; ; n++) {
        yield { n };
        await sleepOn(server, 10);
      }
    },
  });
  await serving.listen({ host: "server", port: 1 });
  const connect = (more: ClientOptions = {}) =>
    createClientOn(client, Shop, { ...(more.discovery === undefined ? { address: "server:1" } : {}), ...more });
  const run = <T>(body: Promise<T>) => simulation.runUntil(body, simulation.nowMs + 120_000);
  return { simulation, server, client, serving, contexts, connect, run };
}

test("a client is told where servers are in one way", async () => {
  const { client } = await setUp();
  const wrong = "a client needs to know where servers are: give it either `discovery` or `address`, it has ";
  assert.equal(thrownBy(() => createClientOn(client, Shop, {})).message, `${wrong}neither`);
  const discovery = { watch: () => () => {} };
  const both = thrownBy(() => createClientOn(client, Shop, { address: "a:1", discovery }));
  assert.deepEqual([both.code, both.message], ["invalid_argument", `${wrong}both`]);
});

test("an address that is none says so, and how to write it", async () => {
  const { connect, run } = await setUp();
  const shop = connect({ address: "localhost", timeoutMs: 300 });
  await assert.rejects(run(shop.buy({ item: "tea" })),
    /cannot connect: address "localhost" cannot be used; write host:port/);
});

test("errors that the contract declares arrive with their data; a handler's own exception is not told", async () => {
  const { connect, run } = await setUp();
  const { buy } = connect();
  const failure = async (item: string): Promise<RpcError> => {
    const error: unknown = await run(buy({ item })).then(() => undefined, (thrown: unknown) => thrown);
    assert.ok(RpcError.is(error));
    return error;
  };
  const soldOut = await failure("umbrella");
  assert.ok(isError(soldOut, Shop.methods.buy, "SoldOut"));
  assert.equal(soldOut.data.until satisfies number, 7);
  assert.deepEqual([soldOut.code, soldOut.message], ["failed_precondition", "no umbrellas before June"]);
  assert.equal(soldOut.remote, true);
  const unknown = await failure("yeti");
  assert.ok(isError(unknown, Shop.methods.buy, "Unknown") && !isError(unknown, Shop.methods.buy, "SoldOut"));
  assert.equal(unknown.code, "not_found");
  const bug = await failure("bug");
  assert.equal(bug.code, "internal");
  assert.doesNotMatch(bug.message, /hunter2/);
  const wrong = buy({ item: 5 as unknown as string });
  await assert.rejects(run(wrong), { code: "invalid_argument", message: /item/ });
});

test("of all timeouts the earliest holds; one that is none is refused before anything is sent", async () => {
  const { client, connect, run } = await setUp();
  const shop = connect();
  const leftOf = async (answer: Promise<{ leftMs: number }>) => Math.round((await run(answer)).leftMs / 100) * 100;
  assert.equal(await leftOf(shop.wait({ ms: 0 })), 15_000);
  assert.equal(await leftOf(connect({ timeoutMs: 4_000 }).wait({ ms: 0 })), 4_000);
  assert.equal(await leftOf(shop.brief({})), 700);
  assert.equal(await leftOf(shop.wait({ ms: 0 }, { timeoutMs: 500 })), 500);
  assert.equal(await leftOf(shop.wait({ ms: 0 }, { timeoutMs: 5_000, deadline: client.clock.now() + 300 })), 300);
  assert.equal((await run(shop.wait({ ms: 0 }, { timeoutMs: Infinity }))).leftMs, -1);
  for (const timeoutMs of [0, -1, NaN]) {
    const message = `timeoutMs is ${timeoutMs}, expected milliseconds above 0`;
    await assert.rejects(shop.wait({ ms: 0 }, { timeoutMs }), { code: "invalid_argument", message });
    await assert.rejects(shop.ticks({}, { timeoutMs })[Symbol.asyncIterator]().next(), { message });
  }
  await assert.rejects(shop.wait({ ms: 0 }, { idempotencyKey: "" }), /idempotencyKey must be a string of 1 to/);
});

test("a call that ends by its deadline says where the time went, and the handler hears of it", async () => {
  const { connect, contexts, run, simulation } = await setUp();
  await assert.rejects(run(connect({ retry: false }).wait({ ms: 500 }, { timeoutMs: 100 })), {
    code: "deadline_exceeded", endpoint: "server:1", message: /no reply \d+ ms after the request was sent/,
  });
  await simulation.run(simulation.nowMs + 50);
  assert.notEqual(contexts[0]?.cancelReason, undefined);
});

test("a signal cancels the handler, of unary calls and of streams", async () => {
  const { connect, contexts, run, simulation } = await setUp();
  const shop = connect();
  const controller = new AbortController();
  const unary = assert.rejects(shop.wait({ ms: 5_000 }, { signal: controller.signal }), { code: "cancelled" });
  const stream = (async () => {
    for await (const { n } of shop.ticks({}, { signal: controller.signal })) if (n === 3) controller.abort();
  })();
  await run(Promise.all([unary, assert.rejects(stream, { code: "cancelled" })]));
  await simulation.run(simulation.nowMs + 50);
  assert.deepEqual(contexts.map(({ cancelReason }) => cancelReason?.code), ["cancelled", "cancelled"]);
  await assert.rejects(run(shop.wait({ ms: 0 }, { signal: AbortSignal.abort() })), { code: "cancelled" });
});

test("a call made on behalf of another inherits its deadline and its cancellation", async () => {
  const { simulation, client, connect, contexts, run } = await setUp();
  const inner = connect();
  const Front = service("test.v1.Front", {
    ask: rpc({ input: z.object({ ms: z.int32() }), output: z.object({ leftMs: z.int32() }) }),
  });
  const front = createServerOn(client).implement(Front, {
    ask: async ({ ms }, context) => await inner.wait({ ms }, { context, timeoutMs: 60_000 }),
  });
  await front.listen({ host: "client", port: 2 });
  const outer = createClientOn(simulation.host("browser"), Front, { address: "client:2" });
  const { leftMs } = await run(outer.ask({ ms: 1 }, { timeoutMs: 1_000 }));
  assert.ok(leftMs > 900 && leftMs <= 1_000, `${leftMs} ms were left`);

  const controller = new AbortController();
  const asked = assert.rejects(outer.ask({ ms: 5_000 }, { signal: controller.signal }), { code: "cancelled" });
  simulation.at(simulation.nowMs + 50, () => controller.abort());
  await run(asked);
  await simulation.run(simulation.nowMs + 50);
  assert.equal(contexts.length, 2);
  assert.equal(contexts[1]?.cancelReason?.code, "cancelled");
});

test("clients of one runtime share a connection; each closes for itself, and twice does no harm", async () => {
  const { connect, serving, run, simulation } = await setUp();
  const [one, two] = [connect(), connect()];
  await run(Promise.all([one.buy({ item: "tea" }), two.buy({ item: "tea" })]));
  assert.equal(serving.connections, 1);
  one.$.close();
  one.$.close();
  assert.equal((await run(two.buy({ item: "tea" }))).left, 3);
  await assert.rejects(one.buy({ item: "tea" }), {
    code: "unavailable", message: "the client is closed: make another to call again",
  });
  two[Symbol.dispose]();
  await simulation.run(simulation.nowMs + 100);
  assert.equal(serving.connections, 0);
  assert.deepEqual(two.$.endpoints(), []);
});

test("what a server says of its load arrives with its replies, every 5 ms at most", async () => {
  let read = 0;
  const { connect, run } = await setUp({
    load: (inFlight) => ({
      cpu: ++read / 100, memory: 0.25, inFlight, callsPerSecond: 50, errorsPerSecond: 0, loopLagMs: 2,
    }),
  });
  const shop = connect();
  const [endpoint] = shop.$.endpoints();
  assert.equal(endpoint?.load.report, undefined);
  for (let i = 0; i < 20; i++) await run(shop.buy({ item: "tea" }));
  assert.equal(read, 20, "calls of ten milliseconds, one after the other");
  // Fifty within half a millisecond, whose replies come as close together.
  await run(Promise.all(Array.from({ length: 50 }, () => shop.buy({ item: "tea" }))));
  assert.ok(read >= 21 && read <= 22, `read ${read} times`);
  const report = endpoint?.load.report;
  assert.ok(report !== undefined);
  const { cpu, memory, callsPerSecond, loopLagMs } = report;
  assert.deepEqual([memory, callsPerSecond, loopLagMs].map((value) => Math.round(value * 100) / 100), [0.25, 50, 2]);
  assert.ok(Math.abs(cpu - read / 100) < 0.005);
});

test("a server that is asked tells its load with the pong; who tells none is left alone after a while", async () => {
  const load = (inFlight: number) =>
    ({ cpu: 0.5, memory: 0, inFlight, callsPerSecond: 0, errorsPerSecond: 0, loopLagMs: 0 });
  for (const tells of [true, false]) {
    const { connect, run, simulation } = await setUp(tells ? { load } : {});
    const shop = connect();
    const pending = shop.wait({ ms: 90 });
    await simulation.run(simulation.nowMs + 40);
    const [endpoint] = shop.$.endpoints();
    let asked = 0;
    for (let i = 0; i < 10; i++) {
      if (endpoint?.askLoad() === true) asked++;
      assert.equal(endpoint?.askLoad(), false, "not again before it has answered");
      await simulation.run(simulation.nowMs + 25);
    }
    assert.equal(asked, tells ? 10 : 5);
    await run(pending);
    assert.equal(endpoint?.load.report?.inFlight, tells ? 0 : undefined);
    if (tells) assert.equal(endpoint?.load.report?.latencyMs, 90);
  }
});

test("an observer hears of every attempt and of the call that they made up", async () => {
  const { connect, run, simulation } = await setUp();
  const ended: string[] = [];
  const observer: Observer = {
    attemptEnded: (context, endpoint, latencyMs, error) =>
      void ended.push(`attempt ${context.attempt} at ${endpoint.address} ${error?.code ?? "ok"} ${latencyMs >= 10}`),
    callEnded: (context, latencyMs, error) =>
      void ended.push(`call ${context.method.name} ${error?.code ?? "ok"} ${latencyMs >= 10}`),
  };
  const shop = connect({ address: ["server:1", "nobody:1"], observer });
  await run(shop.wait({ ms: 1 }));
  await assert.rejects(run(shop.buy({ item: "yeti" })));
  assert.deepEqual(ended, [
    "attempt 0 at server:1 ok true", "call wait ok true",
    "attempt 0 at server:1 not_found true", "call buy not_found true",
  ]);
  ended.length = 0;
  const lost = assert.rejects(shop.wait({ ms: 1_000 }, { timeoutMs: 400 }));
  simulation.at(simulation.nowMs + 20, () => simulation.crash("server"));
  await run(lost);
  assert.match(ended[0] ?? "", /^attempt 0 at server:1 unavailable/);
  assert.match(ended.at(-1) ?? "", /^call wait (?:unavailable|deadline_exceeded)/);
});

test("the same methods over the endpoints that another picker picks: same connections, others unseen", async () => {
  const { simulation, client, run } = await setUp();
  const served = { a: 0, b: 0 };
  const listening = (["a", "b"] as const).map(async (name) => {
    const runtime = simulation.host(name);
    const server = createServerOn(runtime).implement(Shop, {
      buy: () => ({ left: ++served[name] }),
      wait: (_, context) => left(runtime, context),
      brief: (_, context) => left(runtime, context),
      async *ticks() {
        yield { n: served[name] };
      },
    });
    await server.listen({ host: name, port: 1 });
    return server;
  });
  const [a] = await run(Promise.all(listening));
  const shop = createClientOn(client, Shop, { address: [{ address: "a:1", id: "a" }, { address: "b:1", id: "b" }] });
  assert.deepEqual([shop.$.contract, shop.$.runtime], [Shop, client]);
  const seen: string[][] = [];
  const atA = shop.$.by((candidates) => {
    seen.push(candidates.map(({ address }) => address.id));
    return candidates.find(({ address }) => address.id === "a");
  });
  for (let i = 1; i <= 10; i++) assert.deepEqual(await run(atA.buy({ item: "tea" })), { left: i });
  assert.deepEqual([served, a?.connections, seen[0]], [{ a: 10, b: 0 }, 1, ["a", "b"]]);
  for await (const { n } of { [Symbol.asyncIterator]: () => {
    const items = atA.ticks({})[Symbol.asyncIterator]();
    return { next: () => run(items.next()) };
  } }) assert.equal(n, 10);
  // Who is out of service is shown to a picker that sees all, and to no other.
  shop.$.drain("a");
  const nobody = assert.rejects(run(atA.buy({ item: "tea" })), { code: "unavailable", neverStarted: true });
  await nobody;
  assert.deepEqual(seen.at(-1), ["b"]);
  const all = Object.assign(
    <C extends Candidate>(candidates: readonly C[]) => candidates.find(({ address }) => address.id === "a"),
    { seesAll: true as const });
  assert.deepEqual(await run(shop.$.by(all).buy({ item: "tea" })), { left: 11 });
  assert.deepEqual([await run(shop.buy({ item: "tea" })), served], [{ left: 1 }, { a: 11, b: 1 }]);
  shop.$.close(0);
});
