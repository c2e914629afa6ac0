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
import type { FieldModel, Model, ScalarKind, StructModel } from "../model.ts";
import { uniqueName } from "../names.ts";
import { hasChecks } from "./checks.ts";
import {
  findMeta, idOf, instanceClass, isJson, metaOf, numberFormat, originOf, resolveLazy, type ZodDef, type ZodType,
} from "./def.ts";
import { readEnum, readLiteral } from "./enums.ts";
import { readFields } from "./fields.ts";
import { asInThrift, readSpecial, wrap } from "./special.ts";
import {
  below, inside, keepModel, knownModel, nullable, type Place, type Reading, scalar, type Scope, shareModels,
} from "./place.ts";
import { refuse } from "./refuse.ts";
import { readUnion } from "./unions.ts";

/** Deepest nesting of one schema's structure; a schema that makes new schemas for ever ends here. */
export const maxSchemaDepth = 100;

/** Reads the structure of `schema`. Throws `invalid_argument` naming the path of what has no place in it. */
export function readZod(schema: ZodType, name: string, label: string): { model: Model; checks: boolean } {
  const reading: Reading = { named: new Map(), read: readModel };
  const scope: Scope = { names: new Set(), models: new Map(), reading };
  const model = readModel(schema, { path: label, name, depth: 0, mayBeAbsent: false, scope });
  const checks = hasChecks(schema);
  shareModels(reading);
  return { model, checks };
}

function readModel(schema: ZodType, place: Place): Model {
  if (place.depth > maxSchemaDepth) {
    return refuse(place.path.slice(0, 200), `nesting deeper than ${maxSchemaDepth}`,
      "let a recursive getter return the same schema each time");
  }
  const meta = metaOf(schema);
  return readSpecial(schema, meta, place) ?? wrap(asInThrift(readPlain(schema, place), meta, place), meta, place);
}

function readPlain(schema: ZodType, place: Place): Model {
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
    case "optional": return readOptional(schema, place);
    case "nullable": return readNullable(schema, place);
    case "default": case "prefault": case "catch": case "nonoptional":
      return readModel(def.innerType as ZodType, { ...named(schema, place), mayBeAbsent: true });
    case "readonly": return readModel(def.innerType as ZodType, named(schema, place));
    case "pipe": return readModel(def.in as ZodType, place);
    // What a bare transform (or z.preprocess, a pipe that begins with one) takes in is not said anywhere.
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

const finiteDouble: Model = Object.freeze({ kind: "scalar", scalar: "double", finite: true });
const finiteFloat: Model = Object.freeze({ kind: "scalar", scalar: "float", finite: true });

function readNumber(def: ZodDef): Model {
  const format = numberFormat(def);
  if (format === "int32" || format === "uint32") return scalar(format);
  return format === "float32" ? finiteFloat : finiteDouble;
}

/** One struct for all clones that differ only in checks. */
function readObject(schema: ZodType, place: Place): Model {
  const { def } = schema._zod;
  const catchall = def.catchall?._zod.def.type;
  if (catchall !== undefined && catchall !== "never") {
    refuse(place.path, "an object with unknown keys (z.looseObject, .catchall)",
      "give the extra keys a property of their own with z.record(), or use the JSON or MessagePack codec");
  }
  const origin = originOf(schema);
  const id = idOf(schema);
  const known = knownModel(origin, id, place);
  if (known !== undefined) return known;
  const fields: FieldModel[] = [];
  const aliases = findMeta(schema, "aliases");
  const struct: StructModel = {
    kind: "struct", name: id ?? uniqueName(place.scope.names, place.name), fields,
    ...(aliases === undefined ? {} : { aliases }),
  };
  keepModel(origin, id, place, struct);
  fields.push(...readFields(def.shape ?? {}, inside(place, id, struct.name)));
  return struct;
}

function readTuple(def: ZodDef, place: Place): Model {
  const items = def.items ?? [];
  const all = [...items, ...(def.rest ? [def.rest] : [])];
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

function readOptional(schema: ZodType, place: Place): Model {
  if (!place.mayBeAbsent) {
    refuse(place.path, "undefined", "only a property can be optional here; use .nullable(), or wrap it in z.object()");
  }
  return readModel(schema._zod.def.innerType as ZodType, named(schema, place));
}

function readNullable(schema: ZodType, place: Place): Model {
  return nullable(readModel(schema._zod.def.innerType as ZodType, named(schema, place)));
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
