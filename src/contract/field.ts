/** Types that Zod has no word for: a field with a number of its own, and bytes. */
import * as z from "zod";
import { RpcError } from "../core/error.ts";
import type { AnyType } from "./standard.ts";
import { asZod, globalRegistry, type ZodMeta } from "./zod/def.ts";

/**
 * The same type with a field number of its own: `field(7, z.string())`. Fields after it count on from there.
 * The number survives checks and wrappers (`.min()`, `.optional()`, `.default()`) that are added to it.
 * For a variant of a union it is the variant's number. Throws `invalid_argument` for what is no Zod schema.
 */
export function field<T extends AnyType>(number: number, type: T): T {
  const numbered = asZod(type) as (T & { meta?(meta: ZodMeta): T; clone?(): T }) | undefined;
  if (typeof numbered?.meta === "function") return numbered.meta({ field: number });
  const clone = numbered?.clone?.();
  const registry = globalRegistry();
  if (clone === undefined || registry === undefined) {
    throw new RpcError("invalid_argument", `field ${number}: only a Zod 4 schema can be given a field number`);
  }
  registry.add(clone, { field: number });
  return clone;
}

/** Binary data: a Uint8Array. The same as `z.instanceof(Uint8Array)`. */
export function bytes(): z.ZodType<Uint8Array, Uint8Array> {
  return z.instanceof(Uint8Array);
}
