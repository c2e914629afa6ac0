/** Whether two models are the same type on the wire, so that one declaration in `.proto` serves both. */
import type {
  EnumModel, FieldModel, Model, OneofVariantModel, StructModel, UnionModel, VariantModel,
} from "../model.ts";

/**
 * Compares by names, numbers and structure. A type of a contract is read anew for every method, so the same type is
 * often several models. Recursive types are the same unless something in them shows that they are not.
 */
export function sameModel(one: Model, other: Model): boolean {
  return same(one, other, new Map());
}

/** Pairs that are taken to be the same while they are compared. */
type Assumed = Map<Model, Set<Model>>;

function same(one: Model, other: Model, assumed: Assumed): boolean {
  if (one === other || assumed.get(one)?.has(other) === true) return true;
  if (one.kind !== other.kind) return false;
  const known = assumed.get(one);
  if (known === undefined) assumed.set(one, new Set([other]));
  else known.add(other);
  switch (one.kind) {
    case "scalar": return one.scalar === (other as typeof one).scalar;
    case "unknown": return true;
    case "wellknown": return one.name === (other as typeof one).name;
    case "enum": return sameEnum(one, other as typeof one);
    case "struct": return sameStruct(one, other as typeof one, assumed);
    case "union": return sameUnion(one, other as typeof one, assumed);
    case "oneof": return sameList(one.variants, (other as typeof one).variants, sameVariant, assumed);
    case "list": case "nullable": return same(one.of, (other as typeof one).of, assumed);
    case "map": {
      const map = other as typeof one;
      return same(one.key, map.key, assumed) && same(one.value, map.value, assumed);
    }
    default: return one satisfies never;
  }
}

function sameEnum(one: EnumModel, other: EnumModel): boolean {
  return one.name === other.name && one.values.length === other.values.length &&
    one.values.every(({ name, number }, i) =>
      other.values[i]?.name === name && other.values[i].number === number);
}

function sameStruct(one: StructModel, other: StructModel, assumed: Assumed): boolean {
  return one.name === other.name && sameList(one.fields, other.fields, sameField, assumed);
}

function sameUnion(one: UnionModel, other: UnionModel, assumed: Assumed): boolean {
  return one.name === other.name && one.discriminator === other.discriminator &&
    sameList(one.variants, other.variants, sameVariant, assumed);
}

function sameField(one: FieldModel, other: FieldModel, assumed: Assumed): boolean {
  // Optional fields and those with a default are declared alike.
  return (one.presence === "required") === (other.presence === "required") && sameVariant(one, other, assumed);
}

type Member = FieldModel | OneofVariantModel | VariantModel;
type MemberName = Pick<OneofVariantModel, "protoName" | "jsonName">;

function sameVariant(one: Member & MemberName, other: Member & MemberName, assumed: Assumed): boolean {
  return one.name === other.name && one.number === other.number && one.protoName === other.protoName &&
    one.jsonName === other.jsonName && same(one.model, other.model, assumed);
}

function sameList<T>(
  ones: readonly T[], others: readonly T[], compare: (one: T, other: T, assumed: Assumed) => boolean, assumed: Assumed,
): boolean {
  return ones.length === others.length && ones.every((one, i) => compare(one, others[i] as T, assumed));
}
