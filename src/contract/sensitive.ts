/** Fields that a contract marks as sensitive, `.meta({ sensitive: true })` of Zod, and messages without them. */
import { redacted } from "../core/redact.ts";
import { asZod, metaOf, resolveLazy, type ZodType } from "./zod/def.ts";

/** Deepest nesting that is looked into. */
const maxDepth = 100;

/** Whether the value at `path` of a value of `schema`, or any that it is part of, is marked. */
export function isSensitiveAt(schema: unknown, path: readonly PropertyKey[]): boolean {
  const zod = asZod(schema);
  return zod !== undefined && isWithin(zod, path, 0);
}

function isWithin(schema: ZodType, path: readonly PropertyKey[], depth: number): boolean {
  if (depth > maxDepth) return false;
  if (isMarked(schema)) return true;
  const [first, ...rest] = path;
  // What is said of the whole repeats its parts.
  return insides(schema, first).some((one) => one.isPart
    ? first !== undefined && isWithin(one.schema, rest, depth + 1)
    : isWithin(one.schema, path, depth + 1));
}

/** A copy of a message in which what is marked cannot be read: for logs, traces and errors. */
export function redactMessage(schema: unknown, message: unknown): unknown {
  const zod = asZod(schema);
  return zod === undefined ? message : copy(zod, message, 0);
}

function copy(schema: ZodType, value: unknown, depth: number): unknown {
  if (value === undefined || value === null) return value;
  if (depth > maxDepth || isMarked(schema)) return redacted;
  const around = insides(schema, undefined).filter((one) => !one.isPart);
  // Of a union it is not known which it is: what any of them hides is hidden.
  if (around.length > 0) return around.reduce<unknown>((so, one) => copy(one.schema, so, depth + 1), value);
  if (Array.isArray(value)) {
    return value.map((one: unknown, index) => within(schema, index, one, depth));
  }
  if (value instanceof Map) {
    const entries = [...(value as Map<PropertyKey, unknown>)];
    return new Map(entries.map(([key, one]) => [key, within(schema, key, one, depth)]));
  }
  if (typeof value !== "object" || value instanceof Date || ArrayBuffer.isView(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, within(schema, key, one, depth)]));
}

function within(schema: ZodType, key: PropertyKey, value: unknown, depth: number): unknown {
  const parts = insides(schema, key).filter((one) => one.isPart);
  return parts.reduce<unknown>((so, one) => copy(one.schema, so, depth + 1), value);
}

/** Marks are set on the schema itself or on what it was cloned from by a check. */
function isMarked(schema: ZodType): boolean {
  for (let at: ZodType | undefined = schema; at !== undefined; at = at._zod.parent) {
    if ((metaOf(at) as { readonly sensitive?: unknown }).sensitive === true) return true;
  }
  return false;
}

interface Inside {
  readonly schema: ZodType;
  /** Whether it is of the value under the key, rather than of the same value. */
  readonly isPart: boolean;
}

function insides(schema: ZodType, key: PropertyKey | undefined): Inside[] {
  const { def } = schema._zod;
  const same = (...all: (ZodType | null | undefined)[]): Inside[] =>
    all.flatMap((one) => (one === undefined || one === null ? [] : [{ schema: one, isPart: false }]));
  const part = (...all: (ZodType | null | undefined)[]): Inside[] =>
    all.flatMap((one) => (one === undefined || one === null ? [] : [{ schema: one, isPart: true }]));
  switch (def.type) {
    case "object": {
      const field = typeof key === "string" && def.shape !== undefined && Object.hasOwn(def.shape, key)
        ? def.shape[key] : def.catchall;
      return part(field);
    }
    case "array": return part(def.element);
    case "record": case "map": case "set": return part(def.valueType);
    case "tuple": {
      const item = typeof key === "number" ? def.items?.[key] : undefined;
      return part(item ?? def.rest);
    }
    case "union": case "discriminated_union": return same(...def.options ?? []);
    case "intersection": return same((def as { left?: ZodType }).left, (def as { right?: ZodType }).right);
    case "lazy": return same(resolveLazy(schema));
    case "pipe": return same(def.in, def.out);
    default: return same(def.innerType);
  }
}
