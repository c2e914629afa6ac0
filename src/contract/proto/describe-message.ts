/** A MessageBuilder describes one message of `.proto`, field by field. */
import type { FieldModel, MapModel, Model, OneofVariantModel } from "../model.ts";
import { isIdentifier } from "./describe-names.ts";
import type { ProtoPackage, ProtoTypes, TypeReference, TypeScope } from "./describe-types.ts";
import {
  type EnumDescriptor, type FieldDescriptor, fieldTypes, labels, type MessageDescriptor, type OneofDescriptor,
} from "./file.ts";
import { lowerCamel, protoFieldName, snake, upperCamel } from "./names.ts";

/** What a field is described from. */
export type FieldSource =
  Pick<FieldModel, "name" | "number" | "model" | "presence" | "protoName" | "jsonName" | "description">;

export interface VariantSource extends OneofVariantModel {
  /** The property that the variant's struct goes without: its union's discriminator. */
  readonly without?: string | undefined;
}

/** What a field is in the message: how often it is there, and of which oneof it is a part. */
type Occurrence = { readonly label: 1 | 3; readonly isOptional?: boolean; readonly oneofIndex?: number };

const maxNumber = 536_870_911;

export class MessageBuilder {
  /** The name in its package: `Outer.Inner`. */
  readonly path: string;
  readonly nested: MessageBuilder[] = [];
  readonly enums: EnumDescriptor[] = [];
  /** The package of the contract that it was read from; undefined while it is only known by what is nested in it. */
  home: string | undefined;
  readonly #types: ProtoTypes;
  readonly #owner: ProtoPackage;
  readonly #fields: FieldDescriptor[] = [];
  readonly #entries: MessageDescriptor[] = [];
  readonly #oneofs: OneofDescriptor[] = [];
  readonly #names = new Set<string>();
  readonly #numbers = new Set<number>();
  readonly #jsonNames = new Map<string, string>();

  constructor(types: ProtoTypes, owner: ProtoPackage, path: string, home: string | undefined) {
    this.#types = types;
    this.#owner = owner;
    this.path = path;
    this.home = home;
  }

  get #scope(): TypeScope {
    return { home: this.home ?? this.#owner.name, owner: this.#owner };
  }

  /** Adds a field, or the fields of a oneof. */
  add(field: FieldSource): void {
    const { model, presence } = field;
    if (model.kind === "oneof") return this.addOneof(field.protoName ?? snake(field.name), model.variants);
    if (presence === "required") return this.#addRequired(field, model);
    this.#addOne(field, this.#types.value(model, this.#scope), optional);
  }

  /** Adds variants as the fields of one oneof. */
  addOneof(name: string, variants: readonly VariantSource[]): void {
    if (variants.length === 0) this.#types.refuse("a choice of nothing");
    const oneofIndex = this.#oneofs.length;
    const oneof = { name: this.#unique(isIdentifier(name) ? name : "variant") };
    this.#oneofs.push(oneof);
    for (const variant of [...variants].sort((a, b) => a.number - b.number)) {
      this.#types.at(`<${variant.name}>`, () => {
        const type = variant.model.kind === "struct"
          ? this.#types.struct(variant.model, this.#scope, variant.without)
          : this.#types.value(variant.model, this.#scope);
        this.#addOne(variant, type, { label: labels.optional, oneofIndex });
      });
    }
  }

  #addRequired(field: FieldSource, model: Model): void {
    switch (model.kind) {
      case "list":
        this.#addOne(field, this.#types.value(model.of, this.#scope), { label: labels.repeated });
        return;
      case "map":
        this.#addMap(field, model);
        return;
      case "nullable": {
        let inner = model.of;
        while (inner.kind === "nullable") inner = inner.of;
        this.#addOne(field, this.#types.value(inner, this.#scope), optional);
        return;
      }
      case "unknown":
        this.#addOne(field, this.#types.value(model, this.#scope), optional);
        return;
      default: {
        const type = this.#types.value(model, this.#scope);
        const isMessage = type.type === fieldTypes["message"];
        // proto3 has no word for a message that must be there; this is how Google's APIs say it (AIP-203).
        const description = isMessage ? `Required. ${field.description ?? ""}`.trimEnd() : field.description;
        this.#addOne({ ...field, description }, type, { label: labels.optional });
      }
    }
  }

  #addMap(field: FieldSource, { key, value }: MapModel): void {
    const keyType = key.kind === "enum" ? fieldTypes["string"] as number : this.#types.value(key, this.#scope).type;
    if (!mapKeys.has(keyType)) this.#types.refuse("keys of a map are strings, booleans or integers");
    const values = this.#types.value(value, this.#scope);
    const added = this.#addOne(field, { type: fieldTypes["message"] as number }, { label: labels.repeated });
    const name = `${upperCamel(added.name)}Entry`;
    this.#entries.push({
      name, options: { mapEntry: true },
      field: [
        { name: "key", jsonName: "key", number: 1, label: labels.optional, type: keyType },
        { name: "value", jsonName: "value", number: 2, label: labels.optional, ...values },
      ],
    });
    const scope = this.#owner.name === "" ? "" : `${this.#owner.name}.`;
    added.typeName = `.${scope}${this.path}.${name}`;
  }

  #addOne(field: FieldSource | VariantSource, { type, typeName }: TypeReference, at: Occurrence): WritableField {
    const { number } = field;
    if (!Number.isInteger(number) || number < 1 || number > maxNumber || (number >= 19_000 && number < 20_000)) {
      this.#types.refuse(
        `the number ${number} is not 1 to ${maxNumber}, of which Protocol Buffers keeps 19000 to 19999 for itself`);
    }
    if (this.#numbers.has(number)) this.#types.refuse(`the number ${number} is that of another field`);
    this.#numbers.add(number);
    const protoName = protoFieldName(field.name, field.protoName);
    const name = this.#unique(isIdentifier(protoName) ? protoName : identifierOf(protoName));
    const jsonName = field.jsonName ?? lowerCamel(field.protoName ?? field.name);
    const twin = this.#jsonNames.get(jsonName);
    if (twin !== undefined) {
      const [mine, theirs] = [jsonName, twin].map((text) => JSON.stringify(text));
      this.#types.refuse(`has the name ${mine} in JSON, as ${theirs} has; rename one`);
    }
    this.#jsonNames.set(jsonName, field.name);
    const added: WritableField = { name, jsonName, number, label: at.label, type };
    if (typeName !== undefined) added.typeName = typeName;
    if (at.oneofIndex !== undefined) added.oneofIndex = at.oneofIndex;
    // A message has presence whether or not it says so.
    if (at.isOptional === true && type !== fieldTypes["message"]) added.proto3Optional = true;
    if (field.description !== undefined) this.#types.comments.set(added, field.description);
    this.#fields.push(added);
    return added;
  }

  #unique(wanted: string): string {
    let name = wanted;
    for (let i = 2; this.#names.has(name); i++) name = `${wanted}_${i}`;
    this.#names.add(name);
    return name;
  }

  /** The finished message. protoc wants the oneofs of optional fields behind the others. */
  finish(): MessageDescriptor {
    const oneofs = [...this.#oneofs];
    for (const field of this.#fields as WritableField[]) {
      if (field.proto3Optional !== true) continue;
      let name = `_${field.name}`;
      while (this.#names.has(name)) name = `X${name}`;
      this.#names.add(name);
      field.oneofIndex = oneofs.length;
      oneofs.push({ name });
    }
    const nested = [...this.nested.map((message) => message.finish()), ...this.#entries];
    return {
      name: this.path.slice(this.path.lastIndexOf(".") + 1), field: some(this.#fields), nestedType: some(nested),
      enumType: some(this.enums), oneofDecl: some(oneofs),
    };
  }
}

type WritableField = { -readonly [K in keyof FieldDescriptor]: FieldDescriptor[K] };

const optional: Occurrence = { label: labels.optional, isOptional: true };

const mapKeys: ReadonlySet<number> = new Set(
  ["int64", "uint64", "int32", "fixed64", "fixed32", "bool", "string", "uint32", "sfixed32", "sfixed64", "sint32",
    "sint64"].map((name) => fieldTypes[name] as number),
);

/** `unit price` → `unit_price`, `2nd` → `_2nd`. */
function identifierOf(text: string): string {
  const made = text.replace(/[^A-Za-z0-9]+/g, "_");
  return /^[A-Za-z_]/.test(made) ? made : `_${made}`;
}

function some<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length > 0 ? list : undefined;
}
