// Whatever comes over HTTP exchanges, in heads and in bodies: each call ends, nothing leaks into others, nobody throws.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { expected, RpcError, type Runtime } from "../../src/core/index.ts";
import { type Exchange, Head, type HttpHandler } from "../../src/http/message.ts";
import { grpcClient, grpcServer } from "../../src/protocol/grpc/index.ts";
import { gzip } from "../../src/runtime/node/index.ts";
import { createSimulation } from "../../src/runtime/sim/index.ts";
import { httpPair } from "../../src/testing/http-pair.ts";
import { callingLaw, http2Wire, servingLaw } from "../conformance/http-harness.ts";
import type { Seen } from "../conformance/protocol-cases.ts";
import { envelope, rawClient } from "../conformance/raw-exchange.ts";

const runs = { seed: 20261121, numRuns: Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 150) };
const compressions = [gzip()];
/** `{ n: 7, text: "x" }` */
const item = Uint8Array.of(8, 7, 18, 1, 120);

/** Printable text, and now and then what no header should hold. */
const value = fc.oneof(fc.stringMatching(/^[ -~]{0,20}$/), fc.string({ maxLength: 20 }));

const requestFields = fc.record({
  "content-type": fc.oneof(
    { arbitrary: fc.constantFrom("application/grpc", "application/grpc+json", "application/grpc; x=y"), weight: 8 },
    { arbitrary: value.map((text) => `application/grpc${text}`), weight: 1 }, { arbitrary: value, weight: 1 }),
  "grpc-timeout": fc.oneof(fc.constantFrom("1S", "0n", "99999999H", "1", "123456789m"), value),
  "grpc-encoding": fc.oneof(fc.constantFrom("identity", "gzip"), value),
  "grpc-accept-encoding": fc.oneof(fc.constantFrom("gzip", "identity,gzip", ",,"), value),
  "idempotency-key": value, "meridian-route-key": value, "meridian-hops": value,
  "grpc-previous-rpc-attempts": value, "x-bin": value, "__proto__": value,
}, { requiredKeys: ["content-type"], noNullPrototype: true });

const path = fc.oneof(
  fc.constantFrom("Echo", "Blob", "Fail", "Never", "Keys", "Count", "Sum", "Chat").map((name) => `/law.v1.Law/${name}`),
  value.map((text) => `/${text}`));

/** Envelopes that are right, wrong in one place, or noise. */
const piece = fc.oneof(
  fc.constant(envelope(item)), fc.constant(envelope(gzip().compress(item), 1)),
  fc.tuple(fc.uint8Array({ maxLength: 30 }), fc.nat(255), fc.nat(40)).map(([bytes, flags, length]) =>
    envelope(bytes, flags, length)),
  fc.tuple(fc.nat(9), fc.nat(255)).map(([at, byte]) => envelope(item).with(at, byte)),
  fc.uint8Array({ maxLength: 40 }));

const pieces = fc.array(piece, { maxLength: 6 });
const cutting = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 5 });

function simulate(main: (runtime: Runtime) => Promise<void>): Promise<void> {
  const simulation = createSimulation({ seed: 1 });
  return simulation.runUntil(main(simulation.host("here")), 200_000);
}

test("whatever a client sends, each of its calls ends and others are served", () => fc.assert(fc.asyncProperty(
  requestFields, path, pieces, cutting, fc.constantFrom("end", "reset", "leave"),
  (fields, at, bodies, cuts, ending) => simulate(async (runtime) => {
    const seen: Seen = { produced: 0, cancelled: [] };
    const ended: unknown[] = [];
    const handler = servingLaw(runtime, seen, {
      server: grpcServer(), client: undefined as never, compressions,
      settings: { stallTimeoutMs: 5_000, maxMessageBytes: 10_000 },
      observer: { handled: (_context, _ms, error) => ended.push(error) },
    });
    let turn = 0;
    const pieceBytes = (): number => cuts[turn++ % cuts.length] as number;
    const raw = await rawClient(runtime, httpPair(runtime.clock, handler, { pieceBytes, windowBytes: 500 }));
    const call = raw.ask(fields, at);
    for (const body of bodies) call.send(body);
    if (ending === "end") call.send(new Uint8Array(0), true);
    const good = raw.ask({ "content-type": "application/grpc" });
    good.send(envelope(item), true);
    if (ending === "reset") call.reset("cancel");
    const answer = await good.ended;
    assert.deepEqual(answer.body, envelope(item));
    assert.equal(answer.trailers?.fields["grpc-status"], "0");
    await new Promise<void>((resolve) => void runtime.clock.after(30_000, resolve));
    for (const error of ended) assert.ok(error === undefined || RpcError.is(error), String(error));
  })), runs));

const responseFields = fc.record({
  "content-type": fc.oneof({ arbitrary: fc.constant("application/grpc"), weight: 6 }, { arbitrary: value, weight: 1 }),
  "grpc-status": fc.oneof(fc.constantFrom("0", "5", "99", "-1"), value),
  "grpc-message": fc.oneof(fc.constantFrom("%", "%E2%82", "%zz", "a%20b"), value),
  "grpc-status-details-bin": fc.oneof(fc.base64String(), value),
  "grpc-encoding": fc.oneof(fc.constantFrom("identity", "gzip"), value),
  "grpc-accept-encoding": value, "grpc-retry-pushback-ms": value, "endpoint-load-metrics-bin": fc.base64String(),
  "meridian-never-started": value, "meridian-retryable": value, "x-more": value,
}, { requiredKeys: [], noNullPrototype: true });

test("whatever a server answers, each call ends once, with an RpcError or a value", () => fc.assert(fc.asyncProperty(
  responseFields, fc.option(responseFields), fc.constantFrom(200, 200, 200, 404, 503), pieces, cutting,
  (fields, trailers, status, bodies, cuts) => simulate(async (runtime) => {
    const answer = (exchange: Exchange): void => {
      const isAll = bodies.length === 0 && trailers === null;
      exchange.head(headOf(fields, status), isAll);
      for (const [i, body] of bodies.entries()) {
        exchange.begin().writeBytes(body);
        exchange.end(trailers === null && i === bodies.length - 1);
      }
      if (trailers !== null) exchange.trailers(headOf(trailers, 0));
    };
    const handler: HttpHandler = (_head, exchange) => ({
      data(_bytes, start, end, last) {
        if (end > start) exchange.consumed(end - start);
        if (last) answer(exchange);
      },
      trailers: () => undefined, writable: () => undefined, failed: () => undefined,
    });
    let turn = 0;
    const pieceBytes = (): number => cuts[turn++ % cuts.length] as number;
    const connect = httpPair(runtime.clock, handler, { pieceBytes, windowBytes: 500 });
    const { client, connection, reports } = await callingLaw(runtime,
      { address: "pair:1", connect, served: () => [], close: async () => undefined },
      { server: undefined as never, client: grpcClient(), compressions });
    const outcomes = await Promise.allSettled([
      client.echo({ n: 1, text: "" }), client.fail({ how: "" }), client.sum([]), collected(client.count({ to: 1 })),
      collected(client.chat([{ n: 1, text: "" }])),
    ]);
    for (const one of outcomes) assert.ok(one.status === "fulfilled" || RpcError.is(one.reason), JSON.stringify(one));
    assert.equal(connection.inFlight, 0);
    for (const report of reports) assert.ok(report.cpu >= 0);
  })), runs));

/** What happens to a call, or to its connection, and when. */
const mishap = fc.record({
  at: fc.integer({ min: 0, max: 60 }),
  what: fc.constantFrom("abort", "close", "server close", "server drain", "cancel", "nothing"),
}, { noNullPrototype: true });

test("whenever connections end, each call ends with them, and no handler is forgotten", () => fc.assert(
  fc.asyncProperty(fc.array(mishap, { maxLength: 4 }), fc.integer({ min: 1, max: 20 }), (mishaps, latencyMs) => {
    const simulation = createSimulation({ seed: 1, link: { latencyMs } });
    const [server, runtime] = [simulation.host("server"), simulation.host("client")];
    const admission = { inFlight: 0, maxInFlight: 1_000 };
    const sleep = (ms: number) => new Promise<void>((resolve) => void runtime.clock.after(ms, resolve));
    const wire = http2Wire({ port: 1, settings: { streamWindowBytes: 1_000 } });
    const law = { server: grpcServer(), client: grpcClient(), admission };
    return simulation.runUntil((async () => {
      const open = await wire.open(server, servingLaw(server, { produced: 0, cancelled: [] }, law), "server");
      const { client, connection } = await callingLaw(runtime, open, law);
      const controller = new AbortController();
      const options = { signal: controller.signal, timeoutMs: 500 };
      const many = Array.from({ length: 50 }, (_, n) => ({ n, text: "x".repeat(100) }));
      const reason = expected("unavailable", "mishap");
      const acts = {
        abort: () => connection.abort(reason), close: () => connection.close(5), nothing: () => undefined,
        "server close": () => open.served().forEach((one) => one.close(reason)),
        "server drain": () => open.served().forEach((one) => one.drain(reason)),
        cancel: () => controller.abort(),
      };
      for (const { at, what } of mishaps) void sleep(at).then(acts[what]);
      const calls: Promise<unknown>[] = [];
      const begin = (call: () => Promise<unknown>): void => void calls.push((async () => call())());
      for (let i = 0; i < 6; i++) {
        begin(() => client.echo(many[i] as (typeof many)[0], options));
        begin(() => client.blob({ data: new Uint8Array(5_000) }, options));
        begin(() => client.sum(many, options));
        begin(() => collected(client.count({ to: 40 }, options)));
        begin(() => collected(client.chat(many, options)));
        await sleep(8);
      }
      for (const one of await Promise.allSettled(calls)) {
        assert.ok(one.status === "fulfilled" || RpcError.is(one.reason), JSON.stringify(one));
      }
      assert.equal(connection.inFlight, 0);
      await sleep(2_000);
      assert.equal(admission.inFlight, 0);
    })(), 200_000);
  }), { ...runs, numRuns: Math.ceil(runs.numRuns / 3) }));

function headOf(fields: Readonly<Record<string, string>>, status: number): Head {
  return new Head(Object.assign(Object.create(null) as Record<string, string>, fields), status);
}

async function collected(items: AsyncIterable<unknown>): Promise<unknown[]> {
  const all: unknown[] = [];
  for await (const one of items) all.push(one);
  return all;
}
