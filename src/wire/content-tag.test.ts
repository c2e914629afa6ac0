import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { contentTag } from "./content-tag.ts";

test("equal bytes have equal tags, wherever they lie", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(9), (bytes, offset) => {
    const moved = new Uint8Array(offset + bytes.length + 3).fill(7);
    moved.set(bytes, offset);
    assert.equal(contentTag(moved, offset, offset + bytes.length), contentTag(bytes, 0, bytes.length));
  }), { seed: 1, numRuns: 500 });
});

test("bytes that differ in one bit, or in their length, have other tags, in both halves of the hash", () => {
  const seen = new Set<string>();
  const halves = [new Set<string>(), new Set<string>()] as const;
  let count = 0;
  for (let length = 0; length < 40; length++) {
    const bytes = new Uint8Array(length);
    for (let bit = -1; bit < length * 8; bit++) {
      if (bit >= 0) (bytes[bit >> 3] as number) ^= 1 << (bit & 7);
      const tag = contentTag(bytes, 0, length);
      if (bit >= 0) (bytes[bit >> 3] as number) ^= 1 << (bit & 7);
      seen.add(tag);
      halves[0].add(tag.slice(0, -7));
      halves[1].add(tag.slice(-7));
      count++;
    }
  }
  assert.equal(seen.size, count);
  // Of 6,280 texts, two of one 32-bit hash would be one in 200.
  assert.ok(halves[0].size >= count - 1 && halves[1].size >= count - 1, `${halves[0].size} ${halves[1].size}`);
});

test("tags are what ETag may hold", () => {
  assert.match(contentTag(new Uint8Array(0), 0, 0), /^[a-z0-9-]+$/);
});
