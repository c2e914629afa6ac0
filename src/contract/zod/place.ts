/** A Place is where the reader of a schema stands: its path for messages, and a name for what has none. */
import type { EnumModel, Model, ScalarKind, ScalarModel, StructModel, UnionModel } from "../model.ts";
import { pascalCase } from "../names.ts";
import type { ZodType } from "./def.ts";

export interface Place {
  /** For messages: `input.address.tags[]`. */
  readonly path: string;
  /** What an anonymous type here is called. */
  readonly name: string;
  readonly depth: number;
  /** Whether an absent value is accounted for, as it is for a property of a struct. */
  readonly mayBeAbsent: boolean;
  readonly scope: Scope;
}

/** What is known below one named type, so that names do not depend on what was read before. */
export interface Scope {
  readonly names: Set<string>;
  /** By a schema's origin. */
  readonly models: Map<ZodType, NamedModel>;
  readonly reading: Reading;
}

/** One reading of a schema. */
export interface Reading {
  /** Named types of this reading, which become everybody's only when all of it has succeeded. */
  readonly named: Map<ZodType, NamedModel>;
  /** Reads an inner schema; handed down so that the readers of kinds need not import the reader of all. */
  read(schema: ZodType, place: Place): Model;
}

/** Reads an inner schema at `place`. */
export function readAt(schema: ZodType, place: Place): Model {
  return place.scope.reading.read(schema, place);
}

/** The place below `place`: `suffix` for the path, `name` for anonymous types. */
export function below(place: Place, suffix: string, name: string, mayBeAbsent = false): Place {
  return {
    path: place.path + suffix, name: place.name + pascalCase(name), depth: place.depth + 1, mayBeAbsent,
    scope: place.scope,
  };
}

/** Types with an `id` by the origin of their schema: one model, whichever method reads it first. */
const shared = new WeakMap<ZodType, NamedModel>();

export type NamedModel = StructModel | EnumModel | UnionModel;

/** The model that was already read, or is being read, of a schema of this origin. */
export function knownModel(origin: ZodType, id: string | undefined, place: Place): NamedModel | undefined {
  if (id === undefined) return place.scope.models.get(origin);
  const known = place.scope.reading.named.get(origin) ?? shared.get(origin);
  return known?.name === id ? known : undefined;
}

/** Keeps a model before its parts are read, so that a recursive type finds itself. */
export function keepModel(origin: ZodType, id: string | undefined, place: Place, model: NamedModel): void {
  if (id === undefined) place.scope.models.set(origin, model);
  else place.scope.reading.named.set(origin, model);
}

/** Makes the named types of a reading that succeeded everybody's. */
export function shareModels(reading: Reading): void {
  for (const [origin, model] of reading.named) if (!shared.has(origin)) shared.set(origin, model);
}

/** Where the parts of a named type are read: names below it do not depend on where it is used. */
export function inside(place: Place, id: string | undefined, name: string): Place {
  if (id === undefined) return { ...place, name };
  const scope: Scope = { names: new Set(), models: new Map(), reading: place.scope.reading };
  return { ...place, name: pascalCase(id), scope };
}

const scalars = new Map<ScalarKind, ScalarModel>();

/** Shared, since scalars have no identity. */
export function scalar(kind: ScalarKind): ScalarModel {
  let model = scalars.get(kind);
  if (model === undefined) scalars.set(kind, model = Object.freeze({ kind: "scalar", scalar: kind }));
  return model;
}

/** Literals of one type are a scalar or an enum; null among them makes it nullable. */
export function nullable(of: Model): Model {
  const hasNull = of.kind === "nullable" || of.kind === "unknown" ||
    (of.kind === "wellknown" && of.name === "google.protobuf.Value");
  return hasNull ? of : { kind: "nullable", of };
}
