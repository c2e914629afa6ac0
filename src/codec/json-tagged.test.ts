import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { Codec } from "../contract/codec.ts";
import { RpcError } from "../core/error.ts";
import { codecCases } from "../testing/codec.ts";
import { Writer } from "../wire/writer.ts";
import { taggedJson } from "./json-tagged.ts";
import { findFault } from "./json-fault.ts";

const coder = taggedJson;
const tagged: Codec = { name: "tagged", structural: false, compile: () => taggedJson };
const runs = Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 300);
const utf8 = new TextEncoder();

function textOf(value: unknown): string {
  const writer = new Writer();
  coder.encode(value, writer);
  return new TextDecoder().decode(writer.finish());
}

function read(text: string | Uint8Array): unknown {
  const bytes = typeof text === "string" ? utf8.encode(text) : text;
  return coder.decode(bytes, 0, bytes.length);
}

function refusal(text: string | Uint8Array): string {
  try {
    read(text);
  } catch (error) {
    assert.ok(RpcError.is(error) && error.code === "invalid_argument", String(error));
    return error.message;
  }
  return assert.fail("expected a refusal");
}

for (const { name, run } of codecCases(tagged)) test(`tagged JSON ${name}`, run);

test("plain values are plain JSON", () => {
  const value = { a: [1, "two", null, true], b: { c: undefined, d: 1e21 } };
  assert.equal(textOf(value), JSON.stringify(value));
});

test("the tags are those of the documentation", () => {
  const rows: [unknown, string][] = [
    [new Date(0), '{"$":["Date","1970-01-01T00:00:00.000Z"]}'],
    [Uint8Array.of(251, 255), '{"$":["Bytes","+/8="]}'],
    [12n, '{"$":["BigInt","12"]}'],
    [-0, '{"$":["Number","-0"]}'],
    [Number.NaN, '{"$":["Number","NaN"]}'],
    [undefined, '{"$":["Undefined"]}'],
    [new Map([["a", 1n]]), '{"$":["Map","a",{"$":["BigInt","1"]}]}'],
    [new Set([1]), '{"$":["Set",1]}'],
    [{ $: 1 }, '{"$":["Object",{"$":1}]}'],
  ];
  for (const [value, text] of rows) {
    assert.equal(textOf(value), text);
    assert.deepEqual(read(text), value);
  }
});

test("an object with the tag's key that is no tag is refused by its path", () => {
  assert.match(refusal('{"a":[{"$":1}]}'), /at value\.a\[0\]: an object with the key "\$"/);
  assert.match(refusal('{"$":["Date","yesterday"]}'), /no tagged value; types are Map, Set/);
  assert.match(refusal('{"$":["Date","1970-01-01T00:00:00.000Z"],"b":1}'), /key "\$"/);
  assert.match(refusal('{"\\u0024":["Nonsense",1]}'), /no tagged value/);
  assert.match(refusal('{"$":["Map",1]}'), /key without a value/);
  assert.match(refusal('{"$":["toString","1"]}'), /no tagged value/);
});

test("a key that would change prototypes is refused however it is spelt", () => {
  assert.match(refusal('{"a":{"__proto__":{}}}'), /at value\.a: a key named "__proto__"/);
  assert.match(refusal('{"\\u005f_proto__":1}'), /__proto__/);
  assert.match(refusal('{"$":["Object",{"__proto__":1}]}'), /__proto__/);
  assert.deepEqual(read('["__proto__"]'), ["__proto__"]);
});

test("an error says where, and what stands there", () => {
  assert.match(refusal('{"name": Ada}'), /malformed at character 9: expected a value, found "\{\\"name\\": Ada\}"/);
  assert.match(refusal("[1,2"), /at character 4: expected "," or the end of the list or object, found the end/);
  assert.match(refusal(""), /expected a value, found the end/);
  assert.match(refusal('{"a":1} x'), /at character 8: expected nothing more/);
  assert.match(refusal('{"a":1,}'), /at character 7: expected a key in double quotes/);
  assert.match(refusal('"\\x"'), /escape of JSON/);
  assert.match(refusal(Uint8Array.of(0x22, 0xff, 0x22)), /not valid UTF-8/);
});

test("nesting is bounded, brackets in text do not count", () => {
  assert.match(refusal("[".repeat(101) + "]".repeat(101)), /deeper than 100/);
  assert.match(refusal("[".repeat(1_000_000)), /malformed at character 1000000|deeper than 100/);
  assert.match(refusal(`{"$":1,"a":${"[".repeat(101)}${"]".repeat(101)}}`), /deeper than 100|no tagged|key "\$"/);
  assert.match(refusal(`{"a":${'{"b":'.repeat(100)}1${"}".repeat(101)}`), /deeper than 100/);
  assert.match(refusal(`["\\u0041",${"[".repeat(100)}${"]".repeat(100)}]`), /deeper than 100/);
  assert.equal(read(JSON.stringify("[{".repeat(500))), "[{".repeat(500));
  read("[".repeat(100) + "]".repeat(100));
  read(`[${"[],".repeat(500)}1]`);
});

test("what a native method of the value would print does not count", () => {
  assert.throws(() => textOf({ toJSON: () => 1 }), /value\.toJSON as JSON: a function cannot be sent/);
});

test("fuzz: round trip", () => {
  const keys = fc.oneof(fc.constantFrom("$", "a", "\u0000"), fc.string({ unit: "binary" }));
  const values = fc.anything({
    withBigInt: true, withDate: true, withMap: true, withSet: true, withNullPrototype: false, maxDepth: 4,
    key: keys.filter((key) => key !== "__proto__"),
    values: [fc.string({ unit: "binary" }), fc.double(), fc.boolean(), fc.constant(null), fc.uint8Array(), fc.bigInt()],
  });
  fc.assert(fc.property(values, (value) => {
    if (!isSendable(value)) return;
    assert.deepEqual(read(utf8.encode(textOf(value))), value);
  }), { seed: 20_260_131, numRuns: runs });
});

test("fuzz: faults are found exactly where JSON.parse fails, and no foreign error escapes", () => {
  const pieces = ["[", "]", "{", "}", ",", ":", '"', "\\", "u", "0", "1", ".", "-", "e", " ", "true", "null", '"a"'];
  const texts = fc.oneof(fc.json(), fc.string(), fc.string({ unit: fc.constantFrom(...pieces) }));
  fc.assert(fc.property(texts, fc.nat(), fc.string({ maxLength: 1 }), (text, at, inserted) => {
    const cut = at % (text.length + 1);
    const mutated = text.slice(0, cut) + inserted + text.slice(cut + (at % 3));
    let isJson = true;
    try {
      JSON.parse(mutated);
    } catch {
      isJson = false;
    }
    assert.equal(findFault(mutated) === undefined, isJson, mutated);
    try {
      read(mutated);
    } catch (error) {
      assert.ok(RpcError.is(error), String(error));
    }
  }), { seed: 20_260_201, numRuns: 4 * runs });
});

/** deepEqual tells no two NaN times apart, so invalid dates are out; everything else must come back. */
function isSendable(value: unknown): boolean {
  try {
    textOf(value);
    return true;
  } catch (error) {
    assert.ok(RpcError.is(error) && /invalid Date|no plain fields/.test(error.message), String(error));
    return false;
  }
}
