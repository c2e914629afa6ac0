/** What the user of either side may get wrong, and what runs out: none of it may take the connection along. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { createClientOn } from "../../client/index.ts";
import { rpc, service } from "../../contract/index.ts";
import { Context, type LoadReport, RpcError } from "../../core/index.ts";
import { createSimulation } from "../../runtime/sim/index.ts";
import { createServerOn, type ServerOptions } from "../../server/index.ts";
import { Cursor, FrameOutbox, Writer } from "../../wire/index.ts";
import { CallTable } from "../call-table.ts";
import { readExtras, writeExtras } from "../extras.ts";
import { readHello, writeHello } from "./hello.ts";
import { nativeConnect } from "./client.ts";
import { defaultSettings, resolveSettings } from "./settings.ts";

const Odd = service("odd.v1.Odd", {
  call: rpc({ input: z.object({ how: z.string() }), output: z.object({ how: z.string() }) }),
});

async function call(
  handler: (how: string, context: Context) => { how: string }, options: ServerOptions, how: string,
  settings: { metadata?: Record<string, string> } = {},
): Promise<{ how: string } | RpcError> {
  const simulation = createSimulation({ seed: 1 });
  const server = createServerOn(simulation.host("server"), options)
    .implement(Odd, { call: (input, context) => input.how === "fine" ? input : handler(input.how, context) });
  return simulation.runUntil((async () => {
    const address = await server.listen({ host: "server", port: 1 });
    const client = createClientOn(simulation.host("client"), Odd, { address, retry: false });
    const odd = await client.call({ how }, settings).catch((error: unknown) => RpcError.from(error));
    const next = await client.call({ how: "fine" });
    assert.deepEqual(next, { how: "fine" }, "the connection goes on");
    client.$.close(0);
    return odd;
  })(), 60_000);
}

test("an error whose push-back or metadata cannot be said loses that, not the connection", async () => {
  for (const retryAfterMs of [Infinity, NaN, 1e300, -Infinity]) {
    const error = await call(() => {
      throw new RpcError("aborted", "odd", { retryAfterMs });
    }, {}, "odd");
    assert.ok(RpcError.is(error) && error.code === "aborted");
  }
  const metadata = { "Bad Name": "x", list: 5 } as never;
  const error = await call(() => {
    throw new RpcError("aborted", "odd", { metadata });
  }, {}, "odd");
  assert.ok(RpcError.is(error) && error.message === "odd" && error.metadata === undefined);
});

test("a load report that throws fails the reply alone, and odd numbers are cut to what can be said", async () => {
  const throwing = await call((how) => ({ how }), {
    load: () => {
      throw new Error("no figures");
    },
  }, "fine").catch((error: unknown) => error);
  assert.ok(RpcError.is(throwing));
  const odd: LoadReport = {
    cpu: NaN, memory: -1, inFlight: Infinity, callsPerSecond: 1e300, errorsPerSecond: -5, loopLagMs: 1.5,
  };
  const writer = new Writer();
  writeExtras(writer, { load: odd });
  const { load } = readExtras(new Cursor().over(writer.bytes, 0, writer.position));
  const most = Number.MAX_SAFE_INTEGER;
  assert.deepEqual(load, {
    cpu: 0, memory: 0, inFlight: most, callsPerSecond: most, errorsPerSecond: 0, loopLagMs: 2, latencyMs: 0,
  });
});

test("metadata counts as bytes of UTF-8, before it leaves", async () => {
  const error = await call((how) => ({ how }), {}, "fine", { metadata: { big: "漢".repeat(6_000) } });
  assert.ok(RpcError.is(error));
  assert.match(error.message, /18003 bytes; at most .* 16384 bytes/);
  const fits = await call((how) => ({ how }), {}, "fine", { metadata: { big: "漢".repeat(5_400) } });
  assert.deepEqual(fits, { how: "fine" });
});

test("settings that are no limits are refused by name, infinite ones cut to what the wire can say", () => {
  const bad = [{ maxFrameBytes: 100 }, { maxMessageBytes: NaN }, { streamWindowBytes: 0 }, { helloTimeoutMs: -1 }];
  for (const one of bad) {
    assert.throws(() => resolveSettings(one), new RegExp(`${Object.keys(one)[0]} is .*, expected a number`));
  }
  const most = resolveSettings({ maxMessageBytes: Infinity, maxFrameBytes: Infinity });
  assert.deepEqual([most.maxMessageBytes, most.maxFrameBytes], [Number.MAX_SAFE_INTEGER, 0xff_ffff]);
});

test("a hello survives a region of a hundred characters of three bytes", () => {
  const writer = new Writer();
  writeHello(writer, { ...defaultSettings, region: "漢".repeat(100) });
  const peer = readHello(new Cursor().over(writer.bytes, 0, writer.position));
  assert.equal(peer.region, "漢".repeat(85));
});

test("an outbox forgets only the frame that is open", () => {
  const sent: Uint8Array[] = [];
  const stream = {
    peer: "", bufferedBytes: 0, pause: () => undefined, resume: () => undefined, end: () => undefined,
    destroy: () => undefined, write: (bytes: Uint8Array) => sent.push(bytes.slice()) > 0,
  };
  const outbox = new FrameOutbox(stream, createSimulation({ seed: 1 }).host("one").clock);
  outbox.begin();
  outbox.writeByte(7);
  outbox.end(5, 0, 1);
  outbox.abort();
  outbox.begin();
  outbox.writeByte(8);
  outbox.abort();
  outbox.flush();
  assert.deepEqual(sent.map((bytes) => [...bytes]), [[1, 0, 0, 5, 1, 0, 0, 0, 7]]);
});

test("when call ids run out, the connection takes no more calls, certain not to have begun", async () => {
  const simulation = createSimulation({ seed: 1 });
  const server = createServerOn(simulation.host("server")).implement(Odd, { call: (input) => input });
  await simulation.runUntil((async () => {
    const address = await server.listen({ host: "server", port: 1 });
    const runtime = simulation.host("client");
    const happened: string[] = [];
    const opened = Promise.withResolvers<void>();
    const connection = nativeConnect({ coders: () => assert.fail("nothing is bound") })(runtime, address, {
      opened: () => opened.resolve(), draining: (why) => void happened.push(why),
      closed: (error) => void happened.push(`closed ${error?.message ?? "in order"}`),
      pinged: () => undefined, reported: () => undefined,
    });
    await opened.promise;
    Object.assign(connection, { calls: new CallTable(0xffff_0000) });
    const context = new Context(Odd.methods.call, runtime.clock.now());
    assert.throws(() => connection.call({ how: "" }, context, { attemptEnded: () => undefined }),
      (error) => RpcError.is(error) && error.neverStarted && /used up its call ids/.test(error.message));
    assert.deepEqual(happened, ["the connection has used up its call ids", "closed in order"]);
  })(), 60_000);
});
