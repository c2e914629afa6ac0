/**
 * Generates decoders: one function a struct, a switch over the numbers of its fields.
 *
 * `function d(b, p, end, t, o, d)` reads the struct at `p` of `b`, at depth `d`, leaves the position after it in
 * `after.position` and returns its value; `t` is the window of the input from `o` (see windowOf of Protobuf's). Fields
 * live in local variables, and the value is made at the end by one object literal.
 */
import { compactTypeOf, leastSizeOf, ThriftType } from "../../wire/thrift.ts";
import { createKeyCache, decodeSupport as common } from "../protobuf/decode-support.ts";
import { literal, Source } from "../protobuf/source.ts";
import { decodeSupport } from "./decode-support.ts";
import { nilUuid } from "./uuid.ts";
import {
  type EnumPlan, type FieldPlan, type ListPlan, type MapPlan, maxDepth, recordsOf, type ScalarPlan, type Slot, slotsOf,
  type StructPlan, type UnionPlan, type ValuePlan,
} from "./plan.ts";

/** Reads a struct that fills `bytes[start, end)`; throws at bytes that it leaves to the interpreter. */
export type Decode = (bytes: Uint8Array, start: number, end: number) => unknown;

interface Generator {
  readonly source: Source;
  readonly isCompact: boolean;
}

export function generateDecoder(root: StructPlan, isCompact: boolean): Decode {
  const generator: Generator = { source: new Source(), isCompact };
  const { source } = generator;
  const records = recordsOf(root);
  for (const record of records) writeRecord(generator, record);
  source.add("return function decode(b, p, end) {", 'const t = windowOf(b, p, end);',
    `const v = d${source.ordinal(root)}(b, p, end, t, p, 1);`, "if (after.position !== end) throw gaveUp;",
    "return v;", "}");
  return source.build({ ...common, ...decodeSupport }) as Decode;
}

function writeRecord(generator: Generator, plan: StructPlan | UnionPlan): void {
  const { source } = generator;
  source.add(`function d${source.ordinal(plan)}(b, p, end, t, o, d) {`, `if (d > ${maxDepth}) throw gaveUp;`,
    "let n = 0, q = 0;");
  if (plan.type === "union") {
    source.add("let x, which = -1;");
    writeLoop(generator, plan.variants.map(({ number, value }, i) => ({
      number, value, target: "x", before: `if (which >= 0) throw gaveUp; which = ${i};`, after: "",
    })));
    source.add("if (which < 0) throw gaveUp;", "after.position = p;", "return x;", "}");
    return;
  }
  const { fields } = plan;
  source.add(...fields.map((_, i) => `let f${i};`));
  writeLoop(generator, slotsOf(fields).map((slot) => caseOf(slot)));
  source.add("after.position = p;");
  for (const [i, field] of fields.entries()) writeAbsent(generator, field, `f${i}`);
  if (plan.isBox) source.add("return f0;", "}");
  else writeObject(source, plan);
}

interface Case {
  readonly number: number;
  readonly value: ValuePlan;
  readonly target: string;
  readonly before: string;
  readonly after: string;
}

function caseOf({ number, index, case: one, value }: Slot): Case {
  if (one === undefined) return { number, value, target: `f${index}`, before: "", after: "" };
  return {
    number, value, target: "const y", before: `if (f${index} !== undefined) throw gaveUp;`,
    after: `f${index} = {"case": ${literal(one.name)}, "value": y};`,
  };
}

function writeLoop(generator: Generator, cases: readonly Case[]): void {
  const { source, isCompact } = generator;
  source.add(isCompact ? "let l = 0;" : "", "for (;;) {", "if (p >= end) throw gaveUp;", "const h = b[p++];",
    "if (h === 0) break;");
  if (isCompact) {
    source.add("if (h > 15) l += h >> 4; else { l = zigzag(b, p, end); p = after.position; }", "switch (l) {");
  } else {
    source.add("if (p + 2 > end) throw gaveUp;", "n = b[p] << 8 | b[p + 1]; p += 2;", "switch (n) {");
  }
  for (const { number, value, target, before, after } of cases) {
    source.add(`case ${number}: {`);
    const isBool = value.type === "scalar" && value.scalar === "bool";
    if (isCompact && isBool) {
      source.add("if ((h & 15) > 2 || (h & 15) === 0) throw gaveUp;", before, `${target} = (h & 15) === 1;`);
    } else {
      source.add(isCompact ? `if ((h & 15) !== ${compactTypeOf(value.wire)}) throw gaveUp;`
        : `if (h !== ${value.wire}) throw gaveUp;`, before, ...read(generator, value, target));
    }
    source.add(after, "break;", "}");
  }
  source.add(`default: p = ${isCompact ? "skipShort(b, p, end, h & 15, d)" : "skipLong(b, p, end, h, d)"};`, "}", "}");
}

/** Required fields in one literal; others are added when they came. */
function writeObject(source: Source, { fields, fixed }: StructPlan): void {
  const isSure = ({ absent }: FieldPlan) => absent === "zero" || absent === "null";
  const sure = fields.flatMap((field, i) => (isSure(field) ? [`${literal(field.name)}: f${i}`] : []));
  if (fixed !== undefined) sure.unshift(`${literal(fixed.name)}: ${literal(fixed.value)}`);
  source.add(`const v = {${sure.join(", ")}};`);
  for (const [i, field] of fields.entries()) {
    if (!isSure(field)) source.add(`if (f${i} !== undefined) v[${literal(field.name)}] = f${i};`);
  }
  source.add("return v;", "}");
}

function writeAbsent({ source }: Generator, { absent, value, defaultValue }: FieldPlan, target: string): void {
  if (absent === "undefined") return;
  let given: string;
  if (absent === "null") given = "null";
  else if (absent === "default") given = `${source.constant(defaultValue)}()`;
  else given = absent === "refused" || value === undefined ? "" : zero(source, value);
  source.add(given === "" ? `if (${target} === undefined) throw gaveUp;`
    : `if (${target} === undefined) { const e = after.position; ${target} = ${given}; after.position = e; }`);
}

/** What an absent value reads as; empty when there is no such value. */
function zero(source: Source, plan: ValuePlan): string {
  switch (plan.type) {
    case "union": return "";
    case "struct": return `d${source.ordinal(plan)}(nothing, 0, 1, "", 0, d + 1)`;
    case "list": return "[]";
    case "map": return plan.as === "Map" ? "new Map()" : "{}";
    case "json": return plan.form === "struct" ? "{}" : plan.form === "list" ? "[]" : "null";
    case "enum": {
      const value = plan.model.values.find(({ number }) => number === 0);
      if (value !== undefined) return literal(value.name);
      return plan.model.open === true ? "0" : "";
    }
    case "scalar": return zeroOfScalar(plan);
    default: return plan satisfies never;
  }
}

function zeroOfScalar({ scalar, wire }: ScalarPlan): string {
  switch (scalar) {
    case "string": return literal(wire === ThriftType.uuid ? nilUuid : "");
    case "bool": return "false";
    case "bytes": return "new Uint8Array(0)";
    case "timestamp": return "new Date(0)";
    case "int64": case "uint64": case "sint64": case "fixed64": case "sfixed64": return "0n";
    default: return "0";
  }
}

/** Reads a value at `p` into `target`, which may declare a constant, and passes it. */
function read(generator: Generator, plan: ValuePlan, target: string): string[] {
  const { source, isCompact } = generator;
  switch (plan.type) {
    case "struct": case "union":
      return [`${target} = d${source.ordinal(plan)}(b, p, end, t, o, d + 1);`, "p = after.position;"];
    case "json":
      return [...readLength(isCompact), `${target} = readJson(b, p, q, ${literal(plan.form)});`, "p = q;"];
    case "enum": {
      const found = enumName(source, plan);
      const isOpen = plan.model.open === true;
      return [...readInt(isCompact), `q = ${found};`, isOpen ? "" : "if (q === undefined) throw gaveUp;",
        `${target} = ${isOpen ? "q ?? n" : "q"};`];
    }
    case "list": return readList(generator, plan, target);
    case "map": return readMap(generator, plan, target);
    case "scalar": return readScalar(isCompact, plan, target);
    default: return plan satisfies never;
  }
}

/** Sets `q` to the end of what a length at `p` measures, and passes the length. */
function readLength(isCompact: boolean): string[] {
  return [...readCount(isCompact), "q = p + n;", "if (q > end) throw gaveUp;"];
}

/** Reads a length or a count into `n`. */
function readCount(isCompact: boolean): string[] {
  if (!isCompact) {
    return ["if (p + 4 > end) throw gaveUp;", "n = b[p] << 24 | b[p + 1] << 16 | b[p + 2] << 8 | b[p + 3]; p += 4;",
      "if (n < 0) throw gaveUp;"];
  }
  return ["if (p >= end) throw gaveUp;", "n = b[p++];",
    "if (n > 127) { n = size(b, p - 1, end); p = after.position; }"];
}

/** Reads 32 bits into `n`. */
function readInt(isCompact: boolean): string[] {
  if (!isCompact) {
    return ["if (p + 4 > end) throw gaveUp;", "n = b[p] << 24 | b[p + 1] << 16 | b[p + 2] << 8 | b[p + 3]; p += 4;"];
  }
  return ["if (p >= end) throw gaveUp;", "n = b[p++];",
    "if (n > 127) { n = zigzag(b, p - 1, end); p = after.position; } else n = n >>> 1 ^ -(n & 1);"];
}

/** Reads an integer of 8, 16 or 32 bits into `n`. */
function readNarrow(isCompact: boolean, wire: ThriftType): string[] {
  if (wire === ThriftType.i8) return ["if (p >= end) throw gaveUp;", "n = b[p++] << 24 >> 24;"];
  if (wire !== ThriftType.i16 || isCompact) return readInt(isCompact);
  return ["if (p + 2 > end) throw gaveUp;", "n = b[p] << 24 >> 16 | b[p + 1]; p += 2;"];
}

function readScalar(isCompact: boolean, { scalar, finite = false, wire }: ScalarPlan, target: string): string[] {
  const eight = (into: string, binary: string, compact: string): string[] => (isCompact
    ? [`${into} = ${compact};`, "p = after.position;"]
    : ["if (p + 8 > end) throw gaveUp;", `${into} = ${binary};`, "p += 8;"]);
  switch (scalar) {
    case "bool": return ["if (p >= end) throw gaveUp;", `${target} = b[p++] === 1;`];
    case "string":
      if (wire === ThriftType.uuid) return ["if (p + 16 > end) throw gaveUp;", `${target} = uuidAt(b, p);`, "p += 16;"];
      return [...readLength(isCompact), `${target} = text(b, p, q, t, o);`, "p = q;"];
    case "bytes": return [...readLength(isCompact), `${target} = copy(b, p, q);`, "p = q;"];
    case "int32": case "sint32": case "sfixed32": return [...readNarrow(isCompact, wire), `${target} = n;`];
    case "uint32": case "fixed32":
      return [...eight("n", "number(b, p)", "zigzagNumber(b, p, end)"), "if (n >>> 0 !== n) throw gaveUp;",
        `${target} = n;`];
    case "timestamp": return [...eight("n", "number(b, p)", "zigzagNumber(b, p, end)"), `${target} = dateOf(n);`];
    case "float": case "double":
      return ["if (p + 8 > end) throw gaveUp;", `n = ${isCompact ? "double" : "bigDouble"}(b, p);`, "p += 8;",
        finite ? "if (n - n !== 0) throw gaveUp;" : "", `${target} = ${scalar === "float" ? "floatOf(n)" : "n"};`];
    case "int64": case "sint64": case "sfixed64": return eight(target, "long(b, p)", "sint64(b, p, end)");
    case "uint64": case "fixed64": return eight(target, "ulong(b, p)", "zigzagUnsigned(b, p, end)");
    default: return scalar satisfies never;
  }
}

function readList(generator: Generator, { of }: ListPlan, target: string): string[] {
  const { source, isCompact } = generator;
  const [m, i, list] = [source.fresh("m"), source.fresh("i"), source.fresh("a")];
  const head = isCompact
    ? ["if (p >= end) throw gaveUp;", "q = b[p++]; n = q >> 4;",
      "if (n === 15) { n = size(b, p, end); p = after.position; }", elementCheck(of, "q & 15", true),
      "if (n > end - p) throw gaveUp;"]
    : ["if (p >= end) throw gaveUp;", "q = b[p++];", ...readCount(false), elementCheck(of, "q", false),
      `if (n * ${leastSizeOf(of.wire)} > end - p) throw gaveUp;`];
  return [...head, `const ${list} = [];`, `for (let ${i} = 0, ${m} = n; ${i} < ${m}; ${i}++) {`,
    ...read(generator, of, "const y"), `${list}.push(y);`, "}", `${target} = ${list};`];
}

/** An empty list or map may say any type of its elements. */
function elementCheck({ wire }: ValuePlan, found: string, isCompact: boolean): string {
  if (!isCompact) return `if (n !== 0 && ${found} !== ${wire}) throw gaveUp;`;
  const type = compactTypeOf(wire);
  return `if (n !== 0 && (${found}) !== ${type}${type === 1 ? ` && (${found}) !== 2` : ""}) throw gaveUp;`;
}

function readMap(generator: Generator, plan: MapPlan, target: string): string[] {
  const { source, isCompact } = generator;
  const [m, i, map, g] = [source.fresh("m"), source.fresh("i"), source.fresh("a"), source.fresh("g")];
  const { key, value } = plan;
  const types = isCompact
    ? [...readCount(true), "if (n !== 0) {", "if (p >= end) throw gaveUp;", "q = b[p++];",
      elementCheck(key, "q >> 4", true), elementCheck(value, "q & 15", true), "}",
      "if (n > (end - p) / 2) throw gaveUp;"]
    : ["if (p + 2 > end) throw gaveUp;", `const ${g} = b[p++]; q = b[p++];`, ...readCount(false),
      elementCheck(key, g, false), elementCheck(value, "q", false),
      `if (n * ${leastSizeOf(key.wire) + leastSizeOf(value.wire)} > end - p) throw gaveUp;`];
  const isText = key.type === "scalar" && key.scalar === "string";
  const readKey = isText
    ? [...readLength(isCompact), `const k = key(b, p, q, ${source.constantFor(plan, createKeyCache)});`, "p = q;"]
    : read(generator, key, "const k");
  return [...types, `const ${map} = ${plan.as === "Map" ? "new Map()" : "{}"};`,
    `for (let ${i} = 0, ${m} = n; ${i} < ${m}; ${i}++) {`, ...readKey, ...read(generator, value, "const y"),
    plan.as === "Map" ? `${map}.set(k, y);` : `setProperty(${map}, k, y);`, "}", `${target} = ${map};`];
}

/** An array, where the numbers permit, is looked up faster than a Map. */
function enumName(source: Source, { model }: EnumPlan): string {
  const { values } = model;
  const most = Math.max(...values.map(({ number }) => number));
  if (most > 255 || values.some(({ number }) => number < 0)) {
    return `${source.constantFor(model, () => new Map(values.map(({ name, number }) => [number, name])))}.get(n)`;
  }
  const names = () => Array.from({ length: most + 1 }, (_, i) => values.find(({ number }) => number === i)?.name);
  return `n >= 0 && n <= ${most} ? ${source.constantFor(model, names)}[n] : undefined`;
}
