/** Bad messages: bytes that a codec must refuse, and whose call must fail alone, saying what is wrong with them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { brotliCompressSync, gzipSync, zstdCompressSync } from "node:zlib";
import { brotli, gzip, zstd } from "../../src/runtime/node/index.ts";
import { onSockets } from "./harness.ts";
import { bind, compressed, frame, join, more, opening, RawPeer, request, requestWith, run, Type } from "./raw-peer.ts";

const fine = join([8, 7, 18], run("hi"));

function nested(levels: number): Uint8Array {
  let inner = join([10], run("leaf"));
  for (let i = 0; i < levels; i++) inner = join([18], run(inner));
  return inner;
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

const messages: readonly [string, string, string, Uint8Array, RegExp][] = [
  ["proto", "echo", "cut within a varint", join([8, 0x80]), /./],
  ["proto", "echo", "cut within a text", join([18, 50], "short"), /./],
  ["proto", "echo", "a field number of 0", join([0, 0]), /./],
  ["proto", "echo", "a wire type that does not exist", join([15]), /./],
  ["proto", "echo", "text that is no UTF-8", join([18], run([0xc3, 0x28])), /UTF-8/],
  ["proto", "upload", "a length of 2^32", join([10, 255, 255, 255, 255, 15]), /./],
  ["proto", "tree", "nested 5,000 deep", nested(5_000), /deep|nest/],
  ["proto", "echo", "unknown groups nested 50,000 deep", new Uint8Array(50_000).fill(0x1b), /./],
  ["json", "echo", "nothing", text(""), /./],
  ["json", "echo", "no JSON", text("{nope"), /./],
  ["json", "echo", "null", text("null"), /object/],
  ["json", "echo", "wrong types", text('{"n":"x","text":5}'), /n\b/],
  ["json", "echo", "a number out of range", text('{"n":5000000000,"text":""}'), /n\b/],
  ["json", "echo", "no UTF-8", join('{"n":1,"text":"', [0xff], '"}'), /UTF-8/],
  ["json", "free", "nested 30,000 deep", text('{"any":' + "[".repeat(30_000) + "]".repeat(30_000) + "}"), /deep|nest/],
  ["json", "free", "a polluting key", text('{"any":{"__proto__":{"evil":1}}}'), /__proto__/],
  ["json", "map", "a polluting key in a map", text('{"map":{"__proto__":1}}'), /__proto__|map/],
  ["msgpack", "echo", "nothing", new Uint8Array(0), /./],
  ["msgpack", "echo", "cut", Uint8Array.from([0x82, 0xa1]), /./],
  ["msgpack", "echo", "wrong types", Uint8Array.from([0x82, 0xa1, 0x6e, 0xa1, 0x78, 0xa4, ...text("text"), 5]), /n\b/],
  ["msgpack", "echo", "an array of 2^32 - 1", Uint8Array.from([0xdd, 255, 255, 255, 255]), /./],
  ["msgpack", "free", "nested 50,000 deep", join([0x81, 0xa3], "any", new Uint8Array(50_000).fill(0x91), [0xc0]),
    /deep|nest/],
  ["msgpack", "free", "a polluting key", join([0x81, 0xa3], "any", [0x81, 0xa9], "__proto__", [0x80]), /__proto__/],
  ["msgpack", "echo", "no UTF-8", join([0x82, 0xa1], "n", [1, 0xa4], "text", [0xa2, 0xc3, 0x28]), /UTF-8/],
];

for (const [codec, method, name, message, says] of messages) {
  test(`${codec}, ${method}: ${name}`, () => onSockets({}, async (harness) => {
    const peer = await RawPeer.connect(harness.runtime, harness.address, opening,
      bind(0, `bad.v1.Target/${method}`, 0, codec), bind(1, "bad.v1.Target/echo"),
      request(1, 0, message), request(2, 1, fine));
    const failure = await peer.failure(1);
    assert.equal(failure.code, "invalid_argument", failure.text);
    assert.match(failure.text, says);
    assert.ok(failure.text.length <= 2_048);
    assert.equal(harness.handled.length, 1);
    await peer.frame(Type.response, 2);
    peer.end();
  }));
}

test("a map of Protobuf with a key named __proto__ pollutes nothing", () => onSockets({}, async (harness) => {
  const entry = join([10], run("__proto__"), [16, 1]);
  const peer = await RawPeer.connect(harness.runtime, harness.address, opening,
    bind(0, "bad.v1.Target/map"), request(1, 0, [10], run(entry)));
  await peer.until(() => peer.frames.some((one) => one.id === 1));
  const answer = peer.frames.find((one) => one.id === 1);
  // Either refused by name, or kept as an entry of its own.
  assert.match(new TextDecoder().decode(answer?.payload), /__proto__/);
  assert.equal(Object.getPrototypeOf({}), Object.prototype);
  peer.end();
}));

const bombs: readonly [ReturnType<typeof gzip>, (bytes: Uint8Array) => Uint8Array][] = [
  [gzip(), (bytes) => gzipSync(bytes)], [brotli(), (bytes) => brotliCompressSync(bytes)],
  [zstd(), (bytes) => zstdCompressSync(bytes)],
];

for (const [compression, pack] of bombs) {
  test(`${compression.name}: a bomb, damaged bytes and a bomb in parts fail alone`, () => onSockets(
    { settings: { compressions: [compression], maxMessageBytes: 100_000, maxFrameBytes: 1 << 20 } },
    async (harness) => {
      const hello = frame(Type.hello, 0, 0, [1], run(65_536), [2], run(1 << 20), [3], run(99),
        [6], run(compression.name));
      const bomb = pack(new Uint8Array(20 << 20));
      const peer = await RawPeer.connect(harness.runtime, harness.address, opening.subarray(0, 8), hello,
        bind(0, "bad.v1.Target/upload"), bind(1, "bad.v1.Target/echo"),
        requestWith(compressed, 1, 0, bomb), requestWith(compressed, 2, 0, "no such thing"),
        requestWith(compressed | more, 3, 0, bomb.subarray(0, 10)), frame(Type.data, 0, 3, bomb.subarray(10)),
        requestWith(compressed, 4, 1, pack(fine)));
      for (const id of [1, 3]) {
        const failure = await peer.failure(id);
        assert.equal(failure.code, "resource_exhausted");
        assert.match(failure.text, /grows beyond the 100000 bytes allowed/);
      }
      assert.match((await peer.failure(2)).text, new RegExp(`a ${compression.name} message cannot be decompressed`));
      await peer.frame(Type.response, 4);
      assert.equal(harness.handled.length, 3);
      peer.end();
    }));
}
