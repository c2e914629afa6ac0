/** The same bytes as protobufjs, by a second, independent reading of docs/encoding.md. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import protobufjs from "protobufjs";
import type { FieldModel, Model, StructModel } from "../../contract/model.ts";
import { Writer } from "../../wire/writer.ts";
import { createProtobufCodec } from "./codec.ts";
import { models, randomModel, runs, valuesOfModel } from "../../../test/codec/models.ts";

interface FieldJson {
  type: string;
  id: number;
  rule?: string;
  keyType?: string;
  options?: { packed?: boolean; features?: object };
}

/** What `optional` means in proto3. */
const explicit = { options: { features: { field_presence: "EXPLICIT" } } };

type Convert = (value: never) => unknown;

/** Builds a protobufjs message type of a model, and the function that brings a value into its form. */
class Oracle {
  readonly #nested: Record<string, { fields: Record<string, FieldJson> }> = {
    Timestamp: { fields: { seconds: { type: "int64", id: 1 }, nanos: { type: "int32", id: 2 } } },
    Value: { fields: {
      none: { type: "int32", id: 1, ...explicit }, number: { type: "double", id: 2, ...explicit },
      text: { type: "string", id: 3, ...explicit }, bool: { type: "bool", id: 4, ...explicit },
      struct: { type: "Struct", id: 5 }, list: { type: "ListValue", id: 6 },
    } },
    Struct: { fields: { fields: { type: "Value", id: 1, keyType: "string" } } },
    ListValue: { fields: { values: { type: "Value", id: 1, rule: "repeated" } } },
  };
  readonly #known = new Map<Model, { type: string; convert: Convert }>();
  readonly #root: { type: string; convert: Convert };
  #names = 0;

  constructor(model: Model) {
    const value = this.#value(model);
    this.#root = /^[A-Z]/.test(value.type)
      ? value
      : this.#message((fields) => this.#field(fields, "value", 1, model, true));
  }

  encode(value: unknown): Uint8Array {
    const type = this.#type();
    return type.encode(type.create(this.#root.convert(value as never) as object)).finish();
  }

  recode(bytes: Uint8Array): Uint8Array {
    const type = this.#type();
    return type.encode(type.decode(bytes)).finish();
  }

  #type(): protobufjs.Type {
    const json = { edition: "proto3", nested: this.#nested } as protobufjs.INamespace;
    return protobufjs.Root.fromJSON(json).lookupType(this.#root.type);
  }

  /** `define` adds fields and returns how to convert into the message's object. */
  #message(define: (fields: Record<string, FieldJson>) => Convert, model?: Model): { type: string; convert: Convert } {
    const type = `M${this.#names++}`;
    const fields: Record<string, FieldJson> = {};
    this.#nested[type] = { fields };
    const message: { type: string; convert: Convert } = { type, convert: () => undefined };
    if (model !== undefined) this.#known.set(model, message);
    message.convert = define(fields);
    return message;
  }

  #value(model: Model): { type: string; convert: Convert } {
    const known = this.#known.get(model);
    if (known !== undefined) return { type: known.type, convert: (value) => known.convert(value) };
    switch (model.kind) {
      case "scalar":
        if (model.scalar === "timestamp") return { type: "Timestamp", convert: timestamp };
        return { type: model.scalar, convert: model.scalar.endsWith("64") ? long : (value) => value };
      case "enum":
        return { type: "int32", convert: (name: unknown) => (
          typeof name === "number" ? name : model.values.find((value) => value.name === name)?.number) };
      case "wellknown": {
        const { of } = model;
        if (of !== undefined) return this.#message((fields) => this.#field(fields, "value", 1, of, true), model);
        const type = model.name.slice("google.protobuf.".length);
        return { type, convert: type === "Value" ? freeValue : (value) => Object.values(freeValue(value))[0] };
      }
      case "unknown": return { type: "bytes", convert: (value) => new TextEncoder().encode(JSON.stringify(value)) };
      case "struct": return this.#struct(model, undefined, model);
      case "list": return this.#message((fields) => this.#field(fields, "items", 1, model, true), model);
      case "map": return this.#message((fields) => this.#field(fields, "entries", 1, model, true), model);
      case "nullable": return this.#message((fields) => {
        const one = this.#field(fields, "value", 1, model.of, false);
        return (value) => (value === null ? {} : one(value));
      }, model);
      case "union": return this.#message((fields) => {
        const variants = model.variants.map((variant) => {
          const value = variant.model.kind === "struct" && variant.tag !== undefined
            ? this.#struct(variant.model, model.discriminator, undefined)
            : this.#value(variant.model);
          fields[`v${variant.number}`] = { type: value.type, id: variant.number, ...explicit };
          return { ...variant, convert: value.convert };
        });
        return (value: unknown) => {
          const found = variants.find(({ tag, name }) => (tag === undefined
            ? name === nameOf(value)
            : (value as Record<string, unknown>)["kind"] === tag));
          return { [`v${found?.number}`]: found?.convert(value as never) };
        };
      }, model);
      case "oneof": throw new Error("a oneof is no value by itself");
      default: return model satisfies never;
    }
  }

  #struct(model: StructModel, without: string | undefined, key: Model | undefined): { type: string; convert: Convert } {
    return this.#message((fields) => {
      const all = model.fields.filter(({ name }) => name !== without)
        .map((one) => ({ one, convert: this.#structField(fields, one) }));
      return (value: Record<string, unknown>) => Object.assign({}, ...all.map(({ one, convert }) => {
        const part = Object.hasOwn(value, one.name) ? value[one.name] : undefined;
        return part === undefined ? {} : convert(part as never) as object;
      })) as unknown;
    }, key);
  }

  #structField(fields: Record<string, FieldJson>, { number, model, presence }: FieldModel): Convert {
    const name = `f${number}`;
    if (model.kind === "oneof") {
      const variants = model.variants.map((variant) => (
        { ...variant, convert: this.#field(fields, `f${variant.number}`, variant.number, variant.model, false) }));
      return (chosen: { case: string; value: unknown }) =>
        variants.find((variant) => variant.name === chosen.case)?.convert(chosen.value as never);
    }
    if (presence === "required" && model.kind !== "nullable") return this.#field(fields, name, number, model, true);
    if (presence === "required" && model.kind === "nullable") {
      const one = this.#field(fields, name, number, model.of, false);
      return (value) => (value === null ? {} : one(value));
    }
    return this.#field(fields, name, number, model, false);
  }

  /** A field that is repeated, a map, or (where `implicit`) omitted when zero. */
  #field(fields: Record<string, FieldJson>, name: string, id: number, model: Model, implicit: boolean): Convert {
    if (implicit && model.kind === "list") {
      const { type, convert } = this.#value(model.of);
      const packed = !/^[A-Z]|string|bytes/.test(type);
      fields[name] = { type, id, rule: "repeated", options: { packed } };
      return (value: unknown[]) => ({ [name]: value.map((item) => convert(item as never)) });
    }
    if (implicit && model.kind === "map") {
      const { type, convert } = this.#value(model.value);
      fields[name] = { type, id, keyType: model.key.kind === "enum" ? "string" : model.key.scalar };
      return (value: object) => {
        const entries = value instanceof Map ? [...value] as [unknown, unknown][] : Object.entries(value);
        return { [name]: Object.fromEntries(entries.map(([key, item]) => [String(key), convert(item as never)])) };
      };
    }
    const { type, convert } = this.#value(model);
    fields[name] = { type, id, ...(implicit && model.kind !== "unknown" ? {} : explicit) };
    return (value: unknown) => {
      const converted = convert(value as never);
      return { [name]: converted };
    };
  }
}

function freeValue(value: unknown): Record<string, unknown> {
  if (value === null) return { none: 0 };
  if (typeof value === "number") return { number: value };
  if (typeof value === "string") return { text: value };
  if (typeof value === "boolean") return { bool: value };
  if (Array.isArray(value)) return { list: { values: value.map(freeValue) } };
  const fields = Object.entries(value as object).map(([key, item]) => [key, freeValue(item)] as const);
  return { struct: { fields: Object.fromEntries(fields) } };
}

function long(value: bigint): unknown {
  return { low: Number(BigInt.asIntN(32, value)), high: Number(BigInt.asIntN(32, value >> 32n)), unsigned: false };
}

function timestamp(value: Date): unknown {
  const seconds = Math.floor(value.getTime() / 1000);
  const nanos = (value.getTime() - seconds * 1000) * 1_000_000;
  return { ...(seconds === 0 ? {} : { seconds: long(BigInt(seconds)) }), ...(nanos === 0 ? {} : { nanos }) };
}

/** The variant of the untagged union among the models. */
function nameOf(value: unknown): string {
  if (typeof value === "string") return "text";
  if (typeof value === "number") return "number";
  if (Array.isArray(value)) return "lists";
  return value instanceof Date ? "date" : "named";
}

const codecs = [createProtobufCodec(), createProtobufCodec({ codegen: false })];

/** Says where two messages part, since whole ones are too long to look at. */
function assertSameBytes(actual: Uint8Array, expected: Uint8Array): void {
  const at = expected.findIndex((byte, i) => actual[i] !== byte);
  if (at < 0 && actual.length === expected.length) return;
  const hex = (bytes: Uint8Array) => Buffer.from(bytes.subarray(Math.max(0, at - 16), at + 16)).toString("hex");
  const show = (bytes: Uint8Array) => `${hex(bytes)} (${bytes.length})`;
  assert.fail(`bytes differ from ${at} on: ${show(actual)}, expected ${show(expected)}`);
}

function check(model: Model, oracle: Oracle, value: unknown): void {
  const theirs = oracle.encode(value);
  const schema = { model, refine: undefined, validate: (any: unknown) => any };
  for (const codec of codecs) {
    const coder = codec.compile(schema);
    const writer = new Writer(8);
    coder.encode(value, writer);
    const ours = writer.finish();
    assertSameBytes(ours, theirs);
    assertSameBytes(oracle.recode(ours), ours);
    assert.deepStrictEqual(coder.decode(theirs, 0, theirs.length), value);
  }
}

for (const [name, model] of Object.entries(models)) {
  test(`writes the bytes of protobufjs and reads them: ${name}`, () => {
    const oracle = new Oracle(model);
    fc.assert(fc.property(valuesOfModel(model), (value) => check(model, oracle, value)),
      { seed: 20_261_121, numRuns: Math.ceil(runs / 4), endOnFailure: true });
  });
}

test("what a reader does not know comes through it: structs that lost fields", () => {
  const structs = Object.values(models).filter((model) => model.kind === "struct" && model.fields.length > 1);
  const both = fc.oneof(randomModel, fc.constantFrom(...structs as StructModel[])).chain((model) =>
    fc.tuple(fc.constant(model), fc.array(fc.boolean(), { minLength: 50 }), valuesOfModel(model, 3)));
  fc.assert(fc.property(both, ([model, keeps, value]) => {
    const old: StructModel = { ...model, name: "Old", fields: model.fields.filter((_, i) => keeps[i % 50] === true) };
    const schemaOf = (its: Model) => ({ model: its, refine: undefined, validate: (any: unknown) => any });
    for (const codec of codecs) {
      const [whole, part] = [codec.compile(schemaOf(model)), codec.compile(schemaOf(old))];
      const writer = new Writer(8);
      whole.encode(value, writer);
      const seen = part.decode(writer.bytes, 0, writer.position) as object;
      const again = new Writer(8);
      part.encode({ ...seen }, again);
      assert.equal(again.position, writer.position);
      assert.deepStrictEqual(whole.decode(again.bytes, 0, again.position), value);
    }
  }), { seed: 7, numRuns: runs, endOnFailure: true });
});

test("writes the bytes of protobufjs and reads them: models at random", () => {
  const both = randomModel.chain((model) =>
    fc.tuple(fc.constant(model), fc.array(valuesOfModel(model, 3), { maxLength: 4 })));
  fc.assert(fc.property(both, ([model, values]) => {
    const oracle = new Oracle(model);
    for (const value of values) check(model, oracle, value);
  }), { seed: 42, numRuns: runs, endOnFailure: true });
});
