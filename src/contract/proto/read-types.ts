/** A TypeReader makes models of the messages and enums of `.proto` files. */
import type { EnumModel, FieldModel, Model, OneofVariantModel, ScalarKind, StructModel } from "../model.ts";
import { uniqueName } from "../names.ts";
import { readDefault } from "./default-value.ts";
import {
  type EnumDescriptor, type FieldDescriptor, fieldTypeNames, labels, type MessageDescriptor, paths,
} from "./file.ts";
import { lowerCamel, protoFieldName } from "./names.ts";
import { commentText, type Declaration, type Features, inherit, type ProtoIndex } from "./proto-index.ts";
import { modelName } from "./type-names.ts";
import { wellKnownModel } from "./well-known-models.ts";

/** Who follows this convention (AIP-203 of the Google APIs, and our export) says so where proto3 has no word for it. */
const requiredMark = /^\s*Required\./;

export class TypeReader {
  readonly #index: ProtoIndex;
  readonly #home: string;
  readonly #models = new Map<string, StructModel | EnumModel>();

  /** `home` is the package of the contract. */
  constructor(index: ProtoIndex, home: string) {
    this.#index = index;
    this.#home = home;
  }

  /** What was read so far by full name, in the order in which it was met. */
  get models(): ReadonlyMap<string, StructModel | EnumModel> {
    return this.#models;
  }

  /** The model of the type of this absolute name. Throws `invalid_argument` with its place for what no model says. */
  read(typeName: string): Model {
    const wellKnown = wellKnownModel(typeName);
    if (wellKnown !== undefined) return wellKnown;
    const type = this.#index.type(typeName);
    const known = this.#models.get(type.fullName);
    if (known !== undefined) return known;
    const name = modelName(type.file.package ?? "", type.names, this.#home) ?? this.#index.refuse(type.file, type.path,
      `the name ${type.fullName} cannot be told from that of a package; begin names of messages with upper case`);
    return type.kind === "message" ? this.#struct(type, name) : this.#enum(type, name);
  }

  #enum({ descriptor, fullName, features }: Declaration<EnumDescriptor>, name: string): EnumModel {
    const numbers = new Set<number>();
    const values: { name: string; number: number }[] = [];
    for (const value of descriptor.value ?? []) {
      // Of values that are aliases the first is the name of the number.
      if (!numbers.has(value.number)) values.push({ name: value.name, number: value.number });
      numbers.add(value.number);
    }
    const model: EnumModel = { kind: "enum", name, values, ...(features.enumType === 1 ? { open: true } : {}) };
    this.#models.set(fullName, model);
    return model;
  }

  #struct(message: Declaration<MessageDescriptor>, name: string): StructModel {
    const { descriptor, fullName, path } = message;
    if (descriptor.options?.["messageSetWireFormat"] === true) {
      this.#refuse(message, path, "message sets are not known here");
    }
    const fields: FieldModel[] = [];
    const model: StructModel = { kind: "struct", name, fields };
    this.#models.set(fullName, model);
    const taken = new Set<string>();
    const oneofs = new Map<number, { name: string; number: number; variants: OneofVariantModel[] }>();
    (descriptor.field ?? []).forEach((field, i) => {
      const at = [...path, paths.message.field, i];
      if (field.name === "__proto__") this.#refuse(message, at, `a field cannot be called ${field.name}`);
      const names = namesOf(field, taken);
      if (field.oneofIndex === undefined || field.proto3Optional === true) {
        fields.push(this.#field(message, field, at, names));
        return;
      }
      let oneof = oneofs.get(field.oneofIndex);
      if (oneof === undefined) {
        const called = lowerCamel(descriptor.oneofDecl?.[field.oneofIndex]?.name ?? "oneof");
        oneofs.set(field.oneofIndex, oneof = { name: uniqueName(taken, called), number: field.number, variants: [] });
      }
      oneof.number = Math.min(oneof.number, field.number);
      const description = this.#comment(message, at);
      oneof.variants.push({ ...names, number: field.number, model: this.#value(message, field, at), description });
    });
    for (const { name: called, number, variants } of oneofs.values()) {
      variants.sort((a, b) => a.number - b.number);
      const model = { kind: "oneof", variants } as const;
      fields.push({ name: called, number, model, presence: "optional", description: undefined });
    }
    fields.sort((a, b) => a.number - b.number);
    return model;
  }

  #field(
    message: Declaration<MessageDescriptor>, field: FieldDescriptor, path: readonly number[],
    names: Pick<FieldModel, "name" | "protoName" | "jsonName">,
  ): FieldModel {
    const features = inherit(message.features, field.options);
    const common = { ...names, number: field.number, description: this.#comment(message, path) };
    if (field.label === labels.repeated) {
      return { ...common, model: this.#repeated(message, field, path), presence: "required" };
    }
    if (field.label === labels.required || features.fieldPresence === 3) {
      this.#refuse(message, path,
        `the field ${field.name} is required, which proto3 and this contract cannot promise; make it optional`);
    }
    const model = this.#value(message, field, path);
    const isMessage = field.typeName !== undefined && model.kind !== "enum";
    if (isMessage) {
      const isRequired = requiredMark.test(this.#index.location(message.file, path)?.leadingComments ?? "");
      return { ...common, model, presence: isRequired ? "required" : "optional" };
    }
    const isImplicit = features.fieldPresence === 2 && field.proto3Optional !== true;
    if (isImplicit) return { ...common, model, presence: "required" };
    if (field.defaultValue === undefined) return { ...common, model, presence: "optional" };
    const value = readDefault(this.#nameOf(field, model), model);
    return { ...common, model, presence: "default", defaultValue: () => value };
  }

  /** The text of a default; of an enum the name that its number has in the model, whatever alias stands there. */
  #nameOf({ defaultValue = "", typeName }: FieldDescriptor, model: Model): string {
    if (model.kind !== "enum" || typeName === undefined) return defaultValue;
    const { descriptor } = this.#index.type(typeName) as Declaration<EnumDescriptor>;
    const number = descriptor.value?.find(({ name }) => name === defaultValue)?.number;
    return model.values.find((value) => value.number === number)?.name ?? defaultValue;
  }

  #repeated(message: Declaration<MessageDescriptor>, field: FieldDescriptor, path: readonly number[]): Model {
    const type = field.typeName === undefined ? undefined : this.#index.type(field.typeName);
    if (type?.kind !== "message" || type.descriptor.options?.["mapEntry"] !== true) {
      return { kind: "list", of: this.#value(message, field, path) };
    }
    const [key, value] = type.descriptor.field ?? [];
    if (key === undefined || value === undefined) return this.#refuse(message, path, "a map without key and value");
    const keyModel = this.#value(message, key, path);
    if (keyModel.kind !== "scalar") return this.#refuse(message, path, "a map whose keys are no scalars");
    // Property names are strings: other keys would come back as such.
    const as = keyModel.scalar === "string" ? "object" : "Map";
    return { kind: "map", key: keyModel, value: this.#value(message, value, path), as };
  }

  #value(message: Declaration<MessageDescriptor>, field: FieldDescriptor, path: readonly number[]): Model {
    if (field.typeName === undefined) {
      return { kind: "scalar", scalar: fieldTypeNames.get(field.type ?? 0) as ScalarKind };
    }
    const features: Features = inherit(message.features, field.options);
    const isMap = this.#index.types.get(field.typeName.slice(1))?.descriptor.options?.["mapEntry"] === true;
    if (field.type === 10 || (field.type === 11 && features.messageEncoding === 2 && !isMap)) {
      this.#refuse(message, path,
        `the field ${field.name} is a group (delimited encoding), which is not spoken here; use a message`);
    }
    return this.read(field.typeName);
  }

  #comment({ file }: Declaration<unknown>, path: readonly number[]): string | undefined {
    const location = this.#index.location(file, path);
    const leading = commentText(location?.leadingComments?.replace(requiredMark, ""));
    return leading ?? commentText(location?.trailingComments);
  }

  #refuse({ file }: Declaration<unknown>, path: readonly number[], message: string): never {
    return this.#index.refuse(file, path, message);
  }
}

/** What a field is called: here as in JSON; the other names where they do not follow from that. */
function namesOf(
  { name: protoName, jsonName = lowerCamel(protoName) }: FieldDescriptor, taken: Set<string>,
): Pick<FieldModel, "name" | "protoName" | "jsonName"> {
  const camel = lowerCamel(protoName);
  const name = uniqueName(taken, /^[A-Za-z_$][\w$]*$/.test(camel) && camel !== "__proto__" ? camel : protoName);
  return {
    name, ...(protoFieldName(name) === protoName ? {} : { protoName }),
    ...(jsonName === lowerCamel(protoName) ? {} : { jsonName }),
  };
}
