/** Constants of `.thrift` files as values of JavaScript. */
import type { EnumModel, FieldModel, MapModel, Model, ScalarModel, StructModel } from "../model.ts";
import { lookUp, type Program } from "./link.ts";
import type { ConstNode } from "./parse-tree.ts";
import { refuseAt } from "./tokens.ts";

/** Constants that name constants beyond this are a circle. */
const maxNames = 100;

/** The value that a constant is of this type. Throws `invalid_argument` with its place where it is none. */
export function constValue(node: ConstNode, model: Model, program: Program, names = 0): unknown {
  if (node.kind === "name" && node.value !== "true" && node.value !== "false") {
    const found = lookUp(program, node.value);
    if (found?.definition.kind === "const") {
      if (names > maxNames) refuseAt(node.position, `the constant ${node.value} is itself`);
      return constValue(found.definition.value, model, found.program, names + 1);
    }
    return enumValue(node.value, node, model, program);
  }
  switch (model.kind) {
    case "scalar": return scalarValue(node, model);
    case "enum": return numbered(node, model);
    case "list":
      if (node.kind !== "list") return mismatch(node, "a list");
      return node.items.map((item) => constValue(item, model.of, program, names));
    case "map": return mapValue(node, model, program, names);
    case "struct": return structValue(node, model, program, names);
    case "nullable": return constValue(node, model.of, program, names);
    case "wellknown": if (model.of !== undefined) return scalarValue(node, model.of);
      return jsonValue(node);
    case "unknown": return jsonValue(node);
    case "union": case "oneof": return refuseAt(node.position, "a constant of a union has no place in a contract");
    default: return model satisfies never;
  }
}

function enumValue(name: string, node: ConstNode, model: Model, program: Program): unknown {
  const dot = name.lastIndexOf(".");
  const found = dot === -1 ? undefined : lookUp(program, name.slice(0, dot));
  const value = found?.definition.kind === "enum"
    ? found.definition.values.find((one) => one.name === name.slice(dot + 1)) : undefined;
  // A value by itself is found in the enum that is wanted, as older compilers do.
  const own = model.kind === "enum" ? model.values.find((one) => one.name === name) : undefined;
  if (value === undefined && own === undefined) return refuseAt(node.position, `there is no constant ${name}`);
  const number = value?.number ?? own?.number ?? 0;
  return constValue({ kind: "int", value: BigInt(number), position: node.position }, model, program);
}

function numbered(node: ConstNode, model: EnumModel): unknown {
  if (node.kind !== "int") return mismatch(node, `a value of ${model.name}`);
  const number = Number(node.value);
  const found = model.values.find((value) => value.number === number)?.name;
  if (found === undefined && model.open !== true) return refuseAt(node.position,
    `${model.name} has no value ${number}`);
  return found ?? number;
}

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

function scalarValue(node: ConstNode, { scalar, thrift }: ScalarModel): unknown {
  switch (scalar) {
    case "bool":
      if (node.kind === "name") return node.value === "true";
      return node.kind === "int" ? node.value !== 0n : mismatch(node, "true or false");
    case "string":
      if (node.kind !== "text") return mismatch(node, "a text");
      return thrift !== "uuid" || uuid.test(node.value) ? node.value : mismatch(node, "a uuid");
    case "bytes": return node.kind === "text" ? new TextEncoder().encode(node.value) : mismatch(node, "a text");
    case "float": case "double":
      if (node.kind !== "int" && node.kind !== "double") return mismatch(node, "a number");
      return Number(node.value);
    default: break;
  }
  if (node.kind !== "int") return mismatch(node, "an integer");
  const { value } = node;
  if (scalar === "timestamp") return new Date(Number(value));
  if (scalar.endsWith("64")) return scalar === "uint64" || scalar === "fixed64" ? BigInt.asUintN(64, value) : value;
  const isUnsigned = scalar === "uint32" || scalar === "fixed32";
  const bits = thrift === "i8" ? 8 : thrift === "i16" ? 16 : 32;
  if ((isUnsigned ? BigInt.asUintN(32, value) : BigInt.asIntN(bits, value)) !== value) {
    refuseAt(node.position, `${value} does not fit ${thrift ?? scalar}`);
  }
  return Number(value);
}

function mapValue(node: ConstNode, model: MapModel, program: Program, names: number): unknown {
  const entries = node.kind === "list" && node.items.length === 0 ? [] : node.kind === "map" ? node.entries : undefined;
  if (entries === undefined) return mismatch(node, "a map");
  const read = entries.map(([key, value]) =>
    [constValue(key, model.key, program, names), constValue(value, model.value, program, names)] as const);
  if (model.as === "Map") return new Map(read);
  return Object.fromEntries(read.map(([key, value]) => [String(key), value]));
}

function structValue(node: ConstNode, model: StructModel, program: Program, names: number): unknown {
  if (node.kind !== "map") return mismatch(node, `{ … } of the fields of ${model.name}`);
  const value: Record<string, unknown> = {};
  for (const [key, part] of node.entries) {
    const field = key.kind === "text" ? model.fields.find(({ name }) => name === key.value) : undefined;
    if (field !== undefined) {
      value[field.name] = constValue(part, field.model, program, names);
      continue;
    }
    const oneof = key.kind === "text" ? caseOf(model.fields, key.value) : undefined;
    if (oneof === undefined) {
      return refuseAt(key.position, `${model.name} has no field ${key.kind === "text" ? key.value : "of this name"}`);
    }
    value[oneof.field] = { case: oneof.name, value: constValue(part, oneof.model, program, names) };
  }
  for (const { name, presence, defaultValue, model: of } of model.fields) {
    if (name in value || presence === "optional") continue;
    const absent = presence === "default" ? defaultValue?.() : zeroOf(of);
    if (absent === undefined) refuseAt(node.position, `${name} of ${model.name} is missing`);
    value[name] = absent;
  }
  return value;
}

function caseOf(fields: readonly FieldModel[], name: string): {
  field: string; name: string; model: Model } | undefined {
  for (const { name: field, model } of fields) {
    const found = model.kind === "oneof" ? model.variants.find((one) => one.name === name) : undefined;
    if (found !== undefined) return { field, name, model: found.model };
  }
  return undefined;
}

/** What a field reads as that is not written. */
function zeroOf(model: Model): unknown {
  switch (model.kind) {
    case "scalar":
      if (model.scalar === "string") return "";
      if (model.scalar === "bool") return false;
      if (model.scalar === "bytes") return new Uint8Array(0);
      if (model.scalar === "timestamp") return new Date(0);
      return model.scalar.endsWith("64") ? 0n : 0;
    case "list": return [];
    case "map": return model.as === "Map" ? new Map() : {};
    case "enum": return model.values.find(({ number }) => number === 0)?.name;
    case "nullable": return null;
    default: return undefined;
  }
}

function jsonValue(node: ConstNode): unknown {
  if (node.kind !== "text") return mismatch(node, "a text of JSON");
  try {
    return JSON.parse(node.value) as unknown;
  } catch {
    return mismatch(node, "a text of JSON");
  }
}

function mismatch(node: ConstNode, wanted: string): never {
  const found = node.kind === "int" || node.kind === "double" || node.kind === "name" ? String(node.value)
    : node.kind === "text" ? JSON.stringify(node.value.slice(0, 80)) : `a ${node.kind}`;
  refuseAt(node.position, `expected ${wanted}, found ${found}`);
}
