/** Values written by our codec are read by another library through our descriptors, and are the same values. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  createFileRegistry, type DescField, type DescMessage, type FileRegistry, fromBinary, toJson,
} from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import * as z from "zod";
import { createProtobufCodec } from "../../codec/protobuf/codec.ts";
import { models, randomModel, runs, valuesOfModel } from "../../../test/codec/models.ts";
import { Writer } from "../../wire/writer.ts";
import { oneof, rpc, type Schema, service } from "../index.ts";
import type { AnyMethod } from "../method.ts";
import type { Model, OneofModel, StructModel } from "../model.ts";
import type { AnyContract } from "../service.ts";
import { describeContracts, type DescribeOptions, protoPath, withDependencies } from "./descriptor.ts";
import { encodeFileDescriptorSet } from "./encode-descriptor.ts";

const seed = 20_261_121;
const schemaOf = (model: Model, name = "Whole"): Schema =>
  ({ model, name, refine: undefined, validate: (value: unknown) => value });

function contractOf(model: Model): AnyContract {
  const plain = service("test.v1.Test", { call: rpc({ input: z.object({}), output: z.object({}) }) });
  const method: AnyMethod = { ...plain.methods.call, input: schemaOf(model), output: schemaOf(model), errors: {} };
  return { name: plain.name, methods: { call: method } };
}

function registryOf(contracts: readonly AnyContract[], options?: DescribeOptions): FileRegistry {
  const bytes = encodeFileDescriptorSet(withDependencies(describeContracts(contracts, options)));
  return createFileRegistry(fromBinary(FileDescriptorSetSchema, bytes));
}

function inputOf(registry: FileRegistry): DescMessage {
  return registry.getService("test.v1.Test")?.methods[0]?.input as DescMessage;
}

type Message = Readonly<Record<string, unknown>> & { readonly $unknown?: unknown };

/** What a field of a protobuf-es message holds; undefined if it is not there. */
function fieldOf(message: Message, field: DescField): unknown {
  if (field.oneof !== undefined) {
    const chosen = message[field.oneof.localName] as { case?: string; value?: unknown };
    return chosen.case === field.localName ? chosen.value : undefined;
  }
  const isPlain = field.fieldKind === "list" || field.fieldKind === "map";
  if (isPlain || field.presence === FeatureSet_FieldPresence.IMPLICIT) return message[field.localName];
  return Object.hasOwn(message, field.localName) ? message[field.localName] : undefined;
}

/** The value of `model` in a message or scalar of protobuf-es. */
function read(model: Model, value: unknown, desc: DescMessage | undefined): unknown {
  if (desc !== undefined) assert.equal((value as Message | null)?.$unknown, undefined, desc.typeName);
  switch (model.kind) {
    case "scalar": {
      if (model.scalar === "bytes") return Uint8Array.from(value as Uint8Array);
      if (model.scalar !== "timestamp") return value;
      const { seconds, nanos } = value as { seconds: bigint; nanos: number };
      return new Date(Number(seconds) * 1_000 + nanos / 1_000_000);
    }
    case "enum": return model.values.find(({ number }) => number === value)?.name ?? (model.open === true ? value : 0);
    case "wellknown": {
      // protobuf-es gives some of these messages as the values that they stand for.
      const isMessage = typeof value === "object" && value !== null && "$typeName" in value;
      if (!isMessage) return value instanceof Uint8Array ? Uint8Array.from(value) : value;
      if (model.of !== undefined) return read(model.of, (value as unknown as Message)["value"], undefined);
      return toJson(desc as DescMessage, value as never);
    }
    case "unknown": return JSON.parse(Buffer.from(value as Uint8Array).toString()) as unknown;
    case "struct": return readStruct(model, value as Message, desc as DescMessage, undefined);
    case "nullable": {
      if (model.of.kind === "nullable") return read(model.of, value, desc);
      const inner = readField(model.of, value as Message, desc as DescMessage, 1, false);
      return inner === undefined ? null : inner;
    }
    case "list": case "map": return readField(model, value as Message, desc as DescMessage, 1, true);
    case "union": {
      for (const { number, model: variant, tag } of model.variants) {
        const field = fieldAt(desc as DescMessage, number);
        const inner = fieldOf(value as Message, field);
        if (inner === undefined) continue;
        if (tag === undefined || model.discriminator === undefined) return read(variant, inner, field.message);
        return {
          ...readStruct(variant as StructModel, inner as Message, field.message as DescMessage, model.discriminator),
          [model.discriminator]: tag,
        };
      }
      return undefined;
    }
    case "oneof": throw new Error("a oneof is no value by itself");
    default: return model satisfies never;
  }
}

function fieldAt(desc: DescMessage, number: number): DescField {
  return desc.fields.find((field) => field.number === number) as DescField;
}

function readField(model: Model, message: Message, desc: DescMessage, number: number, plain: boolean): unknown {
  const field = fieldAt(desc, number);
  const value = fieldOf(message, field);
  if (plain && model.kind === "list") return (value as unknown[]).map((item) => read(model.of, item, field.message));
  if (plain && model.kind === "map") {
    const entries = Object.entries(value as object).map(([key, item]) => [
      model.as === "object" || model.key.kind === "enum" || model.key.scalar === "string" ? key
        : model.key.scalar === "bool" ? key === "true" : Number(key), read(model.value, item, field.message),
    ] as const);
    return model.as === "Map" ? new Map(entries) : Object.fromEntries(entries);
  }
  return value === undefined ? undefined : read(model, value, field.message);
}

function readStruct(model: StructModel, message: Message, desc: DescMessage, without: string | undefined): object {
  assert.equal(message.$unknown, undefined, desc.typeName);
  const value: Record<string, unknown> = {};
  for (const { name, number, model: field, presence } of model.fields) {
    if (name === without) continue;
    const part = field.kind === "oneof" ? readOneof(field, message, desc)
      : presence === "required" && field.kind === "nullable"
        ? readField(withoutNull(field), message, desc, number, false) ?? null
        : readField(field, message, desc, number, presence === "required");
    if (part !== undefined) value[name] = part;
  }
  return value;
}

function withoutNull(model: Model): Model {
  return model.kind === "nullable" ? withoutNull(model.of) : model;
}

function readOneof(model: OneofModel, message: Message, desc: DescMessage): unknown {
  for (const variant of model.variants) {
    const value = readField(variant.model, message, desc, variant.number, false);
    if (value !== undefined) return { case: variant.name, value };
  }
  return undefined;
}

function check(model: Model, value: unknown, desc: DescMessage): void {
  const coder = createProtobufCodec().compile(schemaOf(model));
  const writer = new Writer();
  coder.encode(value, writer);
  const ours = writer.finish();
  const theirs = fromBinary(desc, Uint8Array.from(ours)) as unknown as Message;
  const isWrapped = (model.kind === "scalar" && model.scalar !== "timestamp") || model.kind === "enum" ||
    model.kind === "unknown";
  const back = isWrapped ? readField(model, theirs, desc, 1, true) : read(model, theirs, desc);
  assert.deepStrictEqual(back, coder.decode(ours, 0, ours.length));
}

for (const [name, model] of Object.entries(models)) {
  test(`protobuf-es reads through the descriptor: ${name}`, () => {
    const desc = inputOf(registryOf([contractOf(model)]));
    fc.assert(fc.property(valuesOfModel(model), (value) => check(model, value, desc)),
      { seed, numRuns: Math.ceil(runs / 10), endOnFailure: true });
  });
}

test("protobuf-es reads through the descriptor: models at random", () => {
  const both = randomModel.chain((model) =>
    fc.tuple(fc.constant(model), fc.array(valuesOfModel(model, 3), { maxLength: 3 })));
  fc.assert(fc.property(both, ([model, values]) => {
    const desc = inputOf(registryOf([contractOf(model)]));
    for (const value of values) check(model, value, desc);
  }), { seed, numRuns: runs, endOnFailure: true });
});

const one = (contracts: readonly AnyContract[]) => describeContracts(contracts).at(-1);
const empty = z.object({});

test("names, kinds, numbers and comments are those of the contract", () => {
  const City = z.object({ fullName: z.string().meta({ description: "As it calls itself.\nIn its own script." }) })
    .meta({ id: "City" });
  const Places = service("geo.v1.Places", {
    findCity: rpc({
      input: z.object({ cityId: z.int64() }), output: City, safe: true, description: "Finds one.",
      errors: { CityGone: z.object({ movedTo: z.string().optional() }) },
    }),
    watch: rpc({ kind: "server_stream", wireName: "WatchAll", input: empty, output: City }),
    both: rpc({ kind: "bidi_stream", input: City, output: City }),
  });
  const file = one([Places]);
  assert.equal(file?.name, "geo/v1/geo.proto");
  assert.deepEqual(file?.messageType?.map(({ name }) => name),
    ["PlacesFindCityInput", "City", "PlacesWatchInput", "PlacesFindCityCityGone"]);
  const registry = registryOf([Places]);
  const service_ = registry.getService("geo.v1.Places");
  assert.deepEqual(service_?.methods.map(({ name, methodKind, idempotency, input, output }) =>
    [name, methodKind, idempotency, input.typeName, output.typeName]), [
    ["FindCity", "unary", 1, "geo.v1.PlacesFindCityInput", "geo.v1.City"],
    ["WatchAll", "server_streaming", 0, "geo.v1.PlacesWatchInput", "geo.v1.City"],
    ["Both", "bidi_streaming", 0, "geo.v1.City", "geo.v1.City"],
  ]);
  const field = registry.getMessage("geo.v1.City")?.fields[0];
  assert.deepEqual([field?.name, field?.jsonName, field?.number], ["full_name", "fullName", 1]);
  assert.deepEqual(file?.sourceCodeInfo?.location.map(({ path, leadingComments }) => [path, leadingComments]), [
    [[4, 1, 2, 0], " As it calls itself.\n In its own script.\n"], [[6, 0, 2, 0], " Finds one.\n"],
  ]);
});

test("types of one name are one if they are the same, and numbered if not; services keep their names", () => {
  const city = (field: string) => z.object({ [field]: z.string() }).meta({ id: "City" });
  const contract = (name: string, type: z.ZodType) => service(name, { get: rpc({ input: empty, output: type }) });
  const nameOf = (file: ReturnType<typeof one>) => file?.service?.map(({ method }) => method?.[0]?.outputType);
  assert.deepEqual(nameOf(one([contract("a.A", city("x")), contract("a.B", city("x"))])), [".a.City", ".a.City"]);
  assert.deepEqual(nameOf(one([contract("a.A", city("x")), contract("a.B", city("y"))])), [".a.City", ".a.City2"]);
  assert.deepEqual(nameOf(one([contract("a.City", city("x"))])), [".a.City2"]);
  assert.equal(describeContracts([contract("a.A", city("x")), contract("b.B", city("x"))]).length, 2);
});

test("values of enums keep their names; enums that would take each other's stand apart", () => {
  const type = z.object({
    one: z.enum(["open", "paid"]).meta({ id: "OrderStatus" }),
    two: z.enum(["open", "in-use", "IN_USE"]).meta({ id: "Port" }),
  });
  const registry = registryOf([service("a.A", { get: rpc({ input: empty, output: type }) })]);
  const names = (enumName: string) => registry.getEnum(enumName)?.values.map(({ name, number }) => [name, number]);
  assert.deepEqual(names("a.OrderStatus"), [["ORDER_STATUS_UNSPECIFIED", 0], ["open", 1], ["paid", 2]]);
  assert.deepEqual(names("a.PortEnum.Port"), [["PORT_UNSPECIFIED", 0], ["open", 1], ["in_use", 2], ["IN_USE_3", 3]]);
});

test("names with dots nest, and those of other packages stand in files of their own", () => {
  const Inner = z.object({ x: z.int32() }).meta({ id: "Outer.Inner" });
  const Outer = z.object({ inner: Inner }).meta({ id: "Outer" });
  const Point = z.object({ at: z.date() }).meta({ id: "other.v1.Point" });
  const contract = service("a.A", { get: rpc({ input: z.object({ first: Inner, point: Point }), output: Outer }) });
  const files = describeContracts([contract]);
  assert.deepEqual(files.map(({ name, dependency }) => [name, dependency]), [
    ["other/v1/other.proto", ["google/protobuf/timestamp.proto"]], ["a/a.proto", ["other/v1/other.proto"]],
  ]);
  const registry = registryOf([contract]);
  assert.equal(registry.getMessage("a.Outer")?.fields[0]?.message?.typeName, "a.Outer.Inner");
  assert.ok(registry.getMessage("other.v1.Point"));
  const Ring = z.object({ get back() { return Back.optional(); } }).meta({ id: "other.Ring" });
  const Back: z.ZodType = z.object({ ring: Ring }).meta({ id: "Back" });
  assert.throws(() => describeContracts([service("a.A", { get: rpc({ input: Back, output: empty }) })]),
    /need each other.*a\/a.proto → other\/other.proto → a\/a.proto/);
});

test("what cannot be said is refused with its method and path", () => {
  const describe = (input: z.ZodType) => describeContracts([service("a.A", { get: rpc({ input, output: empty }) })]);
  const deep = z.object({ list: z.array(z.object({ choice: oneof({ foo_bar: z.string(), fooBar: z.int32() }) })) });
  assert.throws(() => describe(deep),
    /a\.A\/get input\.list\.choice<fooBar>: has the name "fooBar" in JSON, as "foo_bar" has; rename one/);
  assert.throws(() => describe(z.object({ a: z.custom<URL>() })), /: a\.A\/get: input\.a: /);
});

test("a package's file lies where its name says", () => {
  assert.equal(protoPath("grpc.health.v1"), "grpc/health/v1/health.proto");
  assert.equal(protoPath("helloworld"), "helloworld/helloworld.proto");
  assert.equal(protoPath("", [service("GreeterService", {})]), "greeter_service.proto");
});
