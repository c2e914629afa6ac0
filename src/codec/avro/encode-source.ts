/**
 * Generates encoders of Avro: one function a record, unrolled over its fields.
 *
 * `function e(v, w, p, d)` appends the record of value `v` to writer `w` from position `p` (at depth `d`, in plans that
 * contain themselves) and returns the position after it. As in Protobuf's, room is made in groups: what is bounded is
 * asked for together with the part of unknown size before it.
 */
import {
  type AvroPlan, type BranchTest, type EntriesPlan, type FieldPlan, type MapPlan, type RecordPlan, type ScalarPlan,
  type UnionPlan,
} from "../../contract/avro/plan.ts";
import type { Writer } from "../../wire/writer.ts";
import { largestFloat } from "../protobuf/scalars.ts";
import { literal, property, Source } from "../protobuf/source.ts";
import { encodeSupport } from "./encode-support.ts";
import { hasCycle, maxDepth, recordsOf } from "./walk.ts";

/** Appends from the writer's position and moves it; throws `gaveUp` half way at a value that does not fit. */
export type Encode = (value: unknown, writer: Writer) => void;

export function generateEncoder(root: AvroPlan): Encode {
  const generator: Generator = { source: new Source(), checksDepth: hasCycle(root) };
  const { source } = generator;
  for (const record of recordsOf(root)) {
    source.add(`function e${source.ordinal(record)}(v, w, p${generator.checksDepth ? ", d" : ""}) {`);
    if (generator.checksDepth) source.add(`if (d > ${maxDepth}) throw gaveUp;`);
    source.add("let b = w.bytes, n = 0;");
    writeRecord(generator, record);
    source.add("return p;", "}");
  }
  source.add("return function encode(v, w) {", "let p = w.position, b = w.bytes, n = 0;",
    generator.checksDepth ? "const d = 0;" : "", ensure(boundOf(root) ?? leadOf(root)));
  writeValue(generator, root, "v", 0);
  source.add("w.position = p;", "}");
  return source.build(encodeSupport) as Encode;
}

interface Generator {
  readonly source: Source;
  readonly checksDepth: boolean;
}

function ensure(count: number | string): string {
  return count === 0 ? "" : `if (p + ${count} > b.length) { b = grow(w, p, ${count}); p = w.position; }`;
}

/** The bytes that a value takes at most; undefined when there is no such limit. */
function boundOf(plan: AvroPlan, within: readonly AvroPlan[] = []): number | undefined {
  switch (plan.type) {
    case "scalar": return scalarBound(plan);
    case "enum": return 5;
    case "union": {
      if (within.length > 20) return undefined;
      const bounds = plan.branches.map((branch) => (branch.plan === undefined ? 0 : boundOf(branch.plan, within)));
      return bounds.includes(undefined) ? undefined : 2 + Math.max(0, ...bounds as number[]);
    }
    case "record": {
      if (within.includes(plan) || within.length > 20) return undefined;
      let sum = 0;
      for (const field of plan.fields) sum += boundOf(field.plan, [...within, plan]) ?? Infinity;
      return sum > mostBounded ? undefined : sum;
    }
    default: return undefined;
  }
}

const mostBounded = 1_024;

function scalarBound({ scalar, fixed }: ScalarPlan): number | undefined {
  switch (scalar) {
    case "string": return undefined;
    case "bytes": return fixed === undefined ? undefined : fixed.size > mostBounded ? undefined : fixed.size;
    case "bool": return 1;
    case "int32": case "sint32": case "sfixed32": return 5;
    case "float": return 4;
    case "double": return 8;
    default: return 10;
  }
}

/** The room that an unbounded value needs before it makes its own: a branch's number, or a count. */
function leadOf(plan: AvroPlan): number {
  return plan.type === "union" ? 2 + Math.max(0, ...plan.branches.map((branch) =>
    (branch.plan === undefined ? 0 : boundOf(branch.plan) ?? leadOf(branch.plan)))) : 5;
}

function writeRecord(generator: Generator, { fields, shape }: RecordPlan): void {
  const { source } = generator;
  if (shape === "struct") source.add(isTold(fields)
    ? 'if (typeof v !== "object" || v === null) throw gaveUp;' : "if (!isRecord(v)) throw gaveUp;");
  // For each field, and after the last, the bytes of it and of those after it up to one that makes its own room.
  const rooms = [0];
  for (const { plan } of fields.toReversed()) {
    const bound = boundOf(plan);
    rooms.unshift(bound === undefined ? leadOf(plan) : bound + (rooms[0] as number));
  }
  source.add(ensure(rooms[0] as number));
  for (const [i, field] of fields.entries()) {
    const value = shape === "value" ? "v" : property("v", field.property);
    const room = boundOf(field.plan) === undefined ? rooms[i + 1] as number : 0;
    const x = source.fresh("x");
    source.add(`let ${x} = ${value};`);
    if (field.absent === "default") {
      source.add(`if (${x} === undefined) ${x} = ${source.constant(field.defaultValue)}();`);
    }
    writeValue(generator, field.plan, x, room);
  }
}

/** A struct with a field that must be there need not be told from an array, which has no such field. */
function isTold(fields: readonly FieldPlan[]): boolean {
  return fields.some(({ absent, property: name, plan }) => absent === "required" && plan.type !== "union" &&
    ![Array, Map, Date, Uint8Array].some(({ prototype }) => name in prototype));
}

/**
 * Writes a value. There is room for it if it is bounded, and for what leads it if not; afterwards there is room for
 * `room` more bytes, if it is not bounded.
 */
function writeValue(generator: Generator, plan: AvroPlan, x: string, room: number): void {
  const { source } = generator;
  switch (plan.type) {
    case "scalar": writeScalar(source, plan, x, room); break;
    case "json": {
      const text = source.fresh("s");
      source.add(`const ${text} = jsonText(${x}, ${literal(plan.form)});`, ensure(`${text}.length * 3 + ${room + 5}`),
        `p = putText(b, p, ${text});`);
      break;
    }
    case "enum": {
      const indexes = source.constantFor(plan, () => new Map(plan.model.values.map(({ name }, i) => [name, i])));
      source.add(`n = ${indexes}.get(${x});`, "if (n === undefined) throw gaveUp;",
        plan.symbols.length <= 64 ? "b[p++] = n << 1;" : "p = putLength(b, p, n);");
      break;
    }
    case "array": {
      const i = source.fresh("i");
      source.add(`if (!Array.isArray(${x})) throw gaveUp;`, `if (${x}.length !== 0) {`);
      writeItems(generator, plan.of, `${x}.length`, () => {
        source.add(`for (let ${i} = 0; ${i} < ${x}.length; ${i}++) {`);
        const y = source.fresh("y");
        source.add(`const ${y} = ${x}[${i}];`);
        return y;
      });
      source.add("}", ensure(1 + room), "b[p++] = 0;");
      break;
    }
    case "map": writeMap(generator, plan, x, room); break;
    case "entries": writeEntries(generator, plan, x, room); break;
    case "union": writeUnion(generator, plan, x, room); break;
    case "record": {
      const depth = generator.checksDepth ? ", d + 1" : "";
      source.add(`p = e${source.ordinal(plan)}(${x}, w, p${depth});`, "b = w.bytes;", ensure(room));
      break;
    }
    default: plan satisfies never;
  }
}

/** A block's count and its items; `begin` opens the loop and names the item. */
function writeItems(
  generator: Generator, of: AvroPlan, count: string, begin: () => string, key?: () => void,
): void {
  const { source } = generator;
  const bound = boundOf(of);
  source.add(ensure(5), `p = putLength(b, p, ${count});`);
  const item = begin();
  source.add(key === undefined ? ensure(bound ?? leadOf(of)) : "");
  key?.();
  writeValue(generator, of, item, 0);
  source.add("}");
}

function writeMap(generator: Generator, plan: MapPlan, x: string, room: number): void {
  const { source } = generator;
  const k = source.fresh("k");
  const lead = boundOf(plan.of) ?? leadOf(plan.of);
  const keys = source.fresh("keys");
  const isMap = plan.as === "Map";
  source.add(isMap ? `if (!(${x} instanceof Map)) throw gaveUp;` : `if (!isRecord(${x})) throw gaveUp;`,
    isMap ? "" : `const ${keys} = Object.keys(${x});`);
  const size = isMap ? `${x}.size` : `${keys}.length`;
  source.add(`if (${size} !== 0) {`);
  writeItems(generator, plan.of, size, () => {
    const y = source.fresh("y");
    source.add(isMap ? `for (const [${k}, ${y}] of ${x}) {` : `for (const ${k} of ${keys}) {`,
      isMap ? "" : `const ${y} = ${x}[${k}];`);
    return y;
  }, () => {
    source.add(`if (typeof ${k} !== "string") throw gaveUp;`);
    if (plan.keys !== undefined) source.add(`if (!${source.constant(plan.keys)}.has(${k})) throw gaveUp;`);
    source.add(ensure(`${k}.length * 3 + ${lead + 5}`), `p = putText(b, p, ${k});`);
  });
  source.add("}", ensure(1 + room), "b[p++] = 0;");
}

function writeEntries(generator: Generator, plan: EntriesPlan, x: string, room: number): void {
  const { source } = generator;
  const lead = boundOf(plan.of) ?? leadOf(plan.of);
  const [k, y, pairs] = [source.fresh("k"), source.fresh("y"), source.fresh("keys")];
  const isMap = plan.as === "Map";
  source.add(isMap ? `if (!(${x} instanceof Map)) throw gaveUp;` : `if (!isRecord(${x})) throw gaveUp;`,
    isMap ? "" : `const ${pairs} = Object.keys(${x});`);
  const size = isMap ? `${x}.size` : `${pairs}.length`;
  source.add(`if (${size} !== 0) {`);
  writeItems(generator, plan.of, size, () => {
    if (isMap) source.add(`for (const [${k}, ${y}] of ${x}) {`);
    else {
      source.add(`for (const ${k}_ of ${pairs}) {`, `const ${y} = ${x}[${k}_];`,
        `const ${k} = keyOfProperty(${literal(plan.key.scalar)}, ${k}_);`);
    }
    return y;
  }, () => {
    source.add(ensure(10 + lead));
    writeScalar(source, plan.key, k, lead);
  });
  source.add("}", ensure(1 + room), "b[p++] = 0;");
}

function writeUnion(generator: Generator, plan: UnionPlan, x: string, room: number): void {
  const { source } = generator;
  let isOpen = false;
  for (const [i, { test, plan: of }] of plan.branches.entries()) {
    const condition = conditionOf(source, test, x);
    source.add(`${isOpen ? "else " : ""}${condition === undefined ? "" : `if (${condition})`} {`);
    isOpen = true;
    source.add(i < 64 ? `b[p++] = ${i << 1};` : `p = putLength(b, p, ${i});`);
    if (of === undefined) source.add(ensure(room));
    else {
      const isBounded = boundOf(of) !== undefined;
      const inner = test.kind === "case" ? x : x;
      writeValue(generator, of, inner, isBounded ? 0 : room);
      if (isBounded) source.add(ensure(room));
    }
    source.add("}");
    if (condition === undefined) return;
  }
  source.add(isOpen ? "else throw gaveUp;" : "throw gaveUp;");
}

function conditionOf(source: Source, test: BranchTest, x: string): string | undefined {
  switch (test.kind) {
    case "undefined": return `${x} === undefined`;
    case "null": return `${x} === null`;
    case "typeof": return `typeof ${x} === ${literal(test.type)}`;
    case "tag": return `typeof ${x} === "object" && ${x} !== null && ` +
      `${property(x, test.property)} === ${literal(test.tag)}`;
    case "case": return `typeof ${x} === "object" && ${x} !== null && ${x}["case"] === ${literal(test.name)}`;
    case "fits": return `fits(${source.constant(test.model)}, ${x})`;
    case "otherwise": return undefined;
    default: return test satisfies never;
  }
}

function writeScalar(source: Source, { scalar, finite, fixed }: ScalarPlan, x: string, room: number): void {
  switch (scalar) {
    case "bool": source.add(`if (typeof ${x} !== "boolean") throw gaveUp;`, `b[p++] = ${x} ? 1 : 0;`); break;
    case "string":
      source.add(`if (typeof ${x} !== "string") throw gaveUp;`, ensure(`${x}.length * 3 + ${room + 5}`),
        `p = putText(b, p, ${x});`);
      break;
    case "bytes":
      source.add(`if (!isBytes(${x})) throw gaveUp;`);
      if (fixed === undefined) source.add(ensure(`${x}.length + ${room + 5}`), `p = putBytes(b, p, ${x});`);
      else {
        source.add(`if (${x}.length !== ${fixed.size}) throw gaveUp;`, ensure(fixed.size + room), `b.set(${x}, p);`,
          `p += ${fixed.size};`);
      }
      break;
    case "int32": case "sint32": case "sfixed32":
      source.add(`if (typeof ${x} !== "number" || (${x} | 0) !== ${x}) throw gaveUp;`,
        `if (${x} >= 0 && ${x} < 64) b[p++] = ${x} << 1; else p = putInt(b, p, ${x});`);
      break;
    case "uint32": case "fixed32":
      source.add(`if (typeof ${x} !== "number" || (${x} >>> 0) !== ${x}) throw gaveUp;`, `p = putWhole(b, p, ${x});`);
      break;
    case "int64": case "sint64": case "sfixed64":
      source.add(`if (typeof ${x} !== "bigint") throw gaveUp;`, `p = putLong(b, p, ${x});`);
      break;
    case "uint64": case "fixed64": source.add(`p = putUnsignedLong(b, p, ${x});`); break;
    case "timestamp": source.add(`p = putDate(b, p, ${x});`); break;
    case "float":
      source.add(`if (typeof ${x} !== "number") throw gaveUp;`,
        `if (!(${x} <= ${largestFloat} && ${x} >= ${-largestFloat})${finite ? "" : ` &&
          ${x} - ${x} === 0`}) throw gaveUp;`,
        `p = putFloat(b, p, ${x});`);
      break;
    case "double":
      source.add(`if (typeof ${x} !== "number"${finite ? ` || ${x} - ${x} !== 0` : ""}) throw gaveUp;`,
        `p = putDouble(b, p, ${x});`);
      break;
    default: scalar satisfies never;
  }
}
