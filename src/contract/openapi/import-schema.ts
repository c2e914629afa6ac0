/** Schemas of OpenAPI 3.0 and 3.1 as models, with a note or a refusal for what a model does not say. */
import type { EnumModel, FieldModel, Model, ScalarKind, StructModel, UnionModel } from "../model.ts";
import { pascalCase, uniqueName } from "../names.ts";
import { lowerCamel } from "../proto/names.ts";
import type { NamedType } from "../proto/source-types.ts";
import { below, isJson, type Json, listOf, objectOf, type OpenApiText, textOf } from "./import-document.ts";

const maxDepth = 100;
const maxTypes = 10_000;
const unknown: Model = { kind: "unknown" };
const number: Model = { kind: "scalar", scalar: "double", finite: true };
/** Keywords that say which values are right; the server that is called looks at them itself. */
const checks = ["minLength", "maxLength", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
  "multipleOf", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "not", "if"];

export class SchemaReader {
  /** Types with names, in the order in which they were met. */
  readonly types: NamedType[] = [];
  readonly comments = new Map<string, string>();
  readonly #text: OpenApiText;
  readonly #byPointer = new Map<string, Model>();
  readonly #reading = new Set<string>();
  readonly #names = new Set<string>();
  #depth = 0;

  constructor(text: OpenApiText) {
    this.#text = text;
  }

  /** The model of a schema; `name` is for a type that has none of its own. */
  read(schema: unknown, pointer: string, name: string): Model {
    if (this.#depth >= maxDepth) throw this.#text.refuse(pointer, `is nested deeper than ${maxDepth} schemas`);
    this.#depth++;
    try {
      return this.#read(schema, pointer, name);
    } finally {
      this.#depth--;
    }
  }

  /** A type of an operation's own, with the fields given. */
  own(name: string, fields: readonly FieldModel[]): StructModel {
    return this.#named({}, "#", name, (id) => ({ kind: "struct", name: id, fields }));
  }

  #read(schema: unknown, pointer: string, name: string): Model {
    if (schema === true || schema === undefined) return unknown;
    if (!isJson(schema)) throw this.#text.refuse(pointer, "is no schema");
    const ref = schema["$ref"];
    if (typeof ref === "string") {
      const of = this.#referred(ref, pointer);
      return schema["nullable"] === true ? nullable(of) : of;
    }
    const types = (Array.isArray(schema["type"]) ? schema["type"] : [schema["type"]]) as readonly unknown[];
    const isNullable = schema["nullable"] === true || types.includes("null") || listOf(schema["enum"]).includes(null);
    const own = types.filter((type) => type !== "null" && type !== undefined);
    const model = this.#typed(schema, own, pointer, name);
    return isNullable && model.kind !== "unknown" ? nullable(model) : model;
  }

  #referred(ref: string, from: string): Model {
    const known = this.#byPointer.get(ref);
    if (known !== undefined) return known;
    if (this.#reading.has(ref)) {
      throw this.#text.refuse(from, "refers to itself without an object between");
    }
    const { value, pointer } = this.#text.target(ref, from);
    this.#reading.add(ref);
    const model = this.read(value, pointer, lastOf(ref));
    this.#reading.delete(ref);
    this.#byPointer.set(ref, model);
    return model;
  }

  #typed(schema: Json, types: readonly unknown[], pointer: string, name: string): Model {
    const check = checks.find((one) => Object.hasOwn(schema, one) && !isWidth(schema));
    if (check !== undefined) {
      this.#text.note(pointer, `has ${check}: what limits values is left out, the server checks it`, true);
    }
    if (Array.isArray(schema["allOf"])) return this.#all(schema, pointer, name);
    if (schema["oneOf"] !== undefined) return this.#oneOf(schema, "oneOf", pointer, name);
    if (schema["anyOf"] !== undefined) return this.#oneOf(schema, "anyOf", pointer, name);
    const values = Object.hasOwn(schema, "const") ? [schema["const"]] : listOf(schema["enum"]);
    const wanted = values.filter((value) => value !== null);
    if (wanted.length > 0 && wanted.every((value) => typeof value === "string")) {
      return this.#enum(schema, wanted, pointer, name);
    }
    if (wanted.length > 0) this.#text.note(pointer, "lists values that are no texts: any of their type is taken");
    const [type, ...more] = types;
    if (more.length > 0) return this.#several(schema, types, pointer);
    switch (type ?? implied(schema)) {
      case "string": return this.#string(schema, pointer);
      case "integer": return this.#integer(schema, pointer);
      case "number": return schema["format"] === "float" ? { kind: "scalar", scalar: "float", finite: true } : number;
      case "boolean": return scalar("bool");
      case "array": return { kind: "list", of: this.read(schema["items"], below(pointer, "items"), `${name}Item`) };
      case "object": return this.#object(schema, pointer, name);
      case undefined: return unknown;
      default: throw this.#text.refuse(below(pointer, "type"), `is ${JSON.stringify(type)}, which is no type`);
    }
  }

  #several(schema: Json, types: readonly unknown[], pointer: string): Model {
    const isReal = types.length === 2 && types.includes("number") && types.includes("string");
    const format = schema["format"];
    if (isReal && (format === "float" || format === "double")) return scalar(format);
    this.#text.note(pointer, `is ${types.join(" or ")}: any JSON is taken`);
    return unknown;
  }

  #string(schema: Json, pointer: string): Model {
    const { format } = schema as { format?: unknown };
    if (format === "byte" || schema["contentEncoding"] === "base64") return scalar("bytes");
    if (format === "date-time") return scalar("timestamp");
    if (format === "int64" || format === "uint64") return scalar(format);
    if (format === "binary") {
      throw this.#text.refuse(pointer, "is binary, which JSON cannot hold; base64 is format: byte");
    }
    return scalar("string");
  }

  /** 64-bit numbers are texts in the JSON of contracts, so those that are numbers in JSON are read as numbers. */
  #integer(schema: Json, pointer: string): Model {
    if (schema["format"] === "int32") return scalar("int32");
    if (schema["minimum"] === 0 && schema["maximum"] === 4_294_967_295) return scalar("uint32");
    this.#text.note(pointer, "is an integer of any size: it is a number, exact to 2^53", true);
    return number;
  }

  #enum(schema: Json, values: readonly string[], pointer: string, name: string): EnumModel {
    const given = listOf(schema["x-enum-numbers"]);
    const distinct = [...new Set(values)];
    const numbers = distinct.map((_, i) => (typeof given[i] === "number" ? given[i] : i + 1));
    return this.#named(schema, pointer, name, (id) => ({
      kind: "enum", name: id, values: distinct.map((value, i) => ({ name: value, number: numbers[i] as number })),
    }));
  }

  #object(schema: Json, pointer: string, name: string): Model {
    const { properties, additionalProperties: rest } = schema;
    const wrapped = schema["x-wrapped"];
    if (wrapped === "items" || wrapped === "entries" || wrapped === "value") {
      const inner = this.read(objectOf(properties)[wrapped], below(pointer, "properties", wrapped), name);
      return wrapped === "value" && !isWhole(pointer) ? nullable(inner) : inner;
    }
    if (properties === undefined) {
      if (isJson(rest)) {
        const value = this.read(rest, below(pointer, "additionalProperties"), `${name}Value`);
        return { kind: "map", key: { kind: "scalar", scalar: "string" }, value, as: "object" };
      }
      if (rest !== false) return { kind: "wellknown", name: "google.protobuf.Struct", of: undefined };
    }
    if (rest === true || isJson(rest)) this.#text.note(pointer, "has additional properties: they are left out");
    return this.#struct(schema, pointer, name, [{ schema, pointer }]);
  }

  /** The properties of all parts together. */
  #struct(
    about: Json, pointer: string, name: string, parts: readonly { readonly schema: Json; readonly pointer: string }[],
  ): StructModel {
    const fields: FieldModel[] = [];
    const model = this.#named(about, pointer, name, (id): StructModel => ({ kind: "struct", name: id, fields }));
    // Known by its pointer before its fields are read: they may refer to it.
    this.#byPointer.set(pointer, model);
    const required = new Set(parts.flatMap(({ schema }) =>
      [...listOf(schema["required"]), ...listOf(schema["x-implicit-zero"])]));
    const taken = new Set<string>();
    for (const part of parts) {
      for (const [key, schema] of Object.entries(objectOf(part.schema["properties"]))) {
        if (key === "__proto__") throw this.#text.refuse(part.pointer, "has a property named __proto__");
        if (taken.has(key)) continue;
        taken.add(key);
        const at = below(part.pointer, "properties", key);
        const own = this.read(schema, at, `${model.name}${pascalCase(key)}`);
        fields.push(field(key, fields.length + 1, own, required.has(key), objectOf(schema)));
      }
    }
    return model;
  }

  #all(schema: Json, pointer: string, name: string): Model {
    const parts: { schema: Json; pointer: string }[] = [];
    const given = listOf(schema["allOf"]);
    if (given.length === 1 && schema["properties"] === undefined) {
      return this.read(given[0], below(pointer, "allOf", 0), name);
    }
    const gather = (value: unknown, at: string, depth: number): void => {
      if (depth > maxDepth) throw this.#text.refuse(at, "is made of parts that are nested too deep");
      const found = this.#text.resolve(value, at);
      const part = objectOf(found.value);
      for (const [i, one] of listOf(part["allOf"]).entries()) gather(one, below(found.pointer, "allOf", i), depth + 1);
      if (part["oneOf"] !== undefined || part["anyOf"] !== undefined) {
        this.#text.note(found.pointer, "is one of several inside allOf: its properties are left out");
      }
      const kind = part["type"] ?? "object";
      if (kind !== "object") throw this.#text.refuse(found.pointer, "is no object, but a part of allOf");
      parts.push({ schema: part, pointer: found.pointer });
    };
    gather(schema, pointer, 0);
    return this.#struct(schema, pointer, name, parts);
  }

  #oneOf(schema: Json, word: "oneOf" | "anyOf", pointer: string, name: string): Model {
    const all = listOf(schema[word]).map((one, i) => ({ one, at: below(pointer, word, i) }));
    const options = all.filter(({ one }) => objectOf(one)["type"] !== "null");
    const wrap = (of: Model): Model => (options.length < all.length ? nullable(of) : of);
    const [first, second] = options;
    if (first !== undefined && options.length === 1) return wrap(this.read(first.one, first.at, name));
    if (first !== undefined && second !== undefined && options.length === 2 && isEnumInt(second.one)) {
      const { values, name: id } = this.#enum(objectOf(first.one),
        listOf(objectOf(first.one)["enum"]).map(String), pointer, name);
      const open: EnumModel = { kind: "enum", name: id, values, open: true };
      this.types[this.types.length - 1] = open;
      return wrap(open);
    }
    const texts = options.map(({ one }) => objectOf(one)).map((one) =>
      (Object.hasOwn(one, "const") ? [one["const"]] : listOf(one["enum"])));
    if (texts.every((values) => values.length > 0 && values.every((value) => typeof value === "string"))) {
      return wrap(this.#enum(schema, texts.flat() as string[], pointer, name));
    }
    const wrapped = options.map(({ one, at }) => onlyProperty(objectOf(one), at));
    if (wrapped.every((one) => one !== undefined)) return wrap(this.#union(schema, wrapped, pointer, name));
    this.#text.note(pointer, `is ${word} of types that are told apart by what they hold: any JSON is taken`);
    return unknown;
  }

  /** A union as contracts write it in JSON: an object of one property, which names the variant. */
  #union(
    schema: Json, options: readonly { name: string; schema: unknown; at: string }[], pointer: string, name: string,
  ): UnionModel {
    const variants: UnionModel["variants"][number][] = [];
    const model = this.#named(schema, pointer, name, (id): UnionModel =>
      ({ kind: "union", name: id, discriminator: undefined, variants }));
    this.#byPointer.set(pointer, model);
    options.forEach((one, i) => variants.push({
      name: one.name, number: i + 1, tag: undefined,
      model: this.read(one.schema, one.at, `${model.name}${pascalCase(one.name)}`),
    }));
    return model;
  }

  #named<T extends NamedType>(schema: Json, pointer: string, name: string, make: (id: string) => T): T {
    if (this.types.length >= maxTypes) throw this.#text.refuse(pointer, `is one of more than ${maxTypes} types`);
    const id = uniqueName(this.#names, /^[A-Za-z_][\w.]*$/.test(name) ? name : pascalCase(name));
    const model = make(id);
    this.types.push(model);
    const about = textOf(schema["description"]) ?? textOf(schema["title"]);
    if (about !== undefined) this.comments.set(id, about);
    return model;
  }
}

/** Whether a schema is that of a whole body, in which a wrapped value is no null. */
function isWhole(pointer: string): boolean {
  return /\/content\/[^/]+\/schema$/.test(pointer);
}

/** A property of that name in JSON. */
export function field(name: string, at: number, model: Model, isRequired: boolean, schema: Json): FieldModel {
  const description = textOf(schema["description"]);
  const common = {
    name, number: at, model, description, ...(lowerCamel(name) === name ? {} : { jsonName: name }),
  };
  if (isRequired) return { ...common, presence: "required" };
  const value = schema["default"];
  const isText = model.kind === "scalar" ? model.scalar === "string"
    : model.kind === "enum" && model.values.some((one) => one.name === value);
  const isPlain = model.kind === "scalar" && ((typeof value === "boolean" && model.scalar === "bool") ||
    (typeof value === "number" && ["int32", "uint32", "double", "float"].includes(model.scalar)));
  if (isPlain || (isText && typeof value === "string")) {
    return { ...common, presence: "default", defaultValue: () => value };
  }
  return { ...common, presence: "optional" };
}

function scalar(kind: ScalarKind): Model {
  return { kind: "scalar", scalar: kind };
}

function nullable(of: Model): Model {
  return of.kind === "nullable" || of.kind === "unknown" ? of : { kind: "nullable", of };
}

function implied(schema: Json): string | undefined {
  if (schema["properties"] !== undefined || isJson(schema["additionalProperties"])) return "object";
  return schema["items"] === undefined ? undefined : "array";
}

/** Bounds that say how wide a number is, and patterns of 64-bit numbers. */
function isWidth({ type, format, minimum, maximum }: Json): boolean {
  return format === "int64" || format === "uint64" ||
    (type === "integer" && minimum === 0 && maximum === 4_294_967_295);
}

function isEnumInt(value: unknown): boolean {
  const { type, format } = objectOf(value);
  return type === "integer" && format === "int32";
}

function onlyProperty(schema: Json, at: string): { name: string; schema: unknown; at: string } | undefined {
  const [only, ...more] = Object.entries(objectOf(schema["properties"]));
  const required = listOf(schema["required"]);
  if (only === undefined || more.length > 0 || required.length !== 1 || required[0] !== only[0]) return undefined;
  return { name: only[0], schema: only[1], at: below(at, "properties", only[0]) };
}

function lastOf(pointer: string): string {
  return pointer.slice(pointer.lastIndexOf("/") + 1).replaceAll("~1", "/").replaceAll("~0", "~");
}
