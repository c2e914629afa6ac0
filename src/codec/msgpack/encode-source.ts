/**
 * Generates encoders of MessagePack: one function a struct, unrolled over its fields, whose keys are bytes in the code.
 *
 * `function e(v, w, p, d)` appends the struct `v` at depth `d` to writer `w` from position `p` and returns the position
 * after it. As in Protobuf's, room is made in groups: what is bounded is asked for together with the part of unknown
 * size before it. What is not of its plan makes the whole give up.
 */
import type { Writer } from "../../wire/writer.ts";
import { literal, property, Source } from "../protobuf/source.ts";
import { encodeSupport } from "./encode-support.ts";
import { extensions } from "./format.ts";
import { type FieldPlan, keyBytes, type MapPlan, type Plan, type ScalarPlan, type StructPlan, structsOf,
  type TaggedPlan } from "./plan.ts";

/** Appends from the writer's position and moves it; throws half way at a value that is not of the plan. */
export type Encode = (value: unknown, writer: Writer) => void;

export function generateEncoder(root: Plan): Encode {
  const source = new Source();
  for (const struct of structsOf(root)) {
    source.add(`function e${source.ordinal(struct)}(v, w, p, d) {`, "if (d >= maxDepth) throw gaveUp;",
      "let b = w.bytes;");
    writeStruct(source, struct);
    source.add("return p;", "}");
  }
  source.add("return function encode(v, w) {", "const d = 0;", "let p = w.position, b = w.bytes;",
    ensure(boundOf(root) ?? 0));
  write(source, root, "v", 0, 0);
  source.add("w.position = p;", "}");
  return source.build(encodeSupport) as Encode;
}

function ensure(count: number | string): string {
  return count === 0 ? "" : `if (p + ${count} > b.length) { b = grow(w, p, ${count}); p = w.position; }`;
}

/** The bytes that a value takes at most; undefined when there is no such limit. */
function boundOf(plan: Plan): number | undefined {
  switch (plan.type) {
    case "scalar":
      switch (plan.scalar) {
        case "string": case "bytes": return undefined;
        case "bool": return 1;
        case "timestamp": return 15;
        default: return 9;
      }
    case "nullable": return boundOf(plan.of);
    default: return undefined;
  }
}

function writeStruct(source: Source, { fields }: StructPlan): void {
  const isTold = fields.some(({ presence, name, plan }) => presence === "required" && plan.type !== "any" &&
    ![Array, Map, Date, Uint8Array].some(({ prototype }) => name in prototype));
  source.add(isTold ? 'if (typeof v !== "object" || v === null) throw gaveUp;' : "if (!isRecord(v)) throw gaveUp;");
  const values = fields.map((field) => {
    const x = source.fresh("x");
    source.add(`const ${x} = ${property("v", field.name)};`);
    if (field.presence === "required") source.add(`if (${x} === undefined) throw gaveUp;`);
    return x;
  });
  const rooms = roomsOf(fields);
  const optional = values.filter((_, i) => fields[i]?.presence !== "required");
  const least = fields.length - optional.length;
  const count = [String(least), ...optional.map((x) => `(${x} === undefined ? 0 : 1)`)].join(" + ");
  source.add(ensure(5 + (rooms[0] as number)));
  if (fields.length < 16) source.add(`b[p++] = ${optional.length === 0 ? 0x80 | least : `128 | (${count})`};`);
  else source.add(`p = putCount(b, p, ${count}, 128);`);
  for (const [i, field] of fields.entries()) {
    const x = values[i] as string;
    const room = boundOf(field.plan) === undefined ? rooms[i + 1] as number : 0;
    if (field.presence !== "required") source.add(`if (${x} !== undefined) {`);
    writeChunk(source, keyBytes(field.name));
    write(source, field.plan, x, room, 1);
    // What is left out leaves its room to what follows, which may be more than was asked for with it.
    if (field.presence !== "required") source.add(room === 0 ? "}" : `} else { ${ensure(room)} }`);
  }
}

/** For each field, and after the last, the bytes of it and those after it up to one that makes its own room. */
function roomsOf(fields: readonly FieldPlan[]): number[] {
  const rooms = [0];
  for (const { name, plan } of fields.toReversed()) {
    const bound = boundOf(plan);
    rooms.unshift(keyBytes(name).length + (bound === undefined ? 0 : bound + (rooms[0] as number)));
  }
  return rooms;
}

const longChunk = 48;

function writeChunk(source: Source, bytes: Uint8Array): void {
  if (bytes.length > longChunk) {
    source.add(`b.set(${source.constant(bytes)}, p);`, `p += ${bytes.length};`);
    return;
  }
  source.add(...Array.from(bytes, (byte, i) => `b[p${i === 0 ? "" : ` + ${i}`}] = ${byte};`), `p += ${bytes.length};`);
}

/**
 * Writes a value. There is room for it if it is bounded; afterwards there is room for `room` more bytes, if it is not.
 * `depth` is how much deeper than the function's own value it stands.
 */
function write(source: Source, plan: Plan, x: string, room: number, depth: number): void {
  switch (plan.type) {
    case "scalar": writeScalar(source, plan, x, room); break;
    case "enum":
      if (plan.isOpen) {
        source.add(`p = putFree(w, p, ${x}, d + ${depth});`, "b = w.bytes;", ensure(room));
      } else writeText(source, x, room);
      break;
    case "any": source.add(`p = putFree(w, p, ${x}, d + ${depth});`, "b = w.bytes;", ensure(room)); break;
    case "struct":
      source.add(`p = e${source.ordinal(plan)}(${x}, w, p, d + ${depth});`, "b = w.bytes;", ensure(room));
      break;
    case "nullable": {
      const isBounded = boundOf(plan.of) !== undefined;
      source.add(`if (${x} === null) {`, isBounded ? "" : ensure(1 + room), "b[p++] = 192;", "} else {");
      write(source, plan.of, x, room, depth);
      source.add("}");
      break;
    }
    case "list": writeList(source, plan.of, x, room, depth); break;
    case "map": writeMap(source, plan, x, room, depth); break;
    case "tagged": writeTagged(source, plan, x, room, depth); break;
    default: plan satisfies never;
  }
}

function writeText(source: Source, x: string, room: number): void {
  source.add(`if (typeof ${x} !== "string") throw gaveUp;`, ensure(`${x}.length * 3 + ${room + 5}`),
    `p = putText(b, p, ${x});`);
}

function writeScalar(source: Source, { scalar }: ScalarPlan, x: string, room: number): void {
  switch (scalar) {
    case "string": writeText(source, x, room); break;
    case "bytes":
      source.add(`if (!(${x} instanceof Uint8Array)) throw gaveUp;`, ensure(`${x}.length + ${room + 5}`),
        `p = putBytes(b, p, ${x});`);
      break;
    case "bool":
      source.add(`if (${x} === true) b[p++] = 195; else if (${x} === false) b[p++] = 194; else throw gaveUp;`);
      break;
    case "timestamp":
      source.add(`if (!(${x} instanceof Date)) throw gaveUp;`, `p = putDate(b, p, ${x});`);
      break;
    case "int64": case "uint64": case "sint64": case "fixed64": case "sfixed64":
      source.add(`if (typeof ${x} !== "bigint") throw gaveUp;`, `p = putBigint(b, p, ${x});`);
      break;
    default: source.add(`if (typeof ${x} !== "number") throw gaveUp;`, `p = putNumber(b, p, ${x});`);
  }
}

function writeList(source: Source, of: Plan, x: string, room: number, depth: number): void {
  const [i, n, y] = [source.fresh("i"), source.fresh("n"), source.fresh("y")];
  const bound = boundOf(of);
  source.add(`if (d + ${depth} >= maxDepth || !Array.isArray(${x})) throw gaveUp;`, `const ${n} = ${x}.length;`,
    ensure(bound === undefined ? 5 + room : `${n} * ${bound} + ${room + 5}`), `p = putCount(b, p, ${n}, 144);`,
    `for (let ${i} = 0; ${i} < ${n}; ${i}++) {`, `const ${y} = ${x}[${i}];`);
  write(source, of, y, 0, depth + 1);
  // An unbounded item may have used the room up that was made for what follows the list.
  source.add("}", bound === undefined ? ensure(room) : "");
}

function writeMap(source: Source, plan: MapPlan, x: string, room: number, depth: number): void {
  const [k, y, n] = [source.fresh("k"), source.fresh("y"), source.fresh("n")];
  const lead = boundOf(plan.of) ?? 0;
  source.add(`if (d + ${depth} >= maxDepth) throw gaveUp;`);
  if (plan.as === "object") {
    const keys = source.fresh("keys");
    source.add(`if (!isRecord(${x})) throw gaveUp;`, `const ${keys} = Object.keys(${x});`, ensure(5),
      `p = putCount(b, p, ${keys}.length, 128);`, `for (const ${k} of ${keys}) {`,
      `const ${y} = ${x}[${k}];`, `if (${y} === undefined) throw gaveUp;`,
      ensure(`${k}.length * 3 + ${5 + lead}`), `p = putKey(b, p, ${k});`);
    write(source, plan.of, y, 0, depth + 1);
    source.add("}", ensure(room));
    return;
  }
  const [width, start, left] = [source.fresh("width"), source.fresh("start"), source.fresh("left")];
  // The header's width is what the last one had.
  source.addTop(`let ${width} = 3;`);
  source.add(`if (!(${x} instanceof Map)) throw gaveUp;`, `const ${n} = ${width};`, ensure(11), `p += ${n};`,
    `const ${start} = p - origin.position;`, `let ${left} = ${x}.size;`, `p = putCount(b, p, ${left} * 2, 144);`,
    `for (const [${k}, ${y}] of ${x}) {`, `${left}--;`);
  const bound = boundOf(plan.key);
  source.add(bound === undefined ? "" : ensure(bound + lead));
  write(source, plan.key, k, lead, depth + 1);
  write(source, plan.of, y, 0, depth + 1);
  source.add("}", `if (${left} !== 0) throw gaveUp;`,
    `${width} = closeExtension(w, ${start}, p, ${n}, ${extensions.map});`, "p = w.position; b = w.bytes;",
    ensure(room));
}

function writeTagged(source: Source, plan: TaggedPlan, x: string, room: number, depth: number): void {
  source.add(`if (typeof ${x} !== "object" || ${x} === null) throw gaveUp;`,
    `switch (${property(x, plan.discriminator)}) {`);
  for (const { tag, plan: variant } of plan.variants) {
    source.add(`case ${literal(tag)}: p = e${source.ordinal(variant)}(${x}, w, p, d + ${depth}); break;`);
  }
  source.add("default: throw gaveUp;", "}", "b = w.bytes;", ensure(room));
}
