/**
 * Generates the writer of a struct: its members in a row. It keeps no path; whatever is not plain it leaves to the
 * writer that does, by giving up.
 */
import { isRecord } from "../protobuf/fits.ts";
import { gaveUp } from "../protobuf/gave-up.ts";
import { maxDepth, type Slot, type StructPlan } from "../protobuf/plan.ts";
import { literal, property, Source } from "../protobuf/source.ts";
import type { Write } from "./any.ts";
import { nesting } from "./nesting.ts";
import { quote } from "./scalars.ts";

/** A member with its key as JSON (`"name":`) and the closure that writes its value, or an empty text. */
export interface WriteMember extends Slot {
  readonly key: string;
  readonly write: Write;
}

export function generateWriter(plan: StructPlan, members: readonly WriteMember[]): (value: unknown) => string {
  const source = new Source();
  source.add("return function write(v) {", "if (!isRecord(v) || ++nesting.depth > maxDepth) throw gaveUp;",
    'let s = "";');
  for (const member of members) writeMember(source, member);
  source.add("nesting.depth--;", 'return s === "" ? "{}" : s + "}";', "}");
  return source.build({ gaveUp, isRecord, nesting, maxDepth, quote }) as (value: unknown) => string;
}

function writeMember(source: Source, { field, key, write, case: one }: WriteMember): void {
  const add = (text: string) =>
    `s += (s === "" ? ${literal(`{${key}`)} : ${literal(`,${key}`)}) + ${text};`;
  const { shape } = field;
  const scalar = one === undefined && shape.type === "single" && shape.value.type === "scalar"
    ? shape.value.scalar : undefined;
  source.add("{", `const x = ${property("v", field.name)};`);
  if (scalar === "string" || scalar === "bool" || scalar === "int32" || scalar === "uint32") {
    if (field.absent === "undefined" || field.absent === "default") source.add("if (x !== undefined) {");
    else source.add(field.absent === "null" ? "if (x !== null) {" : "{");
    source.add(`if (!(${fitsText[scalar]})) throw gaveUp;`,
      field.presence === "implicit" ? `if (${zeroText[scalar]}) ` : "",
      add(scalar === "string" ? "quote(x)" : scalar === "bool" ? '(x ? "true" : "false")' : "x"), "}");
  } else {
    source.add(`const y = ${source.constant(write)}(x, undefined);`, `if (y !== "") ${add("y")}`);
  }
  source.add("}");
}

const fitsText = {
  string: 'typeof x === "string"', bool: 'typeof x === "boolean"',
  int32: 'typeof x === "number" && (x | 0) === x', uint32: 'typeof x === "number" && (x >>> 0) === x',
} as const;
/** Whether the value is not its type's zero. */
const zeroText = { string: 'x !== ""', bool: "x", int32: "x !== 0", uint32: "x !== 0" } as const;
