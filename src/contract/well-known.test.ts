import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { codersOf } from "./coders.ts";
import {
  durationMs, durationOf, type Model, openEnum, rpc, scalar, schemaOf, service, type StructModel, unknownFields,
  wellKnown,
} from "./index.ts";
import { carryUnknownFields, keptUnknownFields } from "./unknown-fields.ts";

function model(type: z.ZodType): Model {
  const schema = schemaOf(type, "T", "input");
  if (schema.model === undefined) throw new Error("no model", { cause: schema.modelError });
  return schema.model;
}

test("messages of google.protobuf have their full names", () => {
  const structs = ["duration", "timestamp", "any", "fieldMask", "empty"] as const;
  for (const name of structs) {
    const read = model(wellKnown[name]()) as StructModel;
    assert.equal(read.kind, "struct");
    assert.equal(read.name, `google.protobuf.${name[0]?.toUpperCase()}${name.slice(1)}`);
  }
  const wrapped = model(z.object({
    name: wellKnown.wrapped(z.string().min(1)).optional(), count: wellKnown.wrapped(z.int64()).nullable(),
    free: wellKnown.value().nullable(), all: z.array(wellKnown.struct()), list: wellKnown.listValue(),
  })) as StructModel;
  assert.deepEqual(wrapped.fields.map(({ model: its }) => its), [
    { kind: "wellknown", name: "google.protobuf.StringValue", of: { kind: "scalar", scalar: "string" } },
    { kind: "nullable", of:
      { kind: "wellknown", name: "google.protobuf.Int64Value", of: { kind: "scalar", scalar: "int64" } } },
    { kind: "wellknown", name: "google.protobuf.Value", of: undefined },
    { kind: "list", of: { kind: "wellknown", name: "google.protobuf.Struct", of: undefined } },
    { kind: "wellknown", name: "google.protobuf.ListValue", of: undefined },
  ]);
  assert.match(schemaOf(wellKnown.wrapped(z.date()), "T").modelError?.message ?? "", /wrapped\(\) of what has no/);
  const any: z.infer<ReturnType<typeof wellKnown.any>> = { typeUrl: "a/b.C", value: new Uint8Array(1) };
  assert.deepEqual(wellKnown.any().parse(any), any);
});

test("what a model guarantees is not checked again", () => {
  const plain = z.object({
    a: wellKnown.duration(), b: wellKnown.value(), c: wellKnown.struct(), d: scalar("double"), e: scalar("sint32"),
    f: openEnum({ A: 0 }), g: wellKnown.wrapped(z.string()).optional(),
  });
  assert.equal(schemaOf(plain, "T").refine, undefined);
  assert.notEqual(schemaOf(z.object({ a: wellKnown.wrapped(z.string().min(1)) }), "T").refine, undefined);
});

test("scalars of every kind, with checks", () => {
  assert.deepEqual(model(scalar("sfixed64")), { kind: "scalar", scalar: "sfixed64" });
  assert.deepEqual(model(scalar("float").optional().unwrap()), { kind: "scalar", scalar: "float" });
  assert.deepEqual(model(z.int32().min(1).meta({ scalar: "sint32" })), { kind: "scalar", scalar: "sint32" });
  assert.equal(scalar("double").parse(Number.NaN), Number.NaN);
  const value: bigint = scalar("fixed64").parse(1n);
  assert.equal(value, 1n);
  assert.equal(scalar("fixed32").safeParse(-1).success, false);
});

test("an open enum takes its names and any other number", () => {
  const Status = openEnum({ NONE: 0, OPEN: 5 }).meta({ id: "Status" });
  assert.deepEqual(model(Status), {
    kind: "enum", name: "Status", values: [{ name: "NONE", number: 0 }, { name: "OPEN", number: 5 }], open: true,
  });
  const values: z.infer<typeof Status>[] = ["OPEN", 9];
  for (const value of values) assert.equal(Status.parse(value), value);
  assert.equal(Status.safeParse("CLOSED").success, false);
});

test("durations convert", () => {
  assert.deepEqual(durationOf(-1500.25), { seconds: -1n, nanos: -500_250_000 });
  assert.equal(durationMs({ seconds: 2n, nanos: 1_500_000 }), 2001.5);
});

test("unknown fields survive a validation", () => {
  const Inner = z.object({ n: z.int32().min(0) });
  const { methods } = service("S", { call: rpc({
    input: z.object({ in: Inner, all: z.array(Inner), map: z.map(z.string(), Inner) }), output: z.object({}),
  }) });
  const kept = Uint8Array.of(0x48, 1);
  const value = {
    in: { n: 1, [unknownFields]: kept }, all: [{ n: 2, [unknownFields]: kept }],
    map: new Map([["a", { n: 3, [unknownFields]: kept }]]), [unknownFields]: kept,
  };
  const coders = codersOf(methods.call, {
    name: "test", structural: true,
    compile: () => ({ encode: () => {}, decode: () => {
      keptUnknownFields.structs++;
      return value;
    } }),
  });
  assert.deepStrictEqual(coders.request.decode(new Uint8Array(0), 0, 0), value);
});

test("unknown fields never move to another element of a list", () => {
  const kept = Uint8Array.of(0x48, 1);
  const from = [{ n: 1, [unknownFields]: kept }, { n: 2 }];
  const sorted: object[] = [{ n: 2 }, { n: 1 }];
  carryUnknownFields(from, sorted);
  assert.deepStrictEqual(sorted, [{ n: 2 }, { n: 1 }]);
  const filtered: object[] = [{ n: 2 }];
  carryUnknownFields(from, filtered);
  assert.deepStrictEqual(filtered, [{ n: 2 }]);
});
