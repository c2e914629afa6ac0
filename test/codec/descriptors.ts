/** protobuf-es message types of our models, by an independent reading of docs/encoding.md. */
import { create, createFileRegistry, type DescMessage } from "@bufbuild/protobuf";
import {
  type DescriptorProto, DescriptorProtoSchema, EnumDescriptorProtoSchema, EnumValueDescriptorProtoSchema,
  FieldDescriptorProto_Label as Label, FieldDescriptorProto_Type as Type, FieldDescriptorProtoSchema,
  file_google_protobuf_any, file_google_protobuf_duration, file_google_protobuf_empty,
  file_google_protobuf_field_mask, file_google_protobuf_struct, file_google_protobuf_timestamp,
  file_google_protobuf_wrappers, FileDescriptorProtoSchema, OneofDescriptorProtoSchema,
} from "@bufbuild/protobuf/wkt";
import type { EnumModel, FieldModel, Model, StructModel } from "../../src/contract/model.ts";

const dependencies = [
  file_google_protobuf_any, file_google_protobuf_duration, file_google_protobuf_empty,
  file_google_protobuf_field_mask, file_google_protobuf_struct, file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
];

/** What a field is of: a scalar by its number, or a named type. */
interface TypeRef {
  readonly type: Type;
  readonly typeName?: string;
}

const scalarTypes: Readonly<Record<string, Type>> = {
  double: Type.DOUBLE, float: Type.FLOAT, int64: Type.INT64, uint64: Type.UINT64, int32: Type.INT32,
  fixed64: Type.FIXED64, fixed32: Type.FIXED32, bool: Type.BOOL, string: Type.STRING, bytes: Type.BYTES,
  uint32: Type.UINT32, sfixed32: Type.SFIXED32, sfixed64: Type.SFIXED64, sint32: Type.SINT32, sint64: Type.SINT64,
};

/** The message type of a model. */
export function describe(model: Model): DescMessage {
  const builder = new Builder();
  const ref = builder.ref(model);
  const name = ref.type === Type.MESSAGE ? ref.typeName as string : builder.wrap("value", model, true);
  const registry = createFileRegistry(create(FileDescriptorProtoSchema, {
    name: "model.proto", syntax: "proto3", dependency: dependencies.map(({ proto }) => proto.name),
    messageType: builder.messages, enumType: builder.enums,
  }), (path) => dependencies.find(({ proto }) => proto.name === path));
  const found = registry.getMessage(name.slice(1)) ??
    dependencies.flatMap((file) => file.messages).find((message) => `.${message.typeName}` === name);
  if (found === undefined) throw new Error(`no message ${name}`);
  return found;
}

class Builder {
  readonly messages: DescriptorProto[] = [];
  readonly enums: ReturnType<typeof this.enumOf>[] = [];
  readonly #known = new Map<unknown, string>();

  ref(model: Model): TypeRef {
    switch (model.kind) {
      case "scalar": {
        const type = scalarTypes[model.scalar];
        return type === undefined ? messageRef(".google.protobuf.Timestamp") : { type };
      }
      case "enum": return { type: Type.ENUM, typeName: this.#named(model, (name) => {
        this.enums.push(this.enumOf(name, model));
      }) };
      case "unknown": return { type: Type.BYTES };
      case "wellknown": return messageRef(`.${model.name}`);
      case "struct":
        if (model.name.startsWith("google.protobuf.")) return messageRef(`.${model.name}`);
        return messageRef(this.#struct(model, model, undefined));
      case "list": return messageRef(this.wrap("items", model, true));
      case "map": return messageRef(this.wrap("entries", model, true));
      case "nullable": return messageRef(this.wrap("value", model.of, false, model));
      case "union": return messageRef(this.#named(model, (name) => {
        const message = this.#message(name);
        message.oneofDecl.push(create(OneofDescriptorProtoSchema, { name: "variant" }));
        for (const { name: variant, number, model: of, tag } of model.variants) {
          const ref = of.kind === "struct" && tag !== undefined
            ? messageRef(this.#struct(of, {}, model.discriminator))
            : this.ref(of);
          message.field.push(create(FieldDescriptorProtoSchema, {
            name: variant, jsonName: camel(variant), number, label: Label.OPTIONAL, ...ref, oneofIndex: 0,
          }));
        }
      }));
      case "oneof": throw new Error("a oneof is no value by itself");
      default: return model satisfies never;
    }
  }

  enumOf(name: string, { values }: EnumModel) {
    const zero = values.find(({ number }) => number === 0) ?? { name: `${name}_UNSPECIFIED`, number: 0 };
    const others = values.filter(({ number }) => number !== 0);
    return create(EnumDescriptorProtoSchema, {
      name, value: [zero, ...others].map((value) => (
        create(EnumValueDescriptorProtoSchema, { number: value.number, name: identifier(value.name) }))),
    });
  }

  wrap(name: string, model: Model, implicit: boolean, key: object = {}): string {
    return this.#named(key, (type) => this.#field(this.#message(type), { name, number: 1, model }, implicit));
  }

  #struct(model: StructModel, key: object, without: string | undefined): string {
    return this.#named(key, (type) => {
      const message = this.#message(type);
      for (const field of model.fields) {
        if (field.name === without) continue;
        const isNullable = field.presence === "required" && field.model.kind === "nullable";
        const of = isNullable ? (field.model as { of: Model }).of : field.model;
        if (of.kind === "oneof") this.#oneof(message, field, of);
        else this.#field(message, { ...field, model: of }, field.presence === "required" && !isNullable);
      }
    });
  }

  #oneof(message: DescriptorProto, { name }: FieldModel, of: Model & { kind: "oneof" }): void {
    const oneofIndex = message.oneofDecl.length;
    message.oneofDecl.push(create(OneofDescriptorProtoSchema, { name: `_of_${identifier(name)}` }));
    for (const variant of of.variants) {
      message.field.push(create(FieldDescriptorProtoSchema, {
        name: identifier(variant.name), jsonName: variant.jsonName ?? camel(variant.protoName ?? variant.name),
        number: variant.number, label: Label.OPTIONAL, ...this.ref(variant.model), oneofIndex,
      }));
    }
  }

  #field(message: DescriptorProto, field: Omit<FieldModel, "presence">, implicit: boolean): void {
    const { name, number, model } = field;
    const named = { name: identifier(name), number, jsonName: field.jsonName ?? camel(field.protoName ?? name) };
    if (implicit && model.kind === "list") {
      const label = Label.REPEATED;
      message.field.push(create(FieldDescriptorProtoSchema, { ...named, label, ...this.ref(model.of) }));
      return;
    }
    if (implicit && model.kind === "map") {
      const entry = create(DescriptorProtoSchema, { name: `F${number}Entry`, options: { mapEntry: true } });
      const key = model.key.kind === "enum" ? { type: Type.STRING } : this.ref(model.key);
      for (const [name_, number_, ref] of [["key", 1, key], ["value", 2, this.ref(model.value)]] as const) {
        entry.field.push(create(FieldDescriptorProtoSchema, {
          name: name_, jsonName: name_, number: number_, label: Label.OPTIONAL, ...ref,
        }));
      }
      message.nestedType.push(entry);
      const typeName = `.${message.name}.${entry.name}`;
      message.field.push(create(FieldDescriptorProtoSchema, {
        ...named, label: Label.REPEATED, type: Type.MESSAGE, typeName,
      }));
      return;
    }
    const ref = this.ref(model);
    const isExplicit = ref.type !== Type.MESSAGE && (!implicit || model.kind === "unknown");
    if (isExplicit) message.oneofDecl.push(create(OneofDescriptorProtoSchema, { name: `_${identifier(name)}` }));
    message.field.push(create(FieldDescriptorProtoSchema, {
      ...named, label: Label.OPTIONAL, ...ref,
      ...(isExplicit ? { proto3Optional: true, oneofIndex: message.oneofDecl.length - 1 } : {}),
    }));
  }

  #message(name: string): DescriptorProto {
    const message = create(DescriptorProtoSchema, { name });
    this.messages.push(message);
    return message;
  }

  #named(key: object, define: (name: string) => void): string {
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const name = `M${this.#known.size}`;
    this.#known.set(key, `.${name}`);
    define(name);
    return `.${name}`;
  }
}

function messageRef(typeName: string): TypeRef {
  return { type: Type.MESSAGE, typeName };
}

/** The tests' names are odd on purpose, and descriptors take identifiers only. */
export function identifier(name: string): string {
  return name.replace(/\W/g, "_").replace(/^(?=\d)/, "_");
}

/** As protoc derives JSON names. */
function camel(name: string): string {
  let out = "";
  let upper = false;
  for (const character of name) {
    if (character === "_") upper = true;
    else {
      out += upper ? character.toUpperCase() : character;
      upper = false;
    }
  }
  return out;
}
