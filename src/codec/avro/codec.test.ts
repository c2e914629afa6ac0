import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import {
  bytes, field, fixed, oneof, openEnum, scalar, schemaOf, wellKnown, Writer,
} from "../../contract/index.ts";
import { parseAvroSchema } from "../../contract/avro/parse.ts";
import { createAvroCodec } from "./index.ts";

const codecs = [createAvroCodec({ codegen: true }), createAvroCodec({ codegen: false })];

const Kind = z.enum(["in-progress", "DONE"]).meta({ id: "Kind" });
interface Tree { readonly value: number; readonly left?: Tree | undefined }
const Tree: z.ZodType<Tree> = z.lazy(() => z.object({ value: z.int32(), left: Tree.optional() }).meta({ id: "Tree" }));
const Everything = z.object({
  flag: z.boolean(), text: z.string(), data: bytes(), small: z.int32(), wide: z.int64(), unsigned: z.uint32(),
  vast: z.uint64(), zigzag: scalar("sint64"), single: z.float32(), real: z.number(), odd: scalar("double"),
  when: z.date(), kind: Kind, open: openEnum({ A: 1, B: 2 }).meta({ id: "Open" }),
  list: z.array(z.string()), nested: z.array(z.array(z.int32())), record: z.record(z.string(), z.int32()),
  byKind: z.partialRecord(Kind, z.int32()), byNumber: z.map(z.int32(), z.string()), byWide: z.map(z.int64(), z.date()),
  maybe: z.string().optional(), nullable: z.string().nullable(), both: z.string().nullable().optional(),
  preset: z.int32().default(7), anything: z.unknown(), json: wellKnown.struct(),
    wrapped: wellKnown.wrapped(z.string()).optional(),
  shape: z.discriminatedUnion("is", [
    z.object({ is: z.literal("circle"), radius: z.number() }), z.object({ is: z.literal("square"), side: z.number() }),
  ]),
  either: z.union([z.string(), z.array(z.string()), z.array(z.int32()), z.object({ a: z.string() })]),
  maybeEither: z.union([z.string(), z.int32(), z.null()]).optional(),
  way: oneof({ card: field(40, z.string()), cash: field(41, z.int32()), none: field(42, z.object({})) }),
  hash: fixed("MD5", 4), tree: Tree, "odd name": z.string(),
}).meta({ id: "Everything" });

const some: z.output<typeof Everything> = {
  flag: true, text: "häuser und viel mehr Text als zwanzig Zeichen", data: Uint8Array.of(1, 2, 3), small: -5,
  wide: -(2n ** 63n), unsigned: 4_294_967_295, vast: 2n ** 63n - 1n, zigzag: -77n, single: 1.5, real: Math.PI,
  odd: Number.POSITIVE_INFINITY, when: new Date(1_700_000_000_123), kind: "in-progress", open: 99, list: ["a", "", "c"],
  nested: [[], [1, 2, -2_147_483_648]], record: { a: 1, ["__proto__"]: 2 }, byKind: { DONE: 3 },
  byNumber: new Map([[1, "one"], [-2, "two"]]), byWide: new Map([[2n ** 40n, new Date(0)]]), maybe: "x", nullable: null,
  both: null, preset: 8, anything: { deep: [1, null] }, json: { a: 1 }, wrapped: "w", shape: { is: "square", side: 2 },
  either: [1, 2], maybeEither: null, way: { case: "cash", value: 4 }, hash: Uint8Array.of(9, 8, 7, 6),
  tree: { value: 1, left: { value: 2 } }, "odd name": "yes",
};

function encoded(codec: (typeof codecs)[0], type: z.ZodType, value: unknown, name = "T"): Uint8Array {
  const writer = new Writer(4);
  codec.compile(schemaOf(type, name)).encode(value, writer);
  return writer.finish();
}

test("every type comes back as it was, generated and interpreted, in the same bytes", () => {
  const all = codecs.map((codec) => {
    const result = encoded(codec, Everything, some);
    assert.deepEqual(codec.compile(schemaOf(Everything, "T")).decode(result, 0, result.length), some);
    return result;
  });
  assert.deepEqual(all[0], all[1]);
});

test("absent properties stay absent, take their default, or are refused by path", () => {
  const type = z.object({ a: z.string().optional(), b: z.int32().default(5), c: z.object({ d: z.array(z.int32()) }) });
  for (const codec of codecs) {
    const coder = codec.compile(schemaOf(type, "T"));
    const result = encoded(codec, type, { c: { d: [] } });
    assert.deepEqual([...result], [0, 10, 0]);
    assert.deepEqual(coder.decode(result, 0, 3), { b: 5, c: { d: [] } });
    assert.throws(() => encoded(codec, type, { c: { d: [1, "x"] } }),
      /expected int32 at "c.d\[1\]", received string "x"/);
    assert.throws(() => encoded(codec, type, { c: {} }), /expected an array at "c.d"/);
    assert.throws(() => encoded(codec, z.object({ v: z.uint64() }), { v: 2n ** 63n }), /2\^63 - 1/);
  }
});

test("what another schema wrote is resolved: order, promotions, aliases, defaults, unions, unknown symbols", () => {
  const reader = z.object({
    long: z.int64(), double: z.number(), text: z.string(), data: bytes(), added: z.string().default("new"),
    gone: z.string().optional(), missing: z.string().nullable(),
    renamed: z.int32().meta({ fieldAliases: ["before"] }), union: z.union([z.string(), z.int32()]),
    state: z.enum(["OPEN", "UNKNOWN"]).meta({ id: "State", fallback: "UNKNOWN" }),
    inner: z.object({ a: z.int32() }).meta({ id: "Inner", aliases: ["Old"] }),
  });
  const writer = parseAvroSchema(JSON.stringify({
    type: "record", name: "Anything", namespace: "else.where", fields: [
      { name: "extra", type: { type: "map", values: ["null", { type: "array", items: "string" }] } },
      { name: "inner", type: { type: "record", name: "Old", fields: [{ name: "b", type: "double" },
        { name: "a", type: "int" }] } },
      { name: "state", type: { type: "enum", name: "State", symbols: ["NEW", "OPEN"] } },
      { name: "union", type: ["int", "null"] }, { name: "before", type: "int" }, { name: "data", type: "string" },
      { name: "text", type: "bytes" }, { name: "double", type: "int" }, { name: "long", type: "int" },
    ],
  }));
  const written = Uint8Array.from([
    2, 2, 0x61, 2, 2, 2, 0x62, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 14, 4, 2, 0x63, 2, 0x64, 8, 10,
  ]);
  const want = {
    long: 5n, double: 4, text: "d", data: Uint8Array.of(0x63), added: "new", missing: null, renamed: 2, union: 7,
    state: "UNKNOWN", inner: { a: 3 },
  };
  for (const codec of codecs) {
    const coder = codec.compile(schemaOf(reader, "T")).reading?.(writer);
    assert.deepEqual(coder?.decode(written, 0, written.length), want);
    const nulled = written.slice();
    nulled[20] = 2;
    assert.throws(() => coder?.decode(Uint8Array.from([0, ...written.slice(9, 18), 0, 2, 4, 0, 0, 8, 10]), 0, 17),
      /null was written/);
    const strange = codec.compile(schemaOf(z.object({ text: z.int32() }), "T"));
    assert.throws(() => strange.reading?.(writer), /text: bytes was written, where int is expected/);
    assert.throws(() => codec.compile(schemaOf(z.object({ none: z.int32() }), "T")).reading?.(writer),
      /no field T.none/);
  }
});

test("malformed bytes are refused with what is wrong and where", () => {
  const list = z.object({ list: z.array(z.string()) });
  const empties = z.object({ list: z.array(z.object({})) });
  const either = z.object({ either: z.union([z.string(), z.int32()]) });
  const cases: readonly (readonly [z.ZodType, readonly number[], RegExp])[] = [
    [list, [3, 0], /block/], [list, [200, 200, 200, 200, 8, 0], /not backed by bytes/],
      [list, [2, 1], /length -1 is negative/],
    [list, [2, 20, 1], /runs past the end/], [list, [2, 2, 0xff, 0], /UTF-8/], [list, [0, 0], /1 bytes follow/],
    [list, [], /cut off/], [list, Array.from({ length: 12 }, () => 0xff), /more than 64 bits/],
    [empties, [0xff, 0xff, 0xff, 0xff, 0x0f], /cut off/], [empties, [0x80, 0x9a, 0x80, 0x01, 0], /take no bytes/],
    [either, [4, 0], /branch 2 of 2/], [either, [1, 0], /negative/],
    [z.object({ n: z.int32() }), [0x80, 0x80, 0x80, 0x80, 0x80, 1], /more than 32 bits/],
    [z.object({ b: z.boolean() }), [2], /boolean 2/], [z.object({ e: Kind }), [4], /symbol 2 of 2/],
    [z.object({ d: z.number() }), [0, 0, 0, 0, 0, 0, 0xf8, 0x7f], /not finite/],
    [Tree, Array.from({ length: 400 }, (_, i) => (i % 2 === 0 ? 0 : 2)), /nested deeper than 100/],
  ];
  for (const codec of codecs) {
    for (const [type, given, why] of cases) {
      const coder = codec.compile(schemaOf(type, "T"));
      assert.throws(() => coder.decode(Uint8Array.from(given), 0, given.length),
        (error: Error) => why.test(error.message) || assert.fail(`${given.slice(0, 8).join()}: ${error.message}`));
    }
  }
});

test("values that nest too deep are refused", () => {
  let deep: Tree = { value: 0 };
  for (let i = 0; i < 150; i++) deep = { value: i, left: deep };
  for (const codec of codecs) assert.throws(() => encoded(codec, Tree, deep), /nested deeper than 100/);
});
