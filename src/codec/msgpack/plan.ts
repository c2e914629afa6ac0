/** A plan is a model as MessagePack sees it: what is known beforehand, and what its values say by themselves. */
import type { Model, ScalarKind, StructModel, UnionModel } from "../../contract/model.ts";

export type Plan =
  | AnyPlan | ScalarPlan | EnumPlan | StructPlan | ListPlan | MapPlan | NullablePlan | TaggedPlan;

/** A value that is read as it describes itself, and whose structure the schema is left to check. */
export interface AnyPlan {
  readonly type: "any";
}

export interface ScalarPlan {
  readonly type: "scalar";
  readonly scalar: ScalarKind;
  readonly finite: boolean;
}

/** Its values' names; of an open one also 32-bit integers. */
export interface EnumPlan {
  readonly type: "enum";
  readonly names: ReadonlySet<string>;
  readonly isOpen: boolean;
}

export interface StructPlan {
  readonly type: "struct";
  readonly fields: readonly FieldPlan[];
}

export interface FieldPlan {
  readonly name: string;
  readonly plan: Plan;
  readonly presence: "required" | "optional" | "default";
  readonly defaultValue: (() => unknown) | undefined;
}

export interface ListPlan {
  readonly type: "list";
  readonly of: Plan;
}

/** As an object its keys are text. */
export interface MapPlan {
  readonly type: "map";
  readonly key: ScalarPlan | EnumPlan;
  readonly of: Plan;
  readonly as: "object" | "Map";
}

export interface NullablePlan {
  readonly type: "nullable";
  readonly of: Plan;
}

/** A union of structs, told apart by a property. */
export interface TaggedPlan {
  readonly type: "tagged";
  readonly discriminator: string;
  readonly variants: readonly { readonly tag: string | number | boolean; readonly plan: StructPlan }[];
}

const any: AnyPlan = { type: "any" };

/** A generated function has a parameter for each field. */
const maxFields = 1000;

/** The plan of a model. Structs that contain themselves become plans that do. */
export function planOf(root: Model): Plan {
  const structs = new Map<StructModel, StructPlan>();
  const plan = (model: Model): Plan => {
    switch (model.kind) {
      case "scalar": return { type: "scalar", scalar: model.scalar, finite: model.finite === true };
      case "enum":
        return { type: "enum", names: new Set(model.values.map(({ name }) => name)), isOpen: model.open === true };
      case "struct": return struct(model);
      case "list": return { type: "list", of: plan(model.of) };
      case "map": {
        const key = plan(model.key) as ScalarPlan | EnumPlan;
        const isText = key.type === "enum" ? !key.isOpen : key.scalar === "string";
        return model.as === "object" && !isText ? any : { type: "map", key, of: plan(model.value), as: model.as };
      }
      case "nullable": return { type: "nullable", of: plan(model.of) };
      case "union": return tagged(model);
      case "wellknown": return model.of === undefined ? any : plan(model.of);
      case "oneof": case "unknown": return any;
      default: return model satisfies never;
    }
  };
  const struct = (model: StructModel): Plan => {
    const known = structs.get(model);
    if (known !== undefined) return known;
    const models = model.fields;
    // No object of ours has the key __proto__, on the wire or else.
    if (models.length > maxFields || models.some(({ name }) => name === "__proto__")) return any;
    const fields: FieldPlan[] = [];
    const made: StructPlan = { type: "struct", fields };
    structs.set(model, made);
    for (const { name, presence, defaultValue, model: of } of models) {
      fields.push({ name, presence, defaultValue, plan: plan(of) });
    }
    return made;
  };
  const tagged = ({ discriminator, variants }: UnionModel): Plan => {
    if (discriminator === undefined) return any;
    const all: TaggedPlan["variants"][number][] = [];
    for (const { tag, model } of variants) {
      const of = tag === undefined ? any : plan(model);
      // Where the property that tells them apart is no field, its value would not be sent.
      if (tag === undefined || of.type !== "struct") return any;
      if (of.fields.every(({ name }) => name !== discriminator)) return any;
      all.push({ tag, plan: of });
    }
    return { type: "tagged", discriminator, variants: all };
  };
  return plan(root);
}

/** All structs of a plan. */
export function structsOf(root: Plan): readonly StructPlan[] {
  const found = new Set<StructPlan>();
  const visit = (plan: Plan): void => {
    switch (plan.type) {
      case "struct":
        if (found.has(plan)) return;
        found.add(plan);
        for (const field of plan.fields) visit(field.plan);
        return;
      case "list": case "map": case "nullable": return visit(plan.of);
      case "tagged": for (const variant of plan.variants) visit(variant.plan); return;
      case "any": case "scalar": case "enum": return;
      default: plan satisfies never;
    }
  };
  visit(root);
  return [...found];
}

/** The bytes of a property's name as a key, its header first. */
export function keyBytes(name: string): Uint8Array {
  const text = new TextEncoder().encode(name);
  const size = text.length;
  const long = size < 65_536 ? [0xda, size >> 8, size] : [0xdb, size >>> 24, size >> 16, size >> 8, size];
  return Uint8Array.of(...(size < 32 ? [0xa0 | size] : size < 256 ? [0xd9, size] : long), ...text);
}
