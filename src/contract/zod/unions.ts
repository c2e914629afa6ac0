/** Unions: told apart by a discriminator, or else by which variant fits. */
import type { Model, ScalarModel, UnionModel, VariantModel } from "../model.ts";
import { camelCase, uniqueName } from "../names.ts";
import { findMeta, idOf, isJson, originOf, resolveLazy, unwrap, type ZodType } from "./def.ts";
import { readValues } from "./enums.ts";
import { assignNumbers, fieldNumbers } from "./numbers.ts";
import { below, inside, keepModel, knownModel, nullable, type Place, readAt } from "./place.ts";
import { refuse } from "./refuse.ts";

type Tag = string | number | boolean;

/** Zod types that are always a scalar. */
const plainTypes: ReadonlySet<string> = new Set(["string", "template_literal", "number", "bigint", "boolean", "date"]);

/** What becomes a variant. */
interface Option {
  readonly schema: ZodType;
  readonly tag: Tag | undefined;
}

export function readUnion(schema: ZodType, place: Place): Model {
  const { discriminator } = schema._zod.def;
  if (findMeta(schema, "oneof") === true) {
    refuse(place.path, "a oneof that is no property of an object", "wrap it in z.object(), or use a union");
  }
  if (discriminator !== undefined) return readTagged(schema, discriminator, place);
  const all = flatten(schema);
  const options = all.filter((option) => option._zod.def.type !== "null" &&
    !(place.mayBeAbsent && (option._zod.def.type === "undefined" || option._zod.def.type === "void")));
  const of = readOptions(schema, options, place);
  return all.some((option) => option._zod.def.type === "null") ? nullable(of) : of;
}

/** The options of a plain union with those of nested anonymous unions: `a.or(b).or(c)` has three variants. */
function flatten(schema: ZodType): readonly ZodType[] {
  return (schema._zod.def.options ?? []).flatMap((option) => {
    const { def } = option._zod;
    const isPlain = def.type === "union" && def.discriminator === undefined && idOf(option) === undefined;
    return isPlain ? flatten(option) : [option];
  });
}

function readOptions(schema: ZodType, options: readonly ZodType[], place: Place): Model {
  const [first] = options;
  if (first === undefined) return refuse(place.path, "a union of nothing", "leave it out");
  if (options.length === 1) return readAt(first, place);
  if (options.every((option) => option._zod.def.type === "literal")) {
    return readValues(schema, options.flatMap((option) => option._zod.def.values ?? []), place);
  }
  if (options.every((option) => plainTypes.has(option._zod.def.type))) {
    const models = options.map((option) => readAt(option, place));
    // Two strings that differ in their checks are one string to the wire; validation tells them apart.
    if (new Set(models.map((model) => (model as ScalarModel).scalar)).size === 1) return models[0] as Model;
  }
  return readVariants(schema, undefined, place, options.map((option) => ({ schema: option, tag: undefined })));
}

function readTagged(schema: ZodType, discriminator: string, place: Place): Model {
  const options = (schema._zod.def.options ?? []).flatMap((option) => tagged(option, discriminator, place));
  return readVariants(schema, discriminator, place, options);
}

/** One option for each literal of the discriminator; a nested union on the same discriminator is flattened. */
function tagged(option: ZodType, discriminator: string, place: Place): Option[] {
  const inner = innermost(option);
  const { def } = inner._zod;
  if (def.type === "union" && def.discriminator === discriminator) {
    return (def.options ?? []).flatMap((nested) => tagged(nested, discriminator, place));
  }
  if (def.type !== "object") {
    refuse(place.path, `a variant that is no object but z.${def.type}()`, "use z.object() for each variant");
  }
  const tags = [...(inner._zod.propValues?.[discriminator] ?? [])];
  if (tags.length === 0) {
    refuse(place.path, `a variant without a literal "${discriminator}"`, "use z.literal() for it");
  }
  return tags.map((tag) => {
    if (typeof tag === "string" || typeof tag === "number" || typeof tag === "boolean") return { schema: option, tag };
    return refuse(place.path, `the discriminator value ${String(tag)}`, "use strings, numbers or booleans");
  });
}

function innermost(schema: ZodType): ZodType {
  let at = schema;
  for (;;) {
    const inner = at._zod.def.type === "lazy" && !isJson(at) ? resolveLazy(at) : unwrap(at);
    if (inner === undefined) return at;
    at = inner;
  }
}

function readVariants(
  schema: ZodType, discriminator: string | undefined, place: Place, options: readonly Option[],
): Model {
  const id = idOf(schema);
  const known = knownModel(originOf(schema), id, place);
  if (known !== undefined) return known;
  const variants: VariantModel[] = [];
  const name = id ?? uniqueName(place.scope.names, place.name);
  const union: UnionModel = { kind: "union", name, discriminator, variants };
  keepModel(originOf(schema), id, place, union);
  const within = inside(place, id, name);
  const numbers = assignNumbers(place.path, options.map((option, i) => (
    { name: String(option.tag ?? i + 1), number: findMeta(option.schema, "field") })), fieldNumbers);
  const taken = new Set<string>();
  const scalars = new Set<string>();
  for (const [i, { schema: option, tag }] of options.entries()) {
    const label = tag === undefined ? `Variant${i + 1}` : String(tag);
    const path = `<${tag === undefined ? i + 1 : label}>`;
    const model = readAt(option, below(within, path, label, place.mayBeAbsent));
    if (model.kind === "scalar") {
      if (scalars.has(model.scalar)) continue;
      scalars.add(model.scalar);
    }
    const variant = uniqueName(taken, camelCase(tag === undefined ? variantName(model) : String(tag)));
    variants.push({ name: variant, number: numbers[i] as number, model, tag });
  }
  return union;
}

function variantName(model: Model): string {
  switch (model.kind) {
    case "scalar": return model.scalar;
    case "struct": case "enum": case "union": return model.name;
    case "nullable": return variantName(model.of);
    case "list": return `${variantName(model.of)}List`;
    case "map": return `${variantName(model.value)}Map`;
    case "unknown": return "value";
    case "wellknown": return model.name.slice(model.name.lastIndexOf(".") + 1);
    case "oneof": return "oneof";
    default: return model satisfies never;
  }
}
