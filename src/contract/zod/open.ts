/** `isOpen` tells whether a schema hands some part of a value through without looking into it. */
import { instanceClass, resolveLazy, type ZodType } from "./def.ts";

const openTypes: ReadonlySet<string> = new Set(["any", "unknown", "custom", "transform"]);

/** Classes whose instances hold no properties of a peer's. */
const closedClasses: ReadonlySet<unknown> = new Set([Uint8Array, Date]);

export function isOpen(schema: ZodType): boolean {
  return visit(schema, new Set());
}

function visit(schema: ZodType, seen: Set<ZodType>): boolean {
  if (seen.has(schema)) return false;
  seen.add(schema);
  const { def } = schema._zod;
  if (openTypes.has(def.type)) return !closedClasses.has(instanceClass(schema));
  const one = [def.element, def.innerType, def.keyType, def.valueType, def.in, def.out, def.catchall, def.rest];
  const children = [...one, ...Object.values(def.shape ?? {}), ...def.options ?? [], ...def.items ?? []];
  if (def.type === "lazy") children.push(resolveLazy(schema));
  const { left, right } = def as { left?: ZodType; right?: ZodType };
  return [...children, left, right].some((child) => child !== undefined && child !== null && visit(child, seen));
}
