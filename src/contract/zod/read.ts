/**
 * `readZod` reads the schema model out of a Zod 4 schema.
 *
 * The model describes the *wire* side: what a sender passes in. For a pipe, transform or codec that is its
 * `in`, and the receiver's `refine` turns it into what the receiver sees. Choices worth knowing:
 *
 * - `z.int32()`, `z.uint32()`, `z.int64()`, `z.uint64()`, `z.float32()`, `z.float64()` have their widths;
 * - `z.number()` and `z.int()` are doubles, which hold every integer of JavaScript; `z.int()` is checked again;
 * - `z.bigint()` is an int64;
 * - string literals and enums are enums, other literals scalars that are checked again;
 * - a tuple of equal types is a list that is checked again; other tuples are refused.
 */
import type { Model, ScalarKind, StructModel } from "../model.ts";
import { pascalCase, uniqueName } from "../names.ts";
import { hasChecks } from "./checks.ts";
import {
  findMeta, idOf, instanceClass, isJson, numberFormat, originOf, resolveLazy, type ZodDef, type ZodType,
} from "./def.ts";
import { readFields } from "./fields.ts";
import { readEnum, readLiteral } from "./enums.ts";
import { refuse } from "./refuse.ts";
import { readUnion } from "./unions.ts";

/** Deepest nesting of one schema's structure; a schema that makes new schemas for ever ends here. */
export const maxSchemaDepth = 100;

/** Where the reader stands. */
export interface Place {
  /** For messages: `input.address.tags[]`. */
  readonly path: string;
  /** What an anonymous type here is called. */
  readonly name: string;
  readonly depth: number;
  /** Whether an absent value is accounted for, as it is for a property of a struct. */
  readonly mayBeAbsent: boolean;
  readonly scope: Scope;
}

/** Names taken and structs read below one named type, so that names do not depend on what was read before. */
interface Scope {
  readonly names: Set<string>;
  readonly models: Map<ZodType, Model>;
  readonly reading: Reading;
}

/** One reading; its named types become shared only when all of it succeeded. */
interface Reading {
  readonly named: Map<ZodType, Model>;
}

/** Types with an `id` by their schema: one struct, whichever method reads it first. */
const shared = new WeakMap<ZodType, Model>();

/** Reads the structure of `schema`. Throws `invalid_argument` naming the path of what has no place in it. */
export function readZod(schema: ZodType, name: string, label: string): { model: Model; checks: boolean } {
  const reading: Reading = { named: new Map() };
  const scope: Scope = { names: new Set(), models: new Map(), reading };
  const model = readModel(schema, { path: label, name, depth: 0, mayBeAbsent: false, scope });
  const checks = hasChecks(schema);
  for (const [type, named] of reading.named) if (!shared.has(type)) shared.set(type, named);
  return { model, checks };
}

/** A place below `place`: `suffix` for the path, `name` for anonymous types. */
export function below(place: Place, suffix: string, name: string, mayBeAbsent = false): Place {
  return {
    path: place.path + suffix, name: place.name + pascalCase(name), depth: place.depth + 1, mayBeAbsent,
    scope: place.scope,
  };
}

export function readModel(schema: ZodType, place: Place): Model {
  if (place.depth > maxSchemaDepth) {
    return refuse(place.path.slice(0, 200), `nesting deeper than ${maxSchemaDepth}`,
      "let a recursive getter return the same schema each time");
  }
  const { def } = schema._zod;
  switch (def.type) {
    case "string": case "template_literal": return scalar("string");
    case "boolean": return scalar("bool");
    case "date": return scalar("timestamp");
    case "number": return readNumber(def);
    case "bigint": return scalar(numberFormat(def) === "uint64" ? "uint64" : "int64");
    case "any": case "unknown": return { kind: "unknown" };
    case "enum": return readEnum(schema, place);
    case "literal": return readLiteral(schema, place);
    case "object": return readObject(schema, place);
    case "array": return { kind: "list", of: readModel(def.element as ZodType, below(place, "[]", "Item")) };
    case "tuple": return readTuple(def, place);
    case "record": case "map": return readMap(def, place);
    case "union": return readUnion(schema, place);
    case "optional": return readOptional(def, place);
    case "nullable": return readNullable(schema, place);
    case "default": case "prefault": case "catch":
      return readModel(def.innerType as ZodType, { ...named(schema, place), mayBeAbsent: true });
    case "nonoptional": return readModel(def.innerType as ZodType, { ...named(schema, place), mayBeAbsent: true });
    case "readonly": return readModel(def.innerType as ZodType, named(schema, place));
    case "pipe": return readPipe(def, place);
    // What a bare transform or a preprocess takes in is not said anywhere.
    case "transform": return { kind: "unknown" };
    case "lazy": return isJson(schema) ? { kind: "unknown" } : readModel(resolveLazy(schema), deeper(place));
    case "custom": return readCustom(schema, place);
    default: return refuse(place.path, `z.${def.type}()`, adviceByType[def.type] ?? "describe the data it stands for");
  }
}

const adviceByType: Readonly<Record<string, string>> = {
  intersection: "use .extend() or a spread of the shapes instead of an intersection",
  set: "use z.array()",
  null: "use .nullable() on the type that may be null, or z.object({}) for nothing",
  undefined: "use .optional() on a property, or z.object({}) for nothing",
  void: "use z.object({}) for nothing",
  never: "leave it out",
  nan: "use z.number()",
  symbol: "use z.string() or z.enum()",
  file: "use bytes()",
  promise: "use what the promise resolves to",
  function: "declare a method instead",
};

const scalars = new Map<ScalarKind, Model>();

/** Shared, since scalars have no identity. */
export function scalar(kind: ScalarKind): Model {
  let model = scalars.get(kind);
  if (model === undefined) scalars.set(kind, model = Object.freeze({ kind: "scalar", scalar: kind }));
  return model;
}

const finiteDouble: Model = Object.freeze({ kind: "scalar", scalar: "double", finite: true });
const finiteFloat: Model = Object.freeze({ kind: "scalar", scalar: "float", finite: true });

function readNumber(def: ZodDef): Model {
  const format = numberFormat(def);
  if (format === "int32" || format === "uint32") return scalar(format);
  return format === "float32" ? finiteFloat : finiteDouble;
}

/**
 * One struct for all clones that differ only in checks. A named struct begins a scope of its own, so that
 * the names below it are the same wherever it is used.
 */
function readObject(schema: ZodType, place: Place): StructModel {
  const { def } = schema._zod;
  const catchall = def.catchall?._zod.def.type;
  if (catchall !== undefined && catchall !== "never") {
    refuse(place.path, "an object with unknown keys (z.looseObject, .catchall)",
      "give the extra keys a property of their own with z.record(), or use the JSON or MessagePack codec");
  }
  const origin = originOf(schema);
  const id = idOf(schema);
  const known = id === undefined ? place.scope.models.get(origin)
    : place.scope.reading.named.get(origin) ?? shared.get(origin);
  if (known !== undefined && (id === undefined || (known as StructModel).name === id)) return known as StructModel;
  const { reading } = place.scope;
  const inside = id === undefined ? place
    : { ...place, name: pascalCase(id), scope: { names: new Set<string>(), models: new Map<ZodType, Model>(), reading } };
  const fields: StructModel["fields"][number][] = [];
  const struct: StructModel = { kind: "struct", name: id ?? uniqueName(place.scope.names, place.name), fields };
  // Before the fields are read: a recursive type finds itself.
  if (id === undefined) place.scope.models.set(origin, struct);
  else reading.named.set(origin, struct);
  fields.push(...readFields(def.shape ?? {}, inside));
  return struct;
}

function readTuple(def: ZodDef, place: Place): Model {
  const items = def.items ?? [];
  const all = def.rest == null ? items : [...items, def.rest];
  const models = all.map((item, i) => readModel(item, below(place, `[${i}]`, `Item${i + 1}`, true)));
  const first = models[0];
  if (first === undefined || models.some((model) => !sameScalarOrStruct(model, first))) {
    refuse(place.path, "a tuple of different types", "use z.object() with a name for each item");
  }
  return { kind: "list", of: first };
}

function sameScalarOrStruct(a: Model, b: Model): boolean {
  return a === b || (a.kind === "scalar" && b.kind === "scalar" && a.scalar === b.scalar);
}

function readMap(def: ZodDef, place: Place): Model {
  const key = readModel(def.keyType as ZodType, below(place, "{key}", "Key"));
  if (key.kind !== "enum" && !(key.kind === "scalar" && isKey(key.scalar))) {
    return refuse(place.path, `a ${def.type} whose keys are no strings, integers, booleans or enums`,
      "use an array of objects with a property for the key");
  }
  const value = readModel(def.valueType as ZodType, below(place, "{}", "Value"));
  return { kind: "map", key, value, as: def.type === "map" ? "Map" : "object" };
}

function isKey(kind: ScalarKind): boolean {
  return kind !== "bytes" && kind !== "timestamp" && kind !== "float";
}

function readOptional(def: ZodDef, place: Place): Model {
  if (!place.mayBeAbsent) {
    refuse(place.path, "undefined", "only a property can be optional here; use .nullable(), or wrap it in z.object()");
  }
  return readModel(def.innerType as ZodType, place);
}

function readNullable(schema: ZodType, place: Place): Model {
  const of = readModel(schema._zod.def.innerType as ZodType, named(schema, place));
  return of.kind === "nullable" || of.kind === "unknown" ? of : { kind: "nullable", of };
}

/** `z.preprocess` and a transform first take in anything. */
function readPipe(def: ZodDef, place: Place): Model {
  return readModel(def.in as ZodType, place);
}

function readCustom(schema: ZodType, place: Place): Model {
  const type = instanceClass(schema);
  if (type === Uint8Array) return scalar("bytes");
  if (type === Date) return scalar("timestamp");
  return refuse(place.path, "z.custom() or z.instanceof()",
    "use bytes() for binary data, or a z.codec() from a type that can be sent");
}

function deeper(place: Place): Place {
  return { ...place, depth: place.depth + 1 };
}

/** A name given to a wrapper names what it wraps. */
function named(schema: ZodType, place: Place): Place {
  const id = findMeta(schema, "id");
  return id === undefined ? place : { ...place, name: id };
}
