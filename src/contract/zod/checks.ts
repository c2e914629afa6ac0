/**
 * `hasChecks` tells whether a schema checks or changes anything that its model does not already guarantee.
 *
 * A plain struct is decoded by a codec that was compiled for exactly its structure, so that a second look by
 * Zod would only cost time. Deliberately not counted: unknown keys (a compiled codec drops them) and the
 * freezing of `.readonly()`. `z.int()` counts, since it travels as a double; `z.int32()` does not.
 */
import { instanceClass, isJson, metaOf, resolveLazy, type ZodDef, type ZodType } from "./def.ts";

/** Widths that a scalar of the model has by itself. */
const widths: ReadonlySet<string> = new Set(["int32", "uint32", "float32", "float64", "int64", "uint64"]);

export function hasChecks(schema: ZodType): boolean {
  return visit(schema, false, { fields: new Set(), values: new Set() });
}

/** The same for a property of a struct, whose default a codec fills in. */
export function fieldHasChecks(schema: ZodType): boolean {
  return visit(schema, true, { fields: new Set(), values: new Set() });
}

/** What was visited as a property of a struct, and what elsewhere: the answer differs for defaults. */
interface Seen {
  readonly fields: Set<ZodType>;
  readonly values: Set<ZodType>;
}

/** `isField`: an absent value is filled in by the codec, as it can only be for a property of a struct. */
function visit(schema: ZodType, isField: boolean, seen: Seen): boolean {
  const visited = isField ? seen.fields : seen.values;
  if (visited.has(schema)) return false;
  visited.add(schema);
  const { def } = schema._zod;
  const every = (children: readonly ZodType[]) => children.some((child) => visit(child, false, seen));
  if (def.coerce === true) return true;
  if (metaOf(schema).wellKnown !== undefined) return (def.checks?.length ?? 0) > 0;
  if (def.type === "number" || def.type === "bigint") return numberHasChecks(def);
  if ((def.checks?.length ?? 0) > 0) return true;
  switch (def.type) {
    case "string": return def.format !== undefined;
    case "boolean": case "date": case "any": case "unknown": return false;
    case "enum": return !Object.values(def.entries ?? {}).every((value) => typeof value === "string");
    case "literal": return !(def.values ?? []).every((value) => typeof value === "string");
    case "object": return fieldsHaveChecks(def, seen);
    case "array": return every([def.element as ZodType]);
    case "map": return every([def.keyType as ZodType, def.valueType as ZodType]);
    case "record": return recordHasChecks(def) || every([def.keyType as ZodType, def.valueType as ZodType]);
    case "optional": case "nullable": case "nonoptional": case "readonly":
      return visit(def.innerType as ZodType, isField, seen);
    case "default": return !isField || visit(def.innerType as ZodType, true, seen);
    case "lazy": return !isJson(schema) && every([resolveLazy(schema)]);
    case "union": return isExclusive(def) || every(def.options ?? []);
    case "null": case "undefined": case "void": return false;
    case "custom":
      return metaOf(schema).scalar === undefined && ![Uint8Array, Date].includes(instanceClass(schema) as never);
    default: return true;
  }
}

function numberHasChecks(def: ZodDef): boolean {
  const formats = (def.checks ?? []).map((check) => check._zod.def.format);
  if (def.format !== undefined) formats.push(def.format);
  return formats.length > 1 || formats.some((format) => format === undefined || !widths.has(format));
}

function fieldsHaveChecks(def: ZodDef, seen: Seen): boolean {
  return Object.values(def.shape ?? {}).some((field) => visit(field, true, seen));
}

/** `z.xor` lets exactly one option fit; a discriminated union is marked the same way, but can have no other. */
function isExclusive(def: ZodDef): boolean {
  return def.inclusive === false && def.discriminator === undefined;
}

/** A record over an enum demands every key, and one over numbers keys that look like numbers. */
function recordHasChecks(def: ZodDef): boolean {
  const key = (def.keyType as ZodType)._zod.def.type;
  return key === "number" || def.mode === "loose" || (key !== "string" && def.partial !== true);
}
