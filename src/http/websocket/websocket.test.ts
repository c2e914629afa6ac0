import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import type { ByteStream } from "../../core/runtime.ts";
import type { RpcError } from "../../core/index.ts";
import { createSimulation } from "../../runtime/sim/index.ts";
import { Head } from "../message.ts";
import { FrameError, FrameReader } from "./frame-reader.ts";
import { frame, Opcode } from "./frames.ts";
import { grant, readHandshake } from "./handshake.ts";
import { sha1 } from "./sha1.ts";
import { WebSocketConnection } from "./socket.ts";

const runs = Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 300);

test("SHA-1 is that of the platform, for every length around its blocks", () => {
  for (let length = 0; length < 200; length++) {
    const message = Uint8Array.from({ length }, (_, i) => i * 7 + length);
    assert.deepEqual(sha1(message), new Uint8Array(createHash("sha1").update(message).digest()));
  }
});

const asked = (fields: Record<string, string>, method = "GET"): Head => new Head({
  upgrade: "websocket", connection: "keep-alive, Upgrade", "sec-websocket-version": "13",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==", ...fields,
}, 0, method, "/chat", "http", "example.test");

test("the handshake of RFC 6455, section 1.3", () => {
  const request = readHandshake(asked({ "sec-websocket-protocol": "chat, superchat", origin: "http://example.test" }));
  assert.ok(request !== undefined && "key" in request);
  assert.deepEqual(request.protocols, ["chat", "superchat"]);
  assert.match(grant(request.key, "chat"), /sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n/);
});

test("a handshake that breaks the rules is refused by what is wrong; other upgrades are none", () => {
  const why = (head: Head): string => {
    const answer = readHandshake(head);
    return answer !== undefined && "status" in answer ? `${answer.status} ${answer.why}` : typeof answer;
  };
  assert.match(why(asked({}, "POST")), /^405/);
  assert.match(why(asked({ connection: "keep-alive" })), /^400 .*proxy/);
  assert.match(why(asked({ "sec-websocket-version": "8" })), /^426 .*13/);
  assert.match(why(asked({ "sec-websocket-key": "short" })), /^400 Sec-WebSocket-Key/);
  assert.equal(readHandshake(asked({ upgrade: "h2c" })), undefined);
});

interface Told {
  readonly messages: { isText: boolean; bytes: number[] }[];
  readonly controls: { opcode: number; bytes: number[] }[];
}

function read(isMasked: boolean, pieces: readonly Uint8Array[]): Told {
  const told: Told = { messages: [], controls: [] };
  const reader = new FrameReader({
    piece(isText, bytes, start, end, first) {
      if (first) told.messages.push({ isText, bytes: [] });
      told.messages.at(-1)?.bytes.push(...bytes.subarray(start, end));
    },
    control: (opcode, payload) => void told.controls.push({ opcode, bytes: [...payload] }),
  }, isMasked);
  for (const piece of pieces) reader.push(piece);
  return told;
}

const lengths = [0, 1, 3, 125, 126, 127, 65_535, 65_536, 70_001];

test("what is framed is read again, masked or not, however it was cut", () => {
  for (const length of lengths) {
    for (const mask of [undefined, 0, 0xdeadbeef, 0xffffffff]) {
      const payload = Uint8Array.from({ length }, (_, i) => i * 31);
      const bytes = frame(Opcode.binary, payload, mask);
      for (const cut of [bytes.length, 1_001, 1_000, 7]) {
        const pieces = [];
        // Copies: the reader unmasks where they lie.
        for (let at = 0; at < bytes.length; at += cut) pieces.push(Uint8Array.from(bytes.subarray(at, at + cut)));
        const { messages } = read(mask !== undefined, pieces);
        assert.deepEqual(messages, [{ isText: false, bytes: [...payload] }], `${length} bytes cut to ${cut}`);
      }
    }
  }
});

test("control frames may come within a message", () => {
  const hello = frame(Opcode.text, Uint8Array.of(1, 2), undefined);
  hello[0] = Opcode.text; // Not final.
  const rest = frame(Opcode.continuation, Uint8Array.of(3), undefined);
  const told = read(false, [hello, frame(Opcode.ping, Uint8Array.of(9), undefined), rest]);
  assert.deepEqual(told.messages, [{ isText: true, bytes: [1, 2, 3] }]);
  assert.deepEqual(told.controls, [{ opcode: Opcode.ping, bytes: [9] }]);
});

test("what breaks the rules is refused by what it is", () => {
  const cases: readonly (readonly [bytes: number[], why: RegExp])[] = [
    [[0xc2, 0x00], /reserved bit/], [[0x82, 0x80, 0, 0, 0, 0], /masked/], [[0x83, 0], /opcode 3/],
    [[0x8b, 0], /opcode 11/], [[0x09, 0], /control frame is fragmented/], [[0x89, 126, 0, 200], /more than 125/],
    [[0x80, 0], /continuation of no message/], [[0x02, 0, 0x82, 0], /within another/],
    [[0x82, 126, 0, 5], /shortest/], [[0x82, 127, 0, 0, 0, 0, 0, 0, 0, 5], /shortest/],
    [[0x82, 127, 0x7f, 0, 0, 0, 0, 0, 0, 5], /2\^53/],
  ];
  for (const [bytes, why] of cases) {
    assert.throws(() => read(false, [Uint8Array.from(bytes)]), (error: unknown) =>
      error instanceof FrameError && why.test(error.message), String(why));
  }
  assert.throws(() => read(true, [Uint8Array.of(0x82, 0)]), /not masked/);
});

test("any bytes are read or refused, never kept beyond a control frame", () => {
  const anyPieces = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 });
  fc.assert(fc.property(anyPieces, fc.boolean(), (pieces, isMasked) => {
    try {
      read(isMasked, pieces);
    } catch (error) {
      assert.ok(error instanceof FrameError, String(error));
    }
  }), { seed: 6455, numRuns: runs });
});

/** A server's and a client's end over one simulated connection. */
async function pair(run: (ends: { server: WebSocketConnection; client: WebSocketConnection; raw: ByteStream;
  told: string[]; sleep(ms: number): Promise<void> }) => Promise<void>): Promise<void> {
  const simulation = createSimulation({ seed: 1, link: { latencyMs: 1 } });
  const told: string[] = [];
  const ends: { server?: WebSocketConnection; client?: WebSocketConnection } = {};
  const events = (name: string) => ({
    piece: (isText: boolean, bytes: Uint8Array, start: number, end: number) =>
      void told.push(`${name} ${isText ? "text" : "bytes"} ${bytes.subarray(start, end).join()}`),
    drained: () => undefined,
    closed: (error: RpcError | undefined) => void told.push(`${name} closed ${error?.message ?? ""}`.trim()),
  });
  const main = async (): Promise<void> => {
    const server = simulation.host("server");
    const client = simulation.host("client");
    await server.network.listen("server:1", (stream) =>
      ends.server = new WebSocketConnection(server.clock, stream, events("server"), undefined));
    const raw: ByteStream = client.network.connect("server:1", {
      received: (bytes) => ends.client?.received(bytes), closed: (error) => ends.client?.closed(error),
    });
    ends.client = new WebSocketConnection(client.clock, raw, events("client"), () => client.random.next() * 2 ** 32);
    const sleep = (ms: number): Promise<void> => new Promise((resolve) => void client.clock.after(ms, resolve));
    await sleep(10);
    await run({ server: ends.server as WebSocketConnection, client: ends.client, raw, told, sleep });
  };
  await simulation.runUntil(main(), 60_000);
}

test("both ends hear messages, then an orderly end once", () => pair(async ({ server, client, told, sleep }) => {
  client.send(false, Uint8Array.of(1, 2));
  server.send(true, Uint8Array.of(65));
  await sleep(10);
  client.close();
  client.send(false, Uint8Array.of(3));
  await sleep(3_000);
  assert.deepEqual(told.sort(), ["client closed", "client text 65", "server bytes 1,2", "server closed"]);
}));

test("who closes with a reason is quoted", () => pair(async ({ server, told, sleep }) => {
  server.close(1008, "ö".repeat(80));
  await sleep(3_000);
  const said = "client closed the peer closed the WebSocket with 1008: öö";
  assert.ok(told.some((line) => line.startsWith(said)), told.join());
  assert.ok(told.includes("server closed"));
}));

test("who breaks the rules is told why, and cut off", () => pair(async ({ raw, told, sleep }) => {
  raw.write(Uint8Array.of(0x82, 0));
  await sleep(3_000);
  assert.ok(told.some((line) => /server closed .*not masked/.test(line)), told.join());
  assert.ok(told.some((line) => /client closed .*1002.*not masked/.test(line)), told.join());
}));

test("who does not answer a close is cut off after a second", () => pair(async ({ server, raw, told, sleep }) => {
  raw.pause();
  server.close();
  await sleep(2_500);
  assert.ok(told.includes("server closed"), told.join());
}));
