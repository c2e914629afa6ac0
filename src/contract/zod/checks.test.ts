import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { bytes, field, schemaOf } from "../index.ts";

const refines = (type: z.ZodType) => schemaOf(type, "T").refine !== undefined;

test("what the model guarantees needs no second look", () => {
  const Tree = z.object({ value: z.int32(), get children() { return z.array(Tree).default([]); } });
  const types = [
    z.string(), z.boolean(), z.number(), z.date(), z.bigint(), z.int32(), z.uint32(), z.int64(), z.uint64(),
    z.float32(), z.float64(), bytes(), z.instanceof(Date), z.enum(["a"]), z.literal("a"), z.unknown(), z.any(),
    z.json(), z.array(z.string()), z.record(z.string(), z.int32()), z.map(z.int32(), z.string()),
    z.partialRecord(z.enum(["a"]), z.string()), z.string().nullable(), z.union([z.string(), z.null()]),
    z.object({ a: z.string().optional(), b: z.int32().default(3), c: z.string().nullish(), d: z.string().readonly() }),
    z.strictObject({ a: z.string() }), Tree, z.lazy(() => Tree),
    z.discriminatedUnion("t", [z.object({ t: z.literal("a") }), z.object({ t: z.literal("b"), n: z.number() })]),
    z.object({ a: field(3, z.string()).meta({ description: "x" }).describe("y") }).meta({ id: "PlainChecked" }),
  ];
  for (const type of types) assert.ok(!refines(type), type._zod.def.type);
});

test("what the model does not guarantee is checked again, however deep", () => {
  const types = [
    z.string().min(1), z.email(), z.uuid(), z.string().trim(), z.string().regex(/a/), z.number().min(0), z.int(),
    z.number().int(), z.int32().positive(), z.bigint().positive(), z.date().min(new Date(0)),
    z.array(z.string()).max(3), z.string().refine(() => true), z.string().transform(Number), z.string().pipe(z.email()),
    z.coerce.number(), z.stringbool(), z.string().catch("x"), z.string().prefault("x"), z.string().default("x"),
    z.literal(3),
    z.literal(["a", null]).or(z.literal(3)), z.enum({ A: 1 }), z.tuple([z.string()]),
    z.record(z.enum(["a"]), z.string()), z.record(z.int32(), z.string()), z.record(z.string().min(2), z.string()),
    z.templateLiteral(["a"]), z.preprocess(String, z.string()), z.xor([z.string(), z.int32()]),
    z.object({}).refine(() => true),
    bytes().check(() => {}), z.custom<string>(() => true), z.set(z.string()), z.string().and(z.string()),
  ];
  for (const type of types) {
    assert.ok(refines(type), type._zod.def.type);
    assert.ok(refines(z.object({ a: z.array(z.object({ b: type })) })) || type._zod.def.type === "default");
    assert.ok(refines(z.map(z.string(), z.union([z.boolean(), type]))));
  }
});

test("a check beyond a recursion is found", () => {
  const Tree = z.object({ get left() { return Tree.optional(); }, name: z.string().min(1) });
  assert.ok(refines(z.object({ tree: Tree })));
});
