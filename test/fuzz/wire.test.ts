/** The wire under chance: splits, random bytes, and real conversations cut and changed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createClientOn } from "../../src/client/index.ts";
import { type ByteSink, type ByteStream, RpcError, type Runtime } from "../../src/core/index.ts";
import { readExtras } from "../../src/protocol/extras.ts";
import { readFailure } from "../../src/protocol/native/failure.ts";
import { readHello } from "../../src/protocol/native/hello.ts";
import { gzip } from "../../src/runtime/node/index.ts";
import { createSimulation } from "../../src/runtime/sim/index.ts";
import { createServerOn } from "../../src/server/index.ts";
import { Cursor, FrameReader } from "../../src/wire/index.ts";
import { Law, lawHandlers } from "../conformance/protocol-cases.ts";
import { bind, frame, join, opening, RawPeer } from "../bad-input/raw-peer.ts";

const runs = Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 150);

type Seen = readonly [number, number, number, string][];

function framesOf(reads: readonly Uint8Array[]): Seen | string {
  const seen: [number, number, number, string][] = [];
  const reader = new FrameReader({
    frame(type, flags, id, bytes, start, end) {
      seen.push([type, flags, id, Buffer.from(bytes.subarray(start, end)).toString("hex")]);
      return true;
    },
  }, 70_000);
  try {
    for (const read of reads) reader.push(read);
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
  const one = fc.tuple(fc.nat(15), fc.nat(15), fc.nat(0xffff_ffff), fc.uint8Array({ maxLength: 300 }));
  fc.assert(fc.property(fc.array(one, { maxLength: 12 }), fc.array(share, { maxLength: 40 }), (frames, shares) => {
    const bytes = join(...frames.map(([type, flags, id, payload]) => frame(type, flags, id, payload)));
    const seen = framesOf([bytes]);
    assert.equal(seen.length, frames.length);
    assert.deepEqual(framesOf(cut(bytes, shares)), seen);
    assert.deepEqual(framesOf([...bytes].map((byte) => Uint8Array.of(byte))), seen);
  }), { seed: 1, numRuns: runs });
});

test("random bytes come out the same too, up to the same error", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), fc.array(share, { maxLength: 20 }), (bytes, shares) => {
    assert.deepEqual(framesOf(cut(bytes, shares)), framesOf([bytes]));
  }), { seed: 2, numRuns: runs * 4 });
});

for (const [name, read] of [
  ["hello", readHello], ["extras", readExtras], ["error", (cursor: Cursor) => readFailure(cursor, undefined)],
] as const) {
  test(`whatever the bytes, the decoder of ${name} gives a value or an RpcError`, () => {
    const biased = fc.array(fc.oneof(fc.nat(12), fc.nat(255)), { maxLength: 120 });
    fc.assert(fc.property(biased, (bytes) => {
      const cursor = new Cursor().over(Uint8Array.from(bytes), 0, bytes.length);
      try {
        read(cursor);
        assert.ok(cursor.position <= bytes.length);
      } catch (error) {
        assert.ok(RpcError.is(error), String(error));
      }
    }), { seed: 3, numRuns: runs * 10 });
  });
}

/** Everything one side sent in a conversation of every call shape, as it left. */
interface Conversation {
  readonly fromClient: Uint8Array;
  readonly fromServer: Uint8Array;
}

function recording(runtime: Runtime, sent: Uint8Array[]): Runtime {
  const tap = (stream: ByteStream): ByteStream => {
    const write = stream.write.bind(stream);
    stream.write = (bytes, written) => {
      sent.push(bytes.slice());
      return write(bytes, written);
    };
    return stream;
  };
  return {
    ...runtime,
    network: {
      ...runtime.network,
      connect: (address, sink) => tap(runtime.network.connect(address, sink)),
      listen: (address, accept) => runtime.network.listen(address, (stream) => accept(tap(stream))),
    },
  };
}

const settings = { compressions: [gzip()], compressAboveBytes: 200, streamWindowBytes: 20_000 };

async function all(items: AsyncIterable<unknown>): Promise<unknown[]> {
  const got: unknown[] = [];
  for await (const one of items) got.push(one);
  return got;
}

/** Calls of every shape, large and small, that succeed and fail: always the same, so that their ids are too. */
function talk(client: ReturnType<typeof createClientOn<typeof Law>>): Promise<unknown>[] {
  const items = Array.from({ length: 5 }, (_, n) => ({ n, text: "item" }));
  const metadata = { who: "me", "trace-bin": "AAEC" };
  const options = { timeoutMs: 5_000 };
  const noise = new Uint8Array(80_000);
  for (let i = 0, state = 1; i < noise.length; i++) noise[i] = state = Math.imul(state, 75) % 65_537;
  return [
    client.echo({ n: 1, text: "grüße" }, { metadata, timeoutMs: 1_000 }),
    client.blob({ data: new Uint8Array(3_000) }), client.blob({ data: noise }),
    client.fail({ how: "declared" }), client.fail({ how: "rpc" }),
    client.keys({ tenant: "acme" }, { metadata }),
    client.sum(items, options),
    all(client.count({ to: 8 }, options)), all(client.count({ to: 8, failAt: 2 }, options)),
    all(client.chat(items, options)),
    client.never({}, { timeoutMs: 20 }),
  ];
}

async function record(): Promise<Conversation> {
  const simulation = createSimulation({ seed: 1, link: { latencyMs: 1 } });
  const fromClient: Uint8Array[] = [];
  const fromServer: Uint8Array[] = [];
  const server = createServerOn(recording(simulation.host("server"), fromServer), { settings })
    .implement(Law, lawHandlers({ produced: 0, cancelled: [] }));
  await simulation.runUntil((async () => {
    const address = await server.listen({ host: "server", port: 1 });
    const client = createClientOn(recording(simulation.host("client"), fromClient), Law, { address, settings });
    await Promise.allSettled(talk(client));
    client.$.close(0);
    await server.close(100);
  })(), 60_000);
  return { fromClient: join(...fromClient), fromServer: join(...fromServer) };
}

/** What chance does to a conversation. */
type Mutation =
  | { readonly kind: "set"; readonly at: number; readonly byte: number }
  | { readonly kind: "insert"; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: "delete"; readonly at: number; readonly count: number }
  | { readonly kind: "repeat"; readonly at: number; readonly count: number }
  | { readonly kind: "truncate"; readonly at: number };

const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.record({ kind: fc.constant("set" as const), at: share, byte: fc.nat(255) }),
  fc.record({ kind: fc.constant("insert" as const), at: share, bytes: fc.uint8Array({ maxLength: 20 }) }),
  fc.record({ kind: fc.constant("delete" as const), at: share, count: fc.nat(40) }),
  fc.record({ kind: fc.constant("repeat" as const), at: share, count: fc.nat(200) }),
  fc.record({ kind: fc.constant("truncate" as const), at: share }),
);

function mutate(original: Uint8Array, mutations: readonly Mutation[]): Uint8Array {
  let bytes: Uint8Array = original.slice();
  for (const one of mutations) {
    // Squared: most of what matters, headers and small frames, is near the beginning.
    const at = Math.floor(one.at ** 2 * bytes.length);
    const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
    switch (one.kind) {
      case "set": bytes = join(before, [one.byte], after.subarray(1)); break;
      case "insert": bytes = join(before, one.bytes, after); break;
      case "delete": bytes = join(before, after.subarray(one.count)); break;
      case "repeat": bytes = join(before, after.subarray(0, one.count), after); break;
      case "truncate": bytes = before.slice(); break;
    }
  }
  return bytes;
}

const original = await record();

/** Plays bytes to a live server while a healthy client calls. Whatever `received` throws rejects the run. */
async function playToServer(bytes: Uint8Array, shares: readonly number[]): Promise<void> {
  const simulation = createSimulation({ seed: 1, link: { latencyMs: 1 }, maxEvents: 1_000_000 });
  const server = createServerOn(simulation.host("server"), { settings })
    .implement(Law, lawHandlers({ produced: 0, cancelled: [] }));
  await simulation.runUntil((async () => {
    const address = await server.listen({ host: "server", port: 1 });
    const attacker = simulation.host("attacker");
    const client = createClientOn(simulation.host("client"), Law, { address, retry: false });
    const peer = await RawPeer.connect(attacker, address);
    for (const part of cut(bytes, shares)) {
      peer.send(part);
      assert.equal((await client.echo({ n: 1, text: "fine" }, { timeoutMs: 1_000 })).n, 1);
    }
    peer.end();
    assert.equal((await client.echo({ n: 2, text: "fine" }, { timeoutMs: 1_000 })).n, 2);
    client.$.close(0);
    await server.close(1_000);
    assert.equal(server.connections, 0);
  })(), 600_000);
  // Whatever was set off has ended, or the run would go on for ever.
  await simulation.run(simulation.nowMs + 60_000);
}

/** Plays bytes to a live client in the middle of its calls: each must settle, by its own deadline at the latest. */
async function playToClient(head: Uint8Array, bytes: Uint8Array, shares: readonly number[]): Promise<number> {
  const simulation = createSimulation({ seed: 1, link: { latencyMs: 1 }, maxEvents: 1_000_000 });
  const host = simulation.host("server");
  let succeeded = 0;
  await simulation.runUntil((async () => {
    const listener = await host.network.listen("server:1", (stream): ByteSink => {
      stream.write(head);
      // The calls are under way by then.
      cut(bytes, shares).forEach((part, i) => void host.clock.after(10 + i, () => void stream.write(part)));
      return { received: () => undefined, closed: () => undefined };
    });
    const client = createClientOn(simulation.host("client"), Law, {
      address: listener.address, settings, timeoutMs: 5_000, retry: false,
    });
    const ends = await Promise.allSettled(talk(client));
    for (const end of ends) {
      if (end.status === "fulfilled") succeeded++;
      else assert.ok(RpcError.is(end.reason), String(end.reason));
    }
    assert.deepEqual(client.$.endpoints().map((one) => one.load.inFlight), [0]);
    client.$.close(0);
    await listener.close();
  })(), 600_000);
  return succeeded;
}

/** The server's preface and hello, and what follows. */
const helloEnd = 16 + (original.fromServer[8] as number);
const [greeting, answers] = [original.fromServer.slice(0, helloEnd), original.fromServer.slice(helloEnd)];

const mutations = fc.array(mutation, { minLength: 1, maxLength: 6 });
const shares = fc.array(share, { maxLength: 6 });

test("the recorded conversation itself is taken by both sides", async () => {
  assert.ok(original.fromClient.length > 70_000 && original.fromServer.length > 70_000);
  await playToServer(original.fromClient, []);
  assert.equal(await playToClient(greeting, answers, [0.2, 0.5]), 7, "all that are meant to succeed");
});

test("a server survives every changed conversation, and serves its other clients", async () => {
  await fc.assert(fc.asyncProperty(mutations, shares, async (how, where) => {
    await playToServer(mutate(original.fromClient, how), where);
  }), { seed: 4, numRuns: runs });
});

test("a client survives every changed conversation, and each of its calls ends once", async () => {
  await fc.assert(fc.asyncProperty(mutations, shares, async (how, where) => {
    await playToClient(greeting, mutate(answers, how), where);
  }), { seed: 5, numRuns: runs });
});

/** Real methods of every shape, so that requests among random frames find some. */
const binds = Object.values(Law.methods).map((method, i) =>
  bind(i, method.path, ["unary", "server_stream", "client_stream", "bidi_stream"].indexOf(method.kind)));

test("both survive random frames on a connection that opened well", async () => {
  const byte = fc.oneof(fc.nat(12), fc.nat(255));
  const one = fc.tuple(fc.nat(15), fc.nat(15), fc.nat(12), fc.array(byte, { maxLength: 40 }));
  await fc.assert(fc.asyncProperty(fc.array(one, { maxLength: 30 }), shares, async (frames, where) => {
    const bytes = join(...frames.map(([type, flags, id, payload]) => frame(type, flags, id, payload)));
    await playToServer(join(opening, ...binds, bytes), where);
    await playToClient(greeting, bytes, where);
  }), { seed: 6, numRuns: runs });
});

test("the canary: a handler of bytes that throws anything else is noticed by these tests", async () => {
  const simulation = createSimulation({ seed: 1 });
  const server = simulation.host("server");
  await server.network.listen("server:1", () => ({
    received: () => {
      throw new TypeError("out of received");
    },
    closed: () => undefined,
  }));
  await assert.rejects(simulation.runUntil((async () => {
    const peer = await RawPeer.connect(simulation.host("client"), "server:1", "x");
    await peer.closing();
  })(), 10_000), /out of received/);
});
