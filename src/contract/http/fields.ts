/** The fields of a request by the names that paths and queries have for them. */
import { lowerCamel, protoFieldName } from "../proto/names.ts";
import type { FieldModel, Model, OneofVariantModel } from "../model.ts";

/** What a text in a path or a query becomes in JSON. */
export type TextKind = "text" | "bool" | "enum" | "none";

export interface FoundField {
  /** The names of the field and of those around it, in JSON. */
  readonly keys: readonly string[];
  readonly model: Model;
  readonly kind: TextKind;
  readonly isList: boolean;
  /** Of a map of scalars: what its values are. */
  readonly mapOf: TextKind | undefined;
}

type AnyField = FieldModel | OneofVariantModel;

/** The name of a field in JSON. */
export function jsonNameOf(field: AnyField): string {
  return field.jsonName ?? lowerCamel(field.protoName ?? field.name);
}

/** The members of a model's JSON object; undefined for what is no struct. */
export function membersOf(model: Model): readonly AnyField[] | undefined {
  const struct = model.kind === "nullable" ? model.of : model;
  if (struct.kind !== "struct") return undefined;
  return struct.fields.flatMap((field): readonly AnyField[] =>
    (field.model.kind === "oneof" ? field.model.variants : [field]));
}

/** The field of that name: in the contract, in `.proto` or in JSON. */
export function memberNamed(model: Model, name: string): AnyField | undefined {
  const members = membersOf(model);
  return members?.find((one) => one.name === name) ??
    members?.find((one) => jsonNameOf(one) === name || protoFieldName(one.name, one.protoName) === name);
}

/** Finds a field by its path; undefined if a part of it is not there. */
export function findField(root: Model, path: readonly string[]): FoundField | undefined {
  const keys: string[] = [];
  let model = root;
  for (const name of path) {
    const member = memberNamed(model, name);
    if (member === undefined) return undefined;
    keys.push(jsonNameOf(member));
    model = member.model;
  }
  while (model.kind === "nullable") model = model.of;
  const item = model.kind === "list" ? model.of : model;
  return {
    keys, model, kind: textKind(item), isList: model.kind === "list",
    mapOf: model.kind === "map" ? textKind(model.value) : undefined,
  };
}

/** Messages whose JSON is a text. */
const texts = new Set(["google.protobuf.Duration", "google.protobuf.Timestamp", "google.protobuf.FieldMask"]);

/** How a text says a value of the model; `none` where no text can. */
export function textKind(model: Model): TextKind {
  switch (model.kind) {
    case "scalar": return model.scalar === "bool" ? "bool" : "text";
    case "enum": return "enum";
    case "nullable": return textKind(model.of);
    case "wellknown": return model.of === undefined ? "none" : textKind(model.of);
    case "struct": return texts.has(model.name) ? "text" : "none";
    case "list": case "map": case "union": case "oneof": case "unknown": return "none";
    default: return model satisfies never;
  }
}

/** Deepest nesting of names in a query. */
const maxDepth = 8;
const maxNames = 64;

/** Names that a query may have, for messages: the first of them. */
export function queryNames(root: Model): readonly string[] {
  const names: string[] = [];
  const walk = (model: Model, prefix: string, depth: number): void => {
    for (const member of membersOf(model) ?? []) {
      if (names.length >= maxNames) return;
      const name = prefix + jsonNameOf(member);
      const found = findField(model, [member.name]);
      if (found === undefined) continue;
      if (found.kind !== "none") names.push(name);
      else if (found.mapOf !== undefined && found.mapOf !== "none") names.push(`${name}[key]`);
      else if (!found.isList && depth < maxDepth) walk(found.model, `${name}.`, depth + 1);
    }
  };
  walk(root, "", 0);
  return names;
}
