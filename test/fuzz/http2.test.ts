/** HTTP/2 under chance: splits, random bytes and frames, and conversations cut and changed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type ByteSink, type ByteStream, RpcError } from "../../src/core/index.ts";
import { Http2FrameReader } from "../../src/http/h2/frame-reader.ts";
import { HpackDecoder } from "../../src/http/h2/hpack-decoder.ts";
import { defaultHttp2Settings, http2Accept, http2Connect } from "../../src/http/index.ts";
import { createSimulation } from "../../src/runtime/sim/index.ts";
import { echo, Heard, pattern, post, response, sendPiece } from "../http/exchange-pair.ts";
import { frame, join, RawHttp2 } from "../http/raw-http2.ts";

const runs = Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 150);

type Seen = readonly (readonly [number, number, number, string])[];

function framesOf(reads: readonly Uint8Array[]): Seen | string {
  const seen: [number, number, number, string][] = [];
  const reader = new Http2FrameReader({
    frame(type, flags, id, bytes, start, end) {
      seen.push([type, flags, id, Buffer.from(bytes.subarray(start, end)).toString("hex")]);
      return true;
    },
  }, 20_000);
  try {
    for (const read of reads) reader.push(read, 0);
  } catch (error) {
    assert.ok(RpcError.is(error));
    return `${JSON.stringify(seen)} ${error.message}`;
  }
  return seen;
}

/** `bytes` in pieces whose ends are given as shares of the whole. */
function cut(bytes: Uint8Array, shares: readonly number[]): Uint8Array[] {
  const ends = [...shares.map((share) => Math.floor(share * bytes.length)), bytes.length].sort((a, b) => a - b);
  return ends.map((end, i) => bytes.slice(ends[i - 1] ?? 0, end));
}

const share = fc.double({ min: 0, max: 1, noNaN: true });

test("frames come out the same however the bytes were split", () => {
  const one = fc.tuple(fc.nat(12), fc.nat(255), fc.nat(0x7fff_ffff), fc.uint8Array({ maxLength: 300 }));
  fc.assert(fc.property(fc.array(one, { maxLength: 12 }), fc.array(share, { maxLength: 40 }), (frames, shares) => {
    const bytes = join(...frames.map(([type, flags, id, payload]) => frame(type, flags, id, payload)));
    const seen = framesOf([bytes]);
    assert.deepEqual(seen, frames.map(([type, flags, id, payload]) =>
      [type, flags, id, Buffer.from(payload).toString("hex")]));
    assert.deepEqual(framesOf(cut(bytes, shares)), seen);
    assert.deepEqual(framesOf([...bytes].map((byte) => Uint8Array.of(byte))), seen);
  }), { seed: 1, numRuns: runs });
});

test("random bytes come out the same too, up to the same error", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), fc.array(share, { maxLength: 20 }), (bytes, shares) => {
    assert.deepEqual(framesOf(cut(bytes, shares)), framesOf([bytes]));
  }), { seed: 2, numRuns: runs * 4 });
});

test("whatever the blocks, HPACK gives a head or a fault", () => {
  const biased = fc.array(fc.oneof(fc.nat(255), fc.constantFrom(0x82, 0x86, 0x84, 0x40, 0x3f, 0xbe, 0x81, 3)),
    { maxLength: 60 });
  fc.assert(fc.property(fc.array(biased, { maxLength: 6 }), fc.boolean(), (blocks, isRequest) => {
    const decoder = new HpackDecoder(isRequest ? "request" : "response", defaultHttp2Settings);
    for (const block of blocks) {
      try {
        const head = decoder.decode(Uint8Array.from(block), 0, block.length);
        assert.equal(typeof head.status, "number");
      } catch (error) {
        assert.ok(RpcError.is(error), String(error));
        return;
      }
    }
  }), { seed: 3, numRuns: runs * 10 });
});

/** Frames that are often nearly right. */
const likely = fc.tuple(
  fc.oneof(fc.nat(10), fc.constantFrom(0, 1, 3, 8, 9)), fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 4, 5)),
  fc.oneof(fc.nat(9), fc.constantFrom(1, 3, 5)),
  fc.oneof(fc.uint8Array({ maxLength: 12 }), fc.constant(Uint8Array.of(0x83, 0x86, 0x84, 0x41, 1, 0x68)),
    fc.constant(Uint8Array.of(0x88)), fc.constant(Uint8Array.of(0, 0, 0, 8)), fc.constant(new Uint8Array(8))),
).map(([type, flags, id, payload]) => frame(type, flags, id, payload));

test("whatever frames a client sends, the server's connection ends in order, or serves on", async () => {
  await fc.assert(fc.asyncProperty(fc.array(likely, { maxLength: 25 }), fc.array(share, { maxLength: 5 }),
    async (frames, shares) => {
      const simulation = createSimulation({ seed: 1, link: { latencyMs: 1 } });
      const [server, client] = [simulation.host("server"), simulation.host("client")];
      await simulation.runUntil((async () => {
        let ended = 0;
        let gone = 0;
        const accept = http2Accept(server, { handle: echo, ended: () => void ended++, gone: () => void gone++ });
        const listener = await server.network.listen("server:1", (stream) => accept(stream).sink);
        const raw = new RawHttp2(false);
        raw.stream = client.network.connect(listener.address, raw);
        raw.open();
        for (const part of cut(join(...frames), shares)) raw.send(part);
        await new Promise<void>((resolve) => void client.clock.after(100, resolve));
        if (ended > 0) assert.ok(raw.goAway !== undefined, "it says why");
        raw.stream.destroy();
        await new Promise<void>((resolve) => void client.clock.after(3_000, resolve));
        assert.deepEqual([ended, gone], [1, 1]);
        await listener.close();
      })(), 60_000);
    }), { seed: 4, numRuns: runs });
});

test("whatever frames a server sends, a client's exchanges end once and its connection closes once", async () => {
  await fc.assert(fc.asyncProperty(fc.array(likely, { maxLength: 25 }), fc.nat(5), async (frames, when) => {
    const simulation = createSimulation({ seed: 1, link: { latencyMs: 1 } });
    const [server, client] = [simulation.host("server"), simulation.host("client")];
    await simulation.runUntil((async () => {
      const sleep = (ms: number) => new Promise<void>((resolve) => void client.clock.after(ms, resolve));
      const raw = new RawHttp2(true);
      const listener = await server.network.listen("server:1", (stream) => {
        raw.stream = stream;
        raw.open();
        return raw;
      });
      let closed = 0;
      const heard: Heard[] = [];
      const connection = http2Connect()(client, listener.address, {
        opened: () => {
          for (let i = 0; i < 4; i++) {
            const one = new Heard();
            heard.push(one);
            one.exchange = connection.request(post(), false, one);
            sendPiece(one.exchange, pattern(i * 100), i % 2 === 0);
          }
        },
        available: () => undefined, draining: () => undefined, pinged: () => undefined,
        closed: () => void closed++,
      });
      await sleep(3 + when);
      raw.send(...frames);
      await sleep(20);
      raw.send(raw.headers(1, response(), true));
      raw.stream?.end();
      await sleep(3_000);
      assert.equal(closed, 1);
      assert.ok(heard.every((one) => one.isDone), "every exchange ended");
      await listener.close();
    })(), 60_000);
  }), { seed: 5, numRuns: runs });
});

/** A stream that changes what passes: cuts it off, or flips a bit. */
class Changed implements ByteStream {
  readonly #stream: ByteStream;
  readonly #change: (bytes: Uint8Array) => Uint8Array;
  readonly peer: string;

  constructor(stream: ByteStream, change: (bytes: Uint8Array) => Uint8Array) {
    this.#stream = stream;
    this.#change = change;
    this.peer = stream.peer;
  }

  get bufferedBytes(): number {
    return this.#stream.bufferedBytes;
  }

  write(bytes: Uint8Array, written?: () => void): boolean {
    return this.#stream.write(this.#change(new Uint8Array(bytes)), written);
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  end(): void {
    this.#stream.end();
  }

  destroy(): void {
    this.#stream.destroy();
  }
}

test("conversations in which a bit flips end, on both sides, without anything uncaught", async () => {
  await fc.assert(fc.asyncProperty(fc.boolean(), fc.nat(900), fc.nat(7), async (isServers, at, bit) => {
    const simulation = createSimulation({ seed: 1, link: { latencyMs: 1 } });
    const [server, client] = [simulation.host("server"), simulation.host("client")];
    await simulation.runUntil((async () => {
      const sleep = (ms: number) => new Promise<void>((resolve) => void client.clock.after(ms, resolve));
      let passed = 0;
      const flip = (bytes: Uint8Array): Uint8Array => {
        const here = at - passed;
        passed += bytes.length;
        if (here >= 0 && here < bytes.length) bytes[here] = (bytes[here] as number) ^ 1 << bit;
        return bytes;
      };
      const accept = http2Accept(server, { handle: echo, ended: () => undefined });
      const listener = await server.network.listen("server:1", (stream) =>
        accept(isServers ? new Changed(stream, flip) : stream).sink);
      const network = isServers ? client.network : {
        ...client.network,
        connect: (address: string, sink: ByteSink) => new Changed(client.network.connect(address, sink), flip),
      };
      let closed = 0;
      const heard: Heard[] = [];
      const connection = http2Connect()({ ...client, network }, listener.address, {
        opened: () => {
          for (let i = 0; i < 8 && connection.available; i++) {
            const one = new Heard();
            heard.push(one);
            one.exchange = connection.request(post(`/${i % 3}`), false, one);
            sendPiece(one.exchange, pattern(50), true);
          }
        },
        available: () => undefined, draining: () => undefined, pinged: () => undefined,
        closed: () => void closed++,
      });
      await sleep(100);
      connection.abort(new RpcError("cancelled", "enough"));
      await sleep(30_000);
      assert.equal(closed, 1);
      assert.ok(heard.every((one) => one.isDone), "every exchange ended");
      await listener.close();
    })(), 120_000);
  }), { seed: 6, numRuns: runs });
});
