/** ProtoTypes collects the messages and enums that models are in `.proto`, by the mapping of docs/encoding.md. */
import { RpcError } from "../../core/error.ts";
import type { EnumModel, Model, StructModel, UnionModel, VariantModel } from "../model.ts";
import { uniqueName } from "../names.ts";
import type { Schema } from "../schema.ts";
import { requireModel } from "../schema.ts";
import { fullName, messageName, placeOf, type TypePlace, wrapperName } from "./describe-names.ts";
import { describeEnum, enumScopeNames } from "./describe-enum.ts";
import { MessageBuilder, type FieldSource } from "./describe-message.ts";
import { type EnumDescriptor, fieldTypes } from "./file.ts";
import { sameModel } from "./same-model.ts";
import { wellKnownFiles, wellKnownTypeFiles } from "./well-known-files.ts";

/** A type as a field names it. */
export interface TypeReference {
  /** Of {@link fieldTypes}. */
  readonly type: number;
  /** Absolute, with a leading dot, of messages and enums. */
  readonly typeName?: string | undefined;
}

/** What one package declares. */
export interface ProtoPackage {
  readonly name: string;
  readonly messages: MessageBuilder[];
  readonly enums: EnumDescriptor[];
  /** Names in its scope, those of nested types and of enum values with the names around them. */
  readonly taken: Set<string>;
  readonly byLocalName: Map<string, MessageBuilder>;
  /** Packages and well-known files that it refers to. */
  readonly uses: Set<string>;
}

/** From where a type is referred to. */
export interface TypeScope {
  /** The contract's package, to which names without a package belong. */
  readonly home: string;
  /** The package whose file refers to it. */
  readonly owner: ProtoPackage;
}

interface Declared {
  readonly model: Model;
  /** The property that a struct as a variant goes without: its union's discriminator. */
  readonly without: string | undefined;
  readonly reference: TypeReference;
}

export class ProtoTypes {
  readonly packages = new Map<string, ProtoPackage>();
  /** Comments of whatever has one, by the object that describes it. */
  readonly comments = new Map<object, string>();
  readonly #declared = new Map<string, Declared[]>();
  /** Where we are, for errors. */
  readonly #trail: string[] = [];

  /** The package of that name, which is made if need be. */
  package(name: string): ProtoPackage {
    let found = this.packages.get(name);
    if (found === undefined) {
      found = {
        name, messages: [], enums: [], taken: new Set(), byLocalName: new Map(), uses: new Set(),
      };
      this.packages.set(name, found);
    }
    return found;
  }

  /** The absolute name of the message that a whole request, response or error is. `path` and `part` are for errors. */
  message(schema: Schema, home: ProtoPackage, path: string, part: string): string {
    // Why there is no model says the part itself.
    const model = this.at(path, () => requireModel(schema));
    return this.at(`${path} ${part}`, () => {
      const scope = { home: home.name, owner: home };
      const reference = this.value(model, scope);
      if (reference.type === fieldTypes["message"]) return reference.typeName as string;
      const place = messageName(model, schema.name, home.name);
      return this.#declare(place, scope, { model, without: "value" }, (message) => {
        message.add({ name: "value", number: 1, model, presence: "required" });
      }).typeName as string;
    });
  }

  /** The type of one value: a field, an element, a map's value, a variant. */
  value(model: Model, scope: TypeScope): TypeReference {
    switch (model.kind) {
      case "scalar":
        return model.scalar === "timestamp" ? this.#wellKnown("google.protobuf.Timestamp", scope)
          : { type: fieldTypes[model.scalar] as number };
      case "unknown": return { type: fieldTypes["bytes"] as number };
      case "wellknown": return this.#wellKnown(model.name, scope);
      case "enum": return this.#enum(model, scope);
      case "struct": return this.struct(model, scope, undefined);
      case "union": return this.#union(model, scope);
      case "nullable":
        if (model.of.kind === "nullable") return this.value(model.of, scope);
        return this.#wrapper(model, scope, { name: "value", number: 1, model: model.of, presence: "optional" });
      case "list": return this.#wrapper(model, scope, { name: "items", number: 1, model, presence: "required" });
      case "map": return this.#wrapper(model, scope, { name: "entries", number: 1, model, presence: "required" });
      case "oneof": return this.refuse("a oneof stands only as a property of an object");
      default: return model satisfies never;
    }
  }

  /** The message of a struct, as a variant without its discriminator. */
  struct(model: StructModel, scope: TypeScope, without: string | undefined): TypeReference {
    if (fileOfKnown(model.name) !== undefined) return this.#wellKnown(model.name, scope);
    const left = model.fields.some(({ name }) => name === without) ? without : undefined;
    return this.#declare(placeOf(model.name, scope.home), scope, { model, without: left }, (message) => {
      for (const field of [...model.fields].sort((a, b) => a.number - b.number)) {
        if (field.name !== left) this.at(`.${field.name}`, () => message.add(field));
      }
    });
  }

  #union(model: UnionModel, scope: TypeScope): TypeReference {
    return this.#declare(placeOf(model.name, scope.home), scope, { model, without: undefined }, (message) => {
      const variants = model.variants.map((variant: VariantModel) => ({
        ...variant, without: variant.tag === undefined ? undefined : model.discriminator,
      }));
      message.addOneof("variant", variants);
    });
  }

  /** Wrappers have no home: each package that needs one declares it. */
  #wrapper(model: Model, scope: TypeScope, field: FieldSource): TypeReference {
    const place = { package: scope.owner.name, local: wrapperName(model) };
    return this.#declare(place, scope, { model, without: undefined }, (message) => message.add(field));
  }

  #declare(
    place: TypePlace, scope: TypeScope, type: Omit<Declared, "reference">, build: (message: MessageBuilder) => void,
  ): TypeReference {
    if (place.package !== scope.owner.name) scope.owner.uses.add(place.package);
    const key = fullName(place);
    const known = this.#find(key, type);
    if (known !== undefined) return known;
    const owner = this.package(place.package);
    const message = this.#messageAt(owner, place.local, scope.home);
    const typeName = `.${fullName({ ...place, local: message.path })}`;
    const reference = { type: fieldTypes["message"] as number, typeName };
    this.#remember(key, { ...type, reference });
    build(message);
    return reference;
  }

  #find(key: string, { model, without }: Omit<Declared, "reference">): TypeReference | undefined {
    return this.#declared.get(key)?.find((one) => one.without === without && sameModel(one.model, model))?.reference;
  }

  #remember(key: string, declared: Declared): void {
    const all = this.#declared.get(key);
    if (all === undefined) this.#declared.set(key, [declared]);
    else all.push(declared);
  }

  /**
   * A message of that name, or of the next free one like it. `Outer.Inner` is made inside of `Outer`, which may be
   * declared before, later or never: then it holds what is nested in it, and has no fields.
   */
  #messageAt(owner: ProtoPackage, wanted: string, declaredFrom: string | undefined): MessageBuilder {
    const waiting = owner.byLocalName.get(wanted);
    if (waiting !== undefined && (declaredFrom === undefined || waiting.home === undefined)) {
      waiting.home ??= declaredFrom;
      return waiting;
    }
    const dot = wanted.lastIndexOf(".");
    const outer = dot === -1 ? undefined : this.#messageAt(owner, wanted.slice(0, dot), undefined);
    const path = uniqueName(owner.taken, outer === undefined ? wanted : outer.path + wanted.slice(dot));
    const message = new MessageBuilder(this, owner, path, declaredFrom);
    owner.byLocalName.set(path, message);
    (outer?.nested ?? owner.messages).push(message);
    return message;
  }

  #enum(model: EnumModel, scope: TypeScope): TypeReference {
    const file = fileOfKnown(model.name);
    if (file !== undefined) {
      scope.owner.uses.add(file);
      return { type: fieldTypes["enum"] as number, typeName: `.${model.name}` };
    }
    const place = placeOf(model.name, scope.home);
    if (place.package !== scope.owner.name) scope.owner.uses.add(place.package);
    const key = fullName(place);
    const known = this.#find(key, { model, without: undefined });
    if (known !== undefined) return known;
    if (model.values.length === 0) return this.refuse(`the enum ${model.name} has no values`);
    const owner = this.package(place.package);
    const path = this.#enumPath(owner, place.local, model);
    const dot = path.lastIndexOf(".");
    const declared = describeEnum(path.slice(dot + 1), model);
    for (const name of enumScopeNames(path, declared)) owner.taken.add(name);
    const outer = dot === -1 ? undefined : this.#messageAt(owner, path.slice(0, dot), undefined);
    (outer?.enums ?? owner.enums).push(declared);
    const reference = { type: fieldTypes["enum"] as number, typeName: `.${fullName({ ...place, local: path })}` };
    this.#remember(key, { model, without: undefined, reference });
    return reference;
  }

  /**
   * Values of an enum have their names in the scope around the enum. Where another one has one of them already, the
   * enum moves into a message of its own, so that its values keep their names, which are also those in JSON.
   */
  #enumPath(owner: ProtoPackage, wanted: string, model: EnumModel): string {
    const path = uniqueName(owner.taken, wanted);
    const name = path.slice(path.lastIndexOf(".") + 1);
    const collides = enumScopeNames(path, describeEnum(name, model)).some((value) => owner.taken.has(value));
    if (!collides) return path;
    owner.taken.delete(path);
    let outer = `${path}Enum`;
    for (let i = 2; owner.taken.has(outer); i++) outer = `${path}Enum${i}`;
    owner.taken.add(`${outer}.${name}`);
    return `${outer}.${name}`;
  }

  #wellKnown(name: string, { owner }: TypeScope): TypeReference {
    const file = fileOfKnown(name);
    if (file === undefined) return this.refuse(`${name} is no type that is known here`);
    owner.uses.add(file);
    return { type: fieldTypes["message"] as number, typeName: `.${name}` };
  }

  /** Runs `action` with `step` on the way that errors tell. */
  at<T>(step: string, action: () => T): T {
    this.#trail.push(step);
    try {
      return action();
    } catch (error) {
      // Said once, by whoever noticed, with the whole way.
      throw told.has(error as object) ? error : this.#tell(RpcError.from(error, "invalid_argument").message);
    } finally {
      this.#trail.pop();
    }
  }

  /** Throws `invalid_argument` with the way to where we are. */
  refuse(why: string): never {
    throw this.#tell(why);
  }

  #tell(why: string): RpcError {
    const error = new RpcError("invalid_argument", `${this.#trail.join("")}: ${why}`);
    told.add(error);
    return error;
  }
}

const told = new WeakSet();

/** The well-known file that declares a type. */
function fileOfKnown(name: string): string | undefined {
  const file = wellKnownTypeFiles.get(name);
  if (file !== undefined || !name.startsWith("google.rpc.")) return file;
  const declaration = new RegExp(`^(message|enum) ${name.slice("google.rpc.".length).replace(/\W.*/, "")}\\b`, "m");
  return [...wellKnownFiles].find(([path, text]) => path.startsWith("google/rpc/") && declaration.test(text))?.[0];
}

/** Whether `use` names a file rather than a package. */
export function isFile(use: string): boolean {
  return use.endsWith(".proto");
}

