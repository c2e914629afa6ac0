/**
 * Generates readers of JSON: one function a message, that goes through the bytes with the members' names in hand.
 *
 * `function d(b, t, o, p, l)` reads the value at `b[p]` (in depth `l`) and leaves in `at.position` where it ends; `t`
 * is all bytes from `o` on, each a character. Members may come in any order, quickest in that of the fields. It reads
 * JSON without white space and without escapes, and knows no name but those of the fields: at anything else it gives
 * up, and the text is parsed and read as a whole. What it takes, that reader takes too, and as the same value.
 */
import {
  type FieldPlan, isMessage, type MapPlan, maxDepth, type MessagePlan, messagesOf, type Scalar, slotsOf,
  type StructPlan, type UnionPlan, type ValuePlan, type WrapperPlan,
} from "../protobuf/plan.ts";
import { literal, Source } from "../protobuf/source.ts";
import type { Read } from "./any.ts";
import { decodeSupport, shortSlice } from "./decode-support.ts";
import { isText, mayNestTooDeep } from "./encode-source.ts";
import { absent } from "./read.ts";
import { absentText } from "./read-source.ts";
import { quote, readKey } from "./scalars.ts";

/** Reads the value that begins at `b[p]`, whose text begins there too. */
export type Decode = (b: Uint8Array, text: string, position: number) => unknown;

/** Readers of parsed JSON, for what has none here. */
export interface DecodeParts {
  value(plan: ValuePlan): Read;
}

interface Generator {
  readonly parts: DecodeParts;
  readonly source: Source;
  readonly checksDepth: boolean;
}

export function generateDecoder(root: MessagePlan, parts: DecodeParts): Decode {
  const source = new Source();
  const generator: Generator = { source, checksDepth: mayNestTooDeep(root), parts };
  for (const message of messagesOf(root)) readFunction(generator, message);
  source.add("return function decode(b, t, p) {", "const o = p;", "let v;");
  readValue(generator, root, "v", "1");
  source.add("at.position = p;", "return v;", "}");
  return source.build({ ...decodeSupport, maxDepth }) as Decode;
}

/** Whether a function of its own reads it. */
function hasFunction(plan: MessagePlan): boolean {
  if (plan.type === "timestamp" || plan.type === "free" || isText(plan)) return false;
  return plan.type !== "wrapper" || plan.of !== "wellknown";
}

function readFunction(generator: Generator, plan: MessagePlan): void {
  if (!hasFunction(plan)) return;
  const { source, checksDepth } = generator;
  source.add(`function d${source.ordinal(plan)}(b, t, o, p, l) {`);
  if (checksDepth) source.add("if (l > maxDepth) throw gaveUp;");
  if (plan.type === "union") readUnion(generator, plan);
  else if (plan.type === "wrapper" || plan.type === "struct") readMembers(generator, plan);
  source.add("}");
}

/** Whether the bytes of `text` stand at `p`. */
function stands(text: string, from = 0): string {
  return [...new TextEncoder().encode(text)].map((byte, i) => `b[p${i + from === 0 ? "" : ` + ${i + from}`}] === ${
    byte}`).join(" && ");
}

function lengthOf(text: string): number {
  return new TextEncoder().encode(text).length;
}

function readMembers(generator: Generator, plan: StructPlan | WrapperPlan): void {
  const { source } = generator;
  if (plan.type === "wrapper") {
    // Its value may stand there as it is.
    source.add("if (b[p] !== 123) {");
    readParsed(generator, plan, "const w", "l");
    source.add("at.position = p;", "return w;", "}");
  }
  source.add("if (b[p] !== 123) throw gaveUp;");
  for (const i of plan.fields.keys()) source.add(`let f${i};`);
  source.add("if (b[++p] === 125) p++;", "else for (;;) {", "const n = p;");
  for (const { field, index, case: one } of slotsOf(plan.fields)) {
    const key = `${quote((one ?? field).json)}:`;
    source.add(`if (${stands(key)}) {`, `if (f${index} !== undefined) throw gaveUp;`, `p += ${lengthOf(key)};`);
    if (one === undefined) readField(generator, field, `f${index}`);
    else {
      source.add(notNull, "let y;");
      readValue(generator, one.value, "y", "l + 1");
      source.add(`f${index} = {"case": ${literal(one.name)}, "value": y};`);
    }
    source.add("const c = b[p++];", "if (c === 125) break;", "if (c !== 44) throw gaveUp;", "}");
  }
  source.add("if (p === n) throw gaveUp;", "}");
  if (plan.type === "struct") makeStruct(generator, plan);
  else {
    const [field] = plan.fields;
    source.add(`if (${noneOf(field, 0)}) f0 = ${absentValue(generator, field)};`, "at.position = p;", "return f0;");
  }
}

function makeStruct(generator: Generator, plan: StructPlan): void {
  const { source } = generator;
  for (const [i, field] of plan.fields.entries()) {
    if (field.absent !== "undefined") source.add(`if (${noneOf(field, i)}) f${i} = ${absentValue(generator, field)};`);
    else if (takesNull(field)) source.add(`if (f${i} === null) f${i} = undefined;`);
  }
  source.add("at.position = p;");
  const isSure = ({ absent }: FieldPlan) => absent === "zero" || absent === "null";
  const sure = plan.fields.flatMap((field, i) => (isSure(field) ? [`${literal(field.name)}: f${i}`] : []));
  if (plan.fixed !== undefined) sure.unshift(`${literal(plan.fixed.name)}: ${literal(plan.fixed.value)}`);
  source.add(`const v = {${sure.join(", ")}};`);
  for (const [i, field] of plan.fields.entries()) {
    if (!isSure(field)) source.add(`if (f${i} !== undefined) v[${literal(field.name)}] = f${i};`);
  }
  source.add("return v;");
}

function noneOf(field: FieldPlan, i: number): string {
  return takesNull(field) ? `f${i} === undefined || f${i} === null` : `f${i} === undefined`;
}

/** Null where it may mean two things is for the reader of parsed JSON. */
const notNull = "if (b[p] === 110) throw gaveUp;";

function absentValue({ source }: Generator, field: FieldPlan): string {
  return field.absent === "undefined" ? "undefined" : absentText(source, field, () => absent(field, undefined));
}

/** Whether null means that it is absent, and is no value of its. */
function takesNull({ shape }: FieldPlan): boolean {
  if (shape.type !== "single") return shape.type !== "oneof";
  const { value } = shape;
  return value.type === "scalar" || value.type === "enum" || value.type === "timestamp" ||
    (value.type === "struct" && !isText(value));
}

function readField(generator: Generator, field: FieldPlan, into: string): void {
  const { source } = generator;
  const { shape } = field;
  if (takesNull(field)) source.add(`if (isNull(b, p)) { p = at.position; ${into} = null; } else {`);
  else source.add(notNull);
  if (shape.type === "single") readValue(generator, shape.value, into, "l + 1");
  else if (shape.type === "list") readList(generator, shape.of, into);
  else if (shape.type === "map") readMap(generator, shape, into);
  if (takesNull(field)) source.add("}");
}

/** Reads the value at `p` into a variable and moves `p` behind it. */
function readValue(generator: Generator, plan: ValuePlan, into: string, depth: string): void {
  const { source } = generator;
  const by = (call: string) => source.add(`${into} = ${call};`, "p = at.position;");
  if (plan.type === "enum") {
    const known = new Map(plan.model.values.map(({ name }) => [name, name]));
    return source.add(`${into} = ${source.constant(known)}.get(string(b, t, o, p));`,
      `if (${into} === undefined) throw gaveUp;`, "p = at.position;");
  }
  if (plan.type === "timestamp") return by("date(b, p)");
  if (plan.type === "scalar") {
    switch (plan.scalar) {
      case "string": return readString(source, into);
      case "bool": return by("bool(b, p)");
      case "bytes": return by("bytes(b, t, o, p)");
      case "int32": case "sint32": case "sfixed32": return by("int32(b, p)");
      case "uint32": case "fixed32": return by("uint32(b, p)");
      case "int64": case "sint64": case "sfixed64": return by("long(b, t, o, p, true)");
      case "uint64": case "fixed64": return by("long(b, t, o, p, false)");
      case "double": return by("double(b, t, o, p)");
      case "float": return by("float(b, t, o, p)");
      default: return plan.scalar satisfies never;
    }
  }
  if (plan.type === "wrapper" && plan.of === "wellknown") {
    return readValue(generator, (plan.fields[0].shape as { value: ValuePlan }).value, into, depth);
  }
  if (!isMessage(plan) || !hasFunction(plan)) return readParsed(generator, plan, into, depth);
  by(`d${source.ordinal(plan)}(b, t, o, p, ${depth})`);
}

/** By the reader of parsed JSON. */
function readParsed({ source, parts }: Generator, plan: ValuePlan, into: string, depth: string): void {
  source.add(`${into} = parsed(b, p, ${depth}, ${source.constant(parts.value(plan))});`, "p = at.position;");
}

/** In place, since texts are most of what there is. */
function readString(source: Source, into: string): void {
  const s = source.fresh("s");
  source.add("if (b[p] !== 34) throw gaveUp;", `const ${s} = ++p;`, "while (plain[b[p]] === 1) p++;",
    "if (b[p] === 34) {",
    `${into} = p - ${s} <= ${shortSlice} ? t.slice(${s} - o, p - o) : latin1Text(b, ${s}, p);`, "p++; }",
    `else { ${into} = otherString(b, ${s}, p); p = at.position; }`);
}

function readList(generator: Generator, of: ValuePlan, into: string): void {
  const { source } = generator;
  if (generator.checksDepth) source.add("if (l >= maxDepth) throw gaveUp;");
  source.add("if (b[p] !== 91) throw gaveUp;", `${into} = [];`, "if (b[++p] === 93) p++;", "else for (;;) {", "let y;");
  readValue(generator, of, "y", "l + 2");
  source.add(`${into}.push(y);`, "const c = b[p++];", "if (c === 93) break;", "if (c !== 44) throw gaveUp;", "}");
}

function readMap(generator: Generator, { key, value, as }: MapPlan, into: string): void {
  const { source } = generator;
  if (generator.checksDepth) source.add("if (l >= maxDepth) throw gaveUp;");
  source.add("let n = 0;", "if (b[p] !== 123) throw gaveUp;", `${into} = ${as === "Map" ? "new Map()" : "{}"};`,
    "if (b[++p] === 125) p++;", "else for (;;) {", "let k, y;");
  const whole = key.type === "enum" ? undefined : wholeKeys[key.scalar];
  if (whole !== undefined) {
    source.add("if (b[p] !== 34) throw gaveUp;", `k = ${whole}(b, p + 1);`, "p = at.position;",
      "if (b[p++] !== 34) throw gaveUp;", "n++;");
  } else if (as === "Map") readString(source, "k");
  else source.add("k = name(b, t, o, p);", "p = at.position;", 'if (k === "__proto__") throw gaveUp;', "n++;");
  source.add("if (b[p++] !== 58) throw gaveUp;");
  readValue(generator, value, "y", "l + 2");
  if (whole !== undefined || (key.type !== "enum" && key.scalar === "string")) source.add("const q = k;");
  else source.add(`const q = ${source.constant(keyReader(key))}(k);`, "if (q === undefined) throw gaveUp;");
  // A key that is there already is told by whoever reads all of the text.
  source.add(...(as === "Map" ? [`if (${into}.has(q)) throw gaveUp;`, `${into}.set(q, y);`] : [`${into}[q] = y;`]));
  source.add("const c = b[p++];", "if (c === 125) break;", "if (c !== 44) throw gaveUp;", "}");
  if (as !== "Map") source.add(`if (n !== sizeOf(${into})) throw gaveUp;`);
}

/** Keys that are read without making a text of them. */
const wholeKeys: { readonly [Kind in Scalar]?: string } = {
  int32: "int32", sint32: "int32", sfixed32: "int32", uint32: "uint32", fixed32: "uint32",
};

function keyReader(key: MapPlan["key"]): (name: string) => unknown {
  if (key.type !== "enum") return (name) => readKey(key.scalar, name);
  const names = new Set(key.model.values.map(({ name }) => name));
  return (name) => (names.has(name) ? name : undefined);
}

/** One member says which variant it is; a union in its natural form is for the reader of parsed JSON. */
function readUnion(generator: Generator, plan: UnionPlan): void {
  const { source } = generator;
  source.add("let y;");
  for (const { json, value } of plan.variants) {
    const key = `{${quote(json)}:`;
    source.add(`if (${stands(key)}) {`, `p += ${lengthOf(key)};`, notNull);
    readValue(generator, value, "y", "l + 1");
    source.add("if (b[p] !== 125) throw gaveUp;", "at.position = p + 1;", "return y;", "}");
  }
  readParsed(generator, plan, "y", "l");
  source.add("at.position = p;", "return y;");
}
