/** A Method is a MethodInfo with its types: schemas for codecs, and phantom types for the compiler. */
import type { Code } from "../core/code.ts";
import { RpcError } from "../core/error.ts";
import {
  type CallKind, type Criticality, type Idempotency, type MethodInfo, nextMethodOrdinal,
} from "../core/method.ts";
import type { HttpBinding } from "./http/rule.ts";
import type { Schema } from "./schema.ts";
import { schemaOf } from "./schema-of.ts";
import { type ErrorDeclaration, type ErrorDeclarations, errorCode, errorIds, errorType, type Rpc } from "./rpc.ts";
import type { AnyType, TypeInput, TypeOutput } from "./standard.ts";
import { pascalCase } from "./names.ts";

/** The type of an error's data as a handler passes it and as a caller sees it. */
export type ErrorInput<E> = E extends { readonly code: Code; readonly data: infer D } ? TypeInput<D> : TypeInput<E>;
export type ErrorOutput<E> = E extends { readonly code: Code; readonly data: infer D } ? TypeOutput<D> : TypeOutput<E>;

export interface Method<
  Kind extends CallKind = CallKind, Input extends AnyType = AnyType, Output extends AnyType = AnyType,
  Errors extends ErrorDeclarations = ErrorDeclarations,
> extends MethodInfo {
  readonly kind: Kind;
  /** Of the request, or of each message of a request stream. Read on first use. */
  readonly input: Schema;
  /** Of the response, or of each message of a response stream. */
  readonly output: Schema;
  /** Of the data of each declared error. */
  readonly errors: Readonly<Record<string, Schema>>;
  readonly description: string | undefined;
  /** Where it is found by plain HTTP; often nowhere but at its name. */
  readonly http: readonly HttpBinding[];
  /**
   * Makes a declared error, to be thrown by a handler: `throw method.error("CityNotFound", { city })`.
   * `message` defaults to the error's name. Throws `invalid_argument` for a name that is not declared.
   */
  error<Name extends keyof Errors & string>(name: Name, data: ErrorInput<Errors[Name]>, message?: string): RpcError;
  /** The declared types; never there at run time. */
  readonly "~types"?: { readonly input: Input; readonly output: Output; readonly errors: Errors };
}

/** Makes the method `name` of `service` from its declaration. */
export function createMethod(service: string, name: string, declaration: Rpc): Method {
  return new DeclaredMethod(service, name, declaration);
}

/** A class, so that five hundred methods share their functions and a call reads fields of one shape. */
class DeclaredMethod implements Method {
  readonly service: string;
  readonly name: string;
  readonly path: string;
  readonly wireName: string;
  readonly kind: CallKind;
  readonly idempotent: Idempotency;
  readonly safe: boolean;
  readonly oneway: boolean;
  readonly criticality: Criticality;
  readonly timeoutMs: number | undefined;
  readonly routeKey: ((request: never) => string) | undefined;
  readonly ordinal: number;
  readonly description: string | undefined;
  readonly http: readonly HttpBinding[];
  readonly input: Schema;
  readonly output: Schema;
  readonly errors: Readonly<Record<string, Schema>>;
  readonly errorIds: Readonly<Record<string, number>>;
  readonly errorCodes: Readonly<Record<string, Code>>;
  readonly #errors: ErrorDeclarations;

  constructor(service: string, name: string, declaration: Rpc) {
    this.service = service;
    this.name = name;
    this.path = `${service}/${name}`;
    this.wireName = declaration.wireName ?? name.slice(0, 1).toUpperCase() + name.slice(1);
    this.kind = declaration.kind;
    this.idempotent = declaration.idempotent;
    this.safe = declaration.safe;
    this.oneway = declaration.oneway;
    this.criticality = declaration.criticality;
    this.timeoutMs = declaration.timeoutMs;
    this.routeKey = declaration.routeKey;
    this.ordinal = nextMethodOrdinal();
    this.description = declaration.description;
    this.http = declaration.http;
    const prefix = pascalCase(service.slice(service.lastIndexOf(".") + 1)) + pascalCase(name);
    this.input = schemaOf(declaration.input, `${prefix}Input`, "input");
    this.output = schemaOf(declaration.output, `${prefix}Output`, "output");
    this.#errors = declaration.errors;
    const errors = Object.create(null) as Record<string, Schema>;
    for (const [error, declared] of Object.entries(declaration.errors)) {
      errors[error] = schemaOf(errorType(declared), `${prefix}${pascalCase(error)}`, `errors.${error}`);
    }
    this.errors = Object.freeze(errors);
    this.errorIds = errorIds(declaration.errors);
    this.errorCodes = Object.freeze(Object.fromEntries(
      Object.entries(declaration.errors).map(([error, declared]) => [error, errorCode(declared)])));
    Object.freeze(this);
  }

  error(name: string, data: unknown, message: string = name): RpcError {
    const declaration: ErrorDeclaration | undefined =
      Object.hasOwn(this.#errors, name) ? this.#errors[name] : undefined;
    if (declaration === undefined) {
      const declared = Object.keys(this.#errors).join(", ") || "none";
      throw new RpcError("invalid_argument", `${this.path} declares no error ${name} (declared: ${declared})`);
    }
    return new RpcError(errorCode(declaration), message, { reason: name, data, phase: "handler" });
  }
}

/**
 * Whether `error` is the error that `method` declares as `name`; narrows `error.data` to its type.
 *
 * ```ts
 * if (isError(error, Weather.methods.forecast, "CityNotFound")) console.log(error.data.city);
 * ```
 */
export function isError<M extends AnyMethod, Name extends keyof ErrorsOf<M> & string>(
  error: unknown, method: M, name: Name,
): error is RpcError & { readonly reason: Name; readonly data: ErrorOutput<ErrorsOf<M>[Name]> } {
  return RpcError.is(error) && error.reason === name && Object.hasOwn(method.errors, name);
}

/** Any method, whatever its types: the bound that costs the compiler no comparison of schemas. */
export interface AnyMethod extends MethodInfo {
  readonly input: Schema;
  readonly output: Schema;
  readonly errors: Readonly<Record<string, Schema>>;
  /** Numbers of the declared errors, for wires that number them. Default: their places, from 1. */
  readonly errorIds?: Readonly<Record<string, number>>;
  /** The codes that the declared errors come with. */
  readonly errorCodes?: Readonly<Record<string, Code>>;
  readonly description?: string | undefined;
  readonly http?: readonly HttpBinding[] | undefined;
  readonly "~types"?: { readonly input: unknown; readonly output: unknown; readonly errors: unknown };
}

/** The declared types of a method. */
export type TypesOf<M extends AnyMethod> = NonNullable<M["~types"]>;
export type ErrorsOf<M extends AnyMethod> = TypesOf<M>["errors"];

/** What a caller passes: defaults may be absent. For streams of requests, one message. */
export type InputOf<M extends AnyMethod> = TypeInput<TypesOf<M>["input"]>;
/** What a caller receives: validated, defaults filled in. For streams of responses, one message. */
export type OutputOf<M extends AnyMethod> = TypeOutput<TypesOf<M>["output"]>;
/** What a handler receives: validated, defaults filled in. */
export type HandlerInputOf<M extends AnyMethod> = TypeOutput<TypesOf<M>["input"]>;
/** What a handler returns: defaults may be absent. */
export type HandlerOutputOf<M extends AnyMethod> = TypeInput<TypesOf<M>["output"]>;
