/** `rpc` declares one method of a service: its shape, its types, and what layers may assume of it. */
import type { CallKind, Criticality, Idempotency } from "../core/method.ts";
import { type Code, codeFromNumber, codeNumber } from "../core/code.ts";
import { RpcError } from "../core/error.ts";
import { type HttpBinding, type HttpRule, readHttpRule } from "./http/rule.ts";
import { isType } from "./schema-of.ts";
import type { AnyType, TypeInput } from "./standard.ts";

/** An error that a method declares: the type of its data, with a code if the default does not fit. */
export type ErrorDeclaration = AnyType | {
  readonly code: Code;
  readonly data: AnyType;
  /** Its number where a wire numbers errors (Thrift): 1 to 32,767. Default: its place among the declared, from 1. */
  readonly id?: number | undefined;
};

declare const none: unique symbol;
/** The errors of a method that declares none. */
export type NoErrors = { readonly [none]?: never };

/** The errors of a method by name. */
export type ErrorDeclarations = Readonly<Record<string, ErrorDeclaration>>;

export interface RpcOptions<
  Kind extends CallKind, Input extends AnyType, Output extends AnyType, Errors extends ErrorDeclarations,
> {
  /** Default `unary`. */
  readonly kind?: Kind;
  /**
   * The method's name in `.proto` and in the paths of gRPC, gRPC-Web and Connect. Default: its name in the
   * contract with an upper-case first letter. Servers take both.
   */
  readonly wireName?: string;
  /** The type of the request, or of each message of a request stream. */
  readonly input: Input;
  /** The type of the response, or of each message of a response stream. */
  readonly output: Output;
  /** How a repeat behaves; see {@link Idempotency}. Default `false`: never repeated once it may have run. */
  readonly idempotent?: Idempotency;
  /**
   * Whether a call changes nothing, so that it may be made by GET, by a link or a crawler too, and be answered from a
   * cache. Implies `idempotent: true`. Default false.
   */
  readonly safe?: boolean;
  /**
   * Errors that a handler throws with `method.error(name, data)`. Each is a type, which then comes with the
   * code `failed_precondition`, or `{ code, data }`.
   */
  readonly errors?: Errors;
  /**
   * Whether wires that can (Thrift, Avro) send no reply, so that the call is over for its caller once it has been sent;
   * other wires answer as ever. Only of unary methods without declared errors, whose output is `z.object({})`. Default
   * false.
   */
  readonly oneway?: boolean;
  /** Timeout of a call that names none, in milliseconds. Default none. */
  readonly timeoutMs?: number;
  /** Who is shed first when there is not enough for all. Default `default`. */
  readonly criticality?: Criticality;
  /**
   * Reads from the request the key by which regions and shards are chosen. It sees what the caller passed,
   * before defaults and transforms, on the client and in gateways alike.
   */
  readonly routeKey?: (input: TypeInput<Input>) => string;
  /** For people: goes into exported IDLs. */
  readonly description?: string;
  /** Where it is found by plain HTTP, beside `/package.Service/Method`: docs/http-json.md. */
  readonly http?: HttpRule;
}

/** A declared method before a service gave it its name. */
export interface Rpc<
  Kind extends CallKind = CallKind, Input extends AnyType = AnyType, Output extends AnyType = AnyType,
  Errors extends ErrorDeclarations = ErrorDeclarations,
> {
  /** Marks what `rpc` made. */
  readonly "~rpc": true;
  readonly kind: Kind;
  readonly wireName: string | undefined;
  readonly input: Input;
  readonly output: Output;
  readonly errors: Errors;
  readonly idempotent: Idempotency;
  readonly safe: boolean;
  readonly oneway: boolean;
  readonly timeoutMs: number | undefined;
  readonly criticality: Criticality;
  readonly routeKey: ((request: never) => string) | undefined;
  readonly description: string | undefined;
  readonly http: readonly HttpBinding[];
}

const noPaths: readonly HttpBinding[] = Object.freeze([]);
const kinds: readonly string[] = ["unary", "server_stream", "client_stream", "bidi_stream"];
const criticalities: readonly string[] = ["critical", "default", "sheddable"];
const idempotencies: readonly unknown[] = [true, false, "keyed"];
const wireNamePattern = /^[A-Za-z_][A-Za-z0-9_]{0,254}$/;
const errorNamePattern = /^[A-Za-z][A-Za-z0-9_]{0,127}$/;
/** 24.8 days: what fits a 32-bit number of milliseconds. */
const maxTimeoutMs = 2 ** 31 - 1;

/**
 * Declares a method.
 *
 * ```ts
 * rpc({ input: z.object({ a: z.int32() }), output: z.object({ b: z.int32() }), idempotent: true })
 * ```
 *
 * Throws `invalid_argument` naming the option that is wrong.
 */
export function rpc<
  Input extends AnyType, Output extends AnyType, Kind extends CallKind = "unary",
  Errors extends ErrorDeclarations = NoErrors,
>(options: RpcOptions<Kind, Input, Output, Errors>): Rpc<Kind, Input, Output, Errors> {
  const { kind = "unary" as Kind, safe = false, criticality = "default", timeoutMs, routeKey } = options;
  const { idempotent = safe } = options;
  if (!kinds.includes(kind)) refuse("kind", kind, `one of ${kinds.join(", ")}`);
  if (!idempotencies.includes(idempotent)) refuse("idempotent", idempotent, `true, false or "keyed"`);
  if (typeof safe !== "boolean") refuse("safe", safe, "true or false");
  if (safe && idempotent !== true) refuse("idempotent", idempotent, "true, as of every method that is safe");
  if (!criticalities.includes(criticality)) refuse("criticality", criticality, `one of ${criticalities.join(", ")}`);
  if (timeoutMs !== undefined && !(timeoutMs > 0 && timeoutMs <= maxTimeoutMs)) {
    refuse("timeoutMs", timeoutMs, `milliseconds, above 0 and at most ${maxTimeoutMs}`);
  }
  if (routeKey !== undefined && typeof routeKey !== "function") refuse("routeKey", routeKey, "a function");
  if (options.wireName !== undefined && !wireNamePattern.test(options.wireName)) {
    refuse("wireName", options.wireName, "an identifier of at most 255 letters, digits and _");
  }
  requireType("input", options.input);
  requireType("output", options.output);
  const errors = options.errors ?? ({} as Errors);
  for (const [name, declaration] of Object.entries(errors)) checkError(name, declaration);
  errorIds(errors);
  const { oneway = false } = options;
  if (typeof oneway !== "boolean") refuse("oneway", oneway, "true or false");
  if (oneway && (kind !== "unary" || Object.keys(errors).length > 0)) {
    refuse("oneway", oneway, "a unary method that declares no errors: nobody would be told");
  }
  return Object.freeze({
    "~rpc": true as const, kind, wireName: options.wireName, input: options.input, output: options.output,
    errors: Object.freeze({ ...errors }), idempotent, safe, oneway, criticality, timeoutMs, routeKey,
    description: options.description, http: options.http === undefined ? noPaths : readHttpRule(options.http),
  });
}

function checkError(name: string, declaration: ErrorDeclaration): void {
  if (!errorNamePattern.test(name)) refuse("errors", name, "names of letters, digits and _ that begin with a letter");
  const option = `errors.${name}`;
  if (typeof declaration !== "object" && typeof declaration !== "function") requireType(option, declaration);
  requireType(option, errorType(declaration));
  const code = errorCode(declaration);
  // A name that has no number of its own reads as that of "unknown".
  if (codeFromNumber(codeNumber(code)) !== code) refuse(`${option}.code`, code, "a status code such as not_found");
}

/** The type of a declared error's data. */
export function errorType(declaration: ErrorDeclaration): AnyType {
  return "data" in declaration && !isType(declaration) ? declaration.data : declaration;
}

/** The numbers of a method's declared errors, by name. Throws `invalid_argument` where two have the same. */
export function errorIds(errors: ErrorDeclarations): Readonly<Record<string, number>> {
  const ids = Object.create(null) as Record<string, number>;
  for (const [i, [name, declaration]] of Object.entries(errors).entries()) {
    const id = ("id" in declaration && !isType(declaration) ? declaration.id : undefined) ?? i + 1;
    if (!Number.isInteger(id) || id < 1 || id > 32_767 || Object.values(ids).includes(id)) {
      refuse(`errors.${name}.id`, id, "a number from 1 to 32767 that no other error of the method has");
    }
    ids[name] = id;
  }
  return ids;
}

/** The code that a declared error comes with. */
export function errorCode(declaration: ErrorDeclaration): Code {
  return "code" in declaration && !isType(declaration) ? declaration.code : "failed_precondition";
}

function requireType(option: string, type: unknown): void {
  if (isType(type)) return;
  refuse(option, type, "a Zod 4 schema or another Standard Schema (an object with a ~standard member)");
}

function refuse(option: string, got: unknown, wanted: string): never {
  const shown = typeof got === "string" ? JSON.stringify(got.slice(0, 64)) : String(got).slice(0, 64);
  throw new RpcError("invalid_argument", `rpc: ${option} is ${shown}, expected ${wanted}`);
}
