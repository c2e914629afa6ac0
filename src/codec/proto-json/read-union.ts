/** Unions in JSON: the object of a oneof, `{ "card": { … } }`, or the value's natural form where that is certain. */
import { gaveUp } from "../protobuf/gave-up.ts";
import type { UnionPlan, ValuePlan, VariantPlan } from "../protobuf/plan.ts";
import type { Trail } from "../protobuf/trail.ts";
import type { Read } from "./any.ts";

/** `readers` are those of the variants. */
export function readUnion(plan: UnionPlan, readers: readonly Read[], refusesUnknown: boolean): Read {
  const { variants, discriminator } = plan;
  const byName = new Map(variants.flatMap(({ json, also }, i) => [json, ...also].map((name) => [name, i] as const)));
  const byTag = new Map(discriminator === undefined || byName.has(discriminator)
    ? []
    : variants.flatMap(({ tag }, i) => (tag === undefined ? [] : [[tag as unknown, i] as const])));
  const byType = naturalTypes(variants);
  const wanted = `an object with one of ${variants.map(({ json }) => JSON.stringify(json)).slice(0, 8).join(", ")}`;
  const refuse = (json: unknown, trail: Trail | undefined): never => {
    if (trail === undefined) throw gaveUp;
    throw trail.unfit(wanted, json);
  };
  return (json, trail) => {
    if (typeof json !== "object" || json === null || Array.isArray(json)) {
      const index = json === null ? undefined : byType.get(Array.isArray(json) ? "array" : typeof json);
      return index === undefined ? refuse(json, trail) : (readers[index] as Read)(json, trail);
    }
    const members = json as Record<string, unknown>;
    if (byTag.size > 0 && Object.hasOwn(members, discriminator as string)) {
      const index = byTag.get(members[discriminator as string]);
      if (index !== undefined) return (readers[index] as Read)(json, trail);
    }
    let found: number | undefined;
    for (const name of Object.keys(members)) {
      const index = byName.get(name);
      if (index === undefined ? refusesUnknown : found !== undefined && members[name] !== null) refuse(json, trail);
      if (index !== undefined && (members[name] !== null || takesNull(variants[index]?.value))) found = index;
    }
    const variant = found === undefined ? undefined : variants[found];
    if (variant === undefined) return refuse(json, trail);
    const name = [variant.json, ...variant.also].find((one) => Object.hasOwn(members, one)) as string;
    trail?.steps.push(variant.name);
    const value = (readers[found as number] as Read)(members[name], trail);
    trail?.steps.pop();
    return value;
  };
}

function takesNull(plan: ValuePlan | undefined): boolean {
  return plan?.type === "free" && plan.form === "value";
}

/** The only variant whose natural JSON is of a type, by `typeof` or `array`. */
function naturalTypes(variants: readonly VariantPlan[]): Map<string, number> {
  const found = new Map<string, number>();
  const twice = new Set<string>();
  for (const [i, { value }] of variants.entries()) {
    const type = naturalType(value);
    if (type === undefined) continue;
    if (found.has(type)) twice.add(type);
    found.set(type, i);
  }
  for (const type of twice) found.delete(type);
  return found;
}

function naturalType(plan: ValuePlan): string | undefined {
  if (plan.type === "enum" || plan.type === "timestamp" || plan.type === "json") return "string";
  if (plan.type === "wrapper") return plan.of === "list" ? "array" : undefined;
  if (plan.type !== "scalar") return undefined;
  switch (plan.scalar) {
    case "bool": return "boolean";
    case "int32": case "uint32": case "sint32": case "fixed32": case "sfixed32": case "float": case "double":
      return "number";
    case "string": case "bytes": case "int64": case "uint64": case "sint64": case "fixed64": case "sfixed64":
      return "string";
    default: return plan.scalar satisfies never;
  }
}
