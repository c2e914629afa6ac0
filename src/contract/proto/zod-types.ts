/** Zod types of models: what a contract is made of whose types come from descriptors rather than from TypeScript. */
import * as z from "zod";
import { bytes, field, oneof, openEnum, scalar } from "../field.ts";
import type { EnumModel, FieldModel, Model, OneofModel, ScalarKind, StructModel } from "../model.ts";
import { wellKnown } from "../well-known.ts";

const zodScalars: Partial<Record<ScalarKind, () => z.ZodType>> = {
  bool: z.boolean, string: z.string, int32: z.int32, uint32: z.uint32, int64: z.int64, uint64: z.uint64,
  timestamp: z.date, bytes,
};

const wellKnownTypes: Readonly<Record<string, () => z.ZodType>> = {
  "google.protobuf.Duration": wellKnown.duration, "google.protobuf.Any": wellKnown.any,
  "google.protobuf.FieldMask": wellKnown.fieldMask, "google.protobuf.Empty": wellKnown.empty,
  "google.protobuf.Struct": wellKnown.struct, "google.protobuf.Value": wellKnown.value,
  "google.protobuf.ListValue": wellKnown.listValue,
};

/** Makes the Zod type of a model; one maker gives one type for one model, so that recursive ones close. */
export function zodMaker(): (model: Model) => z.ZodType {
  const made = new Map<Model, z.ZodType>();
  const make = (model: Model): z.ZodType => {
    switch (model.kind) {
      case "scalar": return zodScalars[model.scalar]?.() ?? scalar(model.scalar);
      case "list": return z.array(make(model.of));
      case "map": {
        const value = make(model.value);
        return model.as === "Map" ? z.map(make(model.key), value) : z.record(z.string(), value);
      }
      case "nullable": return make(model.of).nullable();
      case "unknown": return z.unknown();
      case "wellknown": return model.of === undefined
        ? (wellKnownTypes[model.name] ?? wellKnown.value)() : wellKnown.wrapped(make(model.of));
      case "oneof": return makeOneof(model, make);
      case "struct": case "enum": {
        const type = made.get(model) ?? wellKnownTypes[model.name]?.() ??
          (model.kind === "struct" ? makeStruct(model, make) : makeEnum(model));
        made.set(model, type);
        return type;
      }
      // Descriptors have no unions but oneofs.
      case "union": return z.never();
      default: return model satisfies never;
    }
  };
  return make;
}

/** Properties behind getters, which Zod asks for when everything is made. */
function makeStruct(model: StructModel, make: (model: Model) => z.ZodType): z.ZodType {
  const shape: Record<string, z.ZodType> = {};
  for (const member of model.fields) {
    lazily(shape, member.name, () => makeField(member, make));
  }
  return z.object(shape).meta({ id: model.name });
}

function makeField(member: FieldModel, make: (model: Model) => z.ZodType): z.ZodType {
  // The variants of a oneof have numbers; it has none itself.
  if (member.model.kind === "oneof") return make(member.model);
  const { presence, defaultValue } = member;
  let type = make(member.model);
  if (presence === "optional") type = type.optional();
  else if (presence === "default" && defaultValue !== undefined) type = type.default(() => defaultValue());
  return withMeta(field(member.number, type), member);
}

function makeOneof(model: OneofModel, make: (model: Model) => z.ZodType): z.ZodType {
  const variants: Record<string, z.ZodType> = {};
  for (const variant of model.variants) {
    lazily(variants, variant.name, () => withMeta(field(variant.number, make(variant.model)), variant));
  }
  return oneof(variants);
}

function lazily(shape: Record<string, z.ZodType>, name: string, make: () => z.ZodType): void {
  let made: z.ZodType | undefined;
  Object.defineProperty(shape, name, { enumerable: true, configurable: true, get: () => (made ??= make()) });
}

function withMeta(
  type: z.ZodType, { protoName, jsonName, description }: Pick<FieldModel, "protoName" | "jsonName" | "description">,
): z.ZodType {
  const meta = {
    ...(protoName === undefined ? {} : { protoName }), ...(jsonName === undefined ? {} : { jsonName }),
    ...(description === undefined ? {} : { description }),
  };
  return Object.keys(meta).length === 0 ? type : type.meta(meta);
}

function makeEnum({ name, values, open }: EnumModel): z.ZodType {
  const numbers = Object.fromEntries(values.map((value) => [value.name, value.number]));
  if (open === true) return openEnum(numbers).meta({ id: name });
  return z.enum(values.map((value) => value.name)).meta({ id: name, numbers });
}
