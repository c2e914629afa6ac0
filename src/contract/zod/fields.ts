/** The fields of a struct: their numbers, and what an absent one reads as. */
import type { FieldModel } from "../model.ts";
import { fieldHasChecks } from "./checks.ts";
import { findMeta, unwrap, type ZodType } from "./def.ts";
import { assignNumbers, fieldNumbers } from "./numbers.ts";
import { below, type Place, readAt } from "./place.ts";
import { refuse } from "./refuse.ts";

/** Reads the properties of an object in the order of their numbers. */
export function readFields(shape: Readonly<Record<string, ZodType>>, place: Place): FieldModel[] {
  const names = Object.keys(shape);
  if (names.includes("__proto__")) refuse(place.path, "a property named __proto__", "choose another name");
  const numbers = assignNumbers(place.path,
    names.map((name) => ({ name, number: findMeta(shape[name] as ZodType, "field") })), fieldNumbers);
  const fields = names.map((name, i) => readField(name, numbers[i] as number, shape[name] as ZodType, place));
  return fields.sort((a, b) => a.number - b.number);
}

function readField(name: string, number: number, schema: ZodType, place: Place): FieldModel {
  const { optin, def } = schema._zod;
  const isRequired = optin === undefined && def.type !== "unknown" && def.type !== "any";
  const model = readAt(schema, below(place, memberPath(name), name, !isRequired));
  const field = { name, number, model, description: findMeta(schema, "description") };
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
