/**
 * A plan is a schema model laid out as Protocol Buffers messages: which field is written how, and what an
 * absent one means.
 *
 * Both the code generator and the interpreter work from plans, so that every decision of the mapping
 * (docs/encoding.md) is taken here, once.
 */
import { lowerCamel, protoFieldName } from "../../contract/proto/names.ts";
import { RpcError } from "../../core/error.ts";
import type {
  EnumModel, FieldModel, MapModel, Model, OneofModel, ScalarKind, StructModel, UnionModel, WellKnownModel,
} from "../../contract/model.ts";

/** Messages nested deeper than this are refused, in both directions. */
export const maxDepth = 100;

/** One value in one place: a field, an element, a map's value, a variant. */
export type ValuePlan =
  | ScalarPlan
  | { readonly type: "enum"; readonly model: EnumModel }
  | { readonly type: "json" }
  | MessagePlan;

export interface ScalarPlan {
  readonly type: "scalar";
  readonly scalar: Scalar;
  /** Of floats: NaN and the infinities are refused. */
  readonly finite?: boolean | undefined;
}

/** `timestamp` is no scalar on the wire: it is a message. */
export type Scalar = Exclude<ScalarKind, "timestamp">;

export type MessagePlan = StructPlan | WrapperPlan | UnionPlan | TimestampPlan | FreePlan;

export interface StructPlan {
  readonly type: "struct";
  readonly name: string;
  /** By number. */
  readonly fields: readonly FieldPlan[];
  /** A property that every value has but that is not on the wire: as a variant, its discriminator. */
  readonly fixed: { readonly name: string; readonly value: string | number | boolean } | undefined;
}

/** A message whose JavaScript value is that of its only field. */
export interface WrapperPlan {
  readonly type: "wrapper";
  /** `wellknown` is one of google.protobuf; `root` is around a request or response that is no message. */
  readonly of: "list" | "map" | "nullable" | "root" | "wellknown";
  readonly fields: readonly [FieldPlan];
}

/** google.protobuf.Value, Struct or ListValue. */
export interface FreePlan {
  readonly type: "free";
  readonly form: FreeForm;
}

export type FreeForm = "value" | "struct" | "list";

export interface UnionPlan {
  readonly type: "union";
  readonly name: string;
  readonly discriminator: string | undefined;
  readonly variants: readonly VariantPlan[];
}

/** google.protobuf.Timestamp. */
export interface TimestampPlan {
  readonly type: "timestamp";
}

export interface VariantPlan extends JsonNames {
  readonly name: string;
  readonly number: number;
  readonly tag: string | number | boolean | undefined;
  readonly value: ValuePlan;
  /** What the structural test of an untagged variant looks at. */
  readonly model: Model;
}

export type ShapePlan =
  | { readonly type: "single"; readonly value: ValuePlan }
  | { readonly type: "list"; readonly of: ValuePlan; readonly packed: boolean }
  | MapPlan
  | OneofPlan;

export interface MapPlan {
  readonly type: "map";
  readonly key: KeyPlan;
  readonly value: ValuePlan;
  readonly as: "object" | "Map";
}

/** One of several fields of the message, or none. */
export interface OneofPlan {
  readonly type: "oneof";
  /** By number. */
  readonly cases: readonly CasePlan[];
}

export interface CasePlan extends JsonNames {
  readonly name: string;
  readonly number: number;
  readonly value: ValuePlan;
}

export type KeyPlan =
  | ScalarPlan
  | { readonly type: "enum"; readonly model: EnumModel };

/** What a field is called in JSON. */
export interface JsonNames {
  readonly json: string;
  /** Further names that a reader takes. */
  readonly also: readonly string[];
}

export interface FieldPlan extends JsonNames {
  readonly name: string;
  /** Of a oneof the least of its cases'. */
  readonly number: number;
  readonly shape: ShapePlan;
  /** Whether the type's zero value is written: with implicit presence it is not. */
  readonly presence: "implicit" | "explicit";
  /** What an absent field reads as; but for `zero`, that is also the value that is not written. */
  readonly absent: "zero" | "undefined" | "null" | "default";
  readonly defaultValue: (() => unknown) | undefined;
}

/** Lays out the message of a whole request or response. A type that is no message becomes field 1 of one. */
export function planMessage(model: Model): MessagePlan {
  const planner = new Planner();
  const value = planner.value(model);
  if (isMessage(value)) return value;
  const presence = value.type === "json" ? { presence: "explicit", absent: "undefined" } as const : {};
  return planner.wrapper("root", "value", { ...required, ...presence, shape: { type: "single", value } });
}

/** Whether a value is a message of its own. */
export function isMessage(value: ValuePlan): value is MessagePlan {
  return value.type !== "scalar" && value.type !== "enum" && value.type !== "json";
}

/** 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes. */
export function wireType(value: ValuePlan): 0 | 1 | 2 | 5 {
  if (value.type === "enum") return 0;
  if (value.type !== "scalar") return 2;
  switch (value.scalar) {
    case "string": case "bytes": return 2;
    case "fixed64": case "sfixed64": case "double": return 1;
    case "fixed32": case "sfixed32": case "float": return 5;
    case "bool": case "int32": case "uint32": case "sint32": case "int64": case "uint64": case "sint64": return 0;
    default: return value.scalar satisfies never;
  }
}

/** The messages that a plan reaches, itself first. */
export function messagesOf(root: MessagePlan): readonly MessagePlan[] {
  const found = new Set<MessagePlan>([root]);
  for (const message of found) {
    for (const value of valuesOf(message)) if (isMessage(value)) found.add(value);
  }
  return [...found];
}

/** The values that a message holds directly. */
export function valuesOf(message: MessagePlan): readonly ValuePlan[] {
  if (message.type === "timestamp" || message.type === "free") return [];
  if (message.type === "union") return message.variants.map((variant) => variant.value);
  return message.fields.flatMap(({ shape }) => {
    if (shape.type === "oneof") return shape.cases.map(({ value }) => value);
    return [shape.type === "list" ? shape.of : shape.value];
  });
}

/** A field where it stands on the wire: a oneof stands at the number of each of its cases. */
export interface Slot {
  readonly number: number;
  readonly field: FieldPlan;
  /** Where `field` is among those of the message. */
  readonly index: number;
  readonly case: CasePlan | undefined;
}

const slots = new WeakMap<readonly FieldPlan[], readonly Slot[]>();

/** The slots of a message's fields, by number. */
export function slotsOf(fields: readonly FieldPlan[]): readonly Slot[] {
  let found = slots.get(fields);
  if (found === undefined) {
    found = fields.flatMap((field, index): Slot[] => (field.shape.type === "oneof"
      ? field.shape.cases.map((one) => ({ number: one.number, field, index, case: one }))
      : [{ number: field.number, field, index, case: undefined }])).sort((a, b) => a.number - b.number);
    slots.set(fields, found);
  }
  return found;
}

/** Whether a value of this plan may nest without bound, or deeper than {@link maxDepth}. */
export function needsDepthCheck(root: MessagePlan): boolean {
  const heights = new Map<MessagePlan, number>();
  const height = (message: MessagePlan): number => {
    const known = heights.get(message);
    if (known !== undefined) return known;
    // Met again while it is being measured means that it contains itself.
    heights.set(message, Infinity);
    let most = 0;
    for (const value of valuesOf(message)) if (isMessage(value)) most = Math.max(most, height(value));
    heights.set(message, most + 1);
    return most + 1;
  };
  return height(root) > maxDepth;
}

function jsonNames(
  { name, protoName, jsonName }: { readonly name: string; readonly protoName?: string | undefined;
    readonly jsonName?: string | undefined },
): JsonNames {
  const json = jsonName ?? lowerCamel(protoName ?? name);
  return { json, also: [...new Set([protoFieldName(name, protoName), name])].filter((other) => other !== json) };
}

const required = { presence: "implicit", absent: "zero", defaultValue: undefined } as const;
const highestNumber = 536_870_911;

class Planner {
  /** Messages by the identity of their models: a model that is met again, even inside itself, is one message. */
  readonly #messages = new Map<Model, MessagePlan>();
  /** Structs as variants, by discriminator and tag. */
  readonly #tagged = new Map<StructModel, Map<string, StructPlan>>();
  readonly #timestamp: TimestampPlan = { type: "timestamp" };

  value(model: Model): ValuePlan {
    switch (model.kind) {
      case "scalar":
        return model.scalar === "timestamp"
          ? this.#timestamp
          : { type: "scalar", scalar: model.scalar, finite: model.finite };
      case "enum":
        if (model.values.length === 0) throw inexpressible(`enum ${model.name} has no values`);
        return { type: "enum", model };
      case "unknown":
        return { type: "json" };
      case "wellknown": {
        const known = this.#messages.get(model) ?? this.#wellKnown(model);
        this.#messages.set(model, known);
        return known;
      }
      case "oneof":
        throw inexpressible("a oneof outside a struct");
      case "struct": case "union": case "list": case "map": case "nullable": {
        const known = this.#messages.get(model);
        return known ?? this.#message(model);
      }
      default: return model satisfies never;
    }
  }

  wrapper(
    of: WrapperPlan["of"], name: string, field: Omit<FieldPlan, "name" | "number" | "json" | "also">,
  ): WrapperPlan {
    return { type: "wrapper", of, fields: [{ name, number: 1, json: name, also: [], ...field }] };
  }

  #wellKnown(model: WellKnownModel): MessagePlan {
    if (model.of !== undefined) {
      const shape = { type: "single", value: this.value(model.of) } as const;
      return this.wrapper("wellknown", "value", { ...required, shape });
    }
    if (model.name === "google.protobuf.Struct") return { type: "free", form: "struct" };
    return { type: "free", form: model.name === "google.protobuf.ListValue" ? "list" : "value" };
  }

  #message(model: Extract<Model, { kind: "struct" | "union" | "nullable" | "list" | "map" }>): MessagePlan {
    // Entered before its parts are planned, so that a part may refer back to it.
    const enter = <P extends MessagePlan>(plan: P, complete: (plan: Mutable<P>) => void): P => {
      this.#messages.set(model, plan);
      complete(plan);
      return plan;
    };
    switch (model.kind) {
      case "struct":
        return enter<StructPlan>({ type: "struct", name: model.name, fields: [], fixed: undefined }, (plan) => {
          plan.fields = this.#fields(model);
        });
      case "union":
        return enter<UnionPlan>(
          { type: "union", name: model.name, discriminator: model.discriminator, variants: [] },
          (plan) => { plan.variants = this.#variants(model); },
        );
      case "nullable": {
        const inner = model.of;
        if (inner.kind === "nullable") return this.value(inner) as MessagePlan;
        const plan: Mutable<WrapperPlan> = { type: "wrapper", of: "nullable", fields: [unplanned] };
        return enter<WrapperPlan>(plan, () => {
          const shape = { type: "single", value: this.value(inner) } as const;
          const field = { ...required, presence: "explicit", absent: "null", shape } as const;
          plan.fields = this.wrapper("nullable", "value", field).fields;
        });
      }
      case "list": case "map": {
        const plan: Mutable<WrapperPlan> = { type: "wrapper", of: model.kind, fields: [unplanned] };
        return enter<WrapperPlan>(plan, () => {
          const name = model.kind === "list" ? "items" : "entries";
          plan.fields = this.wrapper(model.kind, name, { ...required, shape: this.#shape(model) }).fields;
        });
      }
      default: return model satisfies never;
    }
  }

  #fields(model: StructModel): FieldPlan[] {
    const names = new Set<string>();
    const numbers = new Set<number>();
    const fields = [...model.fields].sort((a, b) => a.number - b.number);
    for (const { name, number, model: field } of fields) {
      const where = `field ${JSON.stringify(name)} of ${model.name}`;
      if (name === "__proto__") throw inexpressible(`${where} cannot have that name; rename it`);
      if (names.has(name)) throw inexpressible(`${where} is there twice; rename one`);
      names.add(name);
      for (const one of field.kind === "oneof" ? field.variants : [{ number }]) {
        checkNumber(one.number, where);
        if (numbers.has(one.number)) {
          throw inexpressible(`${where} has the number ${one.number} of another field; renumber one`);
        }
        numbers.add(one.number);
      }
    }
    return fields.map((field) => this.#field(field));
  }

  #oneof(model: OneofModel): OneofPlan {
    const cases = model.variants.map((variant) => (
      { name: variant.name, number: variant.number, ...jsonNames(variant), value: this.value(variant.model) }));
    if (cases.length === 0) throw inexpressible("a oneof of nothing");
    if (new Set(cases.map(({ name }) => name)).size < cases.length) {
      throw inexpressible(`a oneof with two variants of one name (${cases.map(({ name }) => name).join(", ")})`);
    }
    return { type: "oneof", cases: cases.sort((a, b) => a.number - b.number) };
  }

  #field(one: FieldModel): FieldPlan {
    const { name, number, model, presence, defaultValue } = one;
    const field = { name, number, ...jsonNames(one), defaultValue: presence === "default" ? defaultValue : undefined };
    if (model.kind === "oneof") {
      const isDefault = presence === "default" && defaultValue !== undefined;
      const absent = presence === "required" ? "zero" : isDefault ? "default" : "undefined";
      return { ...field, shape: this.#oneof(model), presence: "explicit", absent };
    }
    if (presence === "required") {
      if (model.kind === "nullable") {
        let inner = model.of;
        while (inner.kind === "nullable") inner = inner.of;
        const shape = { type: "single", value: this.value(inner) } as const;
        return { ...field, shape, presence: "explicit", absent: "null" };
      }
      if (model.kind === "unknown") {
        return { ...field, shape: this.#shape(model), presence: "explicit", absent: "undefined" };
      }
      const shape = this.#shape(model);
      const isPlain = shape.type !== "single" || !isMessage(shape.value);
      return { ...field, shape, presence: isPlain ? "implicit" : "explicit", absent: "zero" };
    }
    // Lists and maps have no presence of their own, so here they travel in their wrappers.
    const shape = { type: "single", value: this.value(model) } as const;
    const absent = presence === "default" && defaultValue !== undefined ? "default" : "undefined";
    return { ...field, shape, presence: "explicit", absent };
  }

  #shape(model: Model): ShapePlan {
    if (model.kind === "list") {
      const of = this.value(model.of);
      return { type: "list", of, packed: wireType(of) !== 2 };
    }
    if (model.kind === "map") {
      return { type: "map", key: keyPlan(model), value: this.value(model.value), as: model.as };
    }
    return { type: "single", value: this.value(model) };
  }

  #variants(model: UnionModel): VariantPlan[] {
    const numbers = new Set<number>();
    return model.variants.map(({ name, number, tag, model: variant }) => {
      const where = `variant ${JSON.stringify(name)} of ${model.name}`;
      checkNumber(number, where);
      if (numbers.has(number)) throw inexpressible(`${where} has the number ${number} of another; renumber one`);
      numbers.add(number);
      const value = this.#variant(variant, model.discriminator, tag);
      return { name, number, ...jsonNames({ name }), tag, model: variant, value };
    });
  }

  /** A tagged struct loses its discriminator, which the variant's number stands for. */
  #variant(model: Model, name: string | undefined, value: VariantPlan["tag"]): ValuePlan {
    if (model.kind !== "struct" || name === undefined || value === undefined) return this.value(model);
    let plans = this.#tagged.get(model);
    if (plans === undefined) this.#tagged.set(model, plans = new Map());
    const key = JSON.stringify([name, value]);
    const known = plans.get(key);
    if (known !== undefined) return known;
    const plan: Mutable<StructPlan> = { type: "struct", name: model.name, fields: [], fixed: { name, value } };
    plans.set(key, plan);
    plan.fields = this.#fields(model).filter((field) => field.name !== name);
    return plan;
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Stands in a wrapper until the wrapped type is planned. */
const unplanned: FieldPlan = {
  name: "", number: 1, json: "", also: [], ...required, shape: { type: "single", value: { type: "json" } },
};

function keyPlan({ key }: MapModel): KeyPlan {
  if (key.kind === "enum") return { type: "enum", model: key };
  const { scalar } = key;
  if (scalar === "bytes" || scalar === "float" || scalar === "double" || scalar === "timestamp") {
    throw inexpressible(`a map's keys cannot be of type ${scalar}; use a string or an integer`);
  }
  return { type: "scalar", scalar };
}

function checkNumber(number: number, where: string): void {
  if (Number.isInteger(number) && number >= 1 && number <= highestNumber) return;
  throw inexpressible(`${where} has the number ${number}; use 1 to ${highestNumber}`);
}

function inexpressible(what: string): RpcError {
  return new RpcError("invalid_argument", `not expressible in Protocol Buffers: ${what}`, { phase: "encode" });
}
