import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { thrownBy } from "../../test/client/scripted.ts";
import { createClientOn } from "../client/create-client.ts";
import type { ClientOptions } from "../client/index.ts";
import { rpc, service } from "../contract/index.ts";
import type { Context, EndpointFields, Layer, Observer, Registrar, RpcError } from "../core/index.ts";
import { nodeRuntime } from "../runtime/node/index.ts";
import { createSimulation } from "../runtime/sim/index.ts";
import { createServer, createServerOn, type ServerOptions } from "./index.ts";

const Work = service("test.v1.Work", {
  add: rpc({ input: z.object({ a: z.int32(), b: z.int32() }), output: z.object({ sum: z.int32() }) }),
  wait: rpc({ input: z.object({ ms: z.int32() }), output: z.object({ done: z.boolean() }) }),
});
type WorkHandlers = Parameters<ReturnType<typeof createServer>["implement"]>[1];

function setUp(options: ServerOptions = {}) {
  const simulation = createSimulation({ seed: 1, link: { latencyMs: 5 } });
  const runtime = simulation.host("server");
  const contexts: Context[] = [];
  const handlers = {
    add: ({ a, b }: { a: number; b: number }) => ({ sum: a + b }),
    wait: async ({ ms }: { ms: number }, context: Context) => {
      contexts.push(context);
      await new Promise<void>((resolve) => void runtime.clock.after(ms, resolve));
      return { done: true };
    },
  };
  const server = createServerOn(runtime, options);
  const connect = (more: ClientOptions = {}, host = "client") =>
    createClientOn(simulation.host(host), Work, { address: "server:1", ...more });
  return {
    simulation, runtime, server, handlers, contexts, connect,
    listen: () => server.implement(Work, handlers).listen({ host: "server", port: 1 }),
    run: <T>(body: Promise<T>) => simulation.runUntil(body, simulation.nowMs + 120_000),
    /** Runs a step of the test so many milliseconds from now. */
    later: (ms: number, step: () => void) => simulation.at(simulation.nowMs + ms, step),
  };
}

test("implement refuses what does not fit the contract, at once and by name", () => {
  const { server, handlers } = setUp();
  const refusal = (given: unknown) => thrownBy(() => server.implement(Work, given as WorkHandlers)).message;
  assert.equal(refusal({ add: handlers.add }),
    "test.v1.Work/wait has no handler: expected a function named wait, got undefined");
  assert.equal(refusal({ ...handlers, add: 5 }),
    "test.v1.Work/add has no handler: expected a function named add, got number");
  assert.equal(refusal({ ...handlers, wiat: handlers.wait }),
    "test.v1.Work has no method wiat; its methods are add, wait");
  assert.deepEqual(server.services, []);
  server.implement(Work, handlers);
  assert.deepEqual(server.services, ["test.v1.Work"]);
  const twice = thrownBy(() => server.implement(Work, handlers));
  assert.equal(twice.code, "already_exists");
  assert.equal(twice.message,
    "test.v1.Work is implemented already: pass all its handlers in one call of implement");
});

test("handlers may be methods of an object, whose `this` they keep", async () => {
  const { server, connect, run } = setUp();
  class Counter {
    total = 40;
    add({ a, b }: { a: number; b: number }) {
      return { sum: this.total + a + b };
    }
    wait() {
      return { done: this.total > 0 };
    }
  }
  // Handlers are looked up by name, wherever they are kept.
  await server.implement(Work, new Counter()).listen({ host: "server", port: 1 });
  assert.equal((await run(connect().add({ a: 1, b: 1 }))).sum, 42);
});

test("a call for what is not served says what is", async () => {
  const { simulation, listen, run } = setUp();
  await listen();
  const text = z.object({});
  const Newer = service("test.v1.Work", { add: rpc({ input: text, output: text, kind: "server_stream" }),
    divide: rpc({ input: text, output: text }) });
  const Other = service("test.v1.Other", { go: rpc({ input: text, output: text }) });
  const client = simulation.host("client");
  const newer = createClientOn(client, Newer, { address: "server:1" });
  const other = createClientOn(client, Other, { address: "server:1" });
  await assert.rejects(run(newer.divide({})), {
    code: "unimplemented", message: 'test.v1.Work has no method "divide" here: the contracts differ',
  });
  await assert.rejects(run(newer.add({})[Symbol.asyncIterator]().next()), {
    code: "unimplemented", message: "test.v1.Work/add is unary, not server_stream: the contracts differ",
  });
  await assert.rejects(run(other.go({})), {
    code: "unimplemented", message: '"test.v1.Other" is not served here; this server has test.v1.Work',
  });
});

test("limits are numbers of at least 1", () => {
  for (const name of ["maxInFlight", "maxConnections"]) {
    for (const value of [0, -5, NaN]) {
      const error = thrownBy(() => setUp({ [name]: value }));
      assert.equal(error.message, `${name} is ${value}, expected a number of at least 1`);
    }
  }
});

test("a port in use is told, and what to do about it, in the simulator and on a real network", async () => {
  const { server, runtime, listen } = setUp();
  await listen();
  await assert.rejects(createServerOn(runtime).listen({ host: "server", port: 1 }), /in use; stop the other listener/);
  const address = await server.listen({ host: "server", port: 2 });
  assert.equal(address, "server:2", "one server may listen on several");

  const first = createServerOn(nodeRuntime);
  const port = Number((await first.listen()).split(":")[1]);
  await assert.rejects(createServerOn(nodeRuntime).listen({ port }), (error: RpcError) => {
    assert.equal(error.code, "failed_precondition");
    assert.match(error.message, new RegExp(`cannot listen on 127.0.0.1:${port}: .*in use`));
    return true;
  });
  await first.close();
});

test("of more calls than maxInFlight the excess is refused, certain not to have started", async () => {
  const { server, listen, connect, run, later } = setUp({ maxInFlight: 2 });
  await listen();
  const client = connect({ retry: false });
  const [one, two] = [client.wait({ ms: 100 }), client.wait({ ms: 100 })];
  later(50, () => assert.equal(server.inFlight, 2));
  await assert.rejects(run(client.wait({ ms: 100 })), {
    code: "resource_exhausted", neverStarted: true, message: "the server is handling 2 calls (maxInFlight)",
  });
  await run(Promise.all([one, two]));
  assert.equal(server.inFlight, 0);
  assert.equal((await run(client.add({ a: 1, b: 2 }))).sum, 3);
});

test("of more connections than maxConnections the excess is closed, and an observer told why", async () => {
  const refused: unknown[] = [];
  const observer: Observer = {
    event: (name, fields) => { if (name === "server.connection.refused") refused.push(fields["why"]); },
  };
  const { server, listen, connect, run } = setUp({ maxConnections: 1, observer });
  await listen();
  await run(connect().add({ a: 1, b: 2 }));
  const another = connect({ timeoutMs: 200 }, "another");
  await assert.rejects(run(another.add({ a: 1, b: 2 })), /connection was lost|cannot connect/);
  assert.equal(server.connections, 1);
  assert.equal(refused[0], "1 connections are open (maxConnections)");
});

test("closing lets accepted calls end, refuses new ones, and then ends the connections", async () => {
  const { simulation, server, listen, connect, contexts, run, later } = setUp();
  await listen();
  const client = connect({ retry: false });
  const slow = client.wait({ ms: 300 });
  let closed: Promise<void> | undefined;
  let refused: Promise<unknown> | undefined;
  later(50, () => { closed = server.close(); });
  later(80, () => {
    refused = assert.rejects(client.add({ a: 1, b: 2 }), { code: "unavailable", neverStarted: true });
    assert.equal(server.inFlight, 1);
  });
  assert.deepEqual(await run(slow), { done: true });
  await run(Promise.all([closed, refused]));
  assert.equal(contexts[0]?.cancelReason, undefined);
  assert.equal(server.connections, 0);
  assert.ok(simulation.nowMs < 1_000, "it did not wait for its time of grace");
});

test("calls that outlast the time of grace are cancelled, and their callers told", async () => {
  const { simulation, server, listen, connect, contexts, run, later } = setUp();
  await listen();
  const slow = connect({ retry: false }).wait({ ms: 60_000 }, { timeoutMs: 50_000 });
  let closed: Promise<void> | undefined;
  later(50, () => { closed = server.close(400); });
  await assert.rejects(run(slow), { code: "unavailable", message: /400 ms of grace were over/ });
  await run(closed as Promise<void>);
  assert.ok(simulation.nowMs >= 450 && simulation.nowMs < 600, `closed at ${simulation.nowMs}`);
  assert.match(contexts[0]?.cancelReason?.message ?? "", /400 ms of grace/);
});

test("closing twice is closing once; a closed server stays closed", async () => {
  const { server, listen, handlers, run } = setUp();
  await listen();
  assert.equal(server.close(), server.close(5));
  await run(Promise.resolve(server[Symbol.asyncDispose]()));
  await assert.rejects(server.listen({ host: "server", port: 1 }), {
    code: "failed_precondition", message: "the server is closed and stays so: make another to listen again",
  });
  const { server: hasty, runtime } = setUp();
  const listening = hasty.implement(Work, handlers).listen({ host: "server", port: 1 });
  const closing = hasty.close();
  await assert.rejects(listening, /the server is closed/);
  await closing;
  await createServerOn(runtime).listen({ host: "server", port: 1 });
});

test("a server registers once it listens, and withdraws before it stops", async () => {
  const steps: string[] = [];
  const entries: [string, EndpointFields][] = [];
  const registry: Registrar = {
    register(name, endpoint) {
      entries.push([name, endpoint]);
      return {
        registered: Promise.resolve().then(() => void steps.push("registered")),
        close: async () => void steps.push("withdrawn"),
      };
    },
  };
  const observer: Observer = { event: (name) => void steps.push(name) };
  const { server, handlers, runtime, run } = setUp({
    registry, observer, region: "eu", zone: "a", weight: 10, backup: true, priority: 2, attributes: { version: "1.10" },
  });
  await server.implement(Work, handlers).listen({ host: "server", port: 1, advertise: "198.51.100.7:443" });
  await run(server.close());
  assert.deepEqual(steps, ["registered", "server.listening", "withdrawn", "server.closed"]);
  assert.deepEqual(entries, [["test.v1.Work", {
    address: "198.51.100.7:443", region: "eu", zone: "a", weight: 10, backup: true, priority: 2,
    attributes: { version: "1.10" },
  }]]);

  const plain = createServerOn(runtime, { registry, registerAs: ["one", "two"] }).implement(Work, handlers);
  await plain.listen({ host: "server", port: 1 });
  assert.deepEqual(entries.slice(1), [["one", { address: "server:1" }], ["two", { address: "server:1" }]]);
});

test("layers stand around every handler, outermost first, and observers hear of every call handled", async () => {
  const order: string[] = [];
  const layer = (name: string): Layer => (next) => (request, context) => {
    order.push(name);
    return next(request, context);
  };
  const handled: string[] = [];
  const { listen, connect, run } = setUp({
    stack: { outer: layer("outer"), none: undefined, inner: layer("inner") },
    observer: { handled: (context, latencyMs, error) =>
      void handled.push(`${context.method.name} ${error?.code ?? "ok"} ${Math.round(latencyMs)}`) },
  });
  await listen();
  const client = connect({ retry: false });
  await run(client.add({ a: 1, b: 2 }));
  assert.deepEqual(order, ["outer", "inner"]);
  await run(client.wait({ ms: 30 }));
  await assert.rejects(run(client.wait({ ms: 400 }, { timeoutMs: 100 })));
  await run(client.wait({ ms: 500 }));
  assert.deepEqual(handled.slice(0, 2), ["add ok 0", "wait ok 30"]);
  assert.match(handled[2] ?? "", /^wait (?:deadline_exceeded|cancelled|ok) /);
  assert.equal(handled[3], "wait ok 500");
});

test("a server on Node says how busy its process is, unless told not to", async () => {
  const reportOf = async (options: ServerOptions) => {
    await using server = createServer(options);
    server.implement(Work, setUp().handlers);
    const client = createClientOn(nodeRuntime, Work, { address: await server.listen() });
    for (let i = 0; i < 3; i++) {
      await client.add({ a: 1, b: i });
      await new Promise((resolve) => setTimeout(resolve, 110));
    }
    const [endpoint] = client.$.endpoints();
    const report = endpoint?.load.report;
    client.$.close();
    return report;
  };
  const report = await reportOf({});
  assert.ok(report !== undefined && report.memory > 0 && report.memory < 1 && report.callsPerSecond > 0);
  assert.equal(await reportOf({ load: false }), undefined);
});
