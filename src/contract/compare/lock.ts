/** A lock is what contracts promise on their wires, as data: what `meridian check` keeps of them and compares. */
import { RpcError } from "../../core/error.ts";
import type { AnyMethod } from "../method.ts";
import type { EnumModel, FieldModel, Model, ScalarKind, StructModel, UnionModel } from "../model.ts";
import { lowerCamel } from "../proto/names.ts";
import { requireModel } from "../schema.ts";
import type { AnyContract } from "../service.ts";

export type LockedType =
  | { readonly kind: "scalar"; readonly scalar: ScalarKind; readonly thrift?: string | undefined }
  | { readonly kind: "list"; readonly of: LockedType; readonly thrift?: string | undefined }
  | { readonly kind: "map"; readonly key: LockedType; readonly value: LockedType }
  | { readonly kind: "nullable"; readonly of: LockedType }
  | { readonly kind: "oneof"; readonly variants: readonly LockedField[] }
  | { readonly kind: "unknown" }
  | { readonly kind: "wellknown"; readonly name: string }
  /** One of the lock's `types`, by its key there. */
  | { readonly kind: "named"; readonly type: string };

export interface LockedField {
  readonly name: string;
  /** In JSON and XML. */
  readonly jsonName: string;
  readonly number: number;
  readonly presence: FieldModel["presence"];
  readonly aliases?: readonly string[] | undefined;
  readonly type: LockedType;
}

export type LockedNamed =
  | { readonly kind: "struct"; readonly name: string; readonly aliases?: readonly string[] | undefined;
    readonly fields: readonly LockedField[]; }
  | { readonly kind: "enum"; readonly name: string; readonly aliases?: readonly string[] | undefined;
    readonly open: boolean; readonly fallback?: string | undefined;
    readonly values: readonly { readonly name: string; readonly number: number }[]; }
  | { readonly kind: "union"; readonly name: string; readonly discriminator?: string | undefined;
    readonly variants: readonly LockedField[]; };

export interface LockedMethod {
  readonly kind: string;
  readonly wireName: string;
  readonly idempotent: boolean | "keyed";
  readonly safe: boolean;
  readonly oneway: boolean;
  /** `GET /v1/cities/{id}`. */
  readonly http: readonly string[];
  readonly input: LockedType;
  readonly output: LockedType;
  readonly errors: Readonly<Record<string, { readonly code: string; readonly id: number; readonly type: LockedType }>>;
}

export interface Lock {
  /** Of this format. */
  readonly meridianLock: 1;
  readonly contracts: Readonly<Record<string, Readonly<Record<string, LockedMethod>>>>;
  readonly types: Readonly<Record<string, LockedNamed>>;
}

/** What contracts promise. Throws `invalid_argument` for a schema whose structure cannot be read. */
export function lockContracts(contracts: readonly AnyContract[]): Lock {
  const locker = new Locker();
  const locked: Record<string, Record<string, LockedMethod>> = {};
  for (const { name, methods } of contracts) {
    locked[name] = Object.fromEntries(Object.values(methods).map((method) => [method.name, locker.method(method)]));
  }
  return { meridianLock: 1, contracts: locked, types: Object.fromEntries(locker.types) };
}

/** Reads a lock file. Throws `invalid_argument` for what is none. */
export function readLock(text: string, path: string): Lock {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    throw new RpcError("invalid_argument", `${path} is no JSON; write it with meridian check --write`);
  }
  const lock = read as Partial<Lock> | null;
  const isLock = typeof lock === "object" && lock !== null && lock.meridianLock === 1 &&
    typeof lock.contracts === "object" && typeof lock.types === "object";
  if (!isLock) throw new RpcError("invalid_argument",
    `${path} is no lock of this version; write it with meridian check --write`);
  return lock as Lock;
}

class Locker {
  readonly types = new Map<string, LockedNamed>();
  readonly #keys = new Map<Model, string>();
  /** Of types that say the same under one name: their JSON. */
  readonly #texts = new Map<string, string>();

  method(method: AnyMethod): LockedMethod {
    const errors = Object.fromEntries(Object.entries(method.errors).map(([name, schema], i) => [name, {
      code: method.errorCodes?.[name] ?? "failed_precondition", id: method.errorIds?.[name] ?? i + 1,
      type: this.#type(requireModel(schema)),
    }]));
    return {
      kind: method.kind, wireName: method.wireName, idempotent: method.idempotent, safe: method.safe === true,
      oneway: method.oneway === true,
      http: (method.http ?? []).map(({ verb, path }) => `${verb} ${path}`),
      input: this.#type(requireModel(method.input)), output: this.#type(requireModel(method.output)), errors,
    };
  }

  #type(model: Model): LockedType {
    switch (model.kind) {
      case "scalar": return { kind: "scalar", scalar: model.scalar, ...thriftOf(model) };
      case "list": return { kind: "list", of: this.#type(model.of), ...thriftOf(model) };
      case "map": return { kind: "map", key: this.#type(model.key), value: this.#type(model.value) };
      case "nullable": return { kind: "nullable", of: this.#type(model.of) };
      case "unknown": return { kind: "unknown" };
      case "wellknown": return { kind: "wellknown", name: model.name };
      case "oneof": return {
        kind: "oneof", variants: model.variants.map((one) => this.#field({ ...one, presence: "optional" })),
      };
      case "struct": case "enum": case "union": return { kind: "named", type: this.#named(model) };
      default: return model satisfies never;
    }
  }

  #named(model: StructModel | EnumModel | UnionModel): string {
    const known = this.#keys.get(model);
    if (known !== undefined) return known;
    let key = model.name;
    for (let i = 2; this.types.has(key); i++) key = `${model.name}#${i}`;
    this.#keys.set(model, key);
    // Its place is taken before its parts are read, so that a recursive type finds itself.
    this.types.set(key, { kind: "enum", name: model.name, open: false, values: [] });
    const locked = this.#say(model);
    this.types.set(key, locked);
    // A type is read anew for every method: one that says the same is the same.
    const text = JSON.stringify(locked).replaceAll(JSON.stringify(key), '"itself"');
    const twin = this.#texts.get(`${model.name} ${text}`);
    if (twin !== undefined && key === [...this.types.keys()].at(-1)) {
      this.types.delete(key);
      this.#keys.set(model, twin);
      return twin;
    }
    this.#texts.set(`${model.name} ${text}`, key);
    return key;
  }

  #say(model: StructModel | EnumModel | UnionModel): LockedNamed {
    const { name } = model;
    if (model.kind === "union") {
      const variants = model.variants.map((one) => this.#field({ ...one, presence: "optional" }));
      return { kind: "union", name, discriminator: model.discriminator, variants };
    }
    const aliases = model.aliases === undefined ? {} : { aliases: model.aliases };
    if (model.kind === "struct") return { kind: "struct", name, ...aliases,
      fields: model.fields.map((one) => this.#field(one)) };
    const values = model.values.map((value) => ({ name: value.name, number: value.number }));
    return {
      kind: "enum", name, ...aliases, open: model.open === true, values,
      ...(model.fallback === undefined ? {} : { fallback: model.fallback }),
    };
  }

  #field(field: Pick<FieldModel,
    "name" | "number" | "model" | "presence" | "jsonName" | "protoName" | "aliases">): LockedField {
    const { name, number, presence, aliases, protoName } = field;
    const usual = protoName === undefined ? name : lowerCamel(protoName);
    return {
      name, jsonName: field.jsonName ?? usual, number, presence,
      ...(aliases === undefined ? {} : { aliases }), type: this.#type(field.model),
    };
  }
}

function thriftOf({ thrift }: { readonly thrift?: string | undefined }): { readonly thrift?: string } {
  return thrift === undefined ? {} : { thrift };
}
