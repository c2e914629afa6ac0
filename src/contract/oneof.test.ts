import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { bytes, field, oneof, schemaOf, type StructModel } from "./index.ts";

const Card = z.object({ digits: z.string() }).meta({ id: "Card" });
const Payment = z.object({
  id: z.string(),
  kind: oneof({ card: field(4, Card), note: z.string().meta({ protoName: "a_note" }), raw: field(9, bytes()) }),
  after: z.int32(),
});

function refused(type: z.ZodType, message: RegExp): void {
  const schema = schemaOf(type, "T", "input");
  assert.equal(schema.model, undefined);
  assert.match(schema.modelError?.message ?? "", message);
}

test("a oneof's variants are fields of the object around it", () => {
  const model = schemaOf(Payment, "Payment").model as StructModel;
  assert.deepEqual(model.fields.map(({ name, number, presence }) => [name, number, presence]), [
    ["id", 1, "required"], ["kind", 4, "optional"], ["after", 10, "required"],
  ]);
  const kind = model.fields[1]?.model;
  assert.ok(kind?.kind === "oneof");
  assert.deepEqual(kind.variants.map(({ name, number, protoName }) => [name, number, protoName]), [
    ["card", 4, undefined], ["note", 5, "a_note"], ["raw", 9, undefined],
  ]);
  const card = kind.variants[0]?.model;
  assert.equal(card?.kind === "struct" && card.name, "Card");
});

test("a oneof has the types of its variants, or undefined", () => {
  const values: z.infer<typeof Payment>[] = [
    { id: "a", after: 1 }, { id: "a", kind: undefined, after: 1 },
    { id: "a", kind: { case: "card", value: { digits: "1" } }, after: 1 },
    { id: "a", kind: { case: "raw", value: new Uint8Array(1) }, after: 1 },
  ];
  for (const value of values) assert.deepEqual(Payment.parse(value), value);
  // @ts-expect-error A note is a string.
  const wrong: z.input<typeof Payment> = { id: "a", kind: { case: "note", value: 1 }, after: 1 };
  assert.equal(Payment.safeParse(wrong).success, false);
  assert.equal(schemaOf(Payment, "Payment").refine, undefined);
  assert.notEqual(schemaOf(z.object({ of: oneof({ a: z.string().min(1) }) }), "T").refine, undefined);
});

test("a oneof may refer back to its object", () => {
  const Tree: z.ZodType = z.object({
    label: z.string(),
    get of() {
      return oneof({ leaf: z.int32(), get node() { return Tree; } });
    },
  });
  const model = schemaOf(Tree, "Tree").model as StructModel;
  const of = model.fields[1]?.model;
  assert.ok(of?.kind === "oneof");
  assert.equal(of.variants[1]?.model, model);
});

test("a oneof stands for fields only, and numbers are unique in the object", () => {
  refused(z.object({ a: field(3, z.string()), of: oneof({ b: field(3, z.string()) }) }), /fields a and of.b both have/);
  refused(z.object({ of: oneof({ b: z.string() }).nullable() }), /input\.of: a oneof that may be null/);
  refused(z.array(oneof({ b: z.string() }).nonoptional()), /input\[\]: a oneof that is no property/);
  assert.throws(() => oneof({}), /at least one variant/);
  const required = schemaOf(z.object({ of: oneof({ b: z.string() }).nonoptional() }), "T").model as StructModel;
  assert.equal(required.fields[0]?.presence, "required");
});
