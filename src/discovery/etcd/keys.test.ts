import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compareKeys, escapeId, keyAfter, keyOf, keyText, rangeOf, restOf, showKey, textOf } from "./keys.ts";

const numRuns = Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 300);
const text = fc.string({ unit: "binary", maxLength: 40 });
const bytes = fc.uint8Array({ maxLength: 12 });

test("addresses stay legible, all else is a safe part of a key", () => {
  assert.equal(escapeId("10.0.0.4:7001"), "10.0.0.4:7001");
  assert.equal(escapeId("[::1]:7001"), "[::1]:7001");
  assert.equal(escapeId("unix:/run/a b.sock"), "unix:%2Frun%2Fa%20b.sock");
  assert.equal(escapeId("50%*'é"), "50%25%2A%27%C3%A9");
  assert.equal(textOf(keyOf("meridian/", "geo.v1.Cities", "a/b")), "meridian/geo.v1.Cities/a%2Fb");
});

test("the key of any id lies in the range of its name alone, and is nobody else's", () => {
  fc.assert(fc.property(text, text, (a, b) => {
    const range = rangeOf("meridian/", "geo");
    const key = keyOf("meridian/", "geo", a);
    assert.ok(compareKeys(range.start, key) <= 0 && compareKeys(key, range.end) < 0);
    const rest = restOf(key, range);
    assert.equal(decodeURIComponent(textOf(rest ?? new Uint8Array())), a.toWellFormed());
    assert.equal(restOf(keyOf("meridian/", "geo/below", a), range), undefined);
    assert.equal(restOf(keyOf("meridian/", "geography", a), range), undefined);
    if (a.toWellFormed() !== b.toWellFormed()) assert.notEqual(escapeId(a), escapeId(b));
  }), { numRuns, seed: 20261121 });
});

test("keys are told apart and ordered as etcd does, whatever their bytes", () => {
  fc.assert(fc.property(bytes, bytes, (a, b) => {
    assert.equal(Math.sign(compareKeys(a, b)), Math.sign(Buffer.compare(a, b)));
    assert.equal(keyText(a) === keyText(b), Buffer.compare(a, b) === 0);
    assert.ok(compareKeys(a, keyAfter(a)) < 0);
    if (compareKeys(a, b) < 0) assert.ok(compareKeys(keyAfter(a), b) <= 0);
    assert.equal(typeof showKey(a), "string");
  }), { numRuns, seed: 20261121 });
});
