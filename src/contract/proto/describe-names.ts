/** Names of messages and enums in `.proto`: whose package a type belongs to, and what it is called there. */
import type { EnumModel, Model } from "../model.ts";
import { pascalCase } from "../names.ts";
import type { Schema } from "../schema.ts";
import { snake } from "./names.ts";
import { readTypeName } from "./type-names.ts";

/** Where a type is declared. `local` is its name within the package; dots in it nest messages. */
export interface TypePlace {
  readonly package: string;
  readonly local: string;
}

const identifier = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** `weather.v1.Weather` → `weather.v1`. */
export function packageOf(fullName: string): string {
  return fullName.slice(0, Math.max(0, fullName.lastIndexOf(".")));
}

/** Where the type of a model's name is declared; `ownPackage` is the service's. What is no identifier is made one. */
export function placeOf(name: string, ownPackage: string): TypePlace {
  const { package: other, path } = readTypeName(name);
  const isSayable = path.every((part) => identifier.test(part)) && (other ?? "a").split(".").every(isIdentifier);
  return isSayable ? { package: other ?? ownPackage, local: path.join(".") }
    : { package: ownPackage, local: pascalCase(name) };
}

/** The full name of a type. */
export function fullName({ package: name, local }: TypePlace): string {
  return name === "" ? local : `${name}.${local}`;
}

/** What a message of a model is called where it has no name of its own: `StringList`, `UserMap`, `NullableString`. */
export function wrapperName(model: Model): string {
  switch (model.kind) {
    case "scalar": return pascalCase(model.scalar);
    case "unknown": return "Json";
    case "oneof": return "Oneof";
    case "wellknown": case "enum": case "struct": case "union":
      return pascalCase(model.name.slice(model.name.lastIndexOf(".") + 1));
    case "list": return `${wrapperName(model.of)}List`;
    case "nullable": return model.of.kind === "nullable" ? wrapperName(model.of) : `Nullable${wrapperName(model.of)}`;
    case "map": {
      const isText = model.key.kind === "enum" || model.key.scalar === "string";
      return `${isText ? "" : wrapperName(model.key)}${wrapperName(model.value)}Map`;
    }
    default: return model satisfies never;
  }
}

/** The name of the message that a whole request, response or error is; `name` is that of its schema. */
export function messageName(model: Model, name: string | undefined, ownPackage: string): TypePlace {
  switch (model.kind) {
    case "struct": case "union": case "wellknown": return placeOf(model.name, ownPackage);
    case "list": case "map": case "nullable": return { package: ownPackage, local: wrapperName(model) };
    case "scalar":
      if (model.scalar === "timestamp") return { package: "google.protobuf", local: "Timestamp" };
      break;
    default: break;
  }
  return placeOf(name ?? `${wrapperName(model)}Value`, ownPackage);
}

/** The full name of the message of an error's data; undefined where the schema has no model. */
export function errorMessageOf(schema: Schema, service: string): string | undefined {
  const { model } = schema;
  return model === undefined ? undefined : fullName(messageName(model, schema.name, packageOf(service)));
}

/** `OrderStatus` → `ORDER_STATUS_UNSPECIFIED`, the name of the number 0 where no value has it. */
export function unspecifiedName(name: string): string {
  return `${snake(name).replaceAll(".", "_").toUpperCase()}_UNSPECIFIED`;
}

/** The name of an enum's value in `.proto`: itself where the grammar allows it. */
export function enumValueName(name: string): string {
  if (identifier.test(name)) return name;
  const made = name.replace(/[^A-Za-z0-9]+/g, "_");
  return /^[A-Za-z_]/.test(made) ? made : `_${made}`;
}

/** The enum's values in the order of `.proto`: that of number 0 first. */
export function enumValues({ values }: EnumModel): EnumModel["values"] {
  return [...values.filter(({ number }) => number === 0), ...values.filter(({ number }) => number !== 0)];
}

/** Whether a text can stand as a name in `.proto`. */
export function isIdentifier(text: string): boolean {
  return identifier.test(text);
}
