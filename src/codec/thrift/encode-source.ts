/**
 * Generates encoders: one function a struct, unrolled over its fields in the order of their numbers.
 *
 * `function e(v, w, p, d)` appends the struct of value `v` to writer `w` from position `p`, at depth `d`, and returns
 * the position after it. At its start it makes room for every part that is bounded; parts that are not make room for
 * themselves and for what is bounded behind them. Nothing in Thrift is measured before it is written but texts, so
 * that a struct is written in one pass.
 */
import { compactTypeOf, ThriftType } from "../../wire/thrift.ts";
import type { Writer } from "../../wire/writer.ts";
import { encodeSupport as common } from "../protobuf/encode-support.ts";
import { largestFloat } from "../protobuf/scalars.ts";
import { literal, property, Source } from "../protobuf/source.ts";
import { encodeSupport } from "./encode-support.ts";
import {
  type EnumPlan, type ListPlan, type MapPlan, maxDepth, recordsOf, type ScalarPlan, type Slot, slotsOf, type StructPlan,
  type UnionPlan, type ValuePlan,
} from "./plan.ts";

/** Appends from the writer's position and moves it; throws half way at a value that does not fit. */
export type Encode = (value: unknown, writer: Writer) => void;

interface Generator {
  readonly source: Source;
  readonly isCompact: boolean;
}

export function generateEncoder(root: StructPlan, isCompact: boolean): Encode {
  const generator: Generator = { source: new Source(), isCompact };
  const { source } = generator;
  for (const record of recordsOf(root)) {
    source.add(`function e${source.ordinal(record)}(v, w, p, d) {`, `if (d > ${maxDepth}) throw gaveUp;`,
      "let b = w.bytes;");
    if (record.type === "union") writeUnion(generator, record);
    else writeStruct(generator, record);
    source.add("return p;", "}");
  }
  source.add("return function encode(v, w) {", `w.position = e${source.ordinal(root)}(v, w, w.position, 1);`, "}");
  return source.build({ ...common, ...encodeSupport }) as Encode;
}

function ensure(count: number | string): string {
  return `if (p + ${count} > b.length) { b = grow(w, p, ${count}); p = w.position; }`;
}

/** Bytes of a value that are bounded: of a text, its length; of a container, its head; of a struct, none. */
function boundOf(value: ValuePlan): number {
  switch (value.type) {
    case "struct": case "union": return 0;
    case "list": case "map": return 7;
    case "json": return 5;
    case "enum": return 5;
    case "scalar": return value.scalar === "string" || value.scalar === "bytes" ? 5 : 10;
    default: return value satisfies never;
  }
}

const headBytes = 4;

function writeStruct(generator: Generator, plan: StructPlan): void {
  const { source, isCompact } = generator;
  const slots = slotsOf(plan.fields);
  if (!plan.isBox) source.add("if (!isRecord(v)) throw gaveUp;");
  // What is bounded from each slot on, the stop included.
  const rooms = [1];
  for (const { value } of slots.toReversed()) rooms.unshift((rooms[0] as number) + headBytes + boundOf(value));
  source.add(ensure(rooms[0] as number));
  // The number of the field written last, where it is known without running; otherwise it is in `l`.
  let last: number | undefined = 0;
  if (isCompact) source.add("let l = 0;");
  for (const [i, slot] of slots.entries()) {
    const room = rooms[i + 1] as number;
    const isSure = writeSlot(generator, plan, slot, last, room);
    if (isCompact) last = isSure ? slot.number : undefined;
  }
  source.add("b[p++] = 0;");
}

/** Writes a field if it is there; returns whether it always is. */
function writeSlot(
  generator: Generator, plan: StructPlan, slot: Slot, last: number | undefined, room: number,
): boolean {
  const { source, isCompact } = generator;
  const { field, case: one, value, number } = slot;
  const read = plan.isBox ? "v" : property("v", field.name);
  source.add("{", `const x = ${read};`);
  const isSure = one === undefined && (field.absent === "zero" || field.absent === "refused");
  if (one !== undefined) {
    const others = field.cases.map(({ name }) => `x.case !== ${literal(name)}`).join(" && ");
    const isFirst = field.cases[0] === one;
    source.add(field.absent === "zero" ? "{" : "if (x !== undefined) {",
      'if (typeof x !== "object" || x === null) throw gaveUp;',
      isFirst ? `if (${others}) throw gaveUp;` : "", `if (x.case === ${literal(one.name)}) {`, "const y = x.value;");
  } else if (!isSure) {
    source.add(field.absent === "null" ? "if (x !== null) {" : "if (x !== undefined) {");
  }
  writeField(generator, value, one === undefined ? "x" : "y", { number, last, room });
  if (isCompact) source.add(`l = ${number};`);
  if (one !== undefined) source.add("}", "}");
  else if (!isSure) source.add("}");
  source.add("}");
  return isSure;
}

interface Place {
  readonly number: number;
  readonly last: number | undefined;
  /** What is bounded behind the field. */
  readonly room: number;
}

/** A field's head and value. There is room for the head, and for what of the value is bounded. */
function writeField(generator: Generator, value: ValuePlan, x: string, { number, last, room }: Place): void {
  const { source, isCompact } = generator;
  if (!isCompact) {
    source.add(`b[p++] = ${value.wire}; b[p++] = ${number >> 8}; b[p++] = ${number & 0xff};`);
  } else if (value.type === "scalar" && value.scalar === "bool") {
    source.add(`if (typeof ${x} !== "boolean") throw gaveUp;`);
    writeCompactHead(source, `(${x} ? 1 : 2)`, number, last);
    return;
  } else {
    writeCompactHead(source, String(compactTypeOf(value.wire)), number, last);
  }
  writeValue(generator, value, x, room);
}

function writeCompactHead(source: Source, type: string, number: number, last: number | undefined): void {
  if (last !== undefined && number - last > 0 && number - last <= 15) {
    source.add(`b[p++] = ${(number - last) << 4} | ${type};`);
  } else if (number > 0 && number <= 15) {
    source.add(`b[p++] = (${number} - l) << 4 | ${type};`);
  } else {
    source.add(`p = putHead(b, p, ${type}, ${number}, l);`);
  }
}

/** A value; `room` is what is bounded behind it, for which there is room afterwards. */
function writeValue(generator: Generator, plan: ValuePlan, x: string, room: number): void {
  const { source, isCompact } = generator;
  switch (plan.type) {
    case "struct": case "union":
      source.add(`p = e${source.ordinal(plan)}(${x}, w, p, d + 1);`, "b = w.bytes;", ensure(room));
      break;
    case "json": {
      const text = source.fresh("s");
      source.add(`const ${text} = jsonText(${x}, ${literal(plan.form)});`, ensure(`${text}.length * 3 + ${room + 6}`),
        `p = ${isCompact ? "putText" : "putLongText"}(b, p, ${text});`);
      break;
    }
    case "enum": {
      const n = source.fresh("n");
      source.add(`const ${n} = ${enumNumber(source, plan, x)};`, `if (${n} === undefined) throw gaveUp;`,
        put32(isCompact, n));
      break;
    }
    case "list": writeList(generator, plan, x, room); break;
    case "map": writeMap(generator, plan, x, room); break;
    case "scalar": writeScalar(generator, plan, x, room); break;
    default: plan satisfies never;
  }
}

function put32(isCompact: boolean, n: string): string {
  if (!isCompact) return `b[p++] = ${n} >> 24; b[p++] = ${n} >> 16; b[p++] = ${n} >> 8; b[p++] = ${n};`;
  return `if (${n} >= 0 && ${n} < 64) b[p++] = ${n} << 1; else p = putUint32(b, p, (${n} << 1 ^ ${n} >> 31) >>> 0);`;
}

function enumNumber(source: Source, { model }: EnumPlan, x: string): string {
  const named = model.values.length > 8
    ? `${source.constant(new Map(model.values.map(({ name, number }) => [name, number])))}.get(${x})`
    : `${model.values.map(({ name, number }) => `${x} === ${literal(name)} ? ${number} : `).join("")}undefined`;
  return model.open === true ? `isInt32(${x}) ? ${x} : ${named}` : named;
}

function writeScalar({ source, isCompact }: Generator, plan: ScalarPlan, x: string, room: number): void {
  const { scalar, finite = false } = plan;
  switch (scalar) {
    case "bool":
      source.add(`if (typeof ${x} !== "boolean") throw gaveUp;`, `b[p++] = ${x} ? 1 : ${isCompact ? 2 : 0};`);
      break;
    case "string":
      if (plan.wire === ThriftType.uuid) {
        source.add(`if (!isUuid(${x})) throw gaveUp;`, ensure(room + 22), `p = putUuid(b, p, ${x});`);
        break;
      }
      source.add(`if (typeof ${x} !== "string") throw gaveUp;`, ensure(`${x}.length * 3 + ${room + 6}`),
        `p = ${isCompact ? "putText" : "putLongText"}(b, p, ${x});`);
      break;
    case "bytes":
      source.add(`if (!isBytes(${x})) throw gaveUp;`, ensure(`${x}.length + ${room + 6}`),
        isCompact ? `p = putBytes(b, p, ${x});` : `p = putLongBytes(b, p, ${x});`);
      break;
    case "int32": case "sint32": case "sfixed32":
      writeInt(source, isCompact, plan.wire, x);
      break;
    case "uint32": case "fixed32":
      source.add(`if (typeof ${x} !== "number" || (${x} >>> 0) !== ${x}) throw gaveUp;`,
        `p = ${isCompact ? "putZigzag" : "putLong"}(b, p, ${x});`);
      break;
    case "timestamp": {
      const ms = source.fresh("n");
      source.add(`const ${ms} = timestampMs(${x});`, `if (${ms} !== ${ms}) throw gaveUp;`,
        `p = ${isCompact ? "putZigzag" : "putLong"}(b, p, ${ms});`);
      break;
    }
    case "float": case "double": {
      const most = scalar === "float" ? largestFloat : Number.MAX_VALUE;
      const size = `Math.abs(${x})`;
      source.add(`if (typeof ${x} !== "number") throw gaveUp;`,
        finite ? `if (!(${size} <= ${most})) throw gaveUp;`
          : scalar === "float" ? `if (${size} > ${most} && ${size} !== Infinity) throw gaveUp;` : "",
        `p = ${isCompact ? "putDouble" : "putBigDouble"}(b, p, ${scalar === "float" ? `Math.fround(${x})` : x});`);
      break;
    }
    case "int64": case "sint64": case "sfixed64": case "uint64": case "fixed64": {
      const sign = scalar === "uint64" || scalar === "fixed64" ? "Unsigned" : "Signed";
      source.add(`if (typeof ${x} !== "bigint") throw gaveUp;`,
        `p = put${isCompact ? "Zigzag" : ""}${sign}(b, p, ${x});`);
      break;
    }
    default: scalar satisfies never;
  }
}

function writeInt(source: Source, isCompact: boolean, wire: ThriftType, x: string): void {
  const bits = wire === ThriftType.i8 ? 8 : wire === ThriftType.i16 ? 16 : 32;
  const cut = bits === 32 ? `${x} | 0` : `${x} << ${32 - bits} >> ${32 - bits}`;
  source.add(`if (typeof ${x} !== "number" || (${cut}) !== ${x}) throw gaveUp;`,
    bits === 8 ? `b[p++] = ${x};` : bits === 16 && !isCompact ? `b[p++] = ${x} >> 8; b[p++] = ${x};`
      : put32(isCompact, x));
}

function isText(plan: ValuePlan): boolean {
  return plan.type === "json" || plan.type === "scalar" && (plan.scalar === "string" || plan.scalar === "bytes");
}

/** Whether a value is bounded altogether. */
function isBounded(plan: ValuePlan): boolean {
  return plan.type === "enum" || plan.type === "scalar" && !isText(plan);
}

function writeList(generator: Generator, { of }: ListPlan, x: string, room: number): void {
  const { source, isCompact } = generator;
  source.add(`if (!Array.isArray(${x})) throw gaveUp;`);
  const size = isBounded(of) ? `${x}.length * ${boundOf(of)} + ${room + 7}` : String(room + 7);
  source.add(ensure(size));
  if (isCompact) {
    const type = compactTypeOf(of.wire);
    source.add(`if (${x}.length < 15) b[p++] = ${x}.length << 4 | ${type};`,
      `else { b[p++] = ${0xf0 | type}; p = putUint32(b, p, ${x}.length); }`);
  } else {
    source.add(`b[p++] = ${of.wire};`, put32(false, `${x}.length`));
  }
  const [i, y, n] = [source.fresh("i"), source.fresh("y"), source.fresh("n")];
  // A getter in the list may change it: what was announced is what must be written.
  source.add(`const ${n} = ${x}.length;`, `for (let ${i} = 0; ${i} < ${n}; ${i}++) {`, `const ${y} = ${x}[${i}];`);
  if (of.type === "list" || of.type === "map") source.add(ensure(boundOf(of)));
  writeValue(generator, of, y, isBounded(of) ? 0 : room);
  source.add("}");
}

function writeMap(generator: Generator, plan: MapPlan, x: string, room: number): void {
  const { source, isCompact } = generator;
  const [names, name] = [source.fresh("a"), source.fresh("i")];
  const [k, y, n] = [source.fresh("k"), source.fresh("y"), source.fresh("n")];
  const { key, value } = plan;
  if (plan.as === "Map") {
    source.add(`if (!(${x} instanceof Map)) throw gaveUp;`, `const ${n} = ${x}.size;`);
  } else {
    source.add(`if (!isRecord(${x})) throw gaveUp;`, `const ${names} = Object.keys(${x}), ${n} = ${names}.length;`);
  }
  source.add(ensure(room + 7));
  const types = [key, value].map(({ wire }) => (isCompact ? compactTypeOf(wire) : wire)) as [number, number];
  if (isCompact) {
    source.add(`p = putUint32(b, p, ${n});`, `if (${n} !== 0) b[p++] = ${types[0] << 4 | types[1]};`);
  } else {
    source.add(`b[p++] = ${types[0]}; b[p++] = ${types[1]};`, put32(false, n));
  }
  if (plan.as === "Map") {
    source.add(`for (const [${k}, ${y}] of ${x}) {`);
  } else {
    const typed = key.type === "enum" || key.scalar === "string" ? name
      : `keyOfProperty(${literal(key.scalar)}, ${name})`;
    source.add(`for (const ${name} of ${names}) {`, `const ${k} = ${typed}, ${y} = ${x}[${name}];`);
  }
  const after = boundOf(value) + room;
  source.add(ensure(boundOf(key) + after));
  writeValue(generator, key, k, after);
  writeValue(generator, value, y, room);
  source.add("}");
}

function writeUnion(generator: Generator, plan: UnionPlan): void {
  const { source, isCompact } = generator;
  const { discriminator } = plan;
  if (isCompact) source.add("const l = 0;");
  for (const { number, tag, value, model } of plan.variants) {
    const isTagged = discriminator !== undefined && tag !== undefined;
    source.add(isTagged
      ? `if (typeof v === "object" && v !== null && ${property("v", discriminator)} === ${literal(tag)}) {`
      : `if (fits(${source.constant(model)}, v)) {`);
    source.add(ensure(headBytes + boundOf(value) + 1));
    writeField(generator, value, "v", { number, last: 0, room: 1 });
    source.add("b[p++] = 0;", "return p;", "}");
  }
  source.add("throw gaveUp;");
}
