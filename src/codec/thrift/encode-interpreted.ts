/**
 * Encodes by walking a plan: JSON; the other protocols where code generation is forbidden, and to say what is wrong
 * with a value that generated code gave up on.
 */
import { isInt32, isRecord, isVariant, readField } from "../protobuf/fits.ts";
import { jsonOf } from "../protobuf/json.ts";
import { keyOfProperty } from "../protobuf/keys.ts";
import { fitsScalar } from "../protobuf/scalars.ts";
import { timestampMs } from "../protobuf/timestamp.ts";
import { Trail } from "../protobuf/trail.ts";
import { ThriftType } from "../../wire/thrift.ts";
import type { Output } from "./format.ts";
import {
  type EnumPlan, type JsonPlan, type ListPlan, type MapPlan, type ScalarPlan, type Slot, slotsOf, type StructPlan,
  type UnionPlan, type ValuePlan,
} from "./plan.ts";
import { isUuid } from "./uuid.ts";

/** Writes a value; throws `invalid_argument` with the path of whatever does not fit. */
export function encodeInterpreted(plan: StructPlan, value: unknown, output: Output): void {
  writeStruct(plan, value, output, new Trail());
}

function writeValue(plan: ValuePlan, value: unknown, output: Output, trail: Trail): void {
  switch (plan.type) {
    case "struct": writeStruct(plan, value, output, trail); break;
    case "union": writeUnion(plan, value, output, trail); break;
    case "list": writeList(plan, value, output, trail); break;
    case "map": writeMap(plan, value, output, trail); break;
    case "json": output.text(freeText(plan, value, trail)); break;
    case "enum": output.int(enumNumber(plan, value, trail), plan.wire); break;
    case "scalar": writeScalar(plan, value, output, trail); break;
    default: plan satisfies never;
  }
}

const freeForms = {
  struct: "an object of JSON values", list: "an array of JSON values", value: "a JSON value", any: "a JSON value",
} as const;

function freeText({ form }: JsonPlan, value: unknown, trail: Trail): string {
  const fits = form === "struct" ? isRecord(value) : form !== "list" || Array.isArray(value);
  if (!fits) throw trail.mismatch(freeForms[form], value);
  return jsonOf(value, trail);
}

function enumNumber({ model }: EnumPlan, value: unknown, trail: Trail): number {
  if (model.open === true && isInt32(value)) return value;
  const known = model.values.find(({ name }) => name === value);
  if (known !== undefined) return known.number;
  throw trail.mismatch(`one of ${model.values.map(({ name }) => JSON.stringify(name)).join(", ")}`, value);
}

const described: Readonly<Record<string, string>> = {
  bool: "boolean", string: "string", bytes: "Uint8Array", timestamp: "a Date of the years 1 to 9999", float: "float",
  double: "number", uint64: "bigint of 64 bits, not negative", fixed64: "bigint of 64 bits, not negative",
  int64: "bigint of 64 bits", sint64: "bigint of 64 bits", sfixed64: "bigint of 64 bits",
};

function writeScalar({ scalar, finite, wire }: ScalarPlan, value: unknown, output: Output, trail: Trail): void {
  if (scalar === "timestamp") {
    const ms = timestampMs(value);
    if (Number.isNaN(ms)) throw trail.mismatch(described["timestamp"] as string, value);
    output.long(BigInt(ms));
    return;
  }
  if (!fitsScalar(scalar, value, finite)) {
    throw trail.mismatch(`${finite === true ? "finite " : ""}${described[scalar] ?? scalar}`, value);
  }
  switch (scalar) {
    case "bool": output.bool(value as boolean); break;
    case "string":
      if (wire !== ThriftType.uuid) output.text(value as string);
      else if (isUuid(value)) output.uuid(value);
      else throw trail.mismatch("a uuid", value);
      break;
    case "bytes": output.bytes(value as Uint8Array); break;
    case "int32": case "sint32": case "sfixed32":
      if (!fitsWidth(wire, value as number)) throw trail.mismatch(wire === ThriftType.i8 ? "i8" : "i16", value);
      output.int(value as number, wire);
      break;
    case "uint32": case "fixed32": output.long(BigInt(value as number)); break;
    case "float": output.double(Math.fround(value as number)); break;
    case "double": output.double(value as number); break;
    default: output.long(BigInt.asIntN(64, value as bigint));
  }
}

/** Whether an integer fits the narrower one that it is in Thrift. */
function fitsWidth(wire: ThriftType, value: number): boolean {
  return wire === ThriftType.i8 ? value << 24 >> 24 === value : wire !== ThriftType.i16 || value << 16 >> 16 === value;
}

function writeStruct(plan: StructPlan, value: unknown, output: Output, trail: Trail): void {
  trail.descend("encode");
  if (!plan.isBox && !isRecord(value)) throw trail.mismatch(plan.name, value);
  output.structBegin();
  for (const slot of slotsOf(plan.fields)) {
    const { field } = slot;
    const part = plan.isBox ? value : readField(value as object, field.name);
    if (!plan.isBox) trail.steps.push(field.name);
    writeSlot(slot, part, output, trail);
    if (!plan.isBox) trail.steps.pop();
  }
  output.structEnd();
  trail.depth--;
}

function writeSlot({ number, field, case: one, value: plan }: Slot, part: unknown, output: Output, trail: Trail): void {
  if (one === undefined) {
    const isMust = field.absent === "zero" || field.absent === "refused";
    if (!isMust && part === (field.absent === "null" ? null : undefined)) return;
    writeField(plan, number, part, output, trail);
    return;
  }
  if (part === undefined && field.absent !== "zero") return;
  const chosen = isRecord(part) ? part["case"] : undefined;
  if (chosen !== one.name) {
    if (field.cases.some(({ name }) => name === chosen)) return;
    throw trail.mismatch(`a case of ${field.cases.map(({ name }) => JSON.stringify(name)).join(", ")}`,
      isRecord(part) && chosen !== undefined ? chosen : part);
  }
  trail.steps.push("value");
  writeField(plan, number, (part as Record<string, unknown>)["value"], output, trail);
  trail.steps.pop();
}

function writeField(plan: ValuePlan, number: number, value: unknown, output: Output, trail: Trail): void {
  output.field(plan.wire, number);
  writeValue(plan, value, output, trail);
  output.fieldEnd();
}

function writeUnion(plan: UnionPlan, value: unknown, output: Output, trail: Trail): void {
  trail.descend("encode");
  const { discriminator } = plan;
  const variant = plan.variants.find((one) => (discriminator === undefined || one.tag === undefined
    ? isVariant({ ...one, json: "", also: [] } as never, discriminator, value)
    : isRecord(value) && value[discriminator] === one.tag));
  if (variant === undefined) {
    const names = plan.variants.map(({ name, tag }) => (tag === undefined ? name : JSON.stringify(tag))).join(", ");
    if (discriminator === undefined || !isRecord(value)) throw trail.mismatch(`${plan.name} (${names})`, value);
    trail.steps.push(discriminator);
    throw trail.mismatch(`one of ${names}`, value[discriminator]);
  }
  output.structBegin();
  writeField(variant.value, variant.number, value, output, trail);
  output.structEnd();
  trail.depth--;
}

function writeList({ of }: ListPlan, value: unknown, output: Output, trail: Trail): void {
  if (!Array.isArray(value)) throw trail.mismatch("array", value);
  const { length } = value;
  output.listBegin(of.wire, length);
  for (let i = 0; i < length; i++) {
    trail.steps.push(i);
    writeValue(of, value[i], output, trail);
    trail.steps.pop();
  }
  output.listEnd();
}

function writeMap({ key, value: of, as }: MapPlan, value: unknown, output: Output, trail: Trail): void {
  if (as === "Map" ? !(value instanceof Map) : !isRecord(value)) {
    throw trail.mismatch(as === "Map" ? "Map" : "object", value);
  }
  const isText = key.type === "enum" || key.scalar === "string";
  const entries: [unknown, unknown][] = value instanceof Map ? [...value] as [unknown, unknown][]
    : Object.keys(value as object).map((name) =>
      [isText ? name : keyOfProperty(key.scalar, name), (value as Record<string, unknown>)[name]]);
  output.mapBegin(key.wire, of.wire, entries.length);
  for (const [name, part] of entries) {
    trail.steps.push(String(name));
    writeValue(key, name, output, trail);
    writeValue(of, part, output, trail);
    trail.steps.pop();
  }
  output.mapEnd();
}
