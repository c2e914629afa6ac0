import assert from "node:assert/strict";
import { test } from "node:test";
import { servingLaw } from "../../test/conformance/http-harness.ts";
import type { Seen } from "../../test/conformance/protocol-cases.ts";
import { type Answer, envelope, type RawClient, rawClient } from "../../test/conformance/raw-exchange.ts";
import type { Context, Observer, RpcError } from "../core/index.ts";
import { httpPair, type HttpPairOptions } from "../testing/http-pair.ts";
import { createSimulation } from "../runtime/sim/index.ts";
import { gzip } from "../runtime/node/index.ts";
import { grpcServer } from "./grpc/index.ts";
import type { HttpProtocolSettings } from "./http-settings.ts";
import { readLoadReport } from "./orca.ts";
import { serveHttp } from "./http-server.ts";

const grpc = { "content-type": "application/grpc", te: "trailers" };
/** `{ n: 7, text: "x" }` */
const item = Uint8Array.of(8, 7, 18, 1, 120);

interface World {
  readonly raw: RawClient;
  readonly seen: Seen;
  readonly handled: (string | undefined)[];
  readonly refused: unknown[];
  readonly sleep: (ms: number) => Promise<void>;
}

/** Runs `main` against the law's handlers, in virtual time. */
async function inWorld(
  main: (world: World) => Promise<void>,
  options: {
    readonly settings?: Partial<HttpProtocolSettings>; readonly pair?: HttpPairOptions; readonly load?: boolean;
  } = {},
): Promise<void> {
  const simulation = createSimulation({ seed: 1 });
  const runtime = simulation.host("here");
  const seen: Seen = { produced: 0, cancelled: [] };
  const handled: (string | undefined)[] = [];
  const refused: unknown[] = [];
  const observer: Observer = {
    handled: (_context: Context, _ms: number, error: RpcError | undefined) => handled.push(error?.code),
    event: (name, fields) => {
      if (name === "server.call.refused") refused.push(fields["code"]);
    },
  };
  const handler = servingLaw(runtime, seen, {
    server: grpcServer(), client: undefined as never, observer, settings: options.settings ?? {},
    compressions: [gzip()],
    ...(options.load === true
      ? { load: () => ({ cpu: 0.5, memory: 0, inFlight: 1, callsPerSecond: 0, errorsPerSecond: 0, loopLagMs: 0 }) }
      : {}),
  });
  await simulation.runUntil((async () => {
    const raw = await rawClient(runtime, httpPair(runtime.clock, handler, options.pair));
    const sleep = (ms: number) => new Promise<void>((resolve) => void runtime.clock.after(ms, resolve));
    await main({ raw, seen, handled, refused, sleep });
  })(), 200_000);
}

function statusOf({ head, trailers }: Answer): [string | undefined, string] {
  const fields = (trailers ?? head)?.fields;
  return [fields?.["grpc-status"], fields?.["grpc-message"] ?? ""];
}

test("a call is answered by head, message and trailers", () => inWorld(async ({ raw, handled }) => {
  const call = raw.ask(grpc);
  call.send(envelope(item), true);
  const answer = await call.ended;
  assert.equal(answer.head?.status, 200);
  assert.deepEqual({ ...answer.head?.fields },
    { "content-type": "application/grpc", "grpc-accept-encoding": "identity,gzip" });
  assert.deepEqual(answer.body, envelope(item));
  assert.deepEqual({ ...answer.trailers?.fields }, { "grpc-status": "0" });
  assert.deepEqual(handled, [undefined]);
}));

test("requests in no language spoken here are told which are", () => inWorld(async ({ raw }) => {
  const wrongType = await raw.ask({ "content-type": "text/xml" }, "/a/b", "POST", true).ended;
  assert.equal(wrongType.head?.status, 415);
  assert.match(wrongType.head?.fields["accept-post"] ?? "", /application\/grpc/);
  assert.match(Buffer.from(wrongType.body).toString(), /text\/xml/);
  const wrongMethod = await raw.ask({}, "/", "GET", true).ended;
  assert.equal(wrongMethod.head?.status, 405);
  assert.equal(wrongMethod.head?.fields["allow"], "POST");
  assert.equal((await raw.ask(grpc, "/law.v1.Law/Echo", "PUT", true).ended).head?.status, 405);
}));

test("gRPC over HTTP/1.1 is told that it needs HTTP/2", () => inWorld(async ({ raw }) => {
  assert.equal((await raw.ask(grpc, "/law.v1.Law/Echo", "POST", true).ended).head?.status, 505);
}, { pair: { version: 1 } }));

test("what no dialect claims may be served by others", async () => {
  const simulation = createSimulation({ seed: 1 });
  const runtime = simulation.host("here");
  const served: string[] = [];
  const handler = serveHttp({
    runtime, router: () => assert.fail("no call"), admission: { inFlight: 0, maxInFlight: 1 }, observer: {},
    load: () => undefined,
  }, {
    dialects: [grpcServer()],
    fallback: (head, exchange) => {
      served.push(head.path);
      exchange.reset("refused");
      return { data: () => undefined, trailers: () => undefined, writable: () => undefined, failed: () => undefined };
    },
  });
  await simulation.runUntil((async () => {
    const raw = await rawClient(runtime, httpPair(runtime.clock, handler));
    await raw.ask({}, "/healthz", "GET", true).ended;
    assert.deepEqual(served, ["/healthz"]);
  })(), 1_000);
});

test("refusals come in the form of the protocol, and say that nothing was started", () =>
  inWorld(async ({ raw, refused, handled }) => {
    const cases: [Record<string, string>, string, string, RegExp][] = [
      [grpc, "/law.v1.Law/Nothing", "12", /has no method/],
      [grpc, "/nobody.Knows/Me", "12", /not served here/],
      [grpc, "nonsense", "12", /is no method: a call is made to/],
      [{ ...grpc, "grpc-timeout": "10x" }, "/law.v1.Law/Echo", "3", /grpc-timeout/],
      [{ ...grpc, "grpc-timeout": "0m" }, "/law.v1.Law/Echo", "4", /deadline passed/],
      [{ ...grpc, "grpc-encoding": "lzma" }, "/law.v1.Law/Echo", "12", /"lzma".*identity, gzip/],
      [{ ...grpc, "content-type": "application/grpc+thrift" }, "/law.v1.Law/Echo", "12", /codec "thrift"/],
    ];
    for (const [fields, path, status, message] of cases) {
      const call = raw.ask(fields, path);
      call.send(envelope(item), true);
      const answer = await call.ended;
      const [gotStatus, gotMessage] = statusOf(answer);
      assert.equal(gotStatus, status, gotMessage);
      assert.match(decodeURIComponent(gotMessage), message);
      assert.equal(answer.trailers, undefined, "trailers only");
      assert.equal(answer.head?.status, 200);
    }
    assert.equal(refused.length, cases.length);
    assert.deepEqual(handled, []);
  }));

test("a unary call takes exactly one message, whole", () => inWorld(async ({ raw, handled }) => {
  const cases: [Uint8Array[], string, RegExp][] = [
    [[], "12", /no message/],
    [[envelope(item), envelope(item)], "12", /more than one message/],
    [[envelope(item).subarray(0, 7)], "3", /ended within a message/],
    [[envelope(item, 2)], "13", /unknown flags/],
    [[envelope(item, 1)], "13", /names no compression/],
    [[envelope(Uint8Array.of(8))], "3", /./],
  ];
  for (const [pieces, status, message] of cases) {
    const call = raw.ask(grpc);
    for (const piece of pieces) call.send(piece);
    call.send(new Uint8Array(0), true);
    const [gotStatus, gotMessage] = statusOf(await call.ended);
    assert.equal(gotStatus, status, gotMessage);
    assert.match(decodeURIComponent(gotMessage), message);
  }
  assert.equal(handled.length, cases.length);
}));

test("compressed messages are read, and bombs are not", () => inWorld(async ({ raw }) => {
  const fields = { ...grpc, "grpc-encoding": "gzip", "grpc-accept-encoding": "gzip" };
  const good = raw.ask(fields);
  good.send(envelope(gzip().compress(item), 1), true);
  assert.deepEqual((await good.ended).body, envelope(item), "too short to be worth compressing");
  const bomb = raw.ask(fields);
  bomb.send(envelope(gzip().compress(new Uint8Array(100_000)), 1), true);
  assert.deepEqual(statusOf(await bomb.ended)[0], "8");
}, { settings: { maxMessageBytes: 50_000 } }));

test("replies are compressed to those who compress", () => inWorld(async ({ raw }) => {
  // { n: 7, text: "x" * 2,000 }
  const large = Uint8Array.from([8, 7, 18, 0xd0, 0x0f, ...new Uint8Array(2_000).fill(120)]);
  const plain = raw.ask({ ...grpc, "grpc-accept-encoding": "gzip" });
  plain.send(envelope(large), true);
  assert.deepEqual((await plain.ended).body, envelope(large));
  for (const accepts of [{}, { "grpc-accept-encoding": "identity,gzip" }]) {
    const call = raw.ask({ ...grpc, "grpc-encoding": "gzip", ...accepts });
    call.send(envelope(gzip().compress(large), 1), true);
    const { head, body } = await call.ended;
    assert.equal(head?.fields["grpc-encoding"], "gzip");
    assert.equal(body[0], 1);
    assert.deepEqual(new Uint8Array(gzip().decompress(body.subarray(5), 10_000)), large);
  }
}, { settings: { compressAboveBytes: 1_000 } }));

test("a message above the limit is refused by its length, before it has come", () => inWorld(async ({ raw, sleep }) => {
  const call = raw.ask(grpc);
  call.send(envelope(item, 0, 1_001));
  const [status, message] = statusOf(await call.ended);
  assert.equal(status, "8");
  assert.match(message, /maxMessageBytes/);
  // Whoever goes on sending is told to stop.
  await sleep(1_100);
  assert.match(call.answer.failure ?? "", /reset/);
}, { settings: { maxMessageBytes: 1_000 } }));

test("unfinished messages are bounded over all calls of a connection, and ended when they stall", () =>
  inWorld(async ({ raw, sleep, handled }) => {
    const calls = [1, 2, 3].map(() => {
      const call = raw.ask(grpc);
      call.send(envelope(new Uint8Array(400), 0, 900));
      return call;
    });
    const [status, message] = statusOf(await (calls[2] as (typeof calls)[0]).ended);
    assert.equal(status, "8");
    assert.match(message, /maxUnfinishedBytes/);
    await sleep(5_100);
    assert.deepEqual(calls.slice(0, 2).map((call) => statusOf(call.answer)[0]), ["14", "14"]);
    assert.match(statusOf((calls[0] as (typeof calls)[0]).answer)[1], /stallTimeoutMs/);
    assert.equal(handled.length, 3);
  }, { settings: { maxUnfinishedBytes: 1_000, stallTimeoutMs: 5_000 } }));

test("calls of one connection are bounded by handlers at work, not by open calls", () =>
  inWorld(async ({ raw, refused, handled, sleep }) => {
    const calls = [1, 2].map(() => raw.ask(grpc, "/law.v1.Law/Never"));
    for (const call of calls) call.send(envelope(new Uint8Array(0)), true);
    await sleep(1);
    for (const call of calls) call.reset("cancel");
    await sleep(1);
    const third = raw.ask(grpc);
    third.send(envelope(item), true);
    const answer = await third.ended;
    assert.equal(statusOf(answer)[0], "8");
    assert.equal(answer.head?.fields["meridian-never-started"], "1");
    assert.deepEqual(refused, ["resource_exhausted"]);
    assert.deepEqual(handled, [], "these handlers never end");
  }, { settings: { maxConcurrentCalls: 2 } }));

test("a caller that resets cancels its handler; a deadline that passes tells both", () =>
  inWorld(async ({ raw, seen, sleep }) => {
    const call = raw.ask(grpc, "/law.v1.Law/Never");
    call.send(envelope(new Uint8Array(0)), true);
    await sleep(1);
    call.reset("cancel");
    await sleep(1);
    assert.deepEqual(seen.cancelled, ["never cancelled"]);
    const late = raw.ask({ ...grpc, "grpc-timeout": "50m" }, "/law.v1.Law/Never");
    late.send(envelope(new Uint8Array(0)), true);
    assert.equal(statusOf(await late.ended)[0], "4");
    assert.deepEqual(seen.cancelled, ["never cancelled", "never deadline_exceeded"]);
  }));

test("a large reply not taken is cut, and its bytes are bounded", () => inWorld(async ({ raw, sleep, handled }) => {
  // Each asks for a blob of 20,000 bytes and reads none of it.
  const request = envelope(Uint8Array.from([10, 0xa0, 0x9c, 1, ...new Uint8Array(20_000)]));
  const calls: ReturnType<RawClient["ask"]>[] = [];
  for (let i = 0; i < 3; i++) {
    const call = raw.ask(grpc, "/law.v1.Law/Blob");
    Object.assign(call.exchange, { consumed: () => undefined });
    call.send(request, true);
    calls.push(call);
    await sleep(10);
  }
  assert.equal(statusOf(calls[2]?.answer as Answer)[0], "8");
  assert.match(statusOf(calls[2]?.answer as Answer)[1], /maxUnfinishedBytes/);
  await sleep(5_100);
  assert.match(calls[0]?.answer.failure ?? "", /reset/);
  assert.deepEqual(handled, [undefined, undefined, "resource_exhausted"]);
}, {
  settings: { maxUnfinishedBytes: 45_000, stallTimeoutMs: 5_000 },
  pair: { windowBytes: 18_000 },
}));

test("replies carry the server's load to who asks, at most ten times a second", () => inWorld(async (world) => {
  const { raw, sleep } = world;
  const loads: (string | undefined)[] = [];
  const stranger = raw.ask(grpc);
  stranger.send(envelope(item), true);
  assert.equal((await stranger.ended).trailers?.fields["endpoint-load-metrics-bin"], undefined);
  for (let i = 0; i < 3; i++) {
    const call = raw.ask({ ...grpc, "endpoint-load-metrics-format": "bin" });
    call.send(envelope(item), true);
    loads.push((await call.ended).trailers?.fields["endpoint-load-metrics-bin"]);
    if (i === 1) await sleep(150);
  }
  assert.deepEqual(loads.map((one) => one !== undefined), [true, false, true]);
  assert.equal(readLoadReport(loads[0] as string)?.cpu, 0.5);
}, { load: true }));
