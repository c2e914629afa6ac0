/**
 * Generates decoders: one function a message, a switch over tags in which each field, once read, expects the
 * next one, since encoders write fields in order.
 *
 * `function d(b, p, end, t, o, d)` reads the message in `b[p, end)` (at depth `d`, in plans that may nest too
 * deep); `t` is the window of the input from `o`, see windowOf. Fields live in local variables, and the value is
 * made at the end by one object literal, so that all values of a type have one hidden class.
 */
import { createKeyCache, decodeSupport } from "./decode-support.ts";
import { readFree } from "./free.ts";
import {
  type FieldPlan, isMessage, type MapPlan, type MessagePlan, messagesOf, needsDepthCheck, type ScalarPlan,
  type ShapePlan, type StructPlan, type UnionPlan, type ValuePlan, valuesOf, wireType,
} from "./plan.ts";
import { literal, Source, tagBytes } from "./source.ts";

/** Reads a message; throws `gaveUp`, or anything else, at bytes that it leaves to the interpreter. */
export type Decode = (bytes: Uint8Array, start: number, end: number) => unknown;

export function generateDecoder(root: MessagePlan): Decode {
  const generator: Generator = { source: new Source(), maps: [], checksDepth: needsDepthCheck(root) };
  const { source } = generator;
  for (const message of messagesOf(root)) {
    if (message.type === "union") writeUnion(generator, message);
    else if (message.type === "struct" || message.type === "wrapper") writeFields(generator, message);
  }
  for (const map of generator.maps) writeEntry(generator, map);
  source.add("return function decode(b, p, end) {",
    `const t = ${hasText(root) ? "windowOf(b, p, end)" : '""'}, o = p, d = 0;`,
    `return ${readMessage(generator, root, "end")};`, "}");
  return source.build({ ...decodeSupport, readFree }) as Decode;
}

function hasText(root: MessagePlan): boolean {
  return messagesOf(root).some((message) =>
    valuesOf(message).some((value) => value.type === "scalar" && value.scalar === "string"));
}

interface Generator {
  readonly source: Source;
  /** Whose entries still need a function. */
  readonly maps: MapPlan[];
  readonly checksDepth: boolean;
}

/** One way to go on at a tag. */
interface Case {
  readonly tag: readonly number[];
  readonly body: readonly string[];
  /** Whether the same tag is likely to follow. */
  readonly repeats: boolean;
}

function readMessage({ source, checksDepth }: Generator, plan: MessagePlan, end: string, start = "p"): string {
  if (plan.type === "timestamp") return `timestamp(b, ${start}, ${end})`;
  if (plan.type === "free") return `readFree(b, ${start}, ${end}, ${literal(plan.form)})`;
  return `d${source.ordinal(plan)}(b, ${start}, ${end}, t, o${checksDepth ? ", d + 1" : ""})`;
}

function open({ source, checksDepth }: Generator, name: string, more = ""): void {
  source.add(`function ${name}(b, p, end, t, o${checksDepth ? ", d" : ""}${more}) {`);
  if (checksDepth && more === "") source.add("if (d > maxDepth) throw gaveUp;");
}

/** The loop over tags: a switch on the first byte, and inside it on the number of a longer tag. */
function writeLoop({ source }: Generator, cases: readonly Case[], keeps = false): void {
  if (keeps) source.add("let kept;");
  source.add("fields: while (p < end) {", keeps ? "const s = p;" : "", "let tag = b[p++], n = 0, q = 0;",
    "if (tag > 127) { tag = size(b, p - 1, end); p = after.position; }", "switch (tag) {");
  for (const [i, { tag, body, repeats }] of cases.entries()) {
    source.add(`case ${tagNumber(tag)}:`);
    if (repeats) source.add("for (;;) {", ...body, `if (!(${isNext(tag)})) break;`, pass(tag), "}");
    else source.add(...body);
    const next = cases[i + 1];
    source.add(next === undefined
      ? "continue fields;"
      : `if (!(${isNext(next.tag)})) continue fields; ${pass(next.tag)}`);
  }
  source.add("default:", "after.position = p;", "p = skip(b, tag, end);", keeps ? "kept = keep(kept, s, p);" : "",
    "}", "}");
}

function isNext(tag: readonly number[]): string {
  const room = tag.length === 1 ? "p < end" : `p + ${tag.length} <= end`;
  return [room, ...tag.map((byte, i) => `b[p${i === 0 ? "" : ` + ${i}`}] === ${byte}`)].join(" && ");
}

function pass(tag: readonly number[]): string {
  return tag.length === 1 ? "p++;" : `p += ${tag.length};`;
}

function tagNumber(tag: readonly number[]): number {
  return tag.reduce((sum, byte, i) => sum + (byte & 0x7f) * 2 ** (7 * i), 0);
}

function writeFields(generator: Generator, plan: MessagePlan & { fields: readonly FieldPlan[] }): void {
  const { source } = generator;
  open(generator, `d${source.ordinal(plan)}`);
  const cases: Case[] = [];
  for (const [i, { shape, number }] of plan.fields.entries()) {
    source.add(`let f${i} = ${initial(shape)};`);
    cases.push(...casesOf(generator, shape, number, `f${i}`));
  }
  // A tag can be that of two cases only if numbers were doubled, which planning refuses.
  writeLoop(generator, cases.sort((a, b) => (tagNumber(a.tag) >>> 3) - (tagNumber(b.tag) >>> 3)),
    plan.type === "struct");
  for (const [i, field] of plan.fields.entries()) writeAbsent(generator, field, `f${i}`);
  if (plan.type === "wrapper") source.add("return f0;", "}");
  else if (plan.type === "struct") writeStruct(source, plan);
}

function initial(shape: ShapePlan): string {
  if (shape.type === "list") return "[]";
  if (shape.type === "map") return shape.as === "Map" ? "new Map()" : "{}";
  return "undefined";
}

/** Required fields in one literal; others are added when they came. */
function writeStruct(source: Source, { fields, fixed }: StructPlan): void {
  const isSure = ({ absent }: FieldPlan) => absent === "zero" || absent === "null";
  const sure = fields.flatMap((field, i) => (isSure(field) ? [`${literal(field.name)}: f${i}`] : []));
  if (fixed !== undefined) sure.unshift(`${literal(fixed.name)}: ${literal(fixed.value)}`);
  source.add(`const v = {${sure.join(", ")}};`);
  for (const [i, field] of fields.entries()) {
    if (!isSure(field)) source.add(`if (f${i} !== undefined) v[${literal(field.name)}] = f${i};`);
  }
  source.add("if (kept !== undefined) v[unknownFields] = gather(b, kept);", "return v;", "}");
}

function writeAbsent(generator: Generator, { absent, shape, defaultValue }: FieldPlan, target: string): void {
  const { source } = generator;
  if (shape.type === "list" || shape.type === "map" || absent === "undefined") return;
  let value: string;
  if (absent === "null") value = "null";
  else if (absent === "default") value = `${source.constant(defaultValue)}()`;
  else if (shape.type === "oneof") value = "";
  else value = zero(generator, shape.value);
  source.add(`if (${target} === undefined) ${value === "" ? "throw gaveUp" : `${target} = ${value}`};`);
}

/** What an absent value reads as; empty when there is no such value. */
function zero(generator: Generator, plan: ValuePlan): string {
  if (isMessage(plan)) return readMessage(generator, plan, "end", "end");
  if (plan.type === "json") return "null";
  if (plan.type === "enum") {
    const value = plan.model.values.find(({ number }) => number === 0);
    if (value !== undefined) return literal(value.name);
    return plan.model.open === true ? "0" : "";
  }
  switch (plan.scalar) {
    case "string": return '""';
    case "bool": return "false";
    case "bytes": return "new Uint8Array(0)";
    case "int64": case "uint64": case "sint64": case "fixed64": case "sfixed64": return "0n";
    case "int32": case "uint32": case "sint32": case "fixed32": case "sfixed32": case "float": case "double":
      return "0";
    default: return plan.scalar satisfies never;
  }
}

function casesOf(generator: Generator, shape: ShapePlan, number: number, target: string): Case[] {
  switch (shape.type) {
    case "single": return [{
      tag: tagBytes(number, wireType(shape.value)),
      // The occurrences of a message are merged, which only the interpreter does.
      body: [
        isMessage(shape.value) ? `if (${target} !== undefined) throw gaveUp;` : "",
        ...read(generator, shape.value, target, "end"),
      ],
      repeats: false,
    }];
    case "list": {
      const element = [...read(generator, shape.of, "const y", "end"), `${target}.push(y);`];
      const one: Case = { tag: tagBytes(number, wireType(shape.of)), body: ["{", ...element, "}"], repeats: true };
      if (!shape.packed) return [one];
      const body = [
        ...readLength("end"), "{", "const stop = q;", "while (p < stop) {",
        ...read(generator, shape.of, "const y", "stop"), `${target}.push(y);`, "}", "}",
      ];
      return [{ tag: tagBytes(number, 2), body, repeats: false }, one];
    }
    case "map": {
      generator.maps.push(shape);
      const depth = generator.checksDepth ? ", d" : "";
      const entry = `m${generator.source.ordinal(shape)}(b, p, q, t, o${depth}, ${target});`;
      return [{
        tag: tagBytes(number, 2),
        body: [...readLength("end"), entry, "p = q;"],
        repeats: true,
      }];
    }
    case "oneof": return shape.cases.map(({ name, number: its, value }): Case => ({
      tag: tagBytes(its, wireType(value)),
      // Of several, the last wins, or parts of one are merged: rare enough for the interpreter.
      body: [
        `if (${target} !== undefined) throw gaveUp;`, "{", ...read(generator, value, "const y", "end"),
        `${target} = {"case": ${literal(name)}, "value": y};`, "}",
      ],
      repeats: false,
    }));
    default: return shape satisfies never;
  }
}

/** A function that reads one entry and puts it into its map. */
function writeEntry(generator: Generator, plan: MapPlan): void {
  const { source } = generator;
  open(generator, `m${source.ordinal(plan)}`, ", into");
  const key: ValuePlan = plan.key.type === "enum" ? { type: "scalar", scalar: "string" } : plan.key;
  source.add("let k, x;");
  const isText = key.type === "scalar" && key.scalar === "string";
  const readKey = isText
    ? [...readLength("end"), `k = key(b, p, q, ${source.constantFor(plan, createKeyCache)});`, "p = q;"]
    : read(generator, key, "k", "end");
  writeLoop(generator, [
    { tag: tagBytes(1, wireType(key)), body: readKey, repeats: false },
    {
      tag: tagBytes(2, wireType(plan.value)),
      body: [
        isMessage(plan.value) ? "if (x !== undefined) throw gaveUp;" : "",
        ...read(generator, plan.value, "x", "end"),
      ],
      repeats: false,
    },
  ]);
  const nothing = zero(generator, plan.value);
  source.add(`if (k === undefined) k = ${zero(generator, key)};`);
  source.add(`if (x === undefined) ${nothing === "" ? "throw gaveUp" : `x = ${nothing}`};`);
  if (plan.key.type === "enum") {
    const known = source.constant(new Set(plan.key.model.values.map((value) => value.name)));
    source.add(`if (!${known}.has(k)) throw gaveUp;`);
  }
  source.add(plan.as === "Map" ? "into.set(k, x);" : "setProperty(into, k, x);", "}");
}

function writeUnion(generator: Generator, plan: UnionPlan): void {
  const { source } = generator;
  open(generator, `d${source.ordinal(plan)}`);
  source.add("let x, which = -1;");
  const cases = plan.variants.map(({ number, value }, i): Case => ({
    tag: tagBytes(number, wireType(value)),
    // Of several, the last wins, or parts of one are merged: rare enough for the interpreter.
    body: ["if (which >= 0) throw gaveUp;", `which = ${i};`, ...read(generator, value, "x", "end")],
    repeats: false,
  }));
  writeLoop(generator, cases);
  source.add("if (which < 0) throw gaveUp;", "return x;", "}");
}

/** Sets `q` to the end of what a length at `p` measures. */
function readLength(end: string): string[] {
  return [
    `if (p >= ${end}) throw gaveUp;`, "n = b[p++];",
    `if (n > 127) { n = size(b, p - 1, ${end}); p = after.position; }`, "q = p + n;",
    `if (q > ${end}) throw gaveUp;`,
  ];
}

/** Reads a value at `p` into `target`, which may declare a constant, and passes it. */
function read(generator: Generator, plan: ValuePlan, target: string, end: string): string[] {
  if (isMessage(plan)) {
    const isLeaf = plan.type === "timestamp" || plan.type === "free";
    const depth = isLeaf && generator.checksDepth ? ["if (d >= maxDepth) throw gaveUp;"] : [];
    return [...depth, ...readLength(end), `${target} = ${readMessage(generator, plan, "q")};`, "p = q;"];
  }
  if (plan.type === "json") return [...readLength(end), `${target} = json(b, p, q);`, "p = q;"];
  if (plan.type === "enum") {
    const found = enumName(generator, plan);
    if (plan.model.open === true) return [...readVarint("int", end), `q = ${found};`, `${target} = q ?? n;`];
    return [...readVarint("int", end), `n = ${found};`, "if (n === undefined) throw gaveUp;", `${target} = n;`];
  }
  switch (plan.scalar) {
    case "string": return [...readLength(end), `${target} = text(b, p, q, t, o);`, "p = q;"];
    case "bytes": return [...readLength(end), `${target} = copy(b, p, q);`, "p = q;"];
    case "bool": return [
      `if (p >= ${end}) throw gaveUp;`, "n = b[p++];",
      `if (n > 127) { n = bool(b, p - 1, ${end}) ? 1 : 0; p = after.position; }`, `${target} = n !== 0;`,
    ];
    case "int32": return [...readVarint("int", end), `${target} = n;`];
    case "uint32": return [...readVarint("int", end), `${target} = n >>> 0;`];
    case "sint32": return [...readVarint("int", end), `${target} = (n >>> 1) ^ -(n & 1);`];
    case "int64": case "uint64": case "sint64":
      return [`${target} = ${plan.scalar}(b, p, ${end});`, "p = after.position;"];
    case "fixed32": case "sfixed32": case "float":
    case "fixed64": case "sfixed64": case "double": return readFixed(plan, target, end);
    default: return plan.scalar satisfies never;
  }
}

function readFixed(plan: ScalarPlan, target: string, end: string): string[] {
  const { scalar, finite = false } = plan;
  const width = wireType(plan) === 1 ? 8 : 4;
  const bits = scalar === "fixed32" ? "bits(b, p) >>> 0" : scalar === "sfixed32" ? "bits(b, p)" : `${scalar}(b, p)`;
  return [
    `if (p + ${width} > ${end}) throw gaveUp;`,
    ...(finite ? [`n = ${bits};`, "if (n - n !== 0) throw gaveUp;", `${target} = n;`] : [`${target} = ${bits};`]),
    `p += ${width};`,
  ];
}

/** Reads a varint into `n`, one of a byte in place. */
function readVarint(other: string, end: string): string[] {
  return [
    `if (p >= ${end}) throw gaveUp;`, "n = b[p++];",
    `if (n > 127) { n = ${other}(b, p - 1, ${end}); p = after.position; }`,
  ];
}

/** An array, where the numbers permit, is looked up faster than a Map. */
function enumName({ source }: Generator, { model }: ValuePlan & { type: "enum" }): string {
  const { values } = model;
  const most = Math.max(...values.map(({ number }) => number));
  if (most > 255 || values.some(({ number }) => number < 0)) {
    return `${source.constantFor(model, () => new Map(values.map(({ name, number }) => [number, name])))}.get(n)`;
  }
  const names = () => Array.from({ length: most + 1 }, (_, i) => values.find(({ number }) => number === i)?.name);
  return `n >= 0 && n <= ${most} ? ${source.constantFor(model, names)}[n] : undefined`;
}
