/** JSON Schema 2020-12 of a contract's types: what their JSON is, as docs/encoding.md has it. */
import type { EnumModel, FieldModel, Model, OneofVariantModel, ScalarKind, StructModel, UnionModel } from "../model.ts";
import { jsonNameOf, membersOf } from "../http/fields.ts";

export type JsonSchema = { [key: string]: unknown };

const int64 = { type: "string", pattern: "^-?[0-9]{1,20}$" };
const float = { type: ["number", "string"], description: 'A number, or "NaN", "Infinity" or "-Infinity".' };

const scalars: Readonly<Record<ScalarKind, JsonSchema>> = {
  bool: { type: "boolean" }, string: { type: "string" }, bytes: { type: "string", contentEncoding: "base64" },
  timestamp: { type: "string", format: "date-time" },
  int32: { type: "integer", format: "int32" }, sint32: { type: "integer", format: "int32" },
  sfixed32: { type: "integer", format: "int32" },
  uint32: { type: "integer", minimum: 0, maximum: 4_294_967_295 },
  fixed32: { type: "integer", minimum: 0, maximum: 4_294_967_295 },
  int64: { ...int64, format: "int64" }, sint64: { ...int64, format: "int64" }, sfixed64: { ...int64, format: "int64" },
  uint64: { type: "string", pattern: "^[0-9]{1,20}$", format: "uint64" },
  fixed64: { type: "string", pattern: "^[0-9]{1,20}$", format: "uint64" },
  float: { ...float, format: "float" }, double: { ...float, format: "double" },
};

/** Messages whose JSON is no object of their fields. */
const special: Readonly<Record<string, JsonSchema>> = {
  "google.protobuf.Duration": { type: "string", pattern: "^-?[0-9]+(\\.[0-9]{1,9})?s$" },
  "google.protobuf.Timestamp": { type: "string", format: "date-time" },
  "google.protobuf.FieldMask": { type: "string" },
  "google.protobuf.Any": { type: "object", properties: { "@type": { type: "string" } } },
  "google.protobuf.Struct": { type: "object" },
  "google.protobuf.ListValue": { type: "array" },
  "google.protobuf.Value": {},
};

/** Schemas of named types are gathered in `components` under their names, and referred to. */
export class SchemaWriter {
  readonly components: Record<string, JsonSchema> = {};
  readonly #prefix: string;
  readonly #names = new Map<Model, string>();

  /** `prefix` is where components are found, e.g. `#/components/schemas/`. */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** Of a whole request or response: what is no message is the only field of one. */
  message(model: Model): JsonSchema {
    const isPlain = model.kind === "scalar" ? model.scalar !== "timestamp"
      : model.kind === "enum" || model.kind === "unknown";
    return isPlain ? wrapped("value", this.schema(model), model.kind === "enum" && !hasZero(model)) : this.value(model);
  }

  /** Of what is no field itself, but in a list, a map, a union, or optional: it has presence, or a wrapper for it. */
  value(model: Model): JsonSchema {
    switch (model.kind) {
      case "list": return wrapped("items", this.schema(model));
      case "map": return wrapped("entries", this.schema(model));
      case "nullable":
        return model.of.kind === "nullable" ? this.value(model.of) : wrapped("value", this.value(model.of));
      default: return this.schema(model);
    }
  }

  /** Of a field that must be there, or by itself. */
  schema(model: Model): JsonSchema {
    switch (model.kind) {
      case "scalar":
        return model.finite === true ? { type: "number", format: model.scalar } : { ...scalars[model.scalar] };
      case "enum": return this.#named(model, model.name, () => {
        // Where numbers are not those of the order, an import could not know them.
        const isCounted = model.values.every(({ number }, i) => number === i + 1);
        const names = {
          type: "string", enum: model.values.map(({ name }) => name),
          ...(!isCounted && { "x-enum-numbers": model.values.map(({ number }) => number) }),
        };
        return model.open === true ? { anyOf: [names, { type: "integer", format: "int32" }] } : names;
      });
      case "list": return { type: "array", items: this.value(model.of) };
      case "map": return { type: "object", additionalProperties: this.value(model.value) };
      case "nullable": return { anyOf: [this.value(innermost(model)), { type: "null" }] };
      case "unknown": return {};
      case "wellknown": return model.of === undefined ? { ...special[model.name] } : this.schema(model.of);
      case "struct": {
        const own = Object.hasOwn(special, model.name) ? special[model.name] : undefined;
        return own === undefined ? this.#named(model, model.name, () => this.#struct(model)) : { ...own };
      }
      case "union": return this.#named(model, model.name, () => this.#union(model));
      case "oneof": return { oneOf: model.variants.map((one) => this.value(one.model)) };
      default: return model satisfies never;
    }
  }

  /** A component's name, made unique: types of different packages may share one. */
  #named(model: Model, name: string, make: () => JsonSchema): JsonSchema {
    let key = this.#names.get(model);
    if (key === undefined) {
      const base = name.replaceAll(/[^A-Za-z0-9._-]/g, "_") || "Value";
      key = base;
      for (let n = 2; Object.hasOwn(this.components, key); n++) key = `${base}_${n}`;
      // Entered before it is made, so that it may refer to itself.
      this.#names.set(model, key);
      this.components[key] = {};
      const made = make();
      const isOfBase = (one: string) => one !== key && (one === base || one.startsWith(`${base}_`));
      const twin = Object.keys(this.components).find((one) => isOfBase(one) &&
        JSON.stringify(this.components[one]) === JSON.stringify(made));
      if (twin === undefined) this.components[key] = made;
      else {
        delete this.components[key];
        this.#names.set(model, key = twin);
      }
    }
    return { $ref: this.#prefix + key };
  }

  #struct(model: StructModel): JsonSchema {
    const properties: Record<string, JsonSchema> = {};
    for (const member of membersOf(model) ?? []) properties[jsonNameOf(member)] = this.#member(member);
    const required = model.fields.filter(isNeeded).map(jsonNameOf);
    const implicit = model.fields.filter((field) => field.presence === "required" && !isNeeded(field)).map(jsonNameOf);
    return {
      type: "object", properties, ...(required.length > 0 && { required }),
      // Always there, and left out of JSON when zero: JSON Schema has no word for it.
      ...(implicit.length > 0 && { "x-implicit-zero": implicit }),
    };
  }

  #member(member: FieldModel | OneofVariantModel): JsonSchema {
    const isThere = "presence" in member && member.presence === "required";
    const schema = isThere ? this.schema(member.model) : this.value(member.model);
    return member.description === undefined ? schema : { ...schema, description: member.description };
  }

  /** The name of the variant stands for its discriminator, which is not sent. */
  #variant(model: Model, discriminator: string | undefined): JsonSchema {
    if (model.kind !== "struct" || model.fields.every(({ name }) => name !== discriminator)) return this.value(model);
    return this.#struct({ ...model, fields: model.fields.filter(({ name }) => name !== discriminator) });
  }

  #union(model: UnionModel): JsonSchema {
    return {
      oneOf: model.variants.map(({ name, model: variant }) => ({
        type: "object", properties: { [name]: this.#variant(variant, model.discriminator) }, required: [name],
      })),
    };
  }
}

/** A message that stands for a value, as encoding.md has it. */
function wrapped(name: string, schema: JsonSchema, isNeeded = false): JsonSchema {
  return {
    type: "object", properties: { [name]: schema }, ...(isNeeded && { required: [name] }), "x-wrapped": name,
  };
}

function innermost(model: Model): Model {
  let inner = model;
  while (inner.kind === "nullable") inner = inner.of;
  return inner;
}

function hasZero({ open, values }: EnumModel): boolean {
  return open === true || values.some(({ number }) => number === 0);
}

/** Whether a value must be sent: what JSON leaves out reads as zero, where the type has one. */
function isNeeded({ presence, model }: FieldModel): boolean {
  if (presence !== "required") return false;
  return model.kind === "struct" || model.kind === "union" ||
    (model.kind === "enum" && !hasZero(model));
}
