/**
 * Generates the reader of a struct: its members in a row, one object literal at the end. It keeps no path; whatever is
 * not plain it leaves to the reader that does, by giving up.
 */
import { gaveUp } from "../protobuf/gave-up.ts";
import type { FieldPlan, JsonNames, Slot, StructPlan, ValuePlan } from "../protobuf/plan.ts";
import { literal, property, Source } from "../protobuf/source.ts";
import type { Read } from "./any.ts";

/** A member with the closures that read it and make what an absent one is. */
export interface ReadMember extends Slot {
  readonly names: JsonNames;
  readonly takesNull: boolean;
  readonly read: Read;
  readonly absent: () => unknown;
}

export function generateReader(plan: StructPlan, members: readonly ReadMember[]): (json: unknown) => unknown {
  const source = new Source();
  source.add("return function read(j) {", 'if (typeof j !== "object" || j === null || isArray(j)) throw gaveUp;',
    "let x;");
  for (const [i] of plan.fields.entries()) source.add(`let f${i};`);
  for (const member of members) {
    take(source, member.names);
    if (member.case === undefined) readPlain(source, member);
    else readCase(source, member, member.case.name);
  }
  for (const [i, field] of plan.fields.entries()) {
    const its = members.filter(({ index }) => index === i);
    // The others were told apart where they were read.
    if (its[0]?.case !== undefined && field.absent !== "undefined") {
      source.add(`if (f${i} === undefined) f${i} = ${source.constant(its[0].absent)}();`);
    }
  }
  const isSure = ({ absent }: FieldPlan) => absent === "zero" || absent === "null";
  const sure = plan.fields.flatMap((field, i) => (isSure(field) ? [`${literal(field.name)}: f${i}`] : []));
  if (plan.fixed !== undefined) sure.unshift(`${literal(plan.fixed.name)}: ${literal(plan.fixed.value)}`);
  source.add(`const v = {${sure.join(", ")}};`);
  for (const [i, field] of plan.fields.entries()) {
    if (!isSure(field)) source.add(`if (f${i} !== undefined) v[${literal(field.name)}] = f${i};`);
  }
  source.add("return v;", "}");
  return source.build({ gaveUp, isArray: Array.isArray }) as (json: unknown) => unknown;
}

/** Reads the member of any of its names into `x`. */
function take(source: Source, { json, also }: JsonNames): void {
  source.add(`x = ${property("j", json)};`);
  for (const other of also) {
    source.add(`{ const y = ${property("j", other)};`,
      "if (y !== undefined) { if (x !== undefined) throw gaveUp; x = y; } }");
  }
}

function readPlain(source: Source, { field, index, takesNull, read, absent }: ReadMember): void {
  const none = takesNull ? "x === undefined" : "x === undefined || x === null";
  const otherwise = field.absent === "undefined" ? "undefined" : absentText(source, field, absent);
  const value = field.shape.type === "single" ? inline(field.shape.value) : undefined;
  const call = `${source.constant(read)}(x, undefined)`;
  source.add(value === undefined
    ? `f${index} = ${none} ? ${otherwise} : ${call};`
    : `f${index} = ${value} ? x : ${none} ? ${otherwise} : ${call};`);
}

export function absentText(source: Source, field: FieldPlan, absent: () => unknown): string {
  if (field.absent === "null") return "null";
  const { shape } = field;
  if (field.absent === "zero" && shape.type === "list") return "[]";
  if (field.absent === "zero" && shape.type === "single" && shape.value.type === "scalar") {
    if (shape.value.scalar === "string") return '""';
    if (shape.value.scalar === "bool") return "false";
    if (!shape.value.scalar.endsWith("64") && shape.value.scalar !== "bytes") return "0";
  }
  return `${source.constant(absent)}()`;
}

/** Whether `x` is read as it is, where that can be said in place. */
function inline(plan: ValuePlan): string | undefined {
  if (plan.type !== "scalar") return undefined;
  switch (plan.scalar) {
    case "string": return 'typeof x === "string"';
    case "bool": return 'typeof x === "boolean"';
    // Negative zero is no integer.
    case "int32": case "sint32": case "sfixed32": return 'typeof x === "number" && (x | 0) === x && x !== 0';
    case "uint32": case "fixed32": return 'typeof x === "number" && (x >>> 0) === x && x !== 0';
    case "double": return 'typeof x === "number" && x - x === 0';
    default: return undefined;
  }
}

function readCase(source: Source, { index, takesNull, read }: ReadMember, name: string): void {
  source.add(`if (x !== undefined${takesNull ? "" : " && x !== null"}) {`, `if (f${index} !== undefined) throw gaveUp;`,
    `f${index} = {"case": ${literal(name)}, "value": ${source.constant(read)}(x, undefined)};`, "}");
}
