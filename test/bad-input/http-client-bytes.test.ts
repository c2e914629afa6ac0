/** Servers that are none, or break off anywhere: in raw bytes, to clients of every protocol, both versions of HTTP. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createClientOn } from "../../src/client/index.ts";
import { RpcError, type Runtime } from "../../src/core/index.ts";
import type { ByteStream } from "../../src/core/runtime.ts";
import { FrameType } from "../../src/http/h2/constants.ts";
import { connect } from "../../src/protocol/connect/index.ts";
import { grpc } from "../../src/protocol/grpc/index.ts";
import { grpcWeb } from "../../src/protocol/grpc-web/index.ts";
import type { Protocol } from "../../src/protocol/protocol.ts";
import { createSimulation } from "../../src/runtime/sim/index.ts";
import { envelope } from "../conformance/raw-exchange.ts";
import { frame, join, RawHttp2, settingsFrame, uint32 } from "../http/raw-http2.ts";
import { Target } from "./harness.ts";
import { fine, text } from "./http-harness.ts";
import { collected, errorOf, headOf } from "./lying-server.ts";
import { helloOf, join as parts, prefaceOf } from "./raw-peer.ts";

const runs = { seed: 20261121, numRuns: Math.ceil(Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 150) / 3) };
const value = { n: 7, text: "hi" };

type TargetClient = ReturnType<typeof createClientOn<typeof Target>>;

interface Scene {
  readonly client: TargetClient;
  readonly accepted: () => number;
  sleep(ms: number): Promise<void>;
}

/** A server that is told of each stream's bytes; `say` hears of the first of them. */
async function against(
  protocol: Protocol, say: (stream: ByteStream, bytes: Uint8Array, runtime: Runtime) => void,
  act: (scene: Scene) => Promise<void>, greet: (stream: ByteStream) => void = () => undefined,
): Promise<void> {
  const simulation = createSimulation({ seed: 1, link: { latencyMs: 1 } });
  const [server, runtime] = [simulation.host("server"), simulation.host("client")];
  await simulation.runUntil((async () => {
    let accepted = 0;
    const listener = await server.network.listen("server:1", (stream) => {
      accepted++;
      greet(stream);
      return { received: (bytes) => say(stream, bytes, server), closed: () => undefined };
    });
    const client = createClientOn(runtime, Target, {
      address: listener.address, protocol, retry: false, outliers: false, timeoutMs: 8_000,
    });
    const sleep = (ms: number) => new Promise<void>((resolve) => void runtime.clock.after(ms, resolve));
    await act({ client, accepted: () => accepted, sleep });
    client.$.close(0);
    await sleep(10);
    await listener.close();
  })(), 3_600_000);
}

const strangers: readonly [string, Uint8Array, Protocol, RegExp][] = [
  ["HTTP/1.1, to HTTP/2", text("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"), grpc(), /HTTP\/1/],
  ["a TLS alert, to HTTP/2", Uint8Array.of(0x15, 3, 3, 0, 2, 2, 70, 0, 0), grpc(), /TLS/],
  ["Meridian's own wire, to HTTP/2", parts(prefaceOf(), helloOf()), connect(), /Meridian/],
  ["SSH, to HTTP/2", text("SSH-2.0-OpenSSH_9.6\r\n"), grpcWeb(), /53 53 48/],
  ["HTTP/2, to HTTP/1.1", settingsFrame(), connect({ http: 1 }),
    /HTTP\/1\.1: it opened with 00 00 00 04 .*not with a status line/],
  ["a TLS alert, to HTTP/1.1", Uint8Array.of(0x15, 3, 3, 0, 2, 2, 70, 13, 10, 13, 10), connect({ http: 1 }),
    /opened with 15 03 03/],
];

for (const [name, bytes, protocol, says] of strangers) {
  test(`a server that answers in ${name}: said so`, () => against(protocol, (stream) => void stream.write(bytes),
    async ({ client }) => {
      const error = await errorOf(client.echo(value));
      assert.match(error.message, says);
      assert.ok(["unavailable", "internal"].includes(error.code), error.code);
    }));
}

const ok = "HTTP/1.1 200 OK\r\ncontent-type: application/proto\r\n";
const body = Buffer.from(fine).toString("latin1");
const good = `${ok}content-length: ${fine.length}\r\n\r\n${body}`;
const texts: readonly [string, string, RegExp][] = [
  ["heads without end", `${ok}x: ${"y".repeat(50_000)}`, /maxHeadBytes/],
  ["fields without end", `${ok}${Array.from({ length: 400 }, (_, i) => `x${i}: y\r\n`).join("")}\r\n`, /maxFields/],
  ["heads of 1xx without end", "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(40), /more than 16 heads of 1xx/],
  ["a change of protocol", "HTTP/1.1 101 Switching Protocols\r\n\r\n", /changes the protocol/],
  ["two lengths", `${ok}content-length: 6\r\ncontent-length: 7\r\n\r\n${body}`, /content-length/],
  ["a length that is none", `${ok}content-length: -6\r\n\r\n${body}`, /content-length/],
  ["length and chunks", `${ok}content-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`, /content-length/],
  ["a chunk that is none", `${ok}transfer-encoding: chunked\r\n\r\nzz\r\n`, /chunk/],
  ["a status that is none", "HTTP/1.1 hello\r\n\r\n", /status/],
];

for (const [name, answer, says] of texts) {
  test(`HTTP/1.1, ${name}: the call says so, and the next has a socket of its own`, () => {
    let turn = 0;
    return against(connect({ http: 1 }), (stream) => void stream.write(text(turn++ === 0 ? answer : good)),
      async ({ client }) => {
        const error = await errorOf(client.echo(value));
        assert.match(error.message, says);
        assert.deepEqual(await client.echo(value), value);
      });
  });
}

const old = "HTTP/1.0 200 OK\r\ncontent-type: application/proto\r\n";

for (const [name, answer] of [
  ["with its close", `${old}\r\n${body}`], ["with a length", `${old}content-length: ${body.length}\r\n\r\n${body}`],
] as const) {
  test(`a server of HTTP/1.0 that ends its body ${name} is understood`, () => against(connect({ http: 1 }),
    (stream) => {
      stream.write(Buffer.from(answer, "latin1"));
      stream.end();
    }, async ({ client }) => {
      for (let i = 0; i < 3; i++) assert.deepEqual(await client.echo(value), value);
    }));
}

test("HTTP/1.1: wherever a response is cut, its call ends once and says so; the next is answered", () => fc.assert(
  fc.asyncProperty(fc.nat(good.length - 1), fc.boolean(), (at, isRude) => {
    let turn = 0;
    return against(connect({ http: 1 }), (stream) => {
      if (turn++ > 0) {
        stream.write(Buffer.from(good, "latin1"));
        return;
      }
      if (at > 0) stream.write(Buffer.from(good.slice(0, at), "latin1"));
      if (isRude) stream.destroy();
      else stream.end();
    }, async ({ client }) => {
      const error = await errorOf(client.echo(value));
      assert.equal(error.code, "unavailable", error.message);
      assert.match(error.message, at === 0 ? /before it answered|reset|closed/ : /response|reset|closed/);
      assert.deepEqual(await client.echo(value), value);
    });
  }), runs));

/** What a server of HTTP/2 does at some moment, instead of going on. */
const mishap = fc.record({
  /** After how many frames of its answers. */
  after: fc.nat(12),
  what: fc.constantFrom("goAway", "goAwayAll", "reset", "refuse", "close", "cut", "settings", "silence"),
}, { noNullPrototype: true });

/** Answers each request frame by frame, and lets one thing happen. */
function moody(stream: ByteStream, protocol: string, mood: { after: number; what: string }): RawHttp2 {
  const raw = new RawHttp2(true);
  raw.stream = stream;
  raw.open();
  let sent = 0;
  let isOver = false;
  const say = (id: number, bytes: Uint8Array): void => {
    if (isOver) return;
    if (sent++ !== mood.after) {
      raw.send(bytes);
      return;
    }
    const goAway = (lastId: number): Uint8Array =>
      frame(FrameType.goAway, 0, 0, join(Uint8Array.from([...uint32(lastId), ...uint32(0)]), text("moody")));
    switch (mood.what) {
      case "goAway": raw.send(goAway(id), bytes); break;
      case "goAwayAll": raw.send(goAway(0)); break;
      case "reset": raw.send(frame(FrameType.reset, 0, id, uint32(2))); break;
      case "refuse": raw.send(frame(FrameType.reset, 0, id, uint32(7))); break;
      case "close": isOver = true; stream.end(); break;
      case "cut": isOver = true; raw.send(bytes.subarray(0, 5)); stream.destroy(); break;
      case "settings": raw.send(settingsFrame({ 4: 0, 3: 0 }), settingsFrame({ 4: 65_535, 3: 100 }), bytes); break;
      default: isOver = true;
    }
  };
  raw.heard = ({ type, flags, id }) => {
    if ((type !== FrameType.data && type !== FrameType.headers) || (flags & 1) === 0) return;
    const message = envelope(fine);
    if (protocol === "grpc") {
      say(id, raw.headers(id, headOf({ "content-type": "application/grpc" }, 200), false));
      say(id, frame(FrameType.data, 0, id, message));
      say(id, raw.headers(id, headOf({ "grpc-status": "0" }), true));
    } else if (protocol === "web") {
      say(id, raw.headers(id, headOf({ "content-type": "application/grpc-web+proto" }, 200), false));
      say(id, frame(FrameType.data, 0, id, message.subarray(0, 3)));
      say(id, frame(FrameType.data, 1, id, join(message.subarray(3), envelope(text("grpc-status: 0\r\n"), 0x80))));
    } else {
      say(id, raw.headers(id, headOf({ "content-type": "application/proto" }, 200), false));
      say(id, frame(FrameType.data, 0, id, fine.subarray(0, 2)));
      say(id, frame(FrameType.data, 1, id, fine.subarray(2)));
    }
  };
  return raw;
}

for (const [name, protocol] of [["grpc", grpc()], ["web", grpcWeb()], ["connect", connect()]] as const) {
  test(`HTTP/2, ${name}: whatever happens at any moment, each call ends once, and the client recovers`, () => fc.assert(
    fc.asyncProperty(mishap, (mood) => {
      const peers = new Map<ByteStream, RawHttp2>();
      let turn = 0;
      return against(protocol, (stream, bytes) => peers.get(stream)?.received(bytes), async ({ client, sleep }) => {
        let ends = 0;
        const call = (one: () => Promise<unknown>): Promise<unknown> => one().finally(() => void ends++);
        const calls = Array.from({ length: 6 }, (_, i) => call(() => client.echo(value, { timeoutMs: 500 + i })));
        if (name !== "connect") calls.push(call(() => collected(client.count({ to: 1 }, { timeoutMs: 500 }))));
        for (const one of await Promise.allSettled(calls)) {
          if (one.status === "rejected") {
            assert.ok(RpcError.is(one.reason), String(one.reason));
            assert.notEqual(one.reason.message, "");
          } else if (!Array.isArray(one.value)) assert.deepEqual(one.value, value);
        }
        assert.equal(ends, calls.length);
        await sleep(5_000);
        if (mood.what !== "silence") assert.deepEqual(await client.echo(value), value);
      }, (stream) => void peers.set(stream, moody(stream, name, turn++ === 0 ? mood : { after: -1, what: "" })));
    }), runs));
}
