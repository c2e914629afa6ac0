/**
 * Plans say how values of a contract's types are laid out in Avro: each names one Avro schema, and what its values are
 * in JavaScript. docs/avro.md has the mapping.
 */
import { RpcError } from "../../core/error.ts";
import type {
  EnumModel, FieldModel, MapModel, Model, NullableModel, OneofModel, ScalarKind, StructModel, UnionModel,
} from "../model.ts";
import { pascalCase } from "../names.ts";
import { avroName } from "./schema.ts";

export type AvroPlan = ScalarPlan | EnumPlan | JsonPlan | RecordPlan | ArrayPlan | MapPlan | EntriesPlan | UnionPlan;

export interface ScalarPlan {
  readonly type: "scalar";
  readonly scalar: ScalarKind;
  /** Whether NaN and the infinities are refused. */
  readonly finite: boolean;
  /** Of bytes: the fixed type that they are. */
  readonly fixed?: { readonly name: string; readonly size: number } | undefined;
}

export interface EnumPlan {
  readonly type: "enum";
  readonly name: string;
  readonly model: EnumModel;
  /** The values' names as Avro can say them, in the order of `model.values`. */
  readonly symbols: readonly string[];
}

/** What has no structure travels as JSON in a string. */
export interface JsonPlan {
  readonly type: "json";
  readonly form: "any" | "struct" | "list";
}

export interface RecordPlan {
  readonly type: "record";
  readonly name: string;
  /**
   * What a value is: an object of the fields; the value of the only field, where Avro needs a record around it; or
   * `{ case, value }` of a oneof, `value` being its only field's.
   */
  readonly shape: "struct" | "value" | "case";
  /** Of a `case`: its name in the oneof. */
  readonly caseName?: string | undefined;
  readonly fields: readonly FieldPlan[];
  readonly aliases: readonly string[];
}

export interface FieldPlan {
  /** In Avro. */
  readonly name: string;
  /** In JavaScript. */
  readonly property: string;
  readonly plan: AvroPlan;
  readonly number: number;
  /** What an absent property is: an error, the null branch of `plan`, or the default, which is then written. */
  readonly absent: "required" | "optional" | "default";
  readonly defaultValue: (() => unknown) | undefined;
  readonly aliases: readonly string[];
  readonly description: string | undefined;
}

export interface ArrayPlan {
  readonly type: "array";
  readonly of: AvroPlan;
}

/** A map whose keys are strings, or names of an enum. */
export interface MapPlan {
  readonly type: "map";
  readonly of: AvroPlan;
  readonly as: "object" | "Map";
  /** The names that keys may have; undefined for any. */
  readonly keys: ReadonlySet<string> | undefined;
}

/** A map with other keys: an array of records of a key and a value. */
export interface EntriesPlan {
  readonly type: "entries";
  readonly name: string;
  readonly key: ScalarPlan;
  readonly of: AvroPlan;
  readonly as: "object" | "Map";
}

export interface UnionPlan {
  readonly type: "union";
  /** The name of the union in the contract, if it has one. */
  readonly name: string | undefined;
  readonly branches: readonly BranchPlan[];
}

export interface BranchPlan {
  readonly test: BranchTest;
  /** Undefined for the branch `null`. */
  readonly plan: AvroPlan | undefined;
}

/** Whether a value is of a branch; asked in order. */
export type BranchTest =
  | { readonly kind: "undefined" }
  | { readonly kind: "null" }
  | { readonly kind: "typeof"; readonly type: "string" | "number" }
  | { readonly kind: "tag"; readonly property: string; readonly tag: string | number | boolean }
  | { readonly kind: "case"; readonly name: string }
  | { readonly kind: "fits"; readonly model: Model }
  | { readonly kind: "otherwise" };

/** Most levels of models within models. */
const maxLevels = 100;

const plans = new WeakMap<Model, Map<string, AvroPlan>>();

/** The plan of a model; `name` is what a type without a name of its own is called after. */
export function planAvro(model: Model, name: string): AvroPlan {
  let byName = plans.get(model);
  if (byName === undefined) plans.set(model, byName = new Map());
  let plan = byName.get(name);
  if (plan === undefined) byName.set(name, plan = new Planner().value(model, avroTypeName(name)));
  return plan;
}

/** A type's name as Avro can say it: what is no letter, digit or _ in its parts becomes _. */
export function avroTypeName(name: string): string {
  return name.split(".").map(sayable).join(".");
}

function sayable(name: string): string {
  if (avroName.test(name)) return name;
  const made = name.replace(/[^A-Za-z0-9_]+/g, "_");
  return /^[A-Za-z_]/.test(made) ? made : `_${made}`;
}

/** Names of several things of one kind, each as Avro can say it. */
function sayableNames(names: readonly string[], where: string): string[] {
  const said = names.map(sayable);
  const twin = said.find((name, i) => said.indexOf(name) !== i);
  if (twin === undefined) return said;
  const both = names.filter((_, i) => said[i] === twin).map((name) => JSON.stringify(name)).join(" and ");
  throw inexpressible(where, `${both} are both "${twin}" in Avro, whose names are letters, digits and _; rename one`);
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A struct is laid out the same wherever it stands. */
const structs = new WeakMap<StructModel, RecordPlan>();

class Planner {
  #level = 0;

  value(model: Model, hint: string): AvroPlan {
    if (++this.#level > maxLevels) throw inexpressible(hint, `types are nested deeper than ${maxLevels}`);
    try {
      return this.#value(model, hint);
    } finally {
      this.#level--;
    }
  }

  #value(model: Model, hint: string): AvroPlan {
    switch (model.kind) {
      case "scalar":
        return {
          type: "scalar", scalar: model.scalar, finite: model.finite === true,
          ...(model.fixed === undefined ? {} : { fixed: { name: avroTypeName(model.fixed.name),
            size: model.fixed.size } }),
        };
      case "enum": return enumPlan(model);
      case "struct": return this.#struct(model);
      case "list": return { type: "array", of: this.value(model.of, `${hint}Item`) };
      case "map": return this.#map(model, hint);
      case "union": return { type: "union", name: model.name, branches: this.#branches(model) };
      case "nullable": return this.#nullable(model, hint);
      // What is absent is the branch null: JSON has a null of its own.
      case "unknown": return {
        type: "union", name: undefined,
        branches: [{ test: { kind: "undefined" }, plan: undefined }, { test: otherwise, plan: json("any") }],
      };
      case "wellknown":
        if (model.of !== undefined) return this.value(model.of, hint);
        return json(model.name === "google.protobuf.Struct" ? "struct"
          : model.name === "google.protobuf.ListValue" ? "list" : "any");
      case "oneof": throw inexpressible(hint, "a oneof that is no field of a record");
      default: return model satisfies never;
    }
  }

  #struct(model: StructModel): RecordPlan {
    const known = structs.get(model);
    if (known !== undefined) return known;
    const plan: Mutable<RecordPlan> = {
      type: "record", name: avroTypeName(model.name), shape: "struct", fields: [], aliases: aliasesOf(model),
    };
    // Before its fields, which may be of its own type.
    structs.set(model, plan);
    try {
      const names = sayableNames(model.fields.map(({ name }) => name), model.name);
      plan.fields = model.fields.map((field, i) => this.#field(field, names[i] as string, plan.name));
    } catch (error) {
      structs.delete(model);
      throw error;
    }
    return plan;
  }

  #field(field: FieldModel, name: string, struct: string): FieldPlan {
    const { presence, number, defaultValue, description } = field;
    const hint = `${struct}${pascalCase(field.name)}`;
    const common = { name, property: field.name, number, description, aliases: aliasesOf(field) };
    if (field.model.kind === "oneof") {
      const cases = this.#cases(field.model, struct);
      return { ...common, ...this.#presence(presence, defaultValue, union(undefined, cases), hint) };
    }
    return { ...common, ...this.#presence(presence, defaultValue, this.value(field.model, hint), hint) };
  }

  #presence(
    presence: FieldModel["presence"], defaultValue: FieldModel["defaultValue"], plan: AvroPlan, hint: string,
  ): Pick<FieldPlan, "plan" | "absent" | "defaultValue"> {
    if (presence === "default" && defaultValue !== undefined) return { plan, absent: "default", defaultValue };
    if (presence === "required") {
      const isFree = plan.type === "union" && plan.branches[0]?.test.kind === "undefined";
      return { plan, absent: isFree ? "optional" : "required", defaultValue: undefined };
    }
    return { plan: withNull("undefined", plan, hint), absent: "optional", defaultValue: undefined };
  }

  #cases(model: OneofModel, struct: string): BranchPlan[] {
    const names = sayableNames(model.variants.map(({ name }) => name), struct);
    return model.variants.map((variant, i): BranchPlan => {
      const name = `${struct}${pascalCase(variant.name)}`;
      return {
        test: { kind: "case", name: variant.name },
        plan: {
          ...single(`${name}Case`, "case", names[i] as string, this.value(variant.model, name), variant.number),
          caseName: variant.name,
        },
      };
    });
  }

  #nullable(model: NullableModel, hint: string): AvroPlan {
    let inner = model.of;
    while (inner.kind === "nullable") inner = inner.of;
    // JSON has a null of its own.
    if (inner.kind === "unknown") return this.value(inner, hint);
    return withNull("null", this.value(inner, hint), hint);
  }

  #map(model: MapModel, hint: string): MapPlan | EntriesPlan {
    const { key, as } = model;
    const of = this.value(model.value, `${hint}Value`);
    if (key.kind === "enum") {
      const keys = key.open === true ? undefined : new Set(key.values.map(({ name }) => name));
      return { type: "map", of, as, keys };
    }
    if (key.scalar === "string") return { type: "map", of, as, keys: undefined };
    if (["bytes", "float", "double", "timestamp"].includes(key.scalar)) {
      throw inexpressible(hint, `a map's keys cannot be of type ${key.scalar}; use a string or an integer`);
    }
    const plan: ScalarPlan = { type: "scalar", scalar: key.scalar, finite: false };
    return { type: "entries", name: `${hint}Entry`, key: plan, of, as };
  }

  /** One branch a variant. What Avro allows in a union only once, or not at all, stands in a record of its own. */
  #branches(model: UnionModel): BranchPlan[] {
    const name = avroTypeName(model.name);
    const options = model.variants.map((variant) => {
      const hint = `${name}${pascalCase(variant.name)}`;
      return { variant, hint, plan: this.value(variant.model, hint) };
    });
    const keys = options.map(({ plan }) => planKey(plan));
    return options.map(({ variant, hint, plan }, i): BranchPlan => {
      const isPlain = plan.type !== "union" && keys.indexOf(keys[i] as string) === keys.lastIndexOf(keys[i] as string);
      const { discriminator } = model;
      const test: BranchTest = discriminator !== undefined && variant.tag !== undefined
        ? { kind: "tag", property: discriminator, tag: variant.tag } : { kind: "fits", model: variant.model };
      return { test, plan: isPlain ? plan : single(`${hint}Variant`, "value", "value", plan, variant.number) };
    });
  }
}

const otherwise: BranchTest = { kind: "otherwise" };

function json(form: JsonPlan["form"]): JsonPlan {
  return { type: "json", form };
}

function union(name: string | undefined, branches: readonly BranchPlan[]): UnionPlan {
  return { type: "union", name, branches };
}

/** A record of one field around a value. */
function single(name: string, shape: "value" | "case", field: string, plan: AvroPlan, number: number): RecordPlan {
  return {
    type: "record", name, shape, aliases: [],
    fields: [{
      name: field, property: "value", plan, number, absent: "required", defaultValue: undefined, aliases: [],
      description: undefined,
    }],
  };
}

/** The union of null and a plan; a union that has a null already stands in a record, to tell the two apart. */
function withNull(kind: "null" | "undefined", plan: AvroPlan, hint: string): AvroPlan {
  const nothing: BranchPlan = { test: { kind }, plan: undefined };
  if (plan.type !== "union") return union(undefined, [nothing, { test: otherwise, plan }]);
  if (plan.branches[0]?.plan !== undefined) return union(plan.name, [nothing, ...plan.branches]);
  if (plan.branches[0]?.test.kind === kind) return plan;
  return union(undefined, [nothing, { test: otherwise, plan: single(`${hint}Nullable`, "value", "value", plan, 1) }]);
}

function enumPlan(model: EnumModel): AvroPlan {
  const name = avroTypeName(model.name);
  const symbols = sayableNames(model.values.map((value) => value.name), model.name);
  const plan: EnumPlan = { type: "enum", name, model, symbols };
  if (model.open !== true) return plan;
  return union(undefined, [
    { test: { kind: "typeof", type: "string" }, plan },
    { test: { kind: "typeof", type: "number" }, plan: { type: "scalar", scalar: "int32", finite: false } },
  ]);
}

function aliasesOf(model: { readonly aliases?: readonly string[] | undefined }): readonly string[] {
  return model.aliases ?? [];
}

/** What may stand in a union once: a type, or a named type. */
function planKey(plan: AvroPlan): string {
  switch (plan.type) {
    case "scalar": return plan.fixed === undefined ? avroScalar(plan.scalar) : plan.fixed.name;
    case "json": return "string";
    case "entries": return "array";
    case "record": case "enum": return plan.name;
    default: return plan.type;
  }
}

/** The primitive type that a scalar is. */
export function avroScalar(
  scalar: ScalarKind,
): "boolean" | "string" | "bytes" | "int" | "long" | "float" | "double" {
  switch (scalar) {
    case "bool": return "boolean";
    case "string": case "bytes": case "float": case "double": return scalar;
    case "int32": case "sint32": case "sfixed32": return "int";
    case "uint32": case "fixed32": case "int64": case "sint64": case "sfixed64": case "uint64": case "fixed64":
    case "timestamp": return "long";
    default: return scalar satisfies never;
  }
}

/** The error of what Avro cannot say. */
export function inexpressible(where: string, why: string): RpcError {
  return new RpcError("invalid_argument", `not expressible in Avro: ${where}: ${why}`, { phase: "encode" });
}
