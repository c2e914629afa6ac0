/**
 * A Schema says, as data, what may stand at a place of the configuration: from it come the checker, the types, the
 * JSON Schema for editors, the names of environment variables, the tables in the documents, and what a reload changes.
 */
import type { Place } from "../discovery/services.ts";

interface Described {
  /** One or two sentences for people: what it is for, and its default. */
  readonly doc: string;
  /** A change of it, or of anything beneath, takes effect when the process is started anew. Default false: at once. */
  readonly restart?: boolean | undefined;
}

export interface NumberSchema extends Described {
  readonly kind: "number";
  readonly least: number;
  readonly most: number;
  readonly whole: boolean;
  /** What it counts, for messages: `milliseconds`. */
  readonly unit: string;
}

export interface TextSchema extends Described {
  readonly kind: "text";
  readonly maxChars: number;
  /** What it must look like, anchored at both ends, and how to say so: `"host:port"`. */
  readonly pattern?: { readonly source: string; readonly say: string } | undefined;
}

export interface FlagSchema extends Described {
  readonly kind: "flag";
  /** The only value that it may have: for what can be switched off, or set, in no other way. */
  readonly only?: boolean | undefined;
}

export interface ChoiceSchema extends Described {
  readonly kind: "choice";
  readonly words: readonly string[];
}

/** Something that must not be in the file itself: a reference to the environment, never the value. */
export interface SecretSchema extends Described {
  readonly kind: "secret";
}

export interface ListSchema extends Described {
  readonly kind: "list";
  readonly item: Schema;
  readonly least: number;
  readonly most: number;
}

/** A mapping whose keys are names of the user's own. */
export interface MapSchema extends Described {
  readonly kind: "map";
  readonly value: Schema;
  readonly most: number;
}

/** A mapping with known keys. */
export interface GroupSchema extends Described {
  readonly kind: "group";
  /** What it is called in messages and in the JSON Schema: `a server`. */
  readonly what: string;
  readonly fields: Readonly<Record<string, Schema>>;
  readonly required: readonly string[];
  /** Whether exactly one of the keys is given. */
  readonly one: boolean;
}

/** Either of several kinds that a value's type tells apart: `false`, or a mapping. */
export interface EitherSchema extends Described {
  readonly kind: "either";
  readonly of: readonly Schema[];
}

/** What another folder reads: it says itself what is wrong. */
export interface ForeignSchema extends Described {
  readonly kind: "foreign";
  /** For editors. */
  readonly json: Readonly<Record<string, unknown>>;
  /**
   * Calls `refuse` with a place beneath the value for each fault; what it throws is a fault of the whole. What it
   * returns takes the place of the value, if it returns anything.
   */
  check(value: unknown, refuse: (place: Place, what: string, at?: "key" | "value") => void): unknown;
  /** Whether a change needs a restart. Default: as `restart` says. */
  needsRestart?(before: unknown, after: unknown): boolean;
}

export type Schema =
  | NumberSchema | TextSchema | FlagSchema | ChoiceSchema | SecretSchema | ListSchema | MapSchema | GroupSchema
  | EitherSchema | ForeignSchema;

/** A schema that knows the type of what it takes: `takes` bears it, and no value has it. */
export type Typed<T> = Schema & { readonly takes?: T };

/** Thrown by a foreign check that goes no further: what was wrong has been told. */
export const refused = new Error("refused");

/** The type of what a schema takes. */
export type TypeOf<S> = S extends { readonly takes?: infer T } ? Exclude<T, undefined> : never;

type Fields = Readonly<Record<string, Schema>>;
type FieldsOf<F extends Fields> = { readonly [K in keyof F]?: TypeOf<F[K]> | undefined };
type GroupOf<F extends Fields, R extends keyof F> =
  Omit<FieldsOf<F>, R> & { readonly [K in R]: TypeOf<F[K]> };

/** Names of the user's own: of servers, regions, services, methods. */
export const namePattern = "[A-Za-z0-9][A-Za-z0-9_.-]{0,127}";
/** How a secret is named that stands in the environment. */
export const secretPattern = "\\$\\{env:[A-Za-z_][A-Za-z0-9_]*\\}";

interface Range {
  readonly least?: number;
  readonly most?: number;
  readonly restart?: boolean;
}

/** A number with bounds, both allowed. */
export function number(doc: string, range: Range & { readonly unit?: string } = {}): Typed<number> {
  const { least = 0, most = 1e12, restart, unit = "" } = range;
  return { kind: "number", doc, least, most, whole: false, unit, restart };
}

/** A whole number with bounds. */
export function whole(doc: string, range: Range & { readonly unit?: string } = {}): Typed<number> {
  const { least = 0, most = 1_000_000_000, restart, unit = "" } = range;
  return { kind: "number", doc, least, most, whole: true, unit, restart };
}

/** A duration in milliseconds, of a day at most. */
export function ms(doc: string, { least = 0, most = 86_400_000, restart }: Range = {}): Typed<number> {
  return { kind: "number", doc, least, most, whole: false, unit: "milliseconds", restart };
}

/** A part of a whole. */
export function share(doc: string, { least = 0, most = 1, restart }: Range = {}): Typed<number> {
  return { kind: "number", doc, least, most, whole: false, unit: "", restart };
}

interface TextOptions {
  readonly maxChars?: number;
  readonly pattern?: TextSchema["pattern"];
  readonly restart?: boolean | undefined;
}

export function text(doc: string, { maxChars = 256, pattern, restart }: TextOptions = {}): Typed<string> {
  return { kind: "text", doc, maxChars, pattern, restart };
}

/** A name of the user's own. */
export function name(doc: string, { restart }: { readonly restart?: boolean } = {}): Typed<string> {
  return text(doc, {
    maxChars: 128, restart,
    pattern: { source: namePattern, say: 'a name of letters, digits, "-", "_" and "." (at most 128)' },
  });
}

/** The path of a file, from the folder of the configuration. */
export function path(doc: string, { restart }: { readonly restart?: boolean } = {}): Typed<string> {
  return text(doc, { maxChars: 4_096, restart });
}

/** `host:port`, `[v6]:port`. */
export function address(doc: string, { restart }: { readonly restart?: boolean } = {}): Typed<string> {
  return text(doc, {
    restart,
    pattern: {
      source: "(?:unix:.+|(?:\\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9]+)?\\]|[^\\s:/\\[\\]@]+):[0-9]{1,5})",
      say: '"host:port", "[v6]:port" or "unix:/path"',
    },
  });
}

export function flag(doc: string, { restart }: { readonly restart?: boolean } = {}): Typed<boolean> {
  return { kind: "flag", doc, restart };
}

/** `false` alone. */
export function off(doc: string): Typed<false> {
  return { kind: "flag", doc, only: false };
}

export function choice<const W extends readonly string[]>(
  doc: string, words: W, { restart }: { readonly restart?: boolean } = {},
): Typed<W[number]> {
  return { kind: "choice", doc, words, restart };
}

/** `${env:NAME}`; what it holds is never read into a configuration. */
export function secret(doc: string): Typed<string> {
  return { kind: "secret", doc, restart: true };
}

export function list<T>(doc: string, item: Typed<T>, { least = 0, most = 1_000, restart }: Range = {}): Typed<
  readonly T[]
> {
  return { kind: "list", doc, item, least, most, restart };
}

export function map<T>(doc: string, value: Typed<T>, { most = 1_000, restart }: Range = {}): Typed<
  Readonly<Record<string, T>>
> {
  return { kind: "map", doc, value, most, restart };
}

interface GroupOptions<R> {
  readonly required?: readonly R[];
  readonly restart?: boolean;
}

/** A mapping with known keys; all but the `required` ones may be left out. */
export function group<F extends Fields, const R extends keyof F & string = never>(
  what: string, doc: string, fields: F, { required = [], restart }: GroupOptions<R> = {},
): Typed<GroupOf<F, R>> & { readonly fields: F } {
  return { kind: "group", what, doc, fields, required, one: false, restart };
}

/** A mapping of which exactly one key is given: the key says which kind, what stands below it how it is set. */
export function oneOf<F extends Fields>(
  what: string, doc: string, fields: F, { restart }: { readonly restart?: boolean } = {},
): Typed<FieldsOf<F>> & { readonly fields: F } {
  return { kind: "group", what, doc, fields, required: [], one: true, restart };
}

export function either<A, B>(doc: string, a: Typed<A>, b: Typed<B>): Typed<A | B> {
  return { kind: "either", doc, of: [a, b] };
}

/** `false` for without, or a mapping. */
export function orFalse<T>(doc: string, other: Typed<T>): Typed<T | false> {
  return either(doc, off("Without it."), other);
}

/** One text or a list of them. */
export function oneOrMore(doc: string, item: Typed<string>, most = 64): Typed<string | readonly string[]> {
  return either(doc, item, list(doc, item, { least: 1, most }));
}
