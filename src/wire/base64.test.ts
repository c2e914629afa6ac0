import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fromAnyBase64, fromBase64, toBase64, toBase64Unpadded, toBase64Url } from "./base64.ts";

test("every way of writing it reads back, and the platform agrees", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
    assert.equal(toBase64(bytes), Buffer.from(bytes).toString("base64"));
    assert.equal(toBase64Unpadded(bytes), Buffer.from(bytes).toString("base64").replaceAll("=", ""));
    assert.equal(toBase64Url(bytes), Buffer.from(bytes).toString("base64url"));
    assert.deepEqual(fromBase64(toBase64(bytes)), bytes);
    for (const text of [toBase64(bytes), toBase64Unpadded(bytes), toBase64Url(bytes)]) {
      assert.deepEqual(fromAnyBase64(text), bytes);
    }
  }), { seed: 20261121 });
});

test("what is not base64 is told from what is", () => {
  for (const text of ["a", "aaaaa", "a===", "aa=", "a=aa", "aa!a", "äöü", "aaaa=", "aaaa==", "aaa a"]) {
    assert.equal(fromAnyBase64(text), undefined, text);
    assert.equal(fromBase64(text), undefined, text);
  }
  assert.equal(fromBase64("YQ"), undefined);
  assert.equal(fromBase64("__-_"), undefined);
});
