import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { endpointAddress } from "../core/endpoint.ts";
import { checkEndpoint } from "./check.ts";
import { encodeEntry, readEntry, readEntryValue } from "./entry.ts";

const numRuns = Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 300);

test("an entry is the fields that differ from their defaults", () => {
  assert.equal(encodeEntry(endpointAddress({ address: "a:1" })), '{"address":"a:1"}');
  assert.equal(encodeEntry(endpointAddress({ address: "a:1", weight: 0, attributes: { version: "1" } })),
    '{"address":"a:1","weight":0,"attributes":{"version":"1"}}');
});

test("what is written is read", () => {
  const word = fc.string({ maxLength: 40 });
  fc.assert(fc.property(fc.record({
    id: word, region: word, zone: word, weight: fc.double({ min: 0, max: 1e6, noNaN: true }), backup: fc.boolean(),
    priority: fc.nat(), attributes: fc.dictionary(word.filter((one) => one !== "__proto__"), word, { maxKeys: 5 }),
  }), (fields) => {
    // JSON has no negative zero.
    const weight = fields.weight + 0;
    const endpoint = endpointAddress({ ...fields, weight, address: "10.0.0.4:7001" });
    assert.deepEqual(readEntry(encodeEntry(endpoint)), endpoint);
  }), { numRuns, seed: 4 });
});

test("what registries take, readers take", () => {
  const endpoint = endpointAddress({ address: "a:1", attributes: { notes: "n".repeat(4_000) } });
  checkEndpoint(endpoint);
  assert.deepEqual(readEntry(encodeEntry(endpoint)), endpoint);
});

test("keys of later versions are passed over, faults are named", () => {
  assert.deepEqual(readEntryValue({ address: "a:1", colour: "red" }), endpointAddress({ address: "a:1" }));
  assert.throws(() => readEntry("{}"), /needs an "address"/);
  assert.throws(() => readEntry("["), /expected an endpoint as JSON, found "\["/);
  assert.throws(() => readEntry("[]"), /expected an endpoint .* found a list of 0/);
  assert.throws(() => readEntry('{"address":"a:1","weight":"3"}'), /weight: expected a number of 0 or more, found "3"/);
  assert.throws(() => readEntry(`{"address":"${"a".repeat(20_000)}"}`), /more than 16384 characters/);
});

test("no text does worse than an error that says why", () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
    try {
      readEntry(text);
    } catch (error) {
      assert.equal((error as { code?: string }).code, "invalid_argument");
    }
  }), { numRuns, seed: 5 });
});
