import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { percentDecode, percentEncode } from "./percent.ts";

const seed = 20261121;

test("any text survives, as printable ASCII", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), (text) => {
    const encoded = percentEncode(text);
    assert.match(encoded, /^[\x20-\x7e]*$/);
    assert.equal(percentDecode(encoded), text);
  }), { seed });
  assert.equal(percentEncode("100% \r\n\u00fc"), "100%25 %0D%0A%C3%BC");
});

test("what is no encoding stays as it is", () => {
  assert.equal(percentDecode("50% off %zz %4"), "50% off %zz %4");
  assert.equal(percentDecode("%ff%41"), "\ufffdA");
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    assert.equal(typeof percentDecode(text), "string");
  }), { seed });
});
