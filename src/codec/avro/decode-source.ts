/**
 * Generates decoders of Avro: one function a record of the reading, unrolled over the writer's fields, so that what
 * another schema wrote costs no more to read than what one's own did.
 *
 * `function d(b, p, end, t, o, d)` reads the record at `b[p]`, leaves the position after it in `after.position`; `t` is
 * the window of the input from `o` (see Protobuf's decode-support). Steps past the end read nothing that matters: the
 * position is compared with the end wherever something is allocated or repeated, and once at the end of all.
 */
import { createKeyCache } from "../protobuf/decode-support.ts";
import { literal, Source } from "../protobuf/source.ts";
import { decodeSupport } from "./decode-support.ts";
import type { MapReading, Reading, RecordReading, ScalarReading } from "./resolve.ts";
import { maxDepth, readingHasCycle, recordReadings, readsText } from "./walk.ts";

/** Reads a value; throws `gaveUp`, or anything else, at bytes that it leaves to the interpreter. */
export type Decode = (bytes: Uint8Array, start: number, end: number) => unknown;

export function generateDecoder(root: Reading): Decode {
  const generator: Generator = { source: new Source(), checksDepth: readingHasCycle(root) };
  const { source, checksDepth } = generator;
  for (const record of recordReadings(root)) writeRecord(generator, record);
  source.add("return function decode(b, p, end) {",
    `const t = ${readsText(root) ? "windowOf(b, p, end)" : '""'}, o = p;`,
    checksDepth ? "const d = 0;" : "", "let n = 0, q = 0, v;");
  read(generator, root, "v");
  source.add("if (p !== end) throw gaveUp;", "return v;", "}");
  return source.build(decodeSupport) as Decode;
}

interface Generator {
  readonly source: Source;
  readonly checksDepth: boolean;
}

function writeRecord(generator: Generator, reading: RecordReading): void {
  const { source, checksDepth } = generator;
  const { plan, steps, absent } = reading;
  source.add(`function d${source.ordinal(reading)}(b, p, end, t, o${checksDepth ? ", d" : ""}) {`,
    checksDepth ? `if (d > ${maxDepth}) throw gaveUp;` : "", "let n = 0, q = 0;");
  for (const i of plan.fields.keys()) source.add(`let f${i};`);
  for (const step of steps) {
    if (step.read === undefined) source.add(`p = skip(b, p, end, ${source.constant(step.skip)});`);
    else read(generator, step.read, `f${step.field}`);
  }
  for (const i of absent) {
    const field = plan.fields[i];
    if (field?.absent === "default") source.add(`f${i} = ${source.constant(field.defaultValue)}();`);
    else if (field?.plan.type === "union" && field.plan.branches[0]?.test.kind === "null") source.add(`f${i} = null;`);
  }
  source.add("after.position = p;");
  if (plan.shape === "value") source.add("return f0;", "}");
  else if (plan.shape === "case") source.add(`return {"case": ${literal(caseOf(reading))}, "value": f0};`, "}");
  else writeStruct(source, reading);
}

/** A case's name is that of its only field. */
function caseOf({ plan }: RecordReading): string {
  return plan.caseName ?? "";
}

/** Required fields in one literal, so that all values have one hidden class; others are added when they came. */
function writeStruct(source: Source, { plan: { fields } }: RecordReading): void {
  const isSure = (i: number) => {
    const { absent, plan } = fields[i] as (typeof fields)[number];
    return absent === "required" || absent === "default" ||
      (plan.type === "union" && plan.branches[0]?.test.kind === "null");
  };
  const sure = fields.flatMap((field, i) => (isSure(i) ? [`${literal(field.property)}: f${i}`] : []));
  source.add(`const v = {${sure.join(", ")}};`);
  for (const [i, field] of fields.entries()) {
    if (!isSure(i)) source.add(`if (f${i} !== undefined) v[${literal(field.property)}] = f${i};`);
  }
  source.add("return v;", "}");
}

/** Reads a value at `p` into the variable `target`, and passes it. */
function read(generator: Generator, reading: Reading, target: string): void {
  const { source } = generator;
  switch (reading.op) {
    case "scalar": source.add(...readScalar(reading, target)); break;
    case "enum": {
      const names = source.constantFor(reading, () => reading.names);
      source.add(...readLength(), `${target} = ${names}[n];`, `if (${target} === undefined) throw gaveUp;`);
      break;
    }
    case "json":
      source.add(...readStretch(), `${target} = json(b, p, q, ${literal(reading.form)});`, "p = q;");
      break;
    case "null": source.add(`${target} = ${reading.value === null ? "null" : "undefined"};`); break;
    case "fail": source.add("throw gaveUp;"); break;
    case "record":
      source.add(`${target} = d${source.ordinal(reading)}(b, p, end, t, o${generator.checksDepth ? ", d + 1" : ""});`,
        "p = after.position;");
      break;
    case "union":
      source.add(...readLength(), "switch (n) {");
      for (const [i, branch] of reading.branches.entries()) {
        source.add(`case ${i}: {`);
        read(generator, branch, target);
        source.add("break;", "}");
      }
      source.add("default: throw gaveUp;", "}");
      break;
    case "array": {
      const [list, y] = [source.fresh("a"), source.fresh("y")];
      source.add(`const ${list} = [];`);
      blocks(generator, reading.least, `${list}.length`, () => {
        source.add(`let ${y};`);
        read(generator, reading.of, y);
        source.add(`${list}.push(${y});`);
      });
      source.add(`${target} = ${list};`);
      break;
    }
    case "map": readMap(generator, reading, target); break;
    case "entries": {
      const [map, y] = [source.fresh("m"), source.fresh("y")];
      const isMap = reading.plan.as === "Map";
      source.add(`const ${map} = ${isMap ? "new Map()" : "{}"};`);
      blocks(generator, reading.least, "0", () => {
        source.add(`let ${y};`);
        read(generator, reading.of, y);
        source.add(isMap ? `${map}.set(${y}.key, ${y}.value);` : `setProperty(${map}, ${y}.key, ${y}.value);`);
      });
      source.add(`${target} = ${map};`);
      break;
    }
    default: reading satisfies never;
  }
}

function readMap(generator: Generator, reading: MapReading, target: string): void {
  const { source } = generator;
  const [map, k, y] = [source.fresh("m"), source.fresh("k"), source.fresh("y")];
  const isMap = reading.plan.as === "Map";
  source.add(`const ${map} = ${isMap ? "new Map()" : "{}"};`);
  blocks(generator, reading.least, "0", () => {
    source.add(...readStretch(), `const ${k} = key(b, p, q, ${source.constantFor(reading, createKeyCache)});`,
      "p = q;");
    const { keys } = reading.plan;
    if (keys !== undefined) source.add(`if (!${source.constant(keys)}.has(${k})) throw gaveUp;`);
    source.add(`let ${y};`);
    read(generator, reading.of, y);
    source.add(isMap ? `${map}.set(${k}, ${y});` : `setProperty(${map}, ${k}, ${y});`);
  });
  source.add(`${target} = ${map};`);
}

/** The blocks of an array or a map. */
function blocks({ source }: Generator, least: number, had: string, item: () => void): void {
  const [left, all] = [source.fresh("n"), source.fresh("all")];
  const before = had === "0" ? all : had;
  const isTooMany = least === 0 ? `${all} + n > maxEmptyItems || p > end` : `n * ${least} > end - p`;
  // A block of up to 63 items, which most have, needs no call.
  source.add(`for (let ${left} = 0, ${all} = 0; ;) {`, "n = b[p++];", "if (n > 127 || (n & 1) !== 0) {",
    `n = count(b, p - 1, end, ${least}, ${before}); p = after.position;`,
    `} else { n >>>= 1; if (${isTooMany}) throw gaveUp; }`,
    "if (n === 0) break;", `${left} = n; ${all} += n;`, `while (${left}-- > 0) {`);
  item();
  source.add("}", "}");
}

/** A length, a branch or a symbol's number into `n`. */
function readLength(): string[] {
  return ["n = b[p++];", "if (n > 127) { n = length(b, p - 1, end); p = after.position; }",
    "else if ((n & 1) !== 0) throw gaveUp; else n >>>= 1;"];
}

/** Sets `q` to the end of what a length at `p` measures. */
function readStretch(): string[] {
  return [...readLength(), "q = p + n;", "if (q > end) throw gaveUp;"];
}

function readScalar({ wire, size, plan }: ScalarReading, target: string): string[] {
  const finite = plan.finite ? [`if (${target} - ${target} !== 0) throw gaveUp;`] : [];
  switch (wire) {
    case "boolean": return ["n = b[p++];", "if (n > 1) throw gaveUp;", `${target} = n === 1;`];
    case "fixed": return [`q = p + ${size};`, "if (q > end) throw gaveUp;", `${target} = copy(b, p, q);`, "p = q;"];
    case "bytes": case "string": return [...readStretch(),
      plan.scalar === "bytes" ? `${target} = copy(b, p, q);` : `${target} = text(b, p, q, t, o);`, "p = q;"];
    case "float": return ["if (p + 4 > end) throw gaveUp;", `${target} = float(b, p);`, "p += 4;", ...finite];
    case "double": return ["if (p + 8 > end) throw gaveUp;", `${target} = double(b, p);`, "p += 8;", ...finite];
    case "int": case "long": return readWhole(wire, plan.scalar, target);
    default: return wire satisfies never;
  }
}

function readWhole(wire: "int" | "long", scalar: ScalarReading["plan"]["scalar"], target: string): string[] {
  const small = (then: string, otherwise: string) => ["n = b[p++];",
    `if (n > 127) { ${target} = ${otherwise}; p = after.position; }`, `else ${target} = ${then};`];
  const value = "(n >>> 1) ^ -(n & 1)";
  switch (scalar) {
    case "int64": case "sint64": case "sfixed64": case "uint64": case "fixed64": {
      const lines = small(`BigInt(${value})`, wire === "int" ? "BigInt(int(b, p - 1, end))" : "long(b, p - 1, end)");
      return scalar.includes("u") || scalar === "fixed64" ? [...lines, `if (${target} < 0n) throw gaveUp;`] : lines;
    }
    case "timestamp": return [`${target} = date(b, p, end);`, "p = after.position;"];
    case "uint32": case "fixed32": return [...small(value, wire === "int" ? "int(b, p - 1, end)"
      : "whole(b, p - 1, end)"),
      `if (${target} >>> 0 !== ${target}) throw gaveUp;`];
    case "float": return [...small(value, wire === "int" ? "int(b, p - 1, end)" : "whole(b, p - 1, end)"),
      `${target} = Math.fround(${target});`];
    default: return small(value, wire === "int" ? "int(b, p - 1, end)" : "whole(b, p - 1, end)");
  }
}
