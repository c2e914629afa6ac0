/** The models of the messages of google.protobuf, which are the same in every contract. */
import type { Model, ScalarKind, StructModel, WellKnownName } from "../model.ts";

const scalarOf = (scalar: ScalarKind) => ({ kind: "scalar", scalar }) as const;

const struct = (name: string, ...fields: [string, Model][]): StructModel => ({
  kind: "struct", name: `google.protobuf.${name}`,
  fields: fields.map(([field, model], i) => (
    { name: field, number: i + 1, model, presence: "required", description: undefined })),
});

const wrappers = [
  ["Double", "double"], ["Float", "float"], ["Int64", "int64"], ["UInt64", "uint64"], ["Int32", "int32"],
  ["UInt32", "uint32"], ["Bool", "bool"], ["String", "string"], ["Bytes", "bytes"],
] as const;

function wrapperName(name: (typeof wrappers)[number][0]): WellKnownName {
  return `google.protobuf.${name}Value`;
}

const named: readonly (readonly [string, Model])[] = [
  ["Timestamp", scalarOf("timestamp")],
  ["Duration", struct("Duration", ["seconds", scalarOf("int64")], ["nanos", scalarOf("int32")])],
  ["Any", struct("Any", ["typeUrl", scalarOf("string")], ["value", scalarOf("bytes")])],
  ["FieldMask", struct("FieldMask", ["paths", { kind: "list", of: scalarOf("string") }])],
  ["Empty", struct("Empty")],
  ...(["Struct", "Value", "ListValue"] as const).map((name) => (
    [name, { kind: "wellknown", name: `google.protobuf.${name}`, of: undefined }] as const)),
  ...wrappers.map(([name, scalar]) => (
    [`${name}Value`, { kind: "wellknown", name: wrapperName(name), of: scalarOf(scalar) }] as const)),
];
const models = new Map(named.map(([name, model]) => [`google.protobuf.${name}`, model]));

/** The model of a well-known message by its full name, with or without a leading dot. */
export function wellKnownModel(typeName: string): Model | undefined {
  return models.get(typeName.replace(/^\./, ""));
}
