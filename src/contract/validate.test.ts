import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { RpcError } from "../core/error.ts";
import { type AnyType, bytes, schemaOf, type StandardSchema } from "./index.ts";

function complaint(type: AnyType, value: unknown): RpcError {
  try {
    schemaOf(type, "T", "input").validate(value);
  } catch (error) {
    assert.ok(RpcError.is(error), String(error));
    return error;
  }
  return assert.fail("it was accepted");
}

const message = (type: AnyType, value: unknown) => complaint(type, value).message;

test("a complaint names the path, what was expected and what came", () => {
  const error = complaint(z.object({ address: z.object({ zip: z.string() }) }), { address: { zip: 13 } });
  assert.equal(error.message, "input.address.zip: expected string, received number (13)");
  assert.equal(error.code, "invalid_argument");
  assert.equal(error.phase, "validate");
});

test("every kind of check reads well", () => {
  const Pet = z.discriminatedUnion("t", [z.object({ t: z.literal("cat") }), z.object({ t: z.literal("dog") })]);
  const cases: [z.ZodType, unknown, string][] = [
    [z.object({ a: z.string() }), {}, "input.a: expected string, received undefined"],
    [z.string(), null, "input: expected string, received null"],
    [z.int32(), 5e9, "input: expected number to be <=2147483647, received number (5000000000)"],
    [z.int(), 1.5, "input: expected int, received number (1.5)"],
    [z.number(), NaN, "input: expected number, received number (NaN)"],
    [z.array(z.string()), ["a", true], "input[1]: expected string, received boolean (true)"],
    [z.array(z.string()).min(1), [], "input: expected array to have >=1 items, received array (0 items)"],
    [z.email(), "x", 'input: Invalid email address, received string ("x")'],
    [z.enum(["a", "b"]), "c", 'input: expected one of "a"|"b", received string ("c")'],
    [z.literal("z"), 5n, 'input: expected "z", received bigint (5)'],
    [z.strictObject({}), { z: 1 }, 'input: Unrecognized key: "z"'],
    [z.date(), new Date(NaN), "input: expected date, received an invalid Date"],
    [z.string(), new Date(0), "input: expected string, received Date (1970-01-01T00:00:00.000Z)"],
    [bytes(), "x", 'input: expected Uint8Array, received string ("x")'],
    [z.string(), new Uint8Array(3), "input: expected string, received bytes (3 bytes)"],
    [z.string(), new Map(), "input: expected string, received Map (0 entries)"],
    [z.string(), { a: 1, b: 2 }, "input: expected string, received object (a, b)"],
    [z.string(), () => 1, "input: expected string, received function"],
    [z.string(), Symbol("s"), "input: expected string, received symbol"],
    [z.record(z.string().min(2), z.int32()), { a: 1 },
      "input.a: Invalid key in record: Too small: expected string to have >=2 characters"],
    [z.map(z.string(), z.int32()), new Map([["k", "v"]]), 'input.k: expected number, received string ("v")'],
    [z.object({ "a b": z.int32() }), { "a b": "1" }, 'input["a b"]: expected number, received string ("1")'],
    [z.string().refine(() => false, "must rhyme"), "x", 'input: must rhyme, received string ("x")'],
    [Pet, { t: "cow" }, `input.t: Invalid discriminator value. Expected 'cat' | 'dog', received string ("cow")`],
    [z.union([z.string(), z.int32()]), true, "input: fits none of the 2 variants, received boolean (true)"],
    [z.union([z.string(), z.object({ a: z.object({ b: z.int32() }) })]), { a: { b: "x" } },
      "input: fits none of the 2 variants (nearest: a.b: Invalid input: expected number, received string), " +
      "received object (a)"],
  ];
  for (const [type, value, expected] of cases) assert.equal(message(type, value), expected);
});

test("what came is shortened to 64 characters, and so is everything a peer can lengthen", () => {
  const long = "x".repeat(10_000);
  assert.ok(message(z.int32(), long).length < 120);
  assert.ok(message(z.int32(), { [long]: 1 }).length < 150);
  assert.ok(message(z.int32(), 10n ** 5000n).length < 150);
  assert.ok(message(z.strictObject({}), { [long]: 1 }).length < 400);
  assert.ok(message(z.record(z.string(), z.int32()), { [long]: "a" }).length < 400);
  assert.ok(message(z.map(z.string(), z.int32()), new Map([[long, "a"]])).length < 400);
});

test("ten complaints are listed, the rest counted", () => {
  const text = message(z.array(z.string()), Array.from({ length: 25 }, (_, i) => i));
  assert.equal(text.split("; ").length, 11);
  assert.match(text, /input\[9\]: .*; and 15 more$/);
});

test("an asynchronous check is refused, whatever comes of it", async () => {
  const slow = z.string().refine(async () => Promise.resolve(false));
  assert.equal(complaint(slow, "x").code, "internal");
  assert.match(message(slow, "x"), /input: its validation is asynchronous.*move the check into the handler/);
  const standard: StandardSchema = {
    "~standard": { version: 1, vendor: "acme", validate: async () => Promise.reject(new Error("late")) },
  };
  assert.match(message(standard, "x"), /asynchronous/);
  await new Promise((resolve) => setImmediate(resolve));
});

test("a check that throws says so; an RpcError it throws passes", () => {
  const broken = z.string().transform(() => { throw new TypeError("oops"); });
  assert.equal(complaint(broken, "x").code, "internal");
  assert.equal(message(broken, "x"), "input: its validation threw: oops");
  const denying = z.string().transform(() => { throw new RpcError("permission_denied", "no"); });
  assert.equal(complaint(denying, "x").code, "permission_denied");
});

test("a value is returned parsed: defaults, transforms, unknown keys", () => {
  const type = z.object({ a: z.string().transform(Number), b: z.int32().default(3) });
  assert.deepEqual(schemaOf(type, "T").validate({ a: "4", c: 1 }), { a: 4, b: 3 });
});

test("__proto__ never gets through", () => {
  const poison: unknown = JSON.parse('{"a":{"b":[{"__proto__":{"admin":true}}]},"__proto__":{"admin":true}}');
  for (const type of [z.object({ a: z.object({}) }), z.record(z.string(), z.object({}))]) {
    const parsed = schemaOf(type, "T").validate(poison) as Record<string, unknown>;
    assert.equal(JSON.stringify(parsed), '{"a":{}}');
    assert.equal(parsed["admin"], undefined);
  }
  for (const type of [z.unknown(), z.looseObject({}), z.object({ a: z.any() }), z.record(z.string(), z.unknown())]) {
    assert.match(message(type, poison), /^input.*: a key named "__proto__" is refused$/);
  }
  assert.match(message(z.map(z.string(), z.unknown()), new Map([["k", poison]])), /^input\[k\]/);
  const standard: StandardSchema = { "~standard": { version: 1, vendor: "acme", validate: (value) => ({ value }) } };
  assert.match(message(standard, poison), /^input\.a\.b\[0\]: a key named "__proto__" is refused$/);
});

test("values of free structure may be cyclic, but not endlessly deep", () => {
  const cyclic: Record<string, unknown> = {};
  cyclic["self"] = [cyclic, cyclic];
  assert.equal(schemaOf(z.unknown(), "T").validate(cyclic), cyclic);
  let deep: unknown = 1;
  for (let i = 0; i < 200; i++) deep = [deep];
  assert.match(message(z.unknown(), deep), /nested deeper than 100/);
});
