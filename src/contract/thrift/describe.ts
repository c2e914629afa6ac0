/** `ThriftWriter` says the types and methods of one package in Thrift; what Thrift cannot say, in `meridian.…`. */
import { RpcError } from "../../core/error.ts";
import type { EnumModel, FieldModel, Model, ScalarModel, StructModel, UnionModel } from "../model.ts";
import type { AnyMethod } from "../method.ts";
import { camelCase, pascalCase } from "../names.ts";
import { sameModel } from "../proto/same-model.ts";
import { requireModel } from "../schema.ts";
import type { AnyContract } from "../service.ts";
import { thriftConst } from "./describe-const.ts";
import { thriftWords } from "./names.ts";
import { scalarsOf } from "./read-types.ts";

type Tag = string | number | boolean;

/** Which package a name is of: what stands before its last dot, or the one at home. */
export function packageOf(name: string, home: string): { readonly home: string; readonly name: string } {
  const dot = name.lastIndexOf(".");
  return dot === -1 ? { home, name } : { home: name.slice(0, dot), name: name.slice(dot + 1) };
}

/** The name of a package's file, without `.thrift`. */
export function stemOf(packageName: string): string {
  return packageName === "" ? "contract" : packageName.replaceAll(".", "_");
}

/** What a type must say of itself to be, beyond its kind of scalar. */
const chosen: ReadonlySet<string> = new Set(["i8", "i16", "uuid"]);
const bases: Readonly<Record<string, string>> = Object.fromEntries(Object.entries(scalarsOf)
  .filter(([base]) => !chosen.has(base)).flatMap(([base, kinds]) => kinds.map((kind) => [kind, base])));

const jsonForms: Readonly<Record<string, string>> = {
  "google.protobuf.Struct": "struct", "google.protobuf.Value": "value", "google.protobuf.ListValue": "list",
};

/** Where what is being said stands, for refusals. */
interface Place {
  readonly home: string;
  readonly path: string;
}

/** The definitions of all packages, by need. */
export class ThriftWriter {
  /** By package, then by name, in the order of their need: those that others need come first. */
  readonly packages = new Map<string, Map<string, string>>();
  readonly includes = new Map<string, Set<string>>();
  readonly #models = new Map<string, { readonly model: Model; readonly as: string }>();
  /** Full names of services, which no type may have. */
  readonly #services: ReadonlySet<string>;

  constructor(services: Iterable<string>) {
    this.#services = new Set(services);
  }

  contract(contract: AnyContract): void {
    const { home, name } = packageOf(contract.name, "");
    const functions = Object.values(contract.methods).map((method) => this.#method(method, home));
    checkWord(name, contract.name);
    const key = `service ${name}`;
    const text = functions.length === 0 ? `service ${name} {}\n` : `service ${name} {\n${functions.join("\n")}}\n`;
    this.#package(home).set(key, text);
  }

  /** A type that no method may need. */
  type(model: Model, home: string): void {
    this.#type(model, { home, path: "name" in model ? model.name : model.kind });
  }

  #package(home: string): Map<string, string> {
    let found = this.packages.get(home);
    if (found === undefined) this.packages.set(home, found = new Map());
    return found;
  }

  #method(method: AnyMethod, home: string): string {
    const { name, kind, oneway, safe, idempotent, timeoutMs, criticality, description } = method;
    const where = (part: string): Place => ({ home, path: `${method.path}, ${part}` });
    if (kind !== "unary") throw refuse(method.path,
      `it is ${kind}: Thrift has no streams; make it unary, or leave it out`);
    if (thriftWords.has(name)) throw refuse(method.path,
      `${name} is a word of Thrift or of its languages; rename the method`);
    const usual = method.service.slice(method.service.lastIndexOf(".") + 1);
    const prefix = pascalCase(usual) + pascalCase(name);
    const notes = new Map<string, string>();
    const args = this.#args(requireModel(method.input), `${prefix}Input`, where("input"), notes);
    const output = requireModel(method.output);
    const returns = this.#returns(output, `${prefix}Output`, where("output"), notes);
    if (oneway === true && returns !== "void") throw refuse(method.path,
      "a one-way method has the output z.object({})");
    if (safe) notes.set("safe", "true");
    else if (idempotent !== false) notes.set("idempotent", String(idempotent));
    if (timeoutMs !== undefined) notes.set("timeoutMs", String(timeoutMs));
    if (criticality !== "default") notes.set("criticality", criticality);
    if (method.wireName !== name.slice(0, 1).toUpperCase() + name.slice(1)) notes.set("wireName", method.wireName);
    const throws = this.#throws(method, prefix, where);
    return `${comment(description, "  ")}  ${oneway === true ? "oneway " : ""}${returns} ${name}(${args.join(", ")})` +
      `${throws.length === 0 ? "" : ` throws (${throws.join(", ")})`}${annotations(notes)}\n`;
  }

  #args(model: Model, usual: string, place: Place, notes: Map<string, string>): readonly string[] {
    if (model.kind !== "struct") {
      notes.set("bare", "true");
      return [`1: ${this.#type(model, place)} value`];
    }
    if (model.name !== usual) {
      notes.set("input", this.#type(model, place));
    } else if (reaches(model, model)) {
      // It refers to itself, so it is a type of its own too.
      notes.set("input", this.#type(model, place));
    }
    return this.#fields(model.fields, place).map((line) => line.trim().replace(/,$/, ""));
  }

  #returns(model: Model, usual: string, place: Place, notes: Map<string, string>): string {
    if (model.kind === "struct" && model.fields.length === 0) {
      if (model.name !== usual) notes.set("output", this.#type(model, place));
      return "void";
    }
    if (model.kind !== "nullable") return this.#type(model, place);
    notes.set("nullable", "true");
    return this.#type(model.of, place);
  }

  #throws(method: AnyMethod, prefix: string, where: (part: string) => Place): readonly string[] {
    return Object.entries(method.errors).map(([reason, schema], i) => {
      const model = requireModel(schema);
      const place = where(`errors.${reason}`);
      const notes = new Map<string, string>();
      const code = method.errorCodes?.[reason] ?? "failed_precondition";
      if (code !== "failed_precondition") notes.set("code", code);
      let type: string;
      if (model.kind === "struct") {
        type = this.#type(model, place, "exception");
      } else {
        const name = prefix + pascalCase(reason) + "Error";
        type = this.#define(name, model, "exception", place, () =>
          `exception ${name} {\n  1: ${this.#type(model, place)} value,\n} (meridian.bare = "true")\n`);
      }
      if (type.slice(type.lastIndexOf(".") + 1) !== reason) notes.set("reason", reason);
      const field = thriftWords.has(camelCase(reason)) ? `${camelCase(reason)}_` : camelCase(reason);
      return `${method.errorIds?.[reason] ?? i + 1}: ${type} ${field}${annotations(notes)}`;
    });
  }

  /** How a type is called at `place`; says it first where it is none of Thrift's own. */
  #type(model: Model, place: Place, kind: "struct" | "exception" = "struct"): string {
    switch (model.kind) {
      case "scalar": return scalarType(model);
      case "list": return `${model.thrift ?? "list"}<${this.#type(model.of, place)}>`;
      case "map": {
        const key = this.#type(model.key, place);
        const isUsual = (model.as === "object") === (model.key.kind === "scalar" && model.key.scalar === "string");
        const notes = new Map(isUsual ? [] : [["as", model.as]]);
        return `map<${key}, ${this.#type(model.value, place)}>${annotations(notes)}`;
      }
      case "unknown": return 'string (meridian.json = "any")';
      case "wellknown":
        if (model.of === undefined) return `string (meridian.json = "${jsonForms[model.name]}")`;
        return scalarType(model.of, /^google\.protobuf\.(\w+)Value$/.exec(model.name)?.[1]);
      case "nullable": return this.#nullable(model.of, place);
      case "oneof": throw refuse(place.path, "a oneof outside of a struct");
      case "enum": return this.#define(model.name, model, kind, place, () => sayEnum(model, place));
      case "union": return this.#define(model.name, model, kind, place, () => this.#union(model, place));
      case "struct": return this.#define(model.name, model, kind, place, (inside) => this.#struct(model, kind, inside));
      default: return model satisfies never;
    }
  }

  /** A struct around what may be null where Thrift has no place for nothing. */
  #nullable(of: Model, place: Place): string {
    const type = this.#type(of, place);
    const name = `Nullable${pascalCase(type)}`;
    return this.#define(name, { kind: "nullable", of }, "struct", place, () =>
      `struct ${name} {\n  1: optional ${type} value,\n} (meridian.nullable = "true")\n`);
  }

  /** Says a type once; `say` gets the place of its own package. */
  #define(
    full: string, model: Model, kind: "struct" | "exception", place: Place, say: (inside: Place) => string,
  ): string {
    const { home, name } = packageOf(full, place.home);
    const key = `${home}/${name}`;
    const known = this.#models.get(key);
    if (known !== undefined && !sameModel(known.model, model)) {
      throw refuse(place.path, `there are two different types named ${full}; name one with .meta({ id })`);
    }
    if (known === undefined || (kind === "exception" && known.as === "struct" && model.kind === "struct")) {
      checkWord(name, place.path);
      if (this.#services.has(home === "" ? name : `${home}.${name}`)) {
        throw refuse(place.path, `the type ${name} has the name of a service; give it another by .meta({ id })`);
      }
      this.#models.set(key, { model, as: kind });
      const text = say({ home, path: full });
      this.#package(home).set(name, text);
    }
    if (home === place.home) return name;
    let includes = this.includes.get(place.home);
    if (includes === undefined) this.includes.set(place.home, includes = new Set());
    includes.add(home);
    return `${stemOf(home)}.${name}`;
  }

  #struct(model: StructModel, kind: string, place: Place): string {
    const { name } = packageOf(model.name, place.home);
    const [only] = model.fields;
    // At most one of several fields, and nothing else, is what Thrift calls a union.
    if (only?.model.kind === "oneof" && model.fields.length === 1 && kind === "struct") {
      const notes = new Map(only.name === "value" ? [] : [["oneof", only.name]]);
      const lines = only.model.variants.map((variant) => this.#line(
        { ...variant, presence: "required" }, "", place, new Map()));
      return block(`union ${name}`, lines, notes);
    }
    return block(`${kind} ${name}`, this.#fields(model.fields, place), new Map());
  }

  #fields(fields: readonly FieldModel[], place: Place): readonly string[] {
    const lines = fields.flatMap((field): readonly (readonly [number, string])[] => {
      if (field.model.kind === "oneof") {
        return field.model.variants.map((variant) => [variant.number, this.#line(
          { ...variant, presence: "required" }, "optional ", place, new Map([["oneof", field.name]]))]);
      }
      const isNull = field.model.kind === "nullable" && field.presence === "required";
      const model = isNull && field.model.kind === "nullable" ? field.model.of : field.model;
      const notes = new Map(isNull ? [["nullable", "true"]] : []);
      const requiredness = isNull || field.presence !== "required" ? "optional " : "";
      return [[field.number, this.#line({ ...field, model }, requiredness, place, notes)]];
    });
    return lines.toSorted(([a], [b]) => a - b).map(([, line]) => line);
  }

  #line(field: FieldModel, requiredness: string, place: Place, notes: Map<string, string>): string {
    const inside = { ...place, path: `${place.path}.${field.name}` };
    const { number, name, model, presence, description, defaultValue } = field;
    if (number > 32_767) throw refuse(inside.path, `it has the number ${number}; Thrift's go up to 32767`);
    const identifier = identifierOf(name);
    if (identifier !== name) notes.set("name", name);
    const value = presence === "default" && defaultValue !== undefined
      ? ` = ${thriftConst(defaultValue(), model, inside.path)}` : "";
    const type = this.#type(model, inside);
    return `${comment(description, "  ")}  ${number}: ${requiredness}${type} ${identifier}${value}` +
      `${annotations(notes)},\n`;
  }

  #union(model: UnionModel, place: Place): string {
    const { discriminator } = model;
    const taken = new Set<string>();
    const lines = model.variants.map(({ name, number, model: variant, tag }) => {
      const notes = new Map<string, string>();
      const inside = { home: place.home, path: `${model.name}.${name}` };
      const tagged = variant.kind === "struct" && discriminator !== undefined && tag !== undefined;
      if (tagged) notes.set("tag", JSON.stringify(tag));
      const type = tagged ? this.#variant(variant, model, inside) : this.#type(variant, inside);
      let identifier = identifierOf(name);
      while (taken.has(identifier)) identifier += "_";
      taken.add(identifier);
      return `  ${number}: ${type} ${identifier}${annotations(notes)},\n`;
    });
    const { name } = packageOf(model.name, place.home);
    return block(`union ${name}`, lines,
      new Map([["union", "true"], ...(discriminator === undefined ? [] : [["discriminator",
        discriminator] as const])]));
  }

  /** A struct without the discriminator, for which its number in the union stands. */
  #variant(model: StructModel, { discriminator, variants }: UnionModel, place: Place): string {
    const field = model.fields.find(({ name }) => name === discriminator);
    if (field === undefined) return this.#type(model, place);
    const tags = variants.filter((one) => one.model === model).map(({ tag }) => tag as Tag);
    const name = `${model.name}Variant`;
    return this.#define(name, { ...model, name }, "struct", place, (inside) => block(
      `struct ${packageOf(name, place.home).name}`,
      this.#fields(model.fields.filter((one) => one !== field), inside),
      new Map([["literal", JSON.stringify([field.number, discriminator, tags])], ["name", packageOf(model.name,
        "").name]])));
  }
}

function block(head: string, lines: readonly string[], notes: ReadonlyMap<string, string>): string {
  return lines.length === 0 ? `${head} {}${annotations(notes)}\n`
    : `${head} {\n${lines.join("")}}${annotations(notes)}\n`;
}

function sayEnum(model: EnumModel, place: Place): string {
  const taken = new Set<string>();
  const lines = model.values.map(({ name, number }) => {
    let identifier = identifierOf(name);
    while (taken.has(identifier)) identifier += "_";
    taken.add(identifier);
    return `  ${identifier} = ${number}${annotations(new Map(identifier === name ? [] : [["name", name]]))},\n`;
  });
  return block(`enum ${packageOf(model.name, place.home).name}`, lines, new Map(model.open === true ? [["open",
    "true"]] : []));
}

function scalarType({ scalar, finite, thrift }: ScalarModel, wrapped?: string): string {
  const base = bases[scalar] as string;
  const notes = new Map<string, string>();
  if (scalarsOf[base]?.[0] !== scalar) notes.set("scalar", scalar);
  if ((scalar === "double" || scalar === "float") && finite !== true) notes.set("finite", "false");
  if (wrapped !== undefined) notes.set("wrapped", wrapped);
  return `${thrift ?? base}${annotations(notes)}`;
}

/** A name as Thrift takes it. */
function identifierOf(name: string): string {
  const plain = /^[A-Za-z_]\w*$/.test(name) ? name : pascalCase(name);
  return thriftWords.has(plain) ? `${plain}_` : plain;
}

function checkWord(name: string, path: string): void {
  if (!/^[A-Za-z_]\w*$/.test(name) || thriftWords.has(name)) {
    throw refuse(path, `a type cannot be named ${name} in Thrift; give it another by .meta({ id })`);
  }
}

/** Whether a struct refers to itself. */
function reaches(from: Model, to: StructModel, seen: Set<Model> = new Set()): boolean {
  if (seen.has(from)) return false;
  seen.add(from);
  const parts = partsOf(from);
  return parts.some((part) => part === to || reaches(part, to, seen));
}

function partsOf(model: Model): readonly Model[] {
  switch (model.kind) {
    case "struct": return model.fields.map((field) => field.model);
    case "union": case "oneof": return model.variants.map((variant) => variant.model);
    case "list": case "nullable": return [model.of];
    case "map": return [model.value];
    default: return [];
  }
}

function annotations(notes: ReadonlyMap<string, string>): string {
  if (notes.size === 0) return "";
  const told = [...notes].map(([key, value]) =>
    `meridian.${key} = "${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`);
  return ` (${told.join(", ")})`;
}

function comment(text: string | undefined, indent: string): string {
  if (text === undefined || text.trim() === "") return "";
  const lines = text.replaceAll("*/", "* /").split("\n");
  if (lines.length === 1) return `${indent}/** ${lines[0]} */\n`;
  return `${indent}/**\n${lines.map((line) => `${indent} * ${line}`.trimEnd()).join("\n")}\n${indent} */\n`;
}

function refuse(path: string, why: string): RpcError {
  return new RpcError("invalid_argument", `${path}: ${why}`);
}

