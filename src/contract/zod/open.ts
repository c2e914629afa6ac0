/** `isOpen` tells whether a schema hands some part of a value through without looking into it. */
import { resolveLazy, type ZodType } from "./def.ts";

const openTypes: ReadonlySet<string> = new Set(["any", "unknown", "custom", "transform"]);

export function isOpen(schema: ZodType): boolean {
  return visit(schema, new Set());
}

function visit(schema: ZodType, seen: Set<ZodType>): boolean {
  if (seen.has(schema)) return false;
  seen.add(schema);
  const { def } = schema._zod;
  if (openTypes.has(def.type)) return true;
  const one = [def.element, def.innerType, def.keyType, def.valueType, def.in, def.out, def.catchall, def.rest];
  const children = [...one, ...Object.values(def.shape ?? {}), ...def.options ?? [], ...def.items ?? []];
  if (def.type === "lazy") children.push(resolveLazy(schema));
  const { left, right } = def as { left?: ZodType; right?: ZodType };
  return [...children, left, right].some((child) => child !== undefined && child !== null && visit(child, seen));
}
