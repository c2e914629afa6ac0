/** Types of a contract as TypeScript: models printed as Zod schemas that read back as the same models. */
import type {
  EnumModel, FieldModel, Model, OneofModel, ScalarModel, ScalarKind, StructModel, UnionModel, WellKnownModel,
} from "../model.ts";

/** What the printed code takes from where. */
export interface SourceNames {
  /** The constant of a type by its model. */
  readonly constants: ReadonlyMap<Model, string>;
  /** Whether a type's constant stands above what is being printed. */
  isDeclared(model: Model): boolean;
  /** Notes a name imported from the package. */
  use(name: string): void;
  /** The comment of a type, or of `Type.VALUE`. */
  comment(name: string): string | undefined;
}

const zodScalars: Partial<Record<ScalarKind, string>> = {
  bool: "z.boolean()", string: "z.string()", int32: "z.int32()", uint32: "z.uint32()", int64: "z.int64()",
  uint64: "z.uint64()", timestamp: "z.date()",
};

const wellKnownStructs: Readonly<Record<string, string>> = {
  "google.protobuf.Duration": "duration", "google.protobuf.Any": "any", "google.protobuf.FieldMask": "fieldMask",
  "google.protobuf.Empty": "empty",
};

/** An expression for a value of `model`; named types are their constants. */
export function printModel(model: Model, names: SourceNames): string {
  switch (model.kind) {
    case "scalar": return printScalar(model, names);
    case "list": return `z.array(${printModel(model.of, names)})${printThrift(model.thrift)}`;
    case "map": {
      const factory = model.as === "Map" ? "z.map" : "z.record";
      return `${factory}(${printModel(model.key, names)}, ${printModel(model.value, names)})`;
    }
    case "struct": {
      const known = wellKnownStructs[model.name];
      if (known === undefined) return names.constants.get(model) ?? model.name;
      names.use("wellKnown");
      return `wellKnown.${known}()`;
    }
    case "enum": return names.constants.get(model) ?? model.name;
    case "wellknown": return printWellKnown(model, names);
    case "nullable": return `${printModel(model.of, names)}.nullable()`;
    case "unknown": return "z.unknown()";
    case "oneof": return printOneof(model, names, 0).text;
    case "union": return names.constants.get(model) ?? model.name;
    default: return model satisfies never;
  }
}

function printScalar({ scalar: kind, finite, thrift }: ScalarModel, names: SourceNames): string {
  // Thrift's are of any version, and of none.
  const zod = thrift === "uuid" ? "z.guid()" : zodScalars[kind];
  if (zod !== undefined) return `${zod}${printThrift(thrift)}`;
  if (finite === true) return kind === "float" ? "z.float32()" : "z.number()";
  names.use(kind === "bytes" ? "bytes" : "scalar");
  return kind === "bytes" ? "bytes()" : `scalar("${kind}")`;
}

function printThrift(type: string | undefined): string {
  return type === undefined ? "" : `.meta({ thrift: ${JSON.stringify(type)} })`;
}

function printWellKnown({ name, of }: WellKnownModel, names: SourceNames): string {
  names.use("wellKnown");
  if (of !== undefined) return `wellKnown.wrapped(${printModel(of, names)})`;
  const known = { "google.protobuf.Struct": "struct", "google.protobuf.Value": "value" }[name as string];
  return `wellKnown.${known ?? "listValue"}()`;
}

export type NamedType = StructModel | EnumModel | UnionModel;

/** The types that a model refers to by their constants. */
export function typesIn(model: Model): readonly NamedType[] {
  switch (model.kind) {
    case "struct": return wellKnownStructs[model.name] === undefined ? [model] : [];
    case "enum": case "union": return [model];
    case "list": case "nullable": return typesIn(model.of);
    case "map": return [...typesIn(model.key), ...typesIn(model.value)];
    case "oneof": return model.variants.flatMap((variant) => typesIn(variant.model));
    case "scalar": case "wellknown": case "unknown": return [];
    default: return model satisfies never;
  }
}

/** `export const Name = z.object({ … }).meta({ id: "Name" });` */
export function printStruct(model: StructModel, names: SourceNames): string {
  const head = `${printComment(names.comment(model.name), "")}export const ${names.constants.get(model)} = `;
  const meta = `.meta({ id: ${JSON.stringify(model.name)} });`;
  return `${head}${printObject(model, names)}${meta}`;
}

/** `z.object({ … })` of a struct's fields. */
export function printObject(model: Pick<StructModel, "fields">, names: SourceNames): string {
  if (model.fields.length === 0) return "z.object({})";
  // Properties that look like indices come first in every object, whatever the order in which they are written.
  const hasIndices = model.fields.some((field) => /^\d+$/.test(field.name));
  let previous = hasIndices ? NaN : 0;
  const lines = model.fields.map((field) => {
    const { text, last } = printField(field, names, previous);
    if (!hasIndices) previous = last;
    return text;
  });
  return `z.object({\n${lines.join("")}})`;
}

/** `export const Name = z.union([…]).meta({ id: "Name" });`, told apart by a discriminator if it has one. */
export function printUnion(model: UnionModel, names: SourceNames): string {
  const head = `${printComment(names.comment(model.name), "")}export const ${names.constants.get(model)} = `;
  let previous = 0;
  // A struct with several literals is a variant for each of them, and stands once.
  const options = model.variants.filter((variant, i) => variant.tag === undefined ||
    model.variants.findIndex((one) => one.model === variant.model) === i);
  const lines = options.map((variant) => {
    const type = printModel(variant.model, names);
    const isLate = typesIn(variant.model).some((one) => !names.isDeclared(one));
    const text = printNumber(isLate ? `z.lazy((): z.ZodType => ${type})` : type, variant.number, previous, names);
    previous = variant.number;
    return `  ${text},\n`;
  }).join("");
  const kind = model.discriminator === undefined ? "union(["
    : `discriminatedUnion(${JSON.stringify(model.discriminator)}, [`;
  return `${head}z.${kind}\n${lines}]).meta({ id: ${JSON.stringify(model.name)} });`;
}

/** One property; `previous` is the number that the next one counts on from. */
function printField(field: FieldModel, names: SourceNames, previous: number): { text: string; last: number } {
  const { model } = field;
  const key = printKey(field.name);
  const isLate = typesIn(model).some((type) => !names.isDeclared(type));
  if (model.kind === "oneof") {
    const { text, last } = printOneof(model, names, previous);
    return { text: property(key, text, isLate, undefined), last };
  }
  const schema = printModel(model, names) + printPresence(field) + printWireNames(field);
  const numbered = printNumber(schema, field.number, previous, names);
  return { text: property(key, numbered, isLate, field.description), last: field.number };
}

function property(key: string, schema: string, isLate: boolean, description: string | undefined): string {
  const described = description === undefined ? schema : `${schema}${printDescribe(description)}`;
  if (!isLate) return `  ${key}: ${described},\n`;
  return `  get ${key}() {\n    return ${described.replaceAll("\n", "\n  ")};\n  },\n`;
}

function printDescribe(text: string): string {
  if (!text.includes("\n") && text.length <= 60) return `.describe(${JSON.stringify(text)})`;
  return `.describe(\n    ${printText(text, "    ")},\n  )`;
}

/** Most characters of a piece of text in one line. */
const maxPiece = 100;

/** A string of several lines, or of a long one, as a sum of pieces. */
export function printText(text: string, indent: string): string {
  const lines = text.split("\n").map((line, i, all) => (i < all.length - 1 ? `${line}\n` : line));
  return lines.flatMap(pieces).map((piece) => JSON.stringify(piece)).join(` +\n${indent}`);
}

/** Cut behind words. */
function pieces(line: string): readonly string[] {
  const found: string[] = [];
  let rest = line;
  while (rest.length > maxPiece) {
    const blank = rest.lastIndexOf(" ", maxPiece);
    const end = blank > 0 ? blank + 1 : maxPiece;
    found.push(rest.slice(0, end));
    rest = rest.slice(end);
  }
  return [...found, rest];
}

function printOneof(model: OneofModel, names: SourceNames, before: number): { text: string; last: number } {
  names.use("oneof");
  let previous = before;
  const lines = model.variants.map((variant) => {
    const type = printModel(variant.model, names) + printWireNames(variant);
    const schema = printNumber(type, variant.number, previous, names);
    previous = variant.number;
    // The whole property stands behind a getter where a variant is declared below.
    return property(printKey(variant.name), schema, false, variant.description).replace(/^(?=.)/gm, "  ");
  });
  return { text: `oneof({\n${lines.join("")}  })`, last: previous };
}

function printNumber(schema: string, number: number, previous: number, names: SourceNames): string {
  if (number === previous + 1) return schema;
  names.use("field");
  return `field(${number}, ${schema})`;
}

function printPresence(field: FieldModel): string {
  if (field.presence === "required") return "";
  if (field.presence === "optional" || field.defaultValue === undefined) return ".optional()";
  return `.default(${printValue(field.defaultValue())})`;
}

/** Of an object, a function that makes it anew. */
function printValue(value: unknown): string {
  if (typeof value !== "object" || value === null) return printLiteral(value);
  const text = printLiteral(value);
  return `() => ${text.startsWith("{") ? `(${text})` : text}`;
}

/** Any value that a constant can have. */
export function printLiteral(value: unknown): string {
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value !== "object" || value === null) return Object.is(value, -0) ? "-0" : String(value);
  if (value instanceof Uint8Array) return `Uint8Array.of(${[...value].join(", ")})`;
  if (value instanceof Date) return `new Date(${value.getTime()})`;
  if (Array.isArray(value)) return `[${value.map(printLiteral).join(", ")}]`;
  if (value instanceof Map) return `new Map([${[...value].map((pair) => printLiteral(pair)).join(", ")}])`;
  const entries = Object.entries(value).map(([key, part]) => `${printKey(key)}: ${printLiteral(part)}`);
  return entries.length === 0 ? "{}" : `{ ${entries.join(", ")} }`;
}

function printWireNames({ protoName, jsonName }: Pick<FieldModel, "protoName" | "jsonName">): string {
  const members = [
    ...(protoName === undefined ? [] : [`protoName: ${JSON.stringify(protoName)}`]),
    ...(jsonName === undefined ? [] : [`jsonName: ${JSON.stringify(jsonName)}`]),
  ];
  return members.length === 0 ? "" : `.meta({ ${members.join(", ")} })`;
}

/** An open enum of proto3, which unknown numbers are values of too, or a closed one. */
export function printEnum(model: EnumModel, names: SourceNames): string {
  const head = `${printComment(names.comment(model.name), "")}export const ${names.constants.get(model)} = `;
  const id = `id: ${JSON.stringify(model.name)}`;
  const numbers = model.values.map(({ name, number }) => (
    `${printComment(names.comment(`${model.name}.${name}`), "  ")}  ${printKey(name)}: ${number},\n`)).join("");
  if (model.open === true) {
    names.use("openEnum");
    return `${head}openEnum({\n${numbers}}).meta({ ${id} });`;
  }
  const values = model.values.map((value) => JSON.stringify(value.name)).join(", ");
  return `${head}z.enum([${values}]).meta({\n  ${id},\n  numbers: {\n${numbers.replace(/^(?=.)/gm, "  ")}  },\n});`;
}

/** `/** … *\/` above a declaration. */
export function printComment(text: string | undefined, indent: string): string {
  if (text === undefined || text === "") return "";
  const lines = text.replaceAll("*/", "*\\/").split("\n");
  if (lines.length === 1) return `${indent}/** ${lines[0]} */\n`;
  return `${indent}/**\n${lines.map((line) => `${indent} * ${line}`.trimEnd()).join("\n")}\n${indent} */\n`;
}

export function printKey(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
}
