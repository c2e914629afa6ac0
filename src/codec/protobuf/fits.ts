/**
 * Fitting is how an untagged union chooses: the first variant whose structure the value has.
 *
 * It looks at types and at required fields, not at every element: the first element of a list and the first
 * value of a map speak for the rest.
 */
import type { Model } from "../../contract/model.ts";
import type { VariantPlan } from "./plan.ts";
import { fitsScalar, isBytes, isDate } from "./scalars.ts";

/** How far into a value a choice looks. */
const maxLook = 16;

/** Whether `value` is of a variant: by its tag where it has one, else by structure. */
export function isVariant(variant: VariantPlan, discriminator: string | undefined, value: unknown): boolean {
  if (discriminator === undefined || variant.tag === undefined) return fits(variant.model, value);
  return typeof value === "object" && value !== null &&
    (value as Record<string, unknown>)[discriminator] === variant.tag;
}

/** Whether `value` has the structure of `model`. */
export function fits(model: Model, value: unknown, look = 0): boolean {
  if (look > maxLook) return true;
  switch (model.kind) {
    case "scalar": return model.scalar === "timestamp" ? isDate(value) : fitsScalar(model.scalar, value, model.finite);
    case "enum": return model.values.some(({ name }) => name === value) || (model.open === true && isInt32(value));
    case "wellknown":
      if (model.of !== undefined) return fits(model.of, value);
      if (model.name === "google.protobuf.Struct") return isRecord(value);
      return model.name === "google.protobuf.ListValue" ? Array.isArray(value) : value !== undefined;
    case "list": return Array.isArray(value) && (value.length === 0 || fits(model.of, value[0], look + 1));
    case "nullable": return value === null || fits(model.of, value, look);
    case "unknown": return value !== undefined;
    case "map": {
      if (model.as === "Map") {
        if (!(value instanceof Map)) return false;
        for (const [, first] of value) return fits(model.value, first, look + 1);
        return true;
      }
      if (!isRecord(value)) return false;
      for (const key of Object.keys(value)) return fits(model.value, value[key], look + 1);
      return true;
    }
    case "struct":
      return isRecord(value) && model.fields.every(({ name, model: field, presence }) => {
        const part = readField(value, name);
        if (part === undefined) return presence !== "required" || field.kind === "unknown";
        return fits(field, part, look + 1);
      });
    case "union":
      return model.variants.some((variant) => (model.discriminator === undefined || variant.tag === undefined
        ? fits(variant.model, value, look + 1)
        : isRecord(value) && value[model.discriminator] === variant.tag));
    case "oneof":
      return isRecord(value) && model.variants.some((variant) =>
        value["case"] === variant.name && fits(variant.model, value["value"], look + 1));
    default: return model satisfies never;
  }
}

/** What an open enum has beside its names. */
export function isInt32(value: unknown): value is number {
  return typeof value === "number" && (value | 0) === value;
}

/** An object that may be a struct or a map: no array, date, bytes or Map. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    !(value instanceof Map) && !isDate(value) && !isBytes(value);
}

/** A field of a struct; what Object.prototype has under that name does not count. */
export function readField(value: object, name: string): unknown {
  return name in Object.prototype && !Object.hasOwn(value, name)
    ? undefined
    : (value as Record<string, unknown>)[name];
}
