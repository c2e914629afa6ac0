/**
 * Encodes Avro by walking the plan: where code generation is forbidden, and to say what is wrong with a value that
 * generated code gave up on.
 */
import type { AvroPlan, BranchPlan, BranchTest, EntriesPlan, MapPlan, RecordPlan, ScalarPlan, UnionPlan }
  from "../../contract/avro/plan.ts";
import { Writer } from "../../wire/writer.ts";
import { fits, isRecord, readField } from "../protobuf/fits.ts";
import { jsonOf } from "../protobuf/json.ts";
import { keyOfProperty } from "../protobuf/keys.ts";
import { fitsScalar, isDate } from "../protobuf/scalars.ts";
import { Trail } from "../protobuf/trail.ts";
import { putBytes, putDouble, putFloat, putInt, putLength, putLong, putText, putWhole } from "./encode-support.ts";
import { fitsJson } from "./json-form.ts";

/** Appends `value`; throws `invalid_argument` with the path of whatever does not fit, and leaves nothing behind. */
export function encodeInterpreted(plan: AvroPlan, value: unknown, writer: Writer): void {
  const aside = new Writer(256);
  write(plan, value, aside, new Trail());
  writer.writeBytes(aside.bytes.subarray(0, aside.position));
}

function write(plan: AvroPlan, value: unknown, writer: Writer, trail: Trail): void {
  switch (plan.type) {
    case "scalar": writeScalar(plan, value, writer, trail); break;
    case "json":
      if (!fitsJson(value, plan.form)) throw trail.mismatch(plan.form === "list" ? "an array" : "an object", value);
      text(writer, jsonOf(value, trail));
      break;
    case "enum": {
      const index = plan.model.values.findIndex(({ name }) => name === value);
      if (index === -1) {
        const names = plan.model.values.map(({ name }) => JSON.stringify(name));
        throw trail.mismatch(`one of ${names.slice(0, 8).join(", ")}${names.length > 8 ? ", …" : ""}`, value);
      }
      whole(writer, index);
      break;
    }
    case "array":
      if (!Array.isArray(value)) throw trail.mismatch("an array", value);
      if (value.length > 0) whole(writer, value.length);
      for (let i = 0; i < value.length; i++) {
        trail.steps.push(i);
        write(plan.of, value[i], writer, trail);
        trail.steps.pop();
      }
      writer.writeByte(0);
      break;
    case "map": writeMap(plan, value, writer, trail); break;
    case "entries": writeEntries(plan, value, writer, trail); break;
    case "union": writeUnion(plan, value, writer, trail); break;
    case "record": writeRecord(plan, value, writer, trail); break;
    default: plan satisfies never;
  }
}

function writeRecord(plan: RecordPlan, value: unknown, writer: Writer, trail: Trail): void {
  trail.descend("encode");
  if (plan.shape === "value") write((plan.fields[0] as (typeof plan.fields)[0]).plan, value, writer, trail);
  else {
    if (!isRecord(value)) throw trail.mismatch(plan.name, value);
    for (const field of plan.fields) {
      trail.steps.push(field.property);
      let part = readField(value, field.property);
      if (part === undefined && field.absent === "default") part = field.defaultValue?.();
      write(field.plan, part, writer, trail);
      trail.steps.pop();
    }
  }
  trail.depth--;
}

function writeUnion(plan: UnionPlan, value: unknown, writer: Writer, trail: Trail): void {
  const index = plan.branches.findIndex(({ test }) => isOf(test, value));
  const branch = plan.branches[index];
  if (branch === undefined) throw noBranch(plan, value, trail);
  whole(writer, index);
  if (branch.plan !== undefined) write(branch.plan, value, writer, trail);
}

function noBranch({ branches, name }: UnionPlan, value: unknown, trail: Trail): Error {
  const [first] = branches.flatMap(({ test }) => test.kind === "tag" ? [test.property]
    : test.kind === "case" ? ["case"] : []);
  const names = branches.map(said).join(", ");
  if (first === undefined || !isRecord(value)) return trail.mismatch(`${name ?? "one"} of ${names}`, value);
  trail.steps.push(first);
  return trail.mismatch(`one of ${names}`, value[first]);
}

function said({ test, plan }: BranchPlan): string {
  switch (test.kind) {
    case "tag": return JSON.stringify(test.tag);
    case "case": return JSON.stringify(test.name);
    case "undefined": case "null": return test.kind;
    case "typeof": return test.type;
    default: return plan === undefined ? "null" : "name" in plan && plan.name !== undefined ? plan.name : plan.type;
  }
}

function isOf(test: BranchTest, value: unknown): boolean {
  switch (test.kind) {
    case "undefined": return value === undefined;
    case "null": return value === null;
    case "typeof": return typeof value === test.type;
    case "tag": return isRecord(value) && readField(value, test.property) === test.tag;
    case "case": return isRecord(value) && value["case"] === test.name;
    case "fits": return fits(test.model, value);
    case "otherwise": return true;
    default: return test satisfies never;
  }
}

function writeMap(plan: MapPlan, value: unknown, writer: Writer, trail: Trail): void {
  for (const [key, item] of begun(plan, value, writer, trail)) {
    trail.steps.push(String(key));
    if (typeof key !== "string" || plan.keys?.has(key) === false) {
      throw trail.mismatch(plan.keys === undefined ? "a key that is a string"
        : `a key of ${[...plan.keys].join(", ")}`, key);
    }
    text(writer, key);
    write(plan.of, item, writer, trail);
    trail.steps.pop();
  }
  writer.writeByte(0);
}

function writeEntries(plan: EntriesPlan, value: unknown, writer: Writer, trail: Trail): void {
  for (const [key, item] of begun(plan, value, writer, trail)) {
    trail.steps.push(String(key));
    const typed = plan.as === "Map" ? key : keyOfProperty(plan.key.scalar, String(key));
    writeScalar(plan.key, typed, writer, trail);
    write(plan.of, item, writer, trail);
    trail.steps.pop();
  }
  writer.writeByte(0);
}

/** The entries of a map, whose count is written. */
function begun(
  { as }: MapPlan | EntriesPlan, value: unknown, writer: Writer, trail: Trail,
): readonly (readonly [unknown, unknown])[] {
  const isMap = value instanceof Map;
  if (as === "Map" ? !isMap : !isRecord(value)) throw trail.mismatch(as === "Map" ? "a Map" : "an object", value);
  const entries = isMap ? [...value as Map<unknown, unknown>] : Object.entries(value as object);
  if (entries.length > 0) whole(writer, entries.length);
  return entries;
}

function writeScalar(plan: ScalarPlan, value: unknown, writer: Writer, trail: Trail): void {
  const { scalar, fixed } = plan;
  if (scalar === "timestamp") {
    const ms = isDate(value) ? value.getTime() : Number.NaN;
    if (Number.isNaN(ms)) throw trail.mismatch("a valid Date", value);
    whole(writer, ms);
    return;
  }
  if (!fitsScalar(scalar, value, plan.finite)) {
    throw trail.mismatch(plan.finite ? `finite ${scalar}` : scalar, value);
  }
  writer.ensure(10);
  switch (scalar) {
    case "bool": writer.writeByte(value === true ? 1 : 0); break;
    case "string": text(writer, value as string); break;
    case "bytes": {
      const bytes = value as Uint8Array;
      if (fixed !== undefined && bytes.length !== fixed.size) throw trail.mismatch(`${fixed.size} bytes`, value);
      writer.ensure(bytes.length + 10);
      if (fixed !== undefined) writer.writeBytes(bytes);
      else writer.position = putBytes(writer.bytes, writer.position, bytes);
      break;
    }
    case "int32": case "sint32": case "sfixed32":
      writer.position = putInt(writer.bytes, writer.position, value as number);
      break;
    case "uint32": case "fixed32": whole(writer, value as number); break;
    case "float": writer.position = putFloat(writer.bytes, writer.position, value as number); break;
    case "double": writer.position = putDouble(writer.bytes, writer.position, value as number); break;
    default:
      if ((value as bigint) > 0x7fff_ffff_ffff_ffffn) {
        throw trail.mismatch("at most 2^63 - 1 (Avro's long has a sign)", value);
      }
      writer.position = putLong(writer.bytes, writer.position, value);
  }
}

function whole(writer: Writer, value: number): void {
  writer.ensure(10);
  writer.position = value >= 0 && value < 0x4000_0000 ? putLength(writer.bytes, writer.position, value)
    : putWhole(writer.bytes, writer.position, value);
}

function text(writer: Writer, value: string): void {
  writer.ensure(5 + 3 * value.length);
  writer.position = putText(writer.bytes, writer.position, value);
}
