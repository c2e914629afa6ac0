/** Types of `.thrift` files as models. What Thrift cannot say of a type is in its `meridian.…` annotations. */
import type {
  EnumModel, FieldModel, Model, OneofVariantModel, ScalarKind, ScalarModel, StructModel, UnionModel, VariantModel,
} from "../model.ts";
import { pascalCase } from "../names.ts";
import { printLiteral } from "../proto/source-types.ts";
import { constValue } from "./const-value.ts";
import { lookUp, type Program } from "./link.ts";
import type { Annotations, EnumNode, FieldNode, StructNode, TypeNode } from "./parse-tree.ts";
import { type Position, refuseAt } from "./tokens.ts";

export type NamedModel = StructModel | EnumModel | UnionModel;

/** Typedefs of typedefs beyond this are a circle. */
const maxTypedefs = 100;

/** The kinds of scalars that each of Thrift's types can stand for; the first needs no annotation. */
export const scalarsOf: Readonly<Record<string, readonly ScalarKind[]>> = {
  bool: ["bool"], i8: ["int32"], i16: ["int32"], i32: ["int32", "sint32", "sfixed32"],
  i64: ["int64", "uint32", "fixed32", "uint64", "sint64", "fixed64", "sfixed64", "timestamp"],
  double: ["double", "float"], string: ["string"], binary: ["bytes"], uuid: ["string"],
};

const jsonForms: Readonly<Record<string, Model>> = {
  any: { kind: "unknown" },
  struct: { kind: "wellknown", name: "google.protobuf.Struct", of: undefined },
  value: { kind: "wellknown", name: "google.protobuf.Value", of: undefined },
  list: { kind: "wellknown", name: "google.protobuf.ListValue", of: undefined },
};

/** Reads types by need; each definition is one model. */
export class TypeReader {
  /** In the order in which they were met. */
  readonly models = new Map<NamedModel, { readonly node: StructNode | EnumNode; readonly program: Program }>();
  /** What is printed where it stands: models of literals. */
  readonly expressions = new Map<Model, string>();
  /** What is left out, as `path:line:column: what`. */
  readonly notes: string[] = [];
  readonly #home: string;
  readonly #known = new Map<StructNode | EnumNode, Model>();
  readonly #names = new Map<string, Position>();

  constructor(home: string) {
    this.#home = home;
  }

  type(node: TypeNode, program: Program, typedefs = 0): Model {
    switch (node.kind) {
      case "base": return this.#base(node);
      case "list": return { kind: "list", of: this.type(node.of, program, typedefs) };
      case "set": return { kind: "list", of: this.type(node.of, program, typedefs), thrift: "set" };
      case "map": return this.#map(node, program, typedefs);
      case "name": break;
      default: return node satisfies never;
    }
    const found = lookUp(program, node.name);
    if (found === undefined) return refuseAt(node.position, `there is no type ${node.name}`);
    const { definition } = found;
    switch (definition.kind) {
      case "typedef":
        if (typedefs > maxTypedefs) refuseAt(node.position, `the typedef ${node.name} is itself`);
        return this.type(definition.type, found.program, typedefs + 1);
      case "enum": return this.#enum(definition, found.program);
      case "struct": case "union": case "exception": return this.struct(definition, found.program);
      default: return refuseAt(node.position, `${node.name} is a ${definition.kind}, no type`);
    }
  }

  #base({ name, annotations, position }: TypeNode & { kind: "base" }): Model {
    const json = annotations.get("meridian.json");
    if (json !== undefined) {
      return jsonForms[json] ?? refuseAt(position, `meridian.json is ${json}, expected any, struct, value or list`);
    }
    const base = name === "byte" ? "i8" : name === "slist" ? "string" : name;
    const kinds = scalarsOf[base] as readonly ScalarKind[];
    const scalar = (annotations.get("meridian.scalar") ?? kinds[0]) as ScalarKind;
    if (!kinds.includes(scalar)) {
      refuseAt(position, `meridian.scalar is ${scalar}, which is no ${name}; expected ${kinds.join(", ")}`);
    }
    const isFinite = (scalar === "double" || scalar === "float") && annotations.get("meridian.finite") !== "false";
    const model: ScalarModel = {
      kind: "scalar", scalar, ...(isFinite ? { finite: true } : {}),
      ...(base === "i8" || base === "i16" || base === "uuid" ? { thrift: base } : {}),
    };
    this.#leaveOut(annotations, position);
    const wrapper = annotations.get("meridian.wrapped");
    if (wrapper === undefined) return model;
    return { kind: "wellknown", name: `google.protobuf.${wrapper}Value` as "google.protobuf.BoolValue", of: model };
  }

  #map(node: TypeNode & { kind: "map" }, program: Program, typedefs: number): Model {
    const key = this.type(node.key, program, typedefs);
    const isKey = key.kind === "enum" ||
      key.kind === "scalar" && !["bytes", "float", "double", "timestamp"].includes(key.scalar);
    if (!isKey) {
      return refuseAt(node.key.position,
        "keys of maps are strings, integers, booleans and enums here; use a list of structs");
    }
    const isText = key.kind === "scalar" && key.scalar === "string";
    const as = node.annotations.get("meridian.as") ?? (isText ? "object" : "Map");
    this.#leaveOut(node.annotations, node.position);
    return { kind: "map", key, value: this.type(node.value, program, typedefs), as: as === "Map" ? "Map" : "object" };
  }

  #enum(node: EnumNode, program: Program): Model {
    const known = this.#known.get(node);
    if (known !== undefined) return known;
    if (node.values.length === 0) refuseAt(node.position, `${node.name} has no values`);
    const names = new Set<string>();
    const numbers = new Map<number, string>();
    const values = node.values.map((value) => {
      const name = value.annotations.get("meridian.name") ?? value.name;
      if (names.has(name)) refuseAt(value.position, `${node.name} has two values named ${name}`);
      names.add(name);
      const twin = numbers.get(value.number);
      if (twin !== undefined) {
        refuseAt(value.position, `${name} has the number ${value.number} of ${twin}, which could not be told apart`);
      }
      numbers.set(value.number, name);
      return { name, number: value.number };
    });
    const isOpen = node.annotations.get("meridian.open") === "true";
    const model: EnumModel = {
      kind: "enum", name: this.#name(node, program), values, ...(isOpen ? { open: true } : {}),
    };
    this.#keep(node, model, program);
    return model;
  }

  struct(node: StructNode, program: Program): Model {
    const known = this.#known.get(node);
    if (known !== undefined) return known;
    const { annotations } = node;
    this.#leaveOut(annotations, node.position);
    const of = annotations.get("meridian.variantOf");
    if (of !== undefined) return this.type({ kind: "name", name: of, annotations: new Map(),
      position: node.position }, program);
    if (annotations.has("meridian.nullable")) {
      const [only] = node.fields;
      if (only === undefined) refuseAt(node.position, `${node.name} is nullable of nothing`);
      return { kind: "nullable", of: this.type(only.type, program) };
    }
    if (node.kind === "union" && annotations.has("meridian.union")) return this.#union(node, program);
    const fields: FieldModel[] = [];
    const model: StructModel = { kind: "struct", name: this.#name(node, program), fields };
    this.#keep(node, model, program);
    fields.push(...this.fields(node.fields, program, node));
    const literal = annotations.get("meridian.literal");
    if (literal !== undefined) fields.push(this.#literal(literal, model, node));
    fields.sort((a, b) => a.number - b.number);
    return model;
  }

  #name({ name, position, annotations }: StructNode | EnumNode, { namespace }: Program): string {
    const own = annotations.get("meridian.name") ?? name;
    const full = namespace === this.#home || namespace === "" ? own : `${namespace}.${own}`;
    const twin = this.#names.get(full);
    if (twin !== undefined) {
      const { path, line, column } = twin;
      refuseAt(position, `${full} is defined at ${path}:${line}:${column} too; give one another namespace`);
    }
    this.#names.set(full, position);
    return full;
  }

  #keep(node: StructNode | EnumNode, model: NamedModel, program: Program): void {
    this.#known.set(node, model);
    this.models.set(model, { node, program });
  }

  /** `isUnion` where at most one is set: a oneof whose name is `value`. */
  fields(nodes: readonly FieldNode[], program: Program, owner: Pick<StructNode, "kind" | "name" | "annotations">):
  FieldModel[] {
    const numbers = new Map<number, string>();
    const names = new Set<string>();
    const fields: FieldModel[] = [];
    const oneofs = new Map<string, OneofVariantModel[]>();
    const whole = owner.kind === "union" ? owner.annotations.get("meridian.oneof") ?? "value" : undefined;
    for (const node of nodes) {
      const number = this.number(node, owner.name, numbers);
      const name = this.#fieldName(node, owner.name);
      const oneof = whole ?? node.annotations.get("meridian.oneof");
      const description = node.doc;
      const model = this.type(node.type, program);
      if (oneof !== undefined) {
        if (node.value !== undefined) refuseAt(node.position, `${name}: one of several has no default`);
        let variants = oneofs.get(oneof);
        if (variants === undefined) oneofs.set(oneof, variants = []);
        if (variants.some((one) => one.name === name)) refuseAt(node.position,
          `${owner.name} has two fields named ${name}`);
        variants.push({ name, number, model, description });
        continue;
      }
      if (names.has(name)) refuseAt(node.position, `${owner.name} has two fields named ${name}`);
      names.add(name);
      fields.push({ name, number, description, ...this.#presence(node, model, program) });
    }
    for (const [name, variants] of oneofs) {
      variants.sort((a, b) => a.number - b.number);
      const [{ number }] = variants as [OneofVariantModel];
      fields.push({ name, number, model: { kind: "oneof", variants }, presence: "optional" });
    }
    return fields.sort((a, b) => a.number - b.number);
  }

  #presence(node: FieldNode, model: Model, program: Program): Pick<FieldModel, "model" | "presence" | "defaultValue"> {
    if (node.annotations.has("meridian.nullable")) {
      return { model: { kind: "nullable", of: model }, presence: "required" };
    }
    if (node.value !== undefined) {
      const value = constValue(node.value, model, program);
      return { model, presence: "default", defaultValue: () => value };
    }
    return { model, presence: node.requiredness === "optional" ? "optional" : "required" };
  }

  #fieldName(node: FieldNode, owner: string): string {
    this.#leaveOut(node.annotations, node.position);
    const name = node.annotations.get("meridian.name") ?? node.name;
    if (name === "__proto__") refuseAt(node.position, `${owner}: a field cannot be named __proto__; rename it`);
    return name;
  }

  /** Thrift's own numbers are 16 bits wide; contracts number from 1. */
  number({ id, name, position }: FieldNode, owner: string, taken: Map<number, string>): number {
    if (id === undefined) {
      refuseAt(position,
        `${name} of ${owner} has no number; Thrift would count down from -1: write one, from 1 to 32767`);
    }
    if (id < 1) refuseAt(position, `${name} of ${owner} has the number ${id}; those of contracts go from 1 to 32767`);
    if (id >= 19_000 && id <= 19_999) {
      refuseAt(position,
        `${name} of ${owner} has the number ${id}; 19000 to 19999 are Protobuf's own, and no contract's`);
    }
    const twin = taken.get(id);
    if (twin !== undefined) refuseAt(position, `${name} of ${owner} has the number ${id} of ${twin}`);
    taken.set(id, name);
    return id;
  }

  #union(node: StructNode, program: Program): Model {
    const variants: VariantModel[] = [];
    const discriminator = node.annotations.get("meridian.discriminator");
    const model: UnionModel = { kind: "union", name: this.#name(node, program), discriminator, variants };
    this.#keep(node, model, program);
    const numbers = new Map<number, string>();
    for (const field of node.fields) {
      const tag = field.annotations.get("meridian.tag");
      variants.push({
        name: field.name, number: this.number(field, node.name, numbers), model: this.type(field.type, program),
        tag: tag === undefined ? undefined : parsed(tag, field.position) as string,
      });
    }
    return model;
  }

  /** The discriminator that a struct has as a variant: `[1,"kind",["circle"]]`. */
  #literal(text: string, { name: owner }: StructModel, { position }: StructNode): FieldModel {
    const read = parsed(text, position);
    const [number, name, tags] = Array.isArray(read) ? read as [number, string, (string | number | boolean)[]] : [];
    if (typeof number !== "number" || typeof name !== "string" || !Array.isArray(tags)) {
      refuseAt(position, 'meridian.literal is no [number, "name", [values]]');
    }
    const model: EnumModel = {
      kind: "enum", name: pascalCase(owner) + pascalCase(name),
      values: tags.map((tag, i) => ({ name: String(tag), number: i + 1 })),
    };
    this.expressions.set(model, `z.literal(${printLiteral(tags.length === 1 ? tags[0] : tags)})`);
    return { name, number, model, presence: "required" };
  }

  /** Says which annotations a contract has no place for. */
  #leaveOut(annotations: Annotations, { path, line, column }: Position): void {
    for (const key of annotations.keys()) {
      if (!key.startsWith("meridian.")) this.notes.push(`${path}:${line}:${column}: the annotation ${key} is left out`);
    }
  }
}

function parsed(text: string, position: Position): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return refuseAt(position, `${text} is no JSON`);
  }
}
