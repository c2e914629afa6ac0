import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RpcError } from "../core/error.ts";
import { allocateBytes, latin1Text, readText, writeText } from "./text.ts";

const texts = fc.oneof(fc.string({ unit: "binary", maxLength: 80 }), fc.string({ maxLength: 80 }),
  fc.nat(60).map((length) => "é".repeat(length)));

for (const [name, allocate] of [
  ["Buffers", allocateBytes], ["plain arrays", (size: number) => new Uint8Array(size)],
] as const) {
  test(`texts of every length come back from ${name}`, () => {
    fc.assert(fc.property(texts, fc.nat(5), (text, offset) => {
      const bytes = allocate(offset + 3 * text.length);
      const written = writeText(bytes, offset, text);
      assert.deepEqual([...bytes.subarray(offset, offset + written)], [...new TextEncoder().encode(text)]);
      assert.equal(readText(bytes, offset, offset + written), text);
      assert.equal(latin1Text(bytes, offset, offset + written).length, written);
    }), { seed: 11 });
  });

  test(`what is not UTF-8 is refused in ${name}`, () => {
    for (const bad of [[0x80], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xe2, 0x82]]) {
      for (const before of [0, 3, 40]) {
        const bytes = allocate(before + bad.length).fill(0x61);
        bytes.set(bad, before);
        assert.throws(() => readText(bytes, 0, bytes.length), (error) => RpcError.is(error) &&
          error.code === "invalid_argument");
      }
    }
  });
}

test("a replacement character that was sent is no error, and a byte order mark stays", () => {
  const bytes = new TextEncoder().encode("\ufeff\ufffd and more than eight bytes");
  assert.equal(readText(bytes, 0, bytes.length), "\ufeff\ufffd and more than eight bytes");
});

test("a lone surrogate becomes the replacement character", () => {
  const bytes = allocateBytes(64);
  assert.equal(readText(bytes, 0, writeText(bytes, 0, "a\ud800b")), "a\ufffdb");
});
