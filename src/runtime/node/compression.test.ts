import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { brotliCompressSync, gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { RpcError } from "../../core/index.ts";
import { brotli, gzip, zstd } from "./index.ts";

const runs = Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 200);
const all = [
  { compression: gzip(), name: "gzip", foreign: (bytes: Uint8Array) => gzipSync(bytes) },
  { compression: brotli(), name: "br", foreign: (bytes: Uint8Array) => brotliCompressSync(bytes) },
  { compression: zstd(), name: "zstd", foreign: (bytes: Uint8Array) => zstdCompressSync(bytes) },
];

function errorOf(act: () => unknown): RpcError {
  try {
    act();
  } catch (error) {
    assert.ok(RpcError.is(error), String(error));
    return error;
  }
  assert.fail("expected a failure");
}

for (const { compression, name, foreign } of all) {
  describe(name, () => {
    test("has the name that the hello announces", () => assert.equal(compression.name, name));

    test("gives back what it was given", () => {
      fc.assert(fc.property(fc.uint8Array({ maxLength: 5_000 }), (bytes) => {
        assert.deepEqual(Buffer.from(compression.decompress(compression.compress(bytes), 5_000)), Buffer.from(bytes));
      }), { seed: 1, numRuns: runs });
    });

    test("reads what others compressed", () => {
      const text = Buffer.from("one two three ".repeat(1_000));
      assert.deepEqual(Buffer.from(compression.decompress(foreign(text), 1 << 20)), text);
    });

    test("stops a bomb at the limit, not after it", () => {
      const bomb = foreign(new Uint8Array(64 << 20));
      assert.ok(bomb.length < 1 << 20);
      const before = process.memoryUsage();
      const error = errorOf(() => compression.decompress(bomb, 1 << 20));
      const grown = process.memoryUsage().arrayBuffers - before.arrayBuffers;
      assert.equal(error.code, "resource_exhausted");
      assert.match(error.message, /1048576 bytes.*maxMessageBytes/);
      assert.ok(grown < 16 << 20, `${grown} bytes were allocated`);
    });

    test("takes a message of exactly the limit, and none of a byte more", () => {
      const packed = foreign(new Uint8Array(70_000));
      assert.equal(compression.decompress(packed, 70_000).length, 70_000);
      assert.equal(errorOf(() => compression.decompress(packed, 69_999)).code, "resource_exhausted");
      assert.equal(errorOf(() => compression.decompress(foreign(new Uint8Array(1)), 0)).code, "resource_exhausted");
      assert.equal(compression.decompress(foreign(new Uint8Array(0)), 0).length, 0);
    });

    test("refuses what is cut short, empty, followed by more, or nothing of the kind", () => {
      const packed = foreign(Buffer.from("hello ".repeat(100)));
      const inputs = [
        packed.subarray(0, packed.length - 1), packed.subarray(0, packed.length >> 1), new Uint8Array(0),
        Buffer.concat([packed, Buffer.from("trailing")]), Buffer.from("garbage garbage"),
      ];
      for (const input of inputs) {
        const error = errorOf(() => compression.decompress(input, 1 << 20));
        assert.equal(error.code, "invalid_argument");
        assert.match(error.message, new RegExp(`^a ${name} message cannot be decompressed: `));
      }
    });

    test("throws nothing but RpcErrors, whatever the bytes", () => {
      const packed = foreign(Buffer.from("hello ".repeat(100)));
      fc.assert(fc.property(fc.nat(packed.length - 1), fc.nat(255), (at, byte) => {
        const mutated = Uint8Array.from(packed);
        mutated[at] = byte;
        try {
          compression.decompress(mutated, 1_000);
        } catch (error) {
          assert.ok(RpcError.is(error), String(error));
        }
      }), { seed: 2, numRuns: runs });
    });
  });
}

test("a level that the algorithm does not have is named", () => {
  assert.match(errorOf(() => gzip({ level: 10 })).message, /level of gzip is 10, expected .* 1 to 9/);
  assert.match(errorOf(() => brotli({ level: -1 })).message, /brotli is -1/);
  assert.match(errorOf(() => zstd({ level: 1.5 })).message, /zstd is 1.5/);
});
