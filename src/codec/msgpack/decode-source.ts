/**
 * Generates decoders of MessagePack: two functions a struct.
 *
 * `function d(b, p, end, t, o, d)` reads a struct at `p`, `d` deep, whose properties come in the order of their fields:
 * each key is compared with the bytes of the next. `t` is the input's window, from `o`. Where another key comes,
 * `function o(…, left, f0, …)` goes on with what was read so far, finds fields by a hash, and passes over unknown
 * properties. Reading beyond the end is found out at the end, if no count or length does.
 */
import { createKeyCache } from "../protobuf/decode-support.ts";
import { largestFloat } from "../protobuf/scalars.ts";
import { literal, Source } from "../protobuf/source.ts";
import { createNames, decodeSupport } from "./decode-support.ts";
import {
  type EnumPlan, keyBytes, type MapPlan, type Plan, type ScalarPlan, type StructPlan, structsOf, type TaggedPlan,
} from "./plan.ts";

/** Reads all of `bytes[start, end)`; throws at what is not of the plan. */
export type Decode = (bytes: Uint8Array, start: number, end: number) => unknown;

export function generateDecoder(root: Plan): Decode {
  const source = new Source();
  for (const struct of structsOf(root)) {
    writeInOrder(source, struct);
    writeOutOfOrder(source, struct);
  }
  source.add("return function decode(b, p, end) {", "const t = windowOf(b, p, end), o = p, d = 0;",
    "let n = 0, q = 0, v;");
  read(source, root, "v", 0);
  source.add("if (p !== end) throw gaveUp;", "return v;", "}");
  return source.build(decodeSupport) as Decode;
}

function writeInOrder(source: Source, struct: StructPlan): void {
  const { fields } = struct;
  const ordinal = source.ordinal(struct);
  let required = fields.filter(({ presence }) => presence === "required").length;
  source.add(`function d${ordinal}(b, p, end, t, o, d) {`, "let n = 0, q = 0;",
    "let left = count(b, p, end, 128, d);", "p = after.position;", `if (left < ${required}) throw gaveUp;`);
  const names = fields.map((_, i) => `f${i}`);
  if (names.length > 0) source.add(`let ${names.join(", ")};`);
  const onward = `o${ordinal}(${["b, p, end, t, o, d, left", ...names].join(", ")})`;
  for (const [i, field] of fields.entries()) {
    const matches = Array.from(keyBytes(field.name), (byte, at) => `b[p${at === 0 ? "" : ` + ${at}`}] === ${byte}`);
    const isRequired = field.presence === "required";
    if (isRequired) source.add(`if (!(${matches.join(" && ")})) return ${onward};`);
    else source.add(`if (left > ${required} && ${matches.join(" && ")}) {`);
    source.add(`p += ${matches.length};`, "left--;");
    read(source, field.plan, `f${i}`, 1);
    if (isRequired) required--;
    else source.add("}");
  }
  source.add(`if (left !== 0) return ${onward};`);
  writeResult(source, struct);
}

function writeOutOfOrder(source: Source, struct: StructPlan): void {
  const { fields } = struct;
  const names = fields.map((_, i) => `f${i}`);
  source.add(`function o${source.ordinal(struct)}(${["b, p, end, t, o, d, left", ...names].join(", ")}) {`,
    "let n = 0, q = 0;", "for (; left > 0; left--) {", "if (p >= end) throw gaveUp;",
    `const field = fieldOf(b, p, end, ${source.constant(createNames(fields.map(({ name }) => name)))});`,
    "p = after.position;", "switch (field) {");
  for (const [i, field] of fields.entries()) {
    source.add(`case ${i}: {`);
    read(source, field.plan, `f${i}`, 1);
    source.add("break;", "}");
  }
  source.add("default: p = skip(b, p, end, d + 1);", "}", "}");
  const missing = fields.flatMap(({ presence }, i) => (presence === "required" ? [`f${i} === undefined`] : []));
  if (missing.length > 0) source.add(`if (${missing.join(" || ")}) throw gaveUp;`);
  writeResult(source, struct);
}

/** Required fields in one literal, so that all values have one hidden class; others are added when they came. */
function writeResult(source: Source, { fields }: StructPlan): void {
  const sure: string[] = [];
  for (const [i, { presence, defaultValue, name }] of fields.entries()) {
    if (presence === "default") {
      source.add(`if (f${i} === undefined) f${i} = ${source.constant(defaultValue ?? (() => undefined))}();`);
    }
    if (presence !== "optional") sure.push(`${literal(name)}: f${i}`);
  }
  source.add("after.position = p;", `const v = {${sure.join(", ")}};`);
  for (const [i, { presence, name }] of fields.entries()) {
    if (presence === "optional") source.add(`if (f${i} !== undefined) v[${literal(name)}] = f${i};`);
  }
  source.add("return v;", "}");
}

/** Reads a value at `p`, `depth` deeper than the function's own, into the variable `target`, and passes it. */
function read(source: Source, plan: Plan, target: string, depth: number): void {
  switch (plan.type) {
    case "scalar": source.add(...readScalar(plan, target)); break;
    case "enum": readEnum(source, plan, target); break;
    case "any": source.add(`${target} = any(b, p, end, d + ${depth});`, "p = after.position;"); break;
    case "struct":
      source.add(`${target} = d${source.ordinal(plan)}(b, p, end, t, o, d + ${depth});`, "p = after.position;");
      break;
    case "nullable":
      source.add(`if (b[p] === 192) { p++; ${target} = null; } else {`);
      read(source, plan.of, target, depth);
      source.add("}");
      break;
    case "list": {
      const [list, y, left] = [source.fresh("a"), source.fresh("y"), source.fresh("n")];
      source.add(`const ${list} = [];`, ...readCount(left, 0x90, depth), `for (; ${left} > 0; ${left}--) {`,
        `let ${y};`);
      read(source, plan.of, y, depth + 1);
      source.add(`${list}.push(${y});`, "}", `${target} = ${list};`);
      break;
    }
    case "map": readMap(source, plan, target, depth); break;
    case "tagged": readTagged(source, plan, target, depth); break;
    default: plan satisfies never;
  }
}

function readCount(left: string, short: 0x80 | 0x90, depth: number): string[] {
  return [`let ${left} = count(b, p, end, ${short}, d + ${depth});`, "p = after.position;"];
}

/** Sets `q` to the end of the text whose header is at `p`, and passes the header. */
function readTextHead(): string[] {
  return ["n = b[p++];", "if (n >= 160 && n <= 191) n &= 31;",
    "else { n = textLength(b, p - 1, end); p = after.position; }", "q = p + n;", "if (q > end) throw gaveUp;"];
}

function readScalar({ scalar, finite }: ScalarPlan, target: string): string[] {
  const small = ["n = b[p++];", `if (n < 128) ${target} = n;`];
  const number = `{ ${target} = number(b, p - 1, end); p = after.position;`;
  switch (scalar) {
    case "bool":
      return ["n = b[p++];", `if (n === 195) ${target} = true; else if (n === 194) ${target} = false;`,
        "else throw gaveUp;"];
    case "string": return [...readTextHead(), `${target} = text(b, p, q, t, o);`, "p = q;"];
    case "bytes":
      return ["n = bytesLength(b, p, end);", "p = after.position;", "q = p + n;", "if (q > end) throw gaveUp;",
        `${target} = copy(b, p, q);`, "p = q;"];
    case "timestamp": return [`${target} = date(b, p, end);`, "p = after.position;"];
    case "int64": case "sint64": case "sfixed64": case "uint64": case "fixed64":
      return [`${target} = big(b, p, end, ${!(scalar === "uint64" || scalar === "fixed64")});`, "p = after.position;"];
    case "int32": case "sint32": case "sfixed32":
      return [...small, `else ${number} if ((${target} | 0) !== ${target}) throw gaveUp; }`];
    case "uint32": case "fixed32":
      return [...small, `else ${number} if (${target} >>> 0 !== ${target}) throw gaveUp; }`];
    case "float":
      return [...small, `else ${number} if (${finite ? `!(Math.abs(${target}) <= ${largestFloat})`
        : `${target} - ${target} === 0 && Math.abs(${target}) > ${largestFloat}`}) throw gaveUp; }`];
    case "double":
      return ["n = b[p++];",
        `if (n === 203 && p + 8 <= end) { ${target} = double(b, p); p += 8; } else if (n < 128) ${target} = n;`,
        `else ${number} }`, ...(finite ? [`if (${target} - ${target} !== 0) throw gaveUp;`] : [])];
    default: return scalar satisfies never;
  }
}

function readEnum(source: Source, plan: EnumPlan, target: string): void {
  const names = source.constantFor(plan, () => plan.names);
  const text = [...readTextHead(), `${target} = key(b, p, q, ${source.constant(createKeyCache())});`, "p = q;",
    `if (!${names}.has(${target})) throw gaveUp;`];
  if (!plan.isOpen) {
    source.add(...text);
    return;
  }
  source.add("n = b[p];", "if (n >= 160 && n <= 191 || n >= 217 && n <= 219) {", ...text,
    `} else { ${target} = number(b, p, end); p = after.position; if ((${target} | 0) !== ${target}) throw gaveUp; }`);
}

function readMap(source: Source, plan: MapPlan, target: string, depth: number): void {
  const [map, k, y, left] = [source.fresh("m"), source.fresh("k"), source.fresh("y"), source.fresh("n")];
  const stop = source.fresh("q");
  if (plan.as === "object") {
    source.add(`const ${map} = {};`, ...readCount(left, 0x80, depth), `for (; ${left} > 0; ${left}--) {`,
      ...readTextHead(), `const ${k} = mapKey(b, p, q, ${source.constant(createKeyCache())});`, "p = q;");
    if (plan.key.type === "enum") {
      const { key } = plan;
      source.add(`if (!${source.constantFor(key, () => key.names)}.has(${k})) throw gaveUp;`);
    }
    source.add(`let ${y};`);
    read(source, plan.of, y, depth + 1);
    source.add(`${map}[${k}] = ${y};`, "}", `${target} = ${map};`);
    return;
  }
  source.add(`const ${map} = new Map();`, `const ${stop} = mapEnd(b, p, end);`, "p = after.position;",
    ...readCount(left, 0x90, depth), `if ((${left} & 1) !== 0) throw gaveUp;`,
    `for (${left} >>>= 1; ${left} > 0; ${left}--) {`, `let ${k}, ${y};`);
  if (plan.key.type === "scalar" && plan.key.scalar === "string") {
    source.add(...readTextHead(), `${k} = key(b, p, q, ${source.constant(createKeyCache())});`, "p = q;");
  } else read(source, plan.key, k, depth + 1);
  read(source, plan.of, y, depth + 1);
  source.add(`${map}.set(${k}, ${y});`, "}", `if (p !== ${stop}) throw gaveUp;`, `${target} = ${map};`);
}

function readTagged(source: Source, plan: TaggedPlan, target: string, depth: number): void {
  const names = source.constantFor(plan, () => createNames([plan.discriminator]));
  source.add(`switch (tagOf(b, p, end, ${names}, d + ${depth})) {`);
  for (const { tag, plan: variant } of plan.variants) {
    source.add(`case ${literal(tag)}: ${target} = d${source.ordinal(variant)}(b, p, end, t, o, d + ${depth}); break;`);
  }
  source.add(`default: ${target} = any(b, p, end, d + ${depth});`, "}", "p = after.position;");
}
