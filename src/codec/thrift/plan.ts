/**
 * A plan is a schema model laid out in Thrift's types: which field is written how, and what an absent one means.
 *
 * The generator and the interpreter both work from plans, so that every decision of the mapping (docs/thrift.md) is
 * taken here, once.
 */
import type { CodecRole } from "../../contract/codec.ts";
import type {
  EnumModel, FieldModel, ListModel, MapModel, Model, OneofModel, ScalarKind, ScalarModel, StructModel, UnionModel,
} from "../../contract/model.ts";
import { RpcError } from "../../core/error.ts";
import { mostThriftDepth, mostThriftId, ThriftType } from "../../wire/thrift.ts";

/** Structs nested deeper than this are refused, in both directions. */
export const maxDepth = mostThriftDepth;

export type ValuePlan = ScalarPlan | EnumPlan | JsonPlan | StructPlan | UnionPlan | ListPlan | MapPlan;

export interface ScalarPlan {
  readonly type: "scalar";
  readonly scalar: ScalarKind;
  /** Of floats: NaN and the infinities are refused. */
  readonly finite?: boolean | undefined;
  readonly wire: ThriftType;
}

export interface EnumPlan {
  readonly type: "enum";
  readonly model: EnumModel;
  readonly wire: ThriftType;
}

/** A value of free structure: its JSON text. */
export interface JsonPlan {
  readonly type: "json";
  readonly form: "value" | "struct" | "list" | "any";
  readonly wire: ThriftType;
}

export interface StructPlan {
  readonly type: "struct";
  readonly name: string;
  /** By number. */
  readonly fields: readonly FieldPlan[];
  /** A property that every value has but that is not on the wire: as a variant, its discriminator. */
  readonly fixed: { readonly name: string; readonly value: string | number | boolean } | undefined;
  /** Whether the value in JavaScript is that of the only field: a result, a nullable, an argument by itself. */
  readonly isBox: boolean;
  readonly wire: ThriftType;
}

/** A struct of which exactly one field is set. */
export interface UnionPlan {
  readonly type: "union";
  readonly name: string;
  readonly discriminator: string | undefined;
  readonly variants: readonly VariantPlan[];
  readonly wire: ThriftType;
}

export interface VariantPlan {
  readonly name: string;
  readonly number: number;
  readonly tag: string | number | boolean | undefined;
  readonly value: ValuePlan;
  /** What the structural test of an untagged variant looks at. */
  readonly model: Model;
}

export interface ListPlan {
  readonly type: "list";
  of: ValuePlan;
  readonly wire: ThriftType;
}

export interface MapPlan {
  readonly type: "map";
  readonly key: ScalarPlan | EnumPlan;
  value: ValuePlan;
  readonly as: "object" | "Map";
  readonly wire: ThriftType;
}

export interface FieldPlan {
  readonly name: string;
  readonly number: number;
  /** Of a oneof its cases, by number, in the place of a value. */
  readonly value: ValuePlan | undefined;
  readonly cases: readonly CasePlan[];
  /** What an absent field reads as; but for `zero` and `refused`, that is also the value that is not written. */
  readonly absent: "zero" | "undefined" | "null" | "default" | "refused";
  readonly defaultValue: (() => unknown) | undefined;
}

export interface CasePlan {
  readonly name: string;
  readonly number: number;
  readonly value: ValuePlan;
}

/** A field where it stands on the wire: a oneof stands at the number of each of its cases. */
export interface Slot {
  readonly number: number;
  readonly index: number;
  readonly field: FieldPlan;
  readonly case: CasePlan | undefined;
  readonly value: ValuePlan;
}

const slots = new WeakMap<readonly FieldPlan[], readonly Slot[]>();

/** The slots of a struct's fields, by number. */
export function slotsOf(fields: readonly FieldPlan[]): readonly Slot[] {
  let found = slots.get(fields);
  if (found === undefined) {
    found = fields.flatMap((field, index): Slot[] => (field.value === undefined
      ? field.cases.map((one) => ({ number: one.number, field, index, case: one, value: one.value }))
      : [{ number: field.number, field, index, case: undefined, value: field.value }]))
      .sort((a, b) => a.number - b.number);
    slots.set(fields, found);
  }
  return found;
}

/**
 * Lays out what a call sends: a request is the struct of its arguments, an answer the field 0 of a struct, whose
 * other fields are the declared errors.
 */
export function planRoot(model: Model, role: CodecRole | undefined): StructPlan {
  const planner = new Planner();
  if (role === "response") return planner.result(model);
  const value = planner.value(model);
  if (value.type === "struct" && model.kind === "struct") return value;
  return planner.box(role === "request" ? "args" : "value", 1, value, "zero");
}

/** The structs and unions that a plan reaches, itself first. */
export function recordsOf(root: StructPlan): readonly (StructPlan | UnionPlan)[] {
  const found = new Set<StructPlan | UnionPlan>([root]);
  const visit = (value: ValuePlan): void => {
    if (value.type === "struct" || value.type === "union") found.add(value);
    else if (value.type === "list") visit(value.of);
    else if (value.type === "map") visit(value.value);
  };
  for (const record of found) {
    if (record.type === "union") for (const { value } of record.variants) visit(value);
    else for (const { value } of slotsOf(record.fields)) visit(value);
  }
  return [...found];
}

const { bool, double, i8, i16, i32, i64, list: listType, map: mapType, set, string, struct, uuid } = ThriftType;

const wires: Readonly<Record<ScalarKind, ThriftType>> = {
  bool, string, bytes: string, int32: i32, sint32: i32, sfixed32: i32, uint32: i64, fixed32: i64,
  int64: i64, uint64: i64, sint64: i64, fixed64: i64, sfixed64: i64, float: double, double, timestamp: i64,
};

function wireOf({ scalar, thrift }: ScalarModel): ThriftType {
  return thrift === "i8" ? i8 : thrift === "i16" ? i16 : thrift === "uuid" ? uuid : wires[scalar];
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

class Planner {
  /** By the identity of models: one that is met again, even inside itself, is one type. */
  readonly #known = new Map<Model, ValuePlan>();
  /** Structs as variants, by discriminator and tag. */
  readonly #tagged = new Map<StructModel, Map<string, StructPlan>>();

  value(model: Model): ValuePlan {
    const known = this.#known.get(model);
    if (known !== undefined) return known;
    switch (model.kind) {
      case "scalar": return { type: "scalar", scalar: model.scalar, finite: model.finite, wire: wireOf(model) };
      case "enum":
        if (model.values.length === 0) throw inexpressible(`enum ${model.name} has no values`);
        return { type: "enum", model, wire: i32 };
      case "unknown": return { type: "json", form: "any", wire: string };
      case "wellknown": {
        // Thrift's fields have presence, so a wrapper is what it wraps.
        if (model.of !== undefined) return this.value(model.of);
        const form = model.name === "google.protobuf.Struct" ? "struct"
          : model.name === "google.protobuf.ListValue" ? "list" : "value";
        return { type: "json", form, wire: string };
      }
      case "oneof": throw inexpressible("a oneof outside a struct");
      case "struct": return this.#struct(model, undefined);
      case "union": return this.#union(model);
      case "list": return this.#list(model);
      case "map": return this.#map(model);
      case "nullable": {
        if (model.of.kind === "nullable") return this.value(model.of);
        const plan: Mutable<StructPlan> = { ...emptyStruct, name: "nullable", isBox: true };
        this.#known.set(model, plan);
        plan.fields = this.box("nullable", 1, this.value(model.of), "null").fields;
        return plan;
      }
      default: return model satisfies never;
    }
  }

  /** A struct whose value in JavaScript is that of its only field. */
  box(name: string, number: number, value: ValuePlan, absent: FieldPlan["absent"]): StructPlan {
    const field: FieldPlan = { name: "value", number, value, cases: [], absent, defaultValue: undefined };
    return { ...emptyStruct, name, fields: [field], isBox: true };
  }

  /** A struct without fields is `void`; null is a success that is not there. */
  result(model: Model): StructPlan {
    if (model.kind === "struct" && model.fields.length === 0) return { ...emptyStruct, name: model.name };
    let inner = model;
    while (inner.kind === "nullable") inner = inner.of;
    return this.box("result", 0, this.value(inner), inner === model ? "refused" : "null");
  }

  #list(model: ListModel): ListPlan {
    const plan: ListPlan = { type: "list", of: unplanned, wire: model.thrift === "set" ? set : listType };
    this.#known.set(model, plan);
    plan.of = this.value(model.of);
    return plan;
  }

  #map(model: MapModel): MapPlan {
    const { key } = model;
    if (key.kind === "scalar" && ["bytes", "float", "double", "timestamp"].includes(key.scalar)) {
      throw inexpressible(`a map's keys cannot be of type ${key.scalar}; use a string or an integer`);
    }
    const keyPlan = this.value(key) as ScalarPlan | EnumPlan;
    const plan: MapPlan = { type: "map", key: keyPlan, value: unplanned, as: model.as, wire: mapType };
    this.#known.set(model, plan);
    plan.value = this.value(model.value);
    return plan;
  }

  #struct(model: StructModel, without: StructPlan["fixed"]): StructPlan {
    const plan: Mutable<StructPlan> = { ...emptyStruct, name: model.name, fixed: without };
    if (without === undefined) this.#known.set(model, plan);
    plan.fields = this.#fields(model).filter(({ name }) => name !== without?.name);
    return plan;
  }

  #union(model: UnionModel): UnionPlan {
    const plan: Mutable<UnionPlan> = {
      type: "union", name: model.name, discriminator: model.discriminator, variants: [], wire: struct,
    };
    this.#known.set(model, plan);
    const numbers = new Set<number>();
    plan.variants = model.variants.map(({ name, number, tag, model: variant }) => {
      const where = `variant ${JSON.stringify(name)} of ${model.name}`;
      checkNumber(number, where, numbers);
      return { name, number, tag, model: variant, value: this.#variant(variant, model.discriminator, tag) };
    });
    return plan;
  }

  /** A tagged struct loses its discriminator, which the variant's number stands for. */
  #variant(model: Model, name: string | undefined, value: VariantPlan["tag"]): ValuePlan {
    if (model.kind !== "struct" || name === undefined || value === undefined) return this.value(model);
    let plans = this.#tagged.get(model);
    if (plans === undefined) this.#tagged.set(model, plans = new Map());
    const key = JSON.stringify([name, value]);
    const known = plans.get(key);
    if (known !== undefined) return known;
    const plan: Mutable<StructPlan> = { ...emptyStruct, name: model.name, fixed: { name, value } };
    plans.set(key, plan);
    plan.fields = this.#fields(model).filter((field) => field.name !== name);
    return plan;
  }

  #fields(model: StructModel): FieldPlan[] {
    const names = new Set<string>();
    const numbers = new Set<number>();
    const fields = [...model.fields].sort((a, b) => a.number - b.number);
    return fields.map((field) => {
      const where = `field ${JSON.stringify(field.name)} of ${model.name}`;
      if (field.name === "__proto__") throw inexpressible(`${where} cannot have that name; rename it`);
      if (names.has(field.name)) throw inexpressible(`${where} is there twice; rename one`);
      names.add(field.name);
      const taken = field.model.kind === "oneof" ? field.model.variants : [field];
      for (const { number } of taken) checkNumber(number, where, numbers);
      return this.#field(field);
    });
  }

  #field({ name, number, model, presence, defaultValue }: FieldModel): FieldPlan {
    const isDefault = presence === "default" && defaultValue !== undefined;
    const field = { name, number, cases: [], defaultValue: isDefault ? defaultValue : undefined } as const;
    const absent = presence === "required" ? "zero" : isDefault ? "default" : "undefined";
    if (model.kind === "oneof") return { ...field, value: undefined, cases: this.#cases(model), absent };
    if (presence === "required" && model.kind === "nullable") {
      let inner = model.of;
      while (inner.kind === "nullable") inner = inner.of;
      return { ...field, value: this.value(inner), absent: "null" };
    }
    if (presence === "required" && model.kind === "unknown") {
      return { ...field, value: this.value(model), absent: "undefined" };
    }
    return { ...field, value: this.value(model), absent };
  }

  #cases(model: OneofModel): CasePlan[] {
    if (model.variants.length === 0) throw inexpressible("a oneof of nothing");
    if (new Set(model.variants.map(({ name }) => name)).size < model.variants.length) {
      throw inexpressible("a oneof with two variants of one name");
    }
    return model.variants.map(({ name, number, model: of }) => ({ name, number, value: this.value(of) }))
      .sort((a, b) => a.number - b.number);
  }
}

const emptyStruct: StructPlan = {
  type: "struct", name: "", fields: [], fixed: undefined, isBox: false, wire: struct,
};
/** Stands in a container until its element is planned. */
const unplanned: ValuePlan = { type: "json", form: "any", wire: string };

function checkNumber(number: number, where: string, taken: Set<number>): void {
  if (!(Number.isInteger(number) && number >= 1 && number <= mostThriftId)) {
    throw inexpressible(`${where} has the number ${number}; Thrift's go from 1 to ${mostThriftId}`);
  }
  if (taken.has(number)) throw inexpressible(`${where} has the number ${number} of another; renumber one`);
  taken.add(number);
}

function inexpressible(what: string): RpcError {
  return new RpcError("invalid_argument", `not expressible in Thrift: ${what}`, { phase: "encode" });
}
