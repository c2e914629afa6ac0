// Whatever comes in the words of Connect and gRPC-Web, in heads, paths and bodies: each call ends in its protocol's own
// form, nothing leaks into others, nobody throws.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RpcError, type Runtime } from "../../src/core/index.ts";
import { type Exchange, Head, type HttpHandler } from "../../src/http/message.ts";
import { connectClient, connectServer } from "../../src/protocol/connect/index.ts";
import type { ClientDialect } from "../../src/protocol/dialect.ts";
import { grpcWebClient, grpcWebServer } from "../../src/protocol/grpc-web/index.ts";
import { gzip } from "../../src/runtime/node/index.ts";
import { createSimulation } from "../../src/runtime/sim/index.ts";
import { httpPair } from "../../src/testing/http-pair.ts";
import { callingLaw, servingLaw } from "../conformance/http-harness.ts";
import { envelope, rawClient } from "../conformance/raw-exchange.ts";

const runs = { seed: 20261121, numRuns: Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 150) };
const compressions = [gzip()];
/** `{ n: 7, text: "x" }` */
const item = Uint8Array.of(8, 7, 18, 1, 120);

/** Printable text, and now and then what no header should hold. */
const value = fc.oneof(fc.stringMatching(/^[ -~]{0,20}$/), fc.string({ maxLength: 20 }));
const either = (...words: readonly string[]) => fc.oneof({ arbitrary: fc.constantFrom(...words), weight: 5 }, value);

const types = [
  "application/proto", "application/json", "application/json; charset=utf-8", "application/connect+proto",
  "application/connect+json", "application/connect+", "application/grpc-web", "application/grpc-web+json",
  "application/grpc-web-text", "application/grpc-web-text+proto",
];
const requestFields = fc.record({
  "content-type": either(...types),
  "connect-protocol-version": either("1", "2"), "connect-timeout-ms": either("1000", "0", "12345678901"),
  "grpc-timeout": either("1S", "0n"), "content-encoding": either("gzip", "identity"),
  "connect-content-encoding": either("gzip", "identity"), "grpc-encoding": either("gzip", "identity"),
  "accept-encoding": either("gzip, br;q=0", ",,;q=0"), "connect-accept-encoding": either("gzip"),
  "idempotency-key": value, "meridian-route-key": value, "x-bin": value, "trailer-x": value, "__proto__": value,
}, { requiredKeys: ["content-type"], noNullPrototype: true });

const method = fc.constantFrom("Echo", "Blob", "Fail", "Never", "Keys", "Count", "Sum", "Chat");
const query = fc.oneof(
  fc.constant(""), fc.constant("?connect=v1&base64=1&encoding=proto&message=CAcSAXg"),
  fc.constant("?connect=v1&encoding=json&message=%7B%22n%22%3A7%7D"),
  value.map((text) => `?encoding=json&message=${text}`), value.map((text) => `?${text}`));
const path = fc.oneof(fc.tuple(method, query).map(([name, rest]) => `/law.v1.Law/${name}${rest}`),
  value.map((text) => `/${text}`));

/** Envelopes and bare messages that are right, wrong in one place, or noise; some in base64. */
const bytes = fc.oneof(
  fc.constant(envelope(item)), fc.constant(envelope(gzip().compress(item), 1)), fc.constant(item),
  fc.constant(new TextEncoder().encode(`{"n":7,"text":"x"}`)), fc.constant(gzip().compress(item)),
  fc.constant(envelope(new TextEncoder().encode(`{"error":{"code":"aborted"},"metadata":{"a":["b"]}}`), 2)),
  fc.constant(envelope(new TextEncoder().encode("grpc-status: 5\r\ngrpc-message: x\r\n"), 0x80)),
  fc.tuple(fc.uint8Array({ maxLength: 30 }), fc.nat(255), fc.nat(40)).map(([payload, flags, length]) =>
    envelope(payload, flags, length)),
  fc.tuple(fc.nat(9), fc.nat(255)).map(([at, byte]) => envelope(item).with(at, byte)),
  fc.uint8Array({ maxLength: 40 }));
const piece = fc.tuple(bytes, fc.boolean())
  .map(([plain, isText]) => (isText ? Uint8Array.from(Buffer.from(Buffer.from(plain).toString("base64"))) : plain));
const pieces = fc.array(piece, { maxLength: 6 });
const cutting = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 5 });

function simulate(main: (runtime: Runtime) => Promise<void>): Promise<void> {
  const simulation = createSimulation({ seed: 1 });
  return simulation.runUntil(main(simulation.host("here")), 200_000);
}

test("whatever a client sends, each of its calls ends and others are served", () => fc.assert(fc.asyncProperty(
  requestFields, path, fc.constantFrom("POST", "POST", "POST", "GET", "DELETE"), pieces, cutting,
  fc.constantFrom("end", "reset", "leave"), fc.constantFrom(connectServer(), grpcWebServer()),
  (fields, at, verb, bodies, cuts, ending, server) => simulate(async (runtime) => {
    const ended: unknown[] = [];
    const handler = servingLaw(runtime, { produced: 0, cancelled: [] }, {
      server, client: undefined as never, compressions,
      settings: { stallTimeoutMs: 5_000, maxMessageBytes: 10_000 },
      observer: { handled: (_context, _ms, error) => ended.push(error) },
    });
    let turn = 0;
    const pieceBytes = (): number => cuts[turn++ % cuts.length] as number;
    const raw = await rawClient(runtime, httpPair(runtime.clock, handler, { pieceBytes, windowBytes: 500 }));
    const isWhole = verb === "GET" && bodies.length === 0;
    const call = raw.ask(fields, at, verb, isWhole);
    for (const body of bodies) call.send(body);
    if (ending === "end" && !isWhole) call.send(new Uint8Array(0), true);
    const isConnect = server.name === "connect";
    const good = raw.ask({ "content-type": isConnect ? "application/proto" : "application/grpc-web" });
    good.send(isConnect ? item : envelope(item), true);
    if (ending === "reset") call.reset("cancel");
    const answer = await good.ended;
    assert.equal(answer.head?.status, 200);
    assert.deepEqual(answer.body.subarray(0, isConnect ? 5 : 10), isConnect ? item : envelope(item));
    await new Promise<void>((resolve) => void runtime.clock.after(30_000, resolve));
    for (const error of ended) assert.ok(error === undefined || RpcError.is(error), String(error));
    const { head } = call.answer;
    if (head !== undefined) assert.ok(head.status >= 200 && head.status < 600, String(head.status));
  })), runs));

const responseFields = fc.record({
  "content-type": either(...types), "content-encoding": either("gzip", "identity"),
  "connect-content-encoding": either("gzip"), "grpc-encoding": either("gzip"), "grpc-status": either("0", "5", "99"),
  "grpc-message": value, "accept-encoding": value, "trailer-x": value, "trailer-grpc-retry-pushback-ms": value,
  "trailer-endpoint-load-metrics-bin": fc.base64String(), "meridian-never-started": value, "x-more": value,
}, { requiredKeys: [], noNullPrototype: true });

const dialects: readonly ClientDialect[] =
  [connectClient(), connectClient({ get: true }), grpcWebClient(), grpcWebClient({ text: true })];

test("whatever a server answers, each call ends once, with an RpcError or a value", () => fc.assert(fc.asyncProperty(
  responseFields, fc.option(responseFields), fc.constantFrom(200, 200, 200, 404, 503), pieces, cutting,
  fc.constantFrom(...dialects), (fields, trailers, status, bodies, cuts, dialect) => simulate(async (runtime) => {
    const answer = (exchange: Exchange): void => {
      const isAll = bodies.length === 0 && trailers === null;
      exchange.head(headOf(fields, status), isAll);
      for (const [i, body] of bodies.entries()) {
        exchange.begin().writeBytes(body);
        exchange.end(trailers === null && i === bodies.length - 1);
      }
      if (trailers !== null) exchange.trailers(headOf(trailers, 0));
    };
    const handler: HttpHandler = (_head, exchange, last) => {
      if (last) answer(exchange);
      return {
        data(_bytes, start, end, isLast) {
          if (end > start) exchange.consumed(end - start);
          if (isLast) answer(exchange);
        },
        trailers: () => undefined, writable: () => undefined, failed: () => undefined,
      };
    };
    let turn = 0;
    const pieceBytes = (): number => cuts[turn++ % cuts.length] as number;
    const connect = httpPair(runtime.clock, handler, { pieceBytes, windowBytes: 500 });
    const { client, connection } = await callingLaw(runtime,
      { address: "pair:1", connect, served: () => [], close: async () => undefined },
      { server: undefined as never, client: dialect, compressions });
    const outcomes = await Promise.allSettled([
      client.echo({ n: 1, text: "" }), client.fail({ how: "" }), client.sum([]), collected(client.count({ to: 1 })),
      collected(client.chat([{ n: 1, text: "" }])),
    ]);
    for (const one of outcomes) assert.ok(one.status === "fulfilled" || RpcError.is(one.reason), JSON.stringify(one));
    assert.equal(connection.inFlight, 0);
  })), runs));

function headOf(fields: Readonly<Record<string, string>>, status: number): Head {
  return new Head(Object.assign(Object.create(null) as Record<string, string>, fields), status);
}

async function collected(items: AsyncIterable<unknown>): Promise<unknown[]> {
  const all: unknown[] = [];
  for await (const one of items) all.push(one);
  return all;
}
