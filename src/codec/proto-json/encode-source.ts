/**
 * Generates writers of JSON: one function a message, unrolled over its fields, that stores straight into bytes.
 *
 * `function e(v, w, p, d)` appends the JSON of value `v` to writer `w` from position `p` (in depth `d`, in plans that
 * may nest too deep) and returns the position after it. What follows a member is a comma, which the closing bracket
 * takes the place of. Room is made in groups: what is bounded is asked for together with the part of unknown size
 * before it. It keeps no path; whatever does not fit it leaves to the interpreter, by giving up.
 */
import type { Writer } from "../../wire/writer.ts";
import {
  type FieldPlan, isMessage, type MapPlan, maxDepth, type MessagePlan, messagesOf, type OneofPlan, type ScalarPlan,
  slotsOf, type StructPlan, type UnionPlan, type ValuePlan, valuesOf, type WrapperPlan,
} from "../protobuf/plan.ts";
import { fitsScalar, largestFloat } from "../protobuf/scalars.ts";
import { gaveUp } from "../protobuf/gave-up.ts";
import { literal, property, Source } from "../protobuf/source.ts";
import type { Write } from "./any.ts";
import { encodeSupport, longestNumber } from "./encode-support.ts";
import { quote } from "./scalars.ts";

/** Appends from the writer's position and moves it; throws half way at a value that does not fit. */
export type Encode = (value: unknown, writer: Writer) => void;

/** `writeOf` gives the writer of what has none here: JSON that is no object of fields, and values of no type. */
export function generateEncoder(root: MessagePlan, writeOf: (plan: ValuePlan) => Write): Encode {
  const source = new Source();
  const generator: Generator = { source, checksDepth: mayNestTooDeep(root), writeOf };
  for (const message of messagesOf(root)) writeFunction(generator, message);
  source.add("return function encode(v, w) {", "let b = w.bytes, p = w.position;", ensure(boundOf(root)));
  writeValue(generator, root, "v", 0, "1");
  source.add("w.position = p;", "}");
  return source.build({ ...encodeSupport, maxDepth }) as Encode;
}

interface Generator {
  readonly source: Source;
  readonly checksDepth: boolean;
  readonly writeOf: (plan: ValuePlan) => Write;
}

/**
 * Whether lists and objects may stand in one another more than {@link maxDepth} times: a message makes up to three,
 * and what an Any holds is not known.
 */
export function mayNestTooDeep(root: MessagePlan): boolean {
  const heights = new Map<MessagePlan, number>();
  const height = (message: MessagePlan): number => {
    const known = heights.get(message);
    if (known !== undefined) return known;
    heights.set(message, Infinity);
    if (message.type === "struct" && message.name === "google.protobuf.Any") return Infinity;
    const most = valuesOf(message).reduce((sum, value) => (isMessage(value) ? Math.max(sum, height(value)) : sum), 0);
    heights.set(message, most + 3);
    return most + 3;
  };
  return height(root) > maxDepth;
}

/** Structs whose JSON is no object of their fields. */
export function isText(plan: ValuePlan): boolean {
  return plan.type === "struct" && /^google\.protobuf\.(?:Any|Duration|Timestamp|FieldMask)$/.test(plan.name);
}

function writeFunction(generator: Generator, plan: MessagePlan): void {
  if (plan.type === "timestamp" || plan.type === "free" || isText(plan)) return;
  if (plan.type === "wrapper" && plan.of === "wellknown") return;
  const { source, checksDepth } = generator;
  source.add(`function e${source.ordinal(plan)}(v, w, p${checksDepth ? ", d" : ""}) {`);
  if (checksDepth) source.add("if (d > maxDepth) throw gaveUp;");
  source.add("let b = w.bytes;");
  if (plan.type === "union") writeUnion(generator, plan);
  else writeMembers(generator, plan);
  source.add("return p;", "}");
}

function ensure(count: number | string): string {
  return `if (p + ${count} > b.length) { b = grow(w, p, ${count}); p = w.position; }`;
}

/** Stores ASCII. */
function put(text: string): string {
  const bytes = new TextEncoder().encode(text);
  return `${[...bytes].map((byte, i) => `b[p + ${i}] = ${byte};`).join(" ")} p += ${bytes.length};`;
}

function keyOf(name: string): string {
  return `${quote(name)}:`;
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

function writeMembers(generator: Generator, plan: StructPlan | WrapperPlan): void {
  const { source } = generator;
  const slots = slotsOf(plan.fields);
  const rooms = [2];
  for (const { field, case: one } of slots.toReversed()) {
    const value = one?.value ?? (field.shape.type === "single" ? field.shape.value : undefined);
    const own = byteLength(keyOf((one ?? field).json)) + (value === undefined ? 0 : boundOf(value)) + 4;
    rooms.unshift((rooms[0] as number) + own);
  }
  if (plan.type === "struct") source.add("if (!isRecord(v)) throw gaveUp;");
  source.add(ensure((rooms[0] as number) + 2), "b[p++] = 123;");
  for (const [i, { field, case: one }] of slots.entries()) {
    const value = plan.type === "struct" ? property("v", field.name) : "v";
    const room = rooms[i + 1] as number;
    source.add("{", `const x = ${value};`);
    if (one === undefined) writeField(generator, field, room);
    else writeCase(generator, field, one, room);
    source.add("}");
  }
  source.add("if (b[p - 1] === 44) b[p - 1] = 125; else b[p++] = 125;");
}

/** The most bytes that a value takes; of one without such a limit, those that it takes before it makes room itself. */
function boundOf(plan: ValuePlan): number {
  if (plan.type === "timestamp") return 28;
  if (plan.type === "enum") {
    return Math.max(longestNumber, ...plan.model.values.map(({ name }) => byteLength(quote(name))));
  }
  if (plan.type === "wrapper" && plan.of === "wellknown") {
    return boundOf((plan.fields[0].shape as { value: ValuePlan }).value);
  }
  return plan.type === "scalar" ? longestNumber : 4;
}

function writeCase(
  generator: Generator, field: FieldPlan, one: OneofPlan["cases"][number], room: number,
): void {
  const { source } = generator;
  const { cases } = field.shape as OneofPlan;
  source.add(field.absent === "zero" ? "{" : "if (x !== undefined) {", "if (!isRecord(x)) throw gaveUp;",
    "const k = x.case;", `if (k === ${literal(one.name)}) {`, "const y = x.value;", put(keyOf(one.json)));
  writeValue(generator, one.value, "y", room, "d + 1");
  const others = cases.filter((other) => other !== one).map(({ name }) => `k !== ${literal(name)}`);
  source.add("b[p++] = 44;", `} else ${others.length === 0 ? "" : `if (${others.join(" && ")})`} throw gaveUp;`, "}");
}

function writeField(generator: Generator, field: FieldPlan, room: number): void {
  const { source } = generator;
  const { shape } = field;
  const key = put(keyOf(field.json));
  switch (field.absent) {
    case "undefined": case "default": source.add("if (x !== undefined) {"); break;
    case "null": source.add("if (x !== null) {"); break;
    case "zero": source.add("{"); break;
    default: return field.absent satisfies never;
  }
  if (shape.type === "single") {
    const isOmittable = field.presence === "implicit" ? writeOmission(generator, shape.value) : undefined;
    source.add(isOmittable === undefined ? "{" : `if (${isOmittable}) {`, key);
    writeValue(generator, shape.value, "x", room, "d + 1");
    source.add("b[p++] = 44;", "}");
  } else if (shape.type === "list") {
    source.add("if (!isArray(x)) throw gaveUp;", "if (x.length !== 0) {", key);
    writeList(generator, shape.of, room);
    source.add("b[p++] = 44;", "}");
  } else if (shape.type === "map") {
    writeMap(generator, shape, keyOf(field.json), room);
  }
  source.add("}");
}

/** Checks a value that implicit presence may leave out; the test is whether it is written. */
function writeOmission({ source }: Generator, plan: ValuePlan): string | undefined {
  if (plan.type === "enum") {
    const zero = plan.model.values.find(({ number }) => number === 0)?.name;
    const isNamed = zero === undefined ? undefined : `x !== ${literal(zero)}`;
    if (plan.model.open !== true) return isNamed;
    return isNamed === undefined ? "x !== 0" : `x !== 0 && ${isNamed}`;
  }
  if (plan.type !== "scalar") return undefined;
  switch (plan.scalar) {
    case "bool":
      source.add('if (typeof x !== "boolean") throw gaveUp;');
      return "x";
    case "string": return 'x !== ""';
    case "bytes":
      source.add("if (!isBytes(x)) throw gaveUp;");
      return "x.length !== 0";
    case "int64": case "uint64": case "sint64": case "fixed64": case "sfixed64": return "x !== 0n";
    case "float": case "double": return "x !== 0 || 1 / x < 0";
    case "int32": case "uint32": case "sint32": case "fixed32": case "sfixed32": return "x !== 0";
    default: return plan.scalar satisfies never;
  }
}

/** Depth is what a generated function calls its own; a list makes it one more. */
function writeList(generator: Generator, of: ValuePlan, room: number): void {
  const { source } = generator;
  if (generator.checksDepth) source.add("if (d >= maxDepth) throw gaveUp;");
  source.add("b[p++] = 91;", "for (let i = 0; i < x.length; i++) {", "const y = x[i];");
  if (!isString(of)) source.add(ensure(boundOf(of) + room + 4));
  writeValue(generator, of, "y", room, "d + 2");
  source.add("b[p++] = 44;", "}", "if (b[p - 1] === 44) b[p - 1] = 93; else b[p++] = 93;", ensure(room + 2));
}

function isString(plan: ValuePlan): boolean {
  return plan.type === "scalar" && plan.scalar === "string";
}

function writeMap(generator: Generator, { key, value, as }: MapPlan, name: string, room: number): void {
  const { source } = generator;
  const inside = boundOf(value) + room + 4;
  source.add("let n = 0;");
  if (as === "Map") source.add("if (!(x instanceof Map)) throw gaveUp;", "for (const [k, y] of x) {");
  else source.add("if (!isRecord(x)) throw gaveUp;", "for (const k of Object.keys(x)) {", "const y = x[k];");
  source.add("if (n++ === 0) {", generator.checksDepth ? "if (d >= maxDepth) throw gaveUp;" : "",
    ensure(byteLength(name) + inside), put(name), "b[p++] = 123;", "}");
  const text = key.type !== "enum" && key.scalar === "string" ? "k" : `${source.constant(keyText(key, as))}(k)`;
  source.add(`const q = ${text};`, 'if (typeof q !== "string" || q === "__proto__") throw gaveUp;');
  writeString(source, "q", inside);
  source.add("b[p++] = 58;");
  writeValue(generator, value, "y", room, "d + 2");
  source.add("b[p++] = 44;", ensure(room + 4), "}", "if (n !== 0) { b[p - 1] = 125; b[p++] = 44; }");
}

/** The text of a map's key; throws for one that is none. */
function keyText(key: MapPlan["key"], as: MapPlan["as"]): (key: unknown) => string {
  if (key.type === "enum") {
    const names = new Set<unknown>(key.model.values.map(({ name }) => name));
    return (name) => {
      if (!names.has(name)) throw gaveUp;
      return name as string;
    };
  }
  const { keyOfProperty } = encodeSupport;
  return (name) => {
    if (!fitsScalar(key.scalar, as === "Map" ? name : keyOfProperty(key.scalar, name as string))) throw gaveUp;
    return String(name);
  };
}

/** There is room for the bound of the value beyond `room`; afterwards there is room for `room`. */
function writeValue(generator: Generator, plan: ValuePlan, x: string, room: number, depth: string): void {
  const { source, checksDepth } = generator;
  if (plan.type === "scalar") return writeScalar(source, plan, x, room);
  if (plan.type === "timestamp") return source.add(`p = putDate(b, p, ${x});`);
  if (plan.type === "enum") return writeEnum(generator, plan, x);
  if (plan.type === "wrapper" && plan.of === "wellknown") {
    return writeValue(generator, (plan.fields[0].shape as { value: ValuePlan }).value, x, room, depth);
  }
  if (plan.type === "json" || plan.type === "free" || isText(plan)) {
    const write = source.constant(generator.writeOf(plan));
    source.add(checksDepth ? `nesting.depth = ${depth} - 1;` : "",
      `p = putWhole(w, p, ${write}(${x}, undefined), ${room + 4});`, "b = w.bytes;");
    return;
  }
  source.add(`p = e${source.ordinal(plan)}(${x}, w, p${checksDepth ? `, ${depth}` : ""});`, "b = w.bytes;",
    ensure(room + 4));
}

function writeEnum({ source, writeOf }: Generator, plan: ValuePlan & { type: "enum" }, x: string): void {
  const { values, open } = plan.model;
  const texts = new Map(values.map(({ name }) => [name, quote(name)]));
  const isAscii = values.every(({ name }) => byteLength(quote(name)) === quote(name).length);
  const s = source.fresh("s");
  source.add(`let ${s} = ${source.constant(texts)}.get(${x});`, `if (${s} === undefined) ${
    open === true ? `${s} = ${source.constant(writeOf(plan))}(${x}, undefined)` : "throw gaveUp"};`,
  `p ${isAscii ? "= putAscii" : "+= writeText"}(b, p, ${s});`);
}

function writeString(source: Source, x: string, room: number): void {
  const q = source.fresh("q");
  source.add(ensure(`${x}.length * 3 + ${room + 8}`), `const ${q} = putString(b, p, ${x});`,
    `if (${q} >= 0) p = ${q}; else { p = putEscaped(w, p, ${x}, ${room + 8}); b = w.bytes; }`);
}

function writeScalar(source: Source, { scalar, finite = false }: ScalarPlan, x: string, room: number): void {
  switch (scalar) {
    case "bool":
      return source.add(`if (${x} === true) { ${put("true")} } else if (${x} === false) { ${put("false")} } ` +
        "else throw gaveUp;");
    case "string":
      source.add(`if (typeof ${x} !== "string") throw gaveUp;`);
      return writeString(source, x, room);
    case "bytes": {
      const s = source.fresh("s");
      return source.add(`if (!isBytes(${x})) throw gaveUp;`, `const ${s} = toBase64(${x});`,
        ensure(`${s}.length + ${room + 8}`), "b[p++] = 34;", `p += writeText(b, p, ${s});`, "b[p++] = 34;");
    }
    case "int32": case "sint32": case "sfixed32":
      return source.add(`if (typeof ${x} !== "number" || (${x} | 0) !== ${x}) throw gaveUp;`,
        `p = putInteger(b, p, ${x});`);
    case "uint32": case "fixed32":
      return source.add(`if (typeof ${x} !== "number" || (${x} >>> 0) !== ${x}) throw gaveUp;`,
        `p = putInteger(b, p, ${x});`);
    case "float":
      return source.add(`if (typeof ${x} !== "number" || !(Math.abs(${x}) <= ${largestFloat}${
        finite ? "" : ` || ${x} - ${x} !== 0`})) throw gaveUp;`, `p = putNumber(b, p, ${x});`);
    case "double":
      return source.add(`if (typeof ${x} !== "number"${finite ? ` || ${x} - ${x} !== 0` : ""}) throw gaveUp;`,
        `p = putNumber(b, p, ${x});`);
    case "int64": case "sint64": case "sfixed64": return source.add(`p = putLong(b, p, ${x}, true);`);
    case "uint64": case "fixed64": return source.add(`p = putLong(b, p, ${x}, false);`);
    default: return scalar satisfies never;
  }
}

/** Unions say which variant it is; the first that the value fits. */
function writeUnion(generator: Generator, plan: UnionPlan): void {
  const { source } = generator;
  const { discriminator } = plan;
  for (const { json, tag, value, model } of plan.variants) {
    const test = discriminator !== undefined && tag !== undefined
      ? `typeof v === "object" && v !== null && v[${literal(discriminator)}] === ${literal(tag)}`
      : `fits(${source.constant(model)}, v)`;
    source.add(`if (${test}) {`, ensure(byteLength(keyOf(json)) + boundOf(value) + 8), "b[p++] = 123;",
      put(keyOf(json)));
    writeValue(generator, value, "v", 4, "d + 1");
    source.add("b[p++] = 125;", "return p;", "}");
  }
  source.add("throw gaveUp;");
}
