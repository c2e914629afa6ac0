/**
 * Generates encoders: one function a message, unrolled over its fields in the order of their numbers.
 *
 * `function e(v, w, p, d)` appends the message of value `v` to writer `w` from position `p` (at depth `d`, in
 * plans that may nest too deep) and returns the position after it. Room is made in groups: the bytes of
 * every part that is bounded are asked for together with the part of unknown size before them, so a message
 * costs one check for each text or nested message and one at its start. Bounded messages make no room at
 * all: their callers did.
 */
import { encodeSupport } from "./encode-support.ts";
import {
  type CasePlan, type FieldPlan, isMessage, type MapPlan, type MessagePlan, messagesOf, needsDepthCheck,
  type OneofPlan, type ScalarPlan, slotsOf, type UnionPlan, type ValuePlan, wireType,
} from "./plan.ts";
import { largestFloat } from "./scalars.ts";
import { literal, property, Source, tagBytes } from "./source.ts";
import type { Writer } from "../../wire/writer.ts";

/** Appends from the writer's position and moves it; throws `gaveUp` half way at a value that does not fit. */
export type Encode = (value: unknown, writer: Writer) => void;

export function generateEncoder(root: MessagePlan): Encode {
  const generator: Generator = { source: new Source(), checksDepth: needsDepthCheck(root) };
  const { source } = generator;
  for (const message of messagesOf(root)) writeFunction(generator, message);
  const bound = boundOf(root);
  source.add(
    "return function encode(v, w) {",
    // Before anything is written, so that a message which may not be measured has its room too.
    bound === undefined ? "" : `if (w.position + ${bound} > w.bytes.length) grow(w, w.position, ${bound});`,
    `w.position = ${call(generator, root, "v", "w.position", "1")};`,
    "}",
  );
  return source.build(encodeSupport) as Encode;
}

interface Generator {
  readonly source: Source;
  readonly checksDepth: boolean;
}

function call({ source, checksDepth }: Generator, plan: MessagePlan, value: string, at: string, depth: string): string {
  if (plan.type === "timestamp") return `putBareTimestamp(w.bytes, ${at}, ${value})`;
  if (plan.type === "free") return `putFree(w, ${at}, ${value}, ${literal(plan.form)})`;
  return `e${source.ordinal(plan)}(${value}, w, ${at}${checksDepth ? `, ${depth}` : ""})`;
}

function writeFunction(generator: Generator, plan: MessagePlan): void {
  if (plan.type === "timestamp" || plan.type === "free") return;
  const { source, checksDepth } = generator;
  source.add(`function e${source.ordinal(plan)}(v, w, p${checksDepth ? ", d" : ""}) {`);
  if (checksDepth) source.add("if (d > maxDepth) throw gaveUp;");
  source.add("let b = w.bytes;");
  if (plan.type === "union") writeUnion(generator, plan);
  else {
    if (plan.type === "struct") writeStructCheck(source, plan.fields);
    const steps = stepsOf(plan.fields);
    const rooms = roomsAfter(steps);
    if (boundOf(plan) === undefined) source.add(ensure(rooms[0] as number));
    for (const [i, { field, cases }] of steps.entries()) {
      const value = plan.type === "struct" ? property("v", field.name) : "v";
      if (field.shape.type === "oneof") writeOneof(generator, field, cases, value, rooms[i + 1] as number);
      else writeField(generator, field, value, rooms[i + 1] as number);
    }
    if (plan.type === "struct") writeUnknown(source, boundOf(plan) !== undefined);
  }
  source.add("return p;", "}");
}

/** A field, or cases of a oneof whose numbers no other field comes between. */
interface Step {
  readonly field: FieldPlan;
  readonly cases: readonly CasePlan[];
}

function stepsOf(fields: readonly FieldPlan[]): readonly Step[] {
  const steps: { field: FieldPlan; cases: CasePlan[] }[] = [];
  for (const { field, case: one } of slotsOf(fields)) {
    const last = steps.at(-1);
    if (one === undefined) steps.push({ field, cases: [] });
    else if (last?.field === field) last.cases.push(one);
    else steps.push({ field, cases: [one] });
  }
  return steps;
}

function ensure(count: number | string): string {
  return `if (p + ${count} > b.length) { b = grow(w, p, ${count}); p = w.position; }`;
}

/** Unknown fields that a value brought along. A bounded message has no room for them: the interpreter makes it. */
function writeUnknown(source: Source, isBounded: boolean): void {
  source.add("const u = v[unknownFields];", isBounded
    ? "if (u !== undefined) throw gaveUp;"
    : "if (u !== undefined) { putUnknown(w, p, u); b = w.bytes; p = w.position; }");
}

/** A struct with a field that must be there need not be told from an array: an array has no such field. */
function writeStructCheck(source: Source, fields: readonly FieldPlan[]): void {
  const isTold = fields.some(({ absent, name }) => absent === "zero" &&
    ![Array, Map, Date, Uint8Array].some(({ prototype }) => name in prototype));
  source.add(isTold
    ? 'if (typeof v !== "object" || v === null) throw gaveUp;'
    : "if (!isRecord(v)) throw gaveUp;");
}

/** For each step, and after the last, the bytes that it and those after it take at most, texts' contents excepted. */
function roomsAfter(steps: readonly Step[]): number[] {
  const rooms = [0];
  for (const { field: { shape, number }, cases } of steps.toReversed()) {
    const room = (its: number, value: ValuePlan) => tagBytes(its, 0).length + (boundOf(value) ?? 0) + 5;
    const own = shape.type === "single" ? room(number, shape.value)
      : Math.max(0, ...cases.map((one) => room(one.number, one.value)));
    rooms.unshift((rooms[0] as number) + own);
  }
  return rooms;
}

const bounds = new WeakMap<MessagePlan, number>();
/** A message that is bounded has a length of one byte. */
const mostBounded = 120;

/** The most bytes a value takes, without tag and length; undefined when there is no such limit. */
function boundOf(plan: ValuePlan, within: readonly MessagePlan[] = []): number | undefined {
  if (plan.type === "json") return undefined;
  if (plan.type === "enum") return 10;
  if (plan.type === "scalar") return scalarBound(plan.scalar);
  if (plan.type === "timestamp") return 18;
  if (plan.type === "union" || plan.type === "free" || within.includes(plan)) return undefined;
  const known = bounds.get(plan);
  if (known !== undefined) return known < 0 ? undefined : known;
  let sum = 0;
  for (const { shape, number } of plan.fields) {
    const field = (its: number, value: ValuePlan) =>
      (boundOf(value, [...within, plan]) ?? Infinity) + tagBytes(its, 0).length + 1;
    if (shape.type === "single") sum += field(number, shape.value);
    else if (shape.type === "oneof") sum += Math.max(...shape.cases.map((one) => field(one.number, one.value)));
    else sum = Infinity;
  }
  if (sum > mostBounded) sum = -1;
  if (within.length === 0) bounds.set(plan, sum);
  return sum < 0 ? undefined : sum;
}

function scalarBound(scalar: string): number | undefined {
  switch (scalar) {
    case "string": case "bytes": return undefined;
    case "bool": return 1;
    case "uint32": case "sint32": return 5;
    case "fixed32": case "sfixed32": case "float": return 4;
    case "fixed64": case "sfixed64": case "double": return 8;
    default: return 10;
  }
}

function writeUnion(generator: Generator, plan: UnionPlan): void {
  const { source } = generator;
  const { discriminator } = plan;
  if (discriminator !== undefined && plan.variants.every(({ tag }) => tag !== undefined)) {
    source.add('if (typeof v !== "object" || v === null) throw gaveUp;');
  }
  for (const { number, tag, value, model } of plan.variants) {
    const test = discriminator !== undefined && tag !== undefined
      ? `${property("v", discriminator)} === ${literal(tag)}`
      : `fits(${source.constant(model)}, v)`;
    const guard = discriminator !== undefined && tag !== undefined ? 'typeof v === "object" && v !== null && ' : "";
    source.add(`if (${guard}${test}) {`, ensure((boundOf(value) ?? 0) + 10));
    writeChecked(generator, value, "v", tagBytes(number, wireType(value)), 0);
    source.add("return p;", "}");
  }
  source.add("throw gaveUp;");
}

function writeOneof(
  generator: Generator, field: FieldPlan, cases: readonly CasePlan[], value: string, room: number,
): void {
  const { source } = generator;
  const all = (field.shape as OneofPlan).cases;
  source.add("{", `const x = ${value};`, field.absent === "zero" ? "{" : "if (x !== undefined) {",
    'if (typeof x !== "object" || x === null) throw gaveUp;', "const k = x.case, y = x.value;");
  for (const [i, one] of cases.entries()) {
    source.add(`${i === 0 ? "" : "} else "}if (k === ${literal(one.name)}) {`);
    writeChecked(generator, one.value, "y", tagBytes(one.number, wireType(one.value)), room);
  }
  const others = all.filter((one) => !cases.includes(one)).map(({ name }) => `k !== ${literal(name)}`);
  source.add(`} else ${others.length === 0 ? "" : `if (${others.join(" && ")}) `}throw gaveUp;`, "}", "}");
}

function writeField(generator: Generator, field: FieldPlan, value: string, room: number): void {
  const { source } = generator;
  const { shape, number } = field;
  source.add("{", `const x = ${value};`);
  switch (field.absent) {
    case "undefined": case "default": source.add("if (x !== undefined) {"); break;
    case "null": source.add("if (x !== null) {"); break;
    case "zero": source.add("{"); break;
  }
  if (shape.type === "single") {
    const tag = tagBytes(number, wireType(shape.value));
    writeChecked(generator, shape.value, "x", tag, room, field.presence === "implicit");
  } else if (shape.type === "list") {
    source.add("if (!Array.isArray(x)) throw gaveUp;");
    if (shape.packed) writePacked(generator, shape.of, number, room);
    else writeList(generator, shape.of, number, room);
  } else if (shape.type === "map") writeMap(generator, shape, number, room);
  source.add("}", "}");
}

/**
 * Writes one value with its tag, where there is room for `5` bytes beside the tag and the value's bound;
 * afterwards there are `room` bytes of room if there were as many beyond that before.
 */
function writeChecked(
  generator: Generator, plan: ValuePlan, x: string, tag: readonly number[], room: number, omitsZero = false,
): void {
  const { source } = generator;
  const put = tag.map((byte) => `b[p++] = ${byte};`).join(" ");
  if (isMessage(plan)) {
    source.add(put);
    writeNested(generator, plan, x, room);
  } else if (plan.type === "json") {
    const text = source.fresh("s");
    source.add(`const ${text} = json(${x});`, ensure(`${text}.length * 3 + ${room + 12}`), put,
      `p = putText(b, p, ${text});`);
  } else if (plan.type === "enum") {
    const n = source.fresh("n");
    source.add(`const ${n} = ${enumNumber(source, plan, x)};`, `if (${n} === undefined) throw gaveUp;`);
    source.add(omitsZero ? `if (${n} !== 0) {` : "{", put, putSmall(n, "putInt32"), "}");
  } else {
    writeScalar(source, plan, x, put, room, omitsZero);
  }
}

/** A number as a varint, with the commonest case in place. */
function putSmall(n: string, other: string): string {
  return `if (${n} >>> 0 < 128) b[p++] = ${n}; else p = ${other}(b, p, ${n});`;
}

/** Few names are compared in a row, many are looked up. */
function enumNumber(source: Source, plan: ValuePlan & { type: "enum" }, x: string): string {
  const { values, open } = plan.model;
  if (open === true) {
    const named = enumNumber(source, { type: "enum", model: { ...plan.model, open: false } }, x);
    return `isInt32(${x}) ? ${x} : ${named}`;
  }
  if (values.length > 8) {
    return `${source.constant(new Map(values.map(({ name, number }) => [name, number])))}.get(${x})`;
  }
  return `${values.map(({ name, number }) => `${x} === ${literal(name)} ? ${number} : `).join("")}undefined`;
}

function writeScalar(
  source: Source, { scalar, finite = false }: ScalarPlan, x: string, put: string, room: number, omitsZero: boolean,
): void {
  const when = (test: string, ...body: readonly string[]) => {
    source.add(omitsZero ? `if (${test}) {` : "{", put, ...body, "}");
  };
  switch (scalar) {
    case "bool":
      source.add(`if (typeof ${x} !== "boolean") throw gaveUp;`);
      return when(x, `b[p++] = ${x} ? 1 : 0;`);
    case "string":
      source.add(`if (typeof ${x} !== "string") throw gaveUp;`);
      return when(`${x} !== ""`, ensure(`${x}.length * 3 + ${room + 5}`), `p = putText(b, p, ${x});`);
    case "bytes":
      source.add(`if (!isBytes(${x})) throw gaveUp;`);
      return when(`${x}.length !== 0`, ensure(`${x}.length + ${room + 5}`), `p = putBytes(b, p, ${x});`);
    case "int32": case "sint32": case "sfixed32":
      source.add(`if (typeof ${x} !== "number" || (${x} | 0) !== ${x}) throw gaveUp;`);
      if (scalar === "int32") return when(`${x} !== 0`, putSmall(x, "putInt32"));
      if (scalar === "sfixed32") return when(`${x} !== 0`, `p = putFixed32(b, p, ${x});`);
      return when(`${x} !== 0`, `p = putUint32(b, p, ((${x} << 1) ^ (${x} >> 31)) >>> 0);`);
    case "uint32": case "fixed32":
      source.add(`if (typeof ${x} !== "number" || (${x} >>> 0) !== ${x}) throw gaveUp;`);
      if (scalar === "fixed32") return when(`${x} !== 0`, `p = putFixed32(b, p, ${x});`);
      return when(`${x} !== 0`, putSmall(x, "putUint32"));
    case "float":
      source.add(`if (typeof ${x} !== "number") throw gaveUp;`);
      source.add(finite ? `if (!(Math.abs(${x}) <= ${largestFloat})) throw gaveUp;`
        : `if (Math.abs(${x}) > ${largestFloat} && Math.abs(${x}) !== Infinity) throw gaveUp;`);
      return when(`${x} !== 0 || 1 / ${x} < 0`, `p = putFloat(b, p, ${x});`);
    case "double":
      source.add(`if (typeof ${x} !== "number"${finite ? ` || ${x} - ${x} !== 0` : ""}) throw gaveUp;`);
      return when(`${x} !== 0 || 1 / ${x} < 0`, `p = putDouble(b, p, ${x});`);
    case "int64": case "uint64": case "sint64": case "fixed64": case "sfixed64":
      source.add(`if (typeof ${x} !== "bigint") throw gaveUp;`);
      return when(`${x} !== 0n`, `p = put${(scalar[0] as string).toUpperCase()}${scalar.slice(1)}(b, p, ${x});`);
    default: return scalar satisfies never;
  }
}

/** A message with its length; a bounded one has a length of one byte and needs no room of its own. */
function writeNested(generator: Generator, plan: MessagePlan, x: string, room: number): void {
  const { source } = generator;
  if (plan.type === "timestamp") {
    if (generator.checksDepth) source.add("if (d >= maxDepth) throw gaveUp;");
    return source.add(`p = putTimestamp(b, p, ${x});`);
  }
  if (plan.type === "free") {
    if (generator.checksDepth) source.add("if (d >= maxDepth) throw gaveUp;");
    const bytes = source.fresh("s");
    return source.add(`const ${bytes} = freeBytes(${x}, ${literal(plan.form)});`,
      ensure(`${bytes}.length + ${room + 5}`), `p = putBytes(b, p, ${bytes});`);
  }
  if (boundOf(plan) !== undefined) {
    const start = source.fresh("q");
    return source.add(`const ${start} = p + 1;`, `p = ${call(generator, plan, x, start, "d + 1")};`,
      `b[${start} - 1] = p - ${start};`);
  }
  writeMeasured(generator, room, () => [`p = ${call(generator, plan, x, "p", "d + 1")};`, "b = w.bytes;"]);
}

/** Surrounds what `body` writes with its length, whose width is that of the last time. */
function writeMeasured({ source }: Generator, room: number, body: () => readonly string[] | void): void {
  const width = source.fresh("w");
  const start = source.fresh("q");
  const length = source.fresh("n");
  const last = source.fresh("l");
  // A copy, since a message inside this one may be of the same type and learn another width.
  source.add(`const ${last} = ${width};`, `p += ${last};`, `const ${start} = p - origin.position;`);
  source.add(...(body() ?? []));
  source.add(`const ${length} = p - origin.position - ${start};`,
    `if (${last} === 1 && ${length} < 128) b[p - ${length} - 1] = ${length};`,
    `else { close(w, ${start}, p, ${last}); b = w.bytes; p = w.position; ${width} = varintWidth(${length}); }`,
    ensure(room));
  source.addTop(`let ${width} = 1;`);
}

function writeList(generator: Generator, of: ValuePlan, number: number, room: number): void {
  const { source } = generator;
  const tag = tagBytes(number, wireType(of));
  const own = tag.length + (boundOf(of) ?? 0) + 5;
  source.add("for (let i = 0; i < x.length; i++) {", "const y = x[i];");
  // A text makes room for itself, together with the tag that goes before it.
  const isText = of.type === "scalar" && of.scalar === "string";
  if (isText) {
    source.add('if (typeof y !== "string") throw gaveUp;', ensure(`y.length * 3 + ${own + room}`),
      tag.map((byte) => `b[p++] = ${byte};`).join(" "), "p = putText(b, p, y);");
  } else {
    source.add(ensure(own + room));
    writeChecked(generator, of, "y", tag, room);
  }
  source.add("}");
}

function writePacked(generator: Generator, of: ValuePlan, number: number, room: number): void {
  const { source } = generator;
  source.add("if (x.length !== 0) {", ensure(tagBytes(number, 2).length + 5 + room));
  source.add(tagBytes(number, 2).map((byte) => `b[p++] = ${byte};`).join(" "));
  writeMeasured(generator, room, () => {
    source.add("for (let i = 0; i < x.length; i++) {", "const y = x[i];", ensure((boundOf(of) ?? 10) + room));
    writeChecked(generator, of, "y", [], room);
    source.add("}");
  });
  source.add("}");
}

function writeMap(generator: Generator, plan: MapPlan, number: number, room: number): void {
  const { source } = generator;
  if (plan.as === "Map") {
    source.add("if (!(x instanceof Map)) throw gaveUp;", "for (const [k, y] of x) {");
  } else {
    source.add("if (!isRecord(x)) throw gaveUp;", "for (const name of Object.keys(x)) {", "const y = x[name];");
    source.add(plan.key.type === "enum" || plan.key.scalar === "string"
      ? "const k = name;"
      : `const k = keyOfProperty(${literal(plan.key.scalar)}, name);`);
  }
  source.add(ensure(30 + room), tagBytes(number, 2).map((byte) => `b[p++] = ${byte};`).join(" "));
  writeMeasured(generator, room, () => {
    const value = isMessage(plan.value) || plan.value.type === "json" ? 16 : 16 + (boundOf(plan.value) ?? 0);
    if (plan.key.type === "enum") {
      const known = source.constant(new Set(plan.key.model.values.map(({ name }) => name)));
      source.add(`if (!${known}.has(k)) throw gaveUp;`);
    }
    const key: ValuePlan = plan.key.type === "enum" ? { type: "scalar", scalar: "string" } : plan.key;
    source.add(ensure(26 + value));
    writeChecked(generator, key, "k", tagBytes(1, wireType(key)), value + (boundOf(plan.value) ?? 0));
    source.add(ensure(value + (boundOf(plan.value) ?? 0)));
    writeChecked(generator, plan.value, "y", tagBytes(2, wireType(plan.value)), room);
  });
  source.add("}");
}
