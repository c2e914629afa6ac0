/** A oneof: a property whose variants are fields of the object around it. */
import type { OneofModel } from "../model.ts";
import { findMeta, unwrap, wireNames, type ZodType } from "./def.ts";
import { below, type Place, readAt } from "./place.ts";
import { refuse } from "./refuse.ts";

/** Whether a property was made by `oneof()`. */
export function isOneof(schema: ZodType): boolean {
  return findMeta(schema, "oneof") === true;
}

/** The variants of a property that {@link isOneof}, in order. */
export function oneofVariants(schema: ZodType): readonly { readonly name: string; readonly schema: ZodType }[] {
  let union = schema;
  for (let at: ZodType | undefined = schema; at !== undefined; at = unwrap(at)) union = at;
  return (union._zod.def.options ?? []).map((option) => {
    const shape = option._zod.def.shape ?? {};
    return { name: String(shape["case"]?._zod.def.values?.[0]), schema: shape["value"] as ZodType };
  });
}

/** `numbers` are those of the variants; `path` is the property's, relative to `place`. */
export function readOneof(schema: ZodType, numbers: readonly number[], path: string, place: Place): OneofModel {
  for (let at: ZodType | undefined = schema; at !== undefined; at = unwrap(at)) {
    if (at._zod.def.type === "nullable") {
      refuse(place.path + path, "a oneof that may be null", "it may be undefined, which is none of its variants");
    }
  }
  const variants = oneofVariants(schema).map((variant, i) => ({
    name: variant.name, number: numbers[i] as number,
    model: readAt(variant.schema, below(place, `${path}<${variant.name}>`, variant.name)),
    description: findMeta(variant.schema, "description"), ...wireNames(variant.schema),
  }));
  return { kind: "oneof", variants };
}
