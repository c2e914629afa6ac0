/** Types of which our metadata says more than Zod can: widths of numbers, open enums, messages of google.protobuf. */
import type { Model, ScalarKind, WellKnownName } from "../model.ts";
import type { ZodMeta, ZodType } from "./def.ts";
import { readOpenEnum } from "./enums.ts";
import { type Place, scalar } from "./place.ts";
import { refuse } from "./refuse.ts";

/** The model of a type whose metadata says it; undefined for the others. `wrap` comes on top. */
export function readSpecial(schema: ZodType, meta: ZodMeta, place: Place): Model | undefined {
  if (meta.wellKnown !== undefined) return { kind: "wellknown", name: meta.wellKnown, of: undefined };
  if (meta.open === true && schema._zod.def.type === "union") return readOpenEnum(schema, place);
  if (meta.fixed !== undefined) return fixedBytes(meta.fixed, place);
  if (meta.scalar !== undefined) return wrap(scalar(meta.scalar), meta, place);
  return undefined;
}

/** Bytes whose number a type of Avro fixes. */
function fixedBytes({ name, size }: NonNullable<ZodMeta["fixed"]>, place: Place): Model {
  if (typeof name === "string" && Number.isInteger(size) && size >= 0) {
    return { kind: "scalar", scalar: "bytes", fixed: { name, size } };
  }
  return refuse(place.path, "bytes of a fixed size without a name and a size", 'use fixed("Name", 16)');
}

const wrappers: Partial<Record<ScalarKind, WellKnownName>> = {
  double: "google.protobuf.DoubleValue", float: "google.protobuf.FloatValue", int64: "google.protobuf.Int64Value",
  uint64: "google.protobuf.UInt64Value", int32: "google.protobuf.Int32Value", uint32: "google.protobuf.UInt32Value",
  bool: "google.protobuf.BoolValue", string: "google.protobuf.StringValue", bytes: "google.protobuf.BytesValue",
};

/** The wrapper of a scalar that the metadata wants wrapped. */
export function wrap(model: Model, { wrapped }: ZodMeta, place: Place): Model {
  if (wrapped !== true || model.kind === "wellknown") return model;
  const name = model.kind === "scalar" ? wrappers[model.scalar] : undefined;
  if (model.kind !== "scalar" || name === undefined) {
    const known = Object.keys(wrappers).join(", ");
    return refuse(place.path, "wrapped() of what has no wrapper in google.protobuf", `wrap one of ${known}`);
  }
  return { kind: "wellknown", name, of: model };
}

/** The narrower integer or the set that a type is in Thrift, where its metadata says so. */
export function asInThrift(model: Model, { thrift }: ZodMeta, place: Place): Model {
  if (thrift === undefined) return model;
  if (thrift === "set" && model.kind === "list") return { ...model, thrift };
  if (model.kind === "scalar" && model.scalar === "int32" && (thrift === "i8" || thrift === "i16")) {
    return { ...model, thrift };
  }
  if (model.kind === "scalar" && model.scalar === "string" && thrift === "uuid") return { ...model, thrift };
  // Whoever wraps a type hands its metadata on: `.optional()` is no list itself.
  return model.kind === "list" || model.kind === "scalar"
    ? refuse(place.path, `the metadata thrift: ${JSON.stringify(thrift)}`,
      'use "set" of z.array(), "i8" or "i16" of z.int32(), "uuid" of z.guid()')
    : model;
}
