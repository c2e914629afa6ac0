/** The parts of a Zod 4 schema that we read, structurally: no copy of Zod is loaded to read a schema. */
import type { ScalarKind } from "../model.ts";

export interface ZodType {
  readonly _zod: {
    readonly def: ZodDef;
    /** The schema that this one was cloned from by a check or by metadata: the same structure. */
    readonly parent?: ZodType;
    readonly bag?: Readonly<Record<string, unknown>>;
    /** `optional` or `defaulted` when an absent property is accepted. */
    readonly optin?: string | undefined;
    /** What a lazy schema resolves to, memoised. */
    readonly innerType?: ZodType;
    /** The literal values of each property that could discriminate. */
    readonly propValues?: Readonly<Record<string, ReadonlySet<unknown>>>;
  };
}

export interface ZodCheck {
  readonly _zod: { readonly def: { readonly check?: string; readonly format?: string } };
}

export interface ZodDef {
  readonly type: string;
  readonly check?: string;
  readonly format?: string;
  readonly checks?: readonly ZodCheck[];
  readonly coerce?: boolean;
  readonly inclusive?: boolean;
  readonly partial?: boolean;
  readonly mode?: string;
  readonly shape?: Readonly<Record<string, ZodType>>;
  readonly catchall?: ZodType;
  readonly element?: ZodType;
  readonly innerType?: ZodType;
  readonly keyType?: ZodType;
  readonly valueType?: ZodType;
  readonly options?: readonly ZodType[];
  readonly discriminator?: string;
  readonly entries?: Readonly<Record<string, string | number>>;
  readonly values?: readonly unknown[];
  readonly items?: readonly ZodType[];
  readonly rest?: ZodType | null;
  readonly in?: ZodType;
  readonly out?: ZodType;
  readonly getter?: () => ZodType;
  readonly defaultValue?: unknown;
}

/** What Zod's global registry holds of a schema: our members beside the user's. */
export interface ZodMeta {
  /** Name of the struct, enum or union. */
  readonly id?: string;
  /** Field number, or number of a union's variant. */
  readonly field?: number;
  /** Names in `.proto` and in JSON, where they differ from the property's. */
  readonly protoName?: string;
  readonly jsonName?: string;
  /** The variants of this union are fields of the object around it. */
  readonly oneof?: boolean;
  /** The kind of a number or bigint on the wire, where Zod has no word for it. */
  readonly scalar?: ScalarKind;
  /** The message of google.protobuf that a JSON-like value is. */
  readonly wellKnown?: "google.protobuf.Struct" | "google.protobuf.Value" | "google.protobuf.ListValue";
  /** Whether a scalar stands in its wrapper of google.protobuf. */
  readonly wrapped?: boolean;
  /** Whether an enum has values beyond its names: numbers. */
  readonly open?: boolean;
  /** Numbers of an enum's values. */
  readonly numbers?: Readonly<Record<string, number>>;
  /** Earlier names of a struct or an enum, and of a field, by which Avro still finds them. */
  readonly aliases?: readonly string[];
  readonly fieldAliases?: readonly string[];
  /** Of an enum: the value that Avro's readers take for one that they do not know. */
  readonly fallback?: string;
  /** Of bytes: the fixed type of Avro that they are. */
  readonly fixed?: { readonly name: string; readonly size: number };
  /** What a `z.int32()` or a `z.array()` is in Thrift, if not an i32 or a list. */
  readonly thrift?: "i8" | "i16" | "set" | "uuid";
  readonly description?: string;
}

interface Registry {
  get(schema: unknown): ZodMeta | undefined;
  add(schema: unknown, meta: ZodMeta): unknown;
}

/** The schema as Zod's, if it is. */
export function asZod(type: unknown): ZodType | undefined {
  const internals = (type as { _zod?: { def?: { type?: unknown } } })._zod;
  return typeof internals?.def?.type === "string" ? type as ZodType : undefined;
}

/** Zod shares one registry between all of its loaded copies (since 4.1). */
export function globalRegistry(): Registry | undefined {
  return (globalThis as { __zod_globalRegistry?: Registry }).__zod_globalRegistry;
}

/** Metadata of this very schema and, but for `id`, of those it was cloned from. */
export function metaOf(schema: ZodType): ZodMeta {
  const registry = globalRegistry();
  if (registry !== undefined) return registry.get(schema) ?? {};
  return (schema as { meta?: () => ZodMeta | undefined }).meta?.() ?? {};
}

/** The name a user gave with `.meta({ id })`; Zod does not hand it on to clones, whose structure is the same. */
export function idOf(schema: ZodType): string | undefined {
  for (let at: ZodType | undefined = schema; at !== undefined; at = at._zod.parent) {
    const { id } = metaOf(at);
    if (id !== undefined) return id;
  }
  return undefined;
}

/** The first of a line of clones that differ only in checks and metadata: what a struct's identity hangs on. */
export function originOf(schema: ZodType): ZodType {
  let origin = schema;
  while (origin._zod.parent !== undefined) origin = origin._zod.parent;
  return origin;
}

/** What a lazy schema stands for. */
export function resolveLazy(schema: ZodType): ZodType {
  return schema._zod.innerType ?? (schema._zod.def.getter as () => ZodType)();
}

const wrappers: ReadonlySet<string> =
  new Set(["optional", "nullable", "default", "prefault", "nonoptional", "readonly", "catch"]);

/** The schema inside a wrapper that changes presence or nullability but not the kind of value. */
export function unwrap(schema: ZodType): ZodType | undefined {
  const { def } = schema._zod;
  if (wrappers.has(def.type)) return def.innerType;
  // The wire carries what a pipe takes in; see read.ts.
  if (def.type === "pipe" && def.in?._zod.def.type !== "transform") return def.in;
  return undefined;
}

/** A metadata member, looked for outside first: wrappers do not inherit what they wrap. */
export function findMeta<K extends keyof ZodMeta>(schema: ZodType, key: K): ZodMeta[K] | undefined {
  for (let at: ZodType | undefined = schema; at !== undefined; at = unwrap(at)) {
    const value = key === "id" ? idOf(at) as ZodMeta[K] : metaOf(at)[key];
    if (value !== undefined) return value;
  }
  return undefined;
}

/** What a field is called on wires, where the user said so. */
export function wireNames(schema: ZodType): {
  readonly protoName?: string; readonly jsonName?: string; readonly aliases?: readonly string[];
} {
  const [protoName, jsonName] = [findMeta(schema, "protoName"), findMeta(schema, "jsonName")];
  const aliases = findMeta(schema, "fieldAliases");
  return {
    ...(protoName === undefined ? {} : { protoName }), ...(jsonName === undefined ? {} : { jsonName }),
    ...(aliases === undefined ? {} : { aliases }),
  };
}

/** The width of a number or bigint: its own format, or that of a `.int()` or `.check(...)` added to it. */
export function numberFormat(def: ZodDef): string | undefined {
  return def.format ?? def.checks?.map((check) => check._zod.def.format).find((format) => format !== undefined);
}

/** Whether this is `z.json()`: a lazy union over itself, which needs no structure of its own. */
export function isJson(schema: ZodType): boolean {
  if (schema._zod.def.type !== "lazy") return false;
  const options = resolveLazy(schema)._zod.def.options;
  return options?.length === 6 && options[4]?._zod.def.element === schema && options[5]?._zod.def.valueType === schema;
}

/** The class of a `z.instanceof(Class)`, which Zod does not hand on to clones. */
export function instanceClass(schema: ZodType): unknown {
  return originOf(schema)._zod.bag?.["Class"];
}
