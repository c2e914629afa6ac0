import assert from "node:assert/strict";
import { test } from "node:test";
import { callingLaw, type HttpLawOptions, type LawClient } from "../../test/conformance/http-harness.ts";
import { codeOf } from "../../test/conformance/protocol-cases.ts";
import { envelope } from "../../test/conformance/raw-exchange.ts";
import { expected } from "../core/index.ts";
import type { Exchange, HttpConnect, HttpHandler } from "../http/message.ts";
import { Head } from "../http/message.ts";
import { gzip } from "../runtime/node/index.ts";
import { createSimulation } from "../runtime/sim/index.ts";
import { httpPair, type HttpPairOptions } from "../testing/http-pair.ts";
import { grpcClient } from "./grpc/index.ts";
import { encodeStatus } from "./rpc-status.ts";
import { toBase64Unpadded } from "../wire/base64.ts";

/** `{ n: 7, text: "x" }` */
const item = Uint8Array.of(8, 7, 18, 1, 120);

function fields(entries: Readonly<Record<string, string>>): Record<string, string> {
  return Object.assign(Object.create(null) as Record<string, string>, entries);
}

const ok = { "content-type": "application/grpc" };

interface Served {
  readonly head: Head;
  readonly exchange: Exchange;
  failure: string | undefined;
  received: number;
}

interface World extends LawClient {
  /** The requests that came, in order. */
  readonly served: Served[];
  readonly sleep: (ms: number) => Promise<void>;
}

/** A client against a server by hand: `answer` is called when a request has ended. */
async function against(
  answer: (exchange: Exchange, index: number) => void, main: (world: World) => Promise<void>,
  options: Partial<HttpLawOptions> & { readonly pair?: HttpPairOptions } = {},
): Promise<void> {
  const simulation = createSimulation({ seed: 1 });
  const runtime = simulation.host("here");
  const served: Served[] = [];
  const handler: HttpHandler = (head, exchange, last) => {
    const one: Served = { head, exchange, failure: undefined, received: 0 };
    const index = served.push(one) - 1;
    if (last) answer(exchange, index);
    return {
      data(_bytes, start, end, isLast) {
        one.received += end - start;
        if (end > start) exchange.consumed(end - start);
        if (isLast) answer(exchange, index);
      },
      trailers: () => undefined,
      writable: () => undefined,
      failed(error) {
        one.failure = error.code;
      },
    };
  };
  await simulation.runUntil((async () => {
    const connect = httpPair(runtime.clock, handler, options.pair);
    const open = { address: "server:443", connect, served: () => [], close: async () => undefined };
    const law = await callingLaw(runtime, open,
      { server: undefined as never, client: grpcClient(), ...options });
    await main({ ...law, served, sleep: (ms) => new Promise((resolve) => void runtime.clock.after(ms, resolve)) });
  })(), 200_000);
}

function send(exchange: Exchange, bytes: Uint8Array, last = false): void {
  exchange.begin().writeBytes(bytes);
  exchange.end(last);
}

/** Answers with a head, bodies and trailers, as given. */
function answering(
  head: Readonly<Record<string, string>>, bodies: readonly Uint8Array[], trailers?: Readonly<Record<string, string>>,
  status = 200,
) {
  return (exchange: Exchange): void => {
    exchange.head(new Head(fields(head), status), bodies.length === 0 && trailers === undefined);
    for (const [i, body] of bodies.entries()) {
      send(exchange, body, trailers === undefined && i === bodies.length - 1);
    }
    if (trailers !== undefined) exchange.trailers(new Head(fields(trailers)));
  };
}

const good = answering(ok, [envelope(item)], { "grpc-status": "0" });

test("a request says what gRPC wants to hear", () => against(good, async ({ client, served }) => {
  assert.deepEqual(await client.echo({ n: 1, text: "" }), { n: 7, text: "x" });
  await client.keys({ tenant: "käse" }, { metadata: { who: "me" }, idempotencyKey: "k 1", timeoutMs: 250 })
    .catch(() => undefined);
  const [plain, rich] = served.map(({ head }) => head);
  assert.equal(plain?.method, "POST");
  assert.equal(plain?.path, "/law.v1.Law/Echo");
  assert.equal(plain?.authority, "server:443");
  assert.deepEqual({ ...plain?.fields }, {
    "content-type": "application/grpc", te: "trailers", "user-agent": "meridian-rpc", "grpc-timeout": "15000m",
    "grpc-encoding": "gzip", "grpc-accept-encoding": "gzip", "endpoint-load-metrics-format": "bin",
  });
  assert.equal(rich?.fields["grpc-timeout"], "250m");
  assert.equal(rich?.fields["idempotency-key"], "k 1");
  assert.equal(rich?.fields["meridian-route-key"], "k%C3%A4se");
  assert.equal(rich?.fields["who"], "me");
}, { compressions: [gzip()] }));

test("what a server says it cannot read is used no more", () => against(
  answering({ ...ok, "grpc-accept-encoding": "identity,br" }, [envelope(item)], { "grpc-status": "0" }),
  async ({ client, served }) => {
    for (let i = 0; i < 2; i++) await client.echo({ n: 1, text: "" });
    assert.deepEqual(served.map(({ head }) => head.fields["grpc-encoding"]), ["gzip", undefined]);
  }, { compressions: [gzip()] }));

test("metadata that a header cannot hold ends the call before anything is sent", () =>
  against(good, async ({ client, served }) => {
    for (const metadata of [{ a: "x\r\ny" }, { a: "ü" }, { a: " x" }, { te: "x" }, { "grpc-timeout": "1S" }]) {
      const error = await codeOf(client.echo({ n: 1, text: "" }, { metadata }));
      assert.equal(error.code, "invalid_argument");
      assert.equal(served.length, 0);
    }
  }));

test("answers that are none have the code that gRPC gives them", async () => {
  const text = new TextEncoder().encode("<html>");
  const html = { "content-type": "text/html" };
  const cases: [(exchange: Exchange) => void, string, RegExp][] = [
    [answering(html, [text], undefined, 503), "unavailable", /HTTP status 503/],
    [answering(html, [text], undefined, 404), "unimplemented", /404/],
    [answering(html, [text], undefined, 401), "unauthenticated", /401/],
    [answering(html, [text], undefined, 302), "unknown", /302/],
    [answering(html, [text]), "unknown", /text\/html/],
    [answering({ "content-type": "application/grpc+json" }, [text]), "internal", /grpc\+json/],
    [answering(ok, [envelope(item)]), "internal", /without a status/],
    [answering(ok, [envelope(item)], { other: "1" }), "internal", /without a status/],
    [answering(ok, [], { "grpc-status": "0" }), "unimplemented", /no message/],
    [answering(ok, [envelope(item), envelope(item)], { "grpc-status": "0" }), "unimplemented", /more than one/],
    [answering(ok, [envelope(item, 1)], { "grpc-status": "0" }), "internal", /names no compression/],
    [answering({ ...ok, "grpc-encoding": "lz4" }, [envelope(item)], { "grpc-status": "0" }), "internal", /lz4/],
    [answering(ok, [envelope(item, 4)], { "grpc-status": "0" }), "internal", /flags/],
    [answering(ok, [envelope(Uint8Array.of(8))], { "grpc-status": "0" }), "internal", /cannot be read/],
    [answering(ok, [envelope(item).subarray(0, 6)], { "grpc-status": "0" }), "internal", /within a message/],
    [answering(ok, [envelope(item, 0, 5_000_000)]), "resource_exhausted", /maxMessageBytes/],
    [answering({ ...ok, "grpc-status": "99", "grpc-message": "odd%20%E2%82%AC" }, []), "unknown", /odd €/],
    [answering({ ...ok, "grpc-status": "x" }, []), "unknown", /grpc-status/],
    [answering({ "grpc-status": "5" }, [], undefined, 404), "not_found", /^$/],
    [(exchange) => exchange.reset("refused"), "unavailable", /refused/],
    [(exchange) => exchange.reset("calm"), "resource_exhausted", /calm/],
  ];
  for (const [answer, code, message] of cases) {
    await against(answer, async ({ client, connection }) => {
      const error = await codeOf(client.echo({ n: 1, text: "" }));
      assert.equal(error.code, code, error.message);
      assert.match(error.message, message);
      assert.equal(connection.inFlight, 0);
    });
    // How many messages there are can only be wrong where one is expected.
    if (/no message|more than one/.test(message.source)) continue;
    await against(answer, async ({ client, connection }) => {
      const error = await codeOf((async () => {
        for await (const _ of client.chat([])) assert.ok(true);
      })());
      assert.equal(error.code, code, error.message);
      assert.equal(connection.inFlight, 0);
    });
  }
});

test("a status tells details, push-back, and whether the call was started", () => {
  const details = toBase64Unpadded(encodeStatus({
    code: "aborted", message: "", details: [{ type: "google.rpc.DebugInfo", value: Uint8Array.of(10, 1, 120) }],
  }));
  return against(answering({
    ...ok, "grpc-status": "10", "grpc-message": "again", "grpc-status-details-bin": details,
    "grpc-retry-pushback-ms": "40", "meridian-never-started": "1", "x-more": "1",
  }, []), async ({ client }) => {
    const error = await codeOf(client.echo({ n: 1, text: "" }));
    assert.deepEqual([error.code, error.message, error.retryAfterMs, error.neverStarted, error.retryable, error.remote],
      ["aborted", "again", 40, true, true, true]);
    assert.deepEqual(error.details?.map(({ type }) => type), ["google.rpc.DebugInfo"]);
    assert.equal(error.metadata?.["x-more"], "1");
  });
});

test("calls wait in order for a peer that takes few at once", () => against(
  good, async ({ client, connection, served }) => {
    const calls = Array.from({ length: 20 }, (_, n) => client.echo({ n, text: "x".repeat(n) }));
    assert.equal(connection.inFlight, 20);
    await Promise.all(calls);
    assert.equal(connection.inFlight, 0);
    const sizes = served.map((one) => one.received);
    assert.deepEqual(sizes, [...sizes].sort((a, b) => a - b));
  }, { pair: { maxExchanges: 2 } }));

test("a call that waits ends at its deadline, when it is cancelled, and when there are too many", () => against(
  () => undefined, async ({ client, connection, served, sleep }) => {
    const first = codeOf(client.echo({ n: 1, text: "" }, { timeoutMs: 1_000 }));
    const second = codeOf(client.echo({ n: 2, text: "" }, { timeoutMs: 100 }));
    const controller = new AbortController();
    const third = codeOf(client.echo({ n: 3, text: "" }, { signal: controller.signal }));
    const stream = client.count({ to: 1 })[Symbol.asyncIterator]();
    const fourth = codeOf(client.echo({ n: 4, text: "" }));
    assert.deepEqual([(await fourth).code, (await fourth).neverStarted], ["resource_exhausted", true]);
    const late = await second;
    assert.deepEqual([late.code, late.phase], ["deadline_exceeded", "queue"]);
    controller.abort();
    assert.equal((await third).code, "cancelled");
    assert.equal(served.length, 1);
    assert.equal(connection.inFlight, 2);
    connection.close(5_000);
    const closed = await codeOf(stream.next());
    assert.deepEqual([closed.code, closed.neverStarted], ["unavailable", true]);
    assert.equal((await first).code, "deadline_exceeded");
    await sleep(10);
    assert.equal(served[0]?.failure, "cancelled");
  }, { pair: { maxExchanges: 1 }, settings: { maxWaitingCalls: 3 } }));

test("deadlines, cancellations and readers that leave reset their exchanges", () => against(
  (exchange, index) => {
    if (index !== 2) return;
    exchange.head(new Head(fields(ok), 200), false);
    send(exchange, envelope(item));
  }, async ({ client, served, sleep }) => {
    assert.equal((await codeOf(client.echo({ n: 1, text: "" }, { timeoutMs: 50 }))).code, "deadline_exceeded");
    const controller = new AbortController();
    const call = codeOf(client.sum([], { signal: controller.signal }));
    await sleep(10);
    controller.abort();
    assert.equal((await call).code, "cancelled");
    for await (const one of client.count({ to: 3 })) {
      assert.equal(one.n, 7);
      break;
    }
    await sleep(10);
    assert.deepEqual(served.map(({ failure }) => failure), ["cancelled", "cancelled", "cancelled"]);
  }));

test("an answer before the end of the request stops what is still to be sent", () => {
  let answered = 0;
  return against(() => undefined, async ({ client, served, sleep }) => {
    async function* endless() {
      for (let n = 0; ; n++) {
        yield { n, text: "x".repeat(1_000) };
        if (n === 10) {
          await sleep(5);
          const { exchange } = served[0] as Served;
          answering(ok, [envelope(Uint8Array.of(8, 42))], { "grpc-status": "0" })(exchange);
          answered++;
        }
        if (n > 10) await sleep(1);
      }
    }
    assert.deepEqual(await client.sum(endless()), { sum: 42 });
    assert.equal(answered, 1);
    await sleep(10);
    const { received } = served[0] as Served;
    await sleep(50);
    assert.equal(served[0]?.received, received);
  });
});

test("calls that bear a repeat can be failed over; the others go on waiting", () => against(
  () => undefined, async ({ client, connection }) => {
    const echo = codeOf(client.echo({ n: 1, text: "" }));
    const never = codeOf(client.never({}, { timeoutMs: 500 }));
    connection.failRepeatable(expected("unavailable", "suspect"));
    const error = await echo;
    assert.deepEqual([error.code, error.retryable], ["unavailable", true]);
    assert.equal((await never).code, "deadline_exceeded");
  }));

test("a peer that bears no more pings still owes the answer to the last", async () => {
  const simulation = createSimulation({ seed: 1 });
  const { clock } = simulation.host("here");
  const peer = { bears: 2, answers: true };
  const pair = httpPair(clock, () => ({
    data: () => undefined, trailers: () => undefined, writable: () => undefined, failed: () => undefined,
  }));
  const connect: HttpConnect = (runtime, address, events) => {
    const connection = pair(runtime, address, events);
    const ping = connection.ping.bind(connection);
    connection.ping = () => peer.bears-- > 0 && (!peer.answers || ping());
    return connection;
  };
  await simulation.runUntil((async () => {
    const open = { address: "server:443", connect, served: () => [], close: async () => undefined };
    const { connection } = await callingLaw(simulation.host("here"), open,
      { server: undefined as never, client: grpcClient() });
    const asked = async (): Promise<boolean> => {
      await new Promise<void>((resolve) => void clock.after(100, resolve));
      return connection.ping();
    };
    assert.deepEqual([await asked(), await asked()], [true, true]);
    assert.equal(await asked(), false, "all were answered, and no more may be sent");
    peer.bears = 1;
    peer.answers = false;
    assert.deepEqual([await asked(), await asked(), await asked()], [true, true, true]);
  })(), 10_000);
});
