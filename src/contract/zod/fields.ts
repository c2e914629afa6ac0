/** The fields of a struct: their numbers, and what an absent one reads as. */
import type { FieldModel, Model } from "../model.ts";
import { fieldHasChecks } from "./checks.ts";
import { findMeta, unwrap, wireNames, type ZodType } from "./def.ts";
import { assignNumbers, fieldNumbers, type Numbered } from "./numbers.ts";
import { isOneof, oneofVariants, readOneof } from "./oneof.ts";
import { below, type Place, readAt } from "./place.ts";
import { refuse } from "./refuse.ts";

/** Reads the properties of an object in the order of their numbers. */
export function readFields(shape: Readonly<Record<string, ZodType>>, place: Place): FieldModel[] {
  const names = Object.keys(shape);
  if (names.includes("__proto__")) refuse(place.path, "a property named __proto__", "choose another name");
  const numbered = names.map((name) => numberedOf(name, shape[name] as ZodType));
  const numbers = assignNumbers(place.path, numbered.flat(), fieldNumbers);
  const fields: FieldModel[] = [];
  for (const [i, name] of names.entries()) {
    const count = (numbered[i] as Numbered[]).length;
    fields.push(readField(name, numbers.splice(0, count), shape[name] as ZodType, place));
  }
  return fields.sort((a, b) => a.number - b.number);
}

/** What a property needs numbers for: itself, or the variants of its oneof. */
function numberedOf(name: string, schema: ZodType): Numbered[] {
  if (!isOneof(schema)) return [{ name, number: findMeta(schema, "field") }];
  return oneofVariants(schema).map((variant) => (
    { name: `${name}.${variant.name}`, number: findMeta(variant.schema, "field") }));
}

function readField(name: string, numbers: readonly number[], schema: ZodType, place: Place): FieldModel {
  const { optin, def } = schema._zod;
  const isRequired = optin === undefined && def.type !== "unknown" && def.type !== "any";
  const model: Model = isOneof(schema)
    ? readOneof(schema, numbers, memberPath(name), place)
    : readAt(schema, below(place, memberPath(name), name, !isRequired));
  const field = {
    name, number: Math.min(...numbers), model, description: findMeta(schema, "description"), ...wireNames(schema),
  };
  if (isRequired) return { ...field, presence: "required" };
  const defaulted = findDefault(schema);
  // Where the receiver's validation runs, it fills the default in itself: a default is the *result* of what
  // it stands on, which a second run through checks and transforms may not survive.
  if (defaulted === undefined || fieldHasChecks(schema)) {
    return { ...field, presence: "optional" };
  }
  return { ...field, presence: "default", defaultValue: () => defaulted._zod.def.defaultValue };
}

/** The outermost default in the wrappers of a property. */
function findDefault(schema: ZodType): ZodType | undefined {
  for (let at: ZodType | undefined = schema; at !== undefined; at = unwrap(at)) {
    if (at._zod.def.type === "default") return at;
  }
  return undefined;
}

/** `.name`, or `["odd name"]` where it is no identifier. */
export function memberPath(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`;
}
