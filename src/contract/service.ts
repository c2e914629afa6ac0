/** `service` names a set of methods: the contract that client and server share. */
import { RpcError } from "../core/error.ts";
import { belongsTo } from "./contract-of.ts";
import { type AnyMethod, createMethod, type Method } from "./method.ts";
import type { Rpc } from "./rpc.ts";

/** The declarations that `service` takes. */
export type RpcDeclarations = Readonly<Record<string, AnyRpc>>;

/**
 * Any declaration. It names nothing but the mark that `rpc` sets, since the compiler would infer what it
 * names (`kind: CallKind`) into each `rpc(...)` that stands where an AnyRpc is wanted.
 */
export interface AnyRpc {
  readonly "~rpc": true;
}

/** A frozen contract. Each method's type stands alone, so that contracts of any size check in linear time. */
export interface Contract<Declarations extends RpcDeclarations = RpcDeclarations> {
  /** Fully qualified, e.g. `calc.v1.Calculator`. */
  readonly name: string;
  readonly methods: { readonly [Name in keyof Declarations]: MethodOf<Declarations[Name]> };
}

/** The method that a declaration becomes. */
export type MethodOf<R> = R extends Rpc<infer Kind, infer Input, infer Output, infer Errors>
  ? Method<Kind, Input, Output, Errors> : AnyMethod;

/** Any contract, for code that does not care for its types. */
export interface AnyContract {
  readonly name: string;
  readonly methods: Readonly<Record<string, AnyMethod>>;
}

/** Most methods of one service. */
export const maxMethods = 10_000;

const serviceNamePattern = /^[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*$/;
const methodNamePattern = /^[A-Za-z_][A-Za-z0-9_]*$/;
const maxNameLength = 255;
/** A client has these itself, or a promise or JSON would look for them. */
const reservedNames = new Set(["then", "catch", "finally", "close", "toJSON", "prototype"]);

/**
 * Makes a contract.
 *
 * ```ts
 * export const Calculator = service("calc.v1.Calculator", {
 *   add: rpc({ input: z.object({ a: z.int32(), b: z.int32() }), output: z.object({ sum: z.int32() }) }),
 * });
 * ```
 *
 * No schema is read until a codec or a validation asks for it. Throws `invalid_argument` for a name that
 * cannot be carried by every wire.
 */
export function service<const Declarations extends RpcDeclarations>(
  name: string, declarations: Declarations,
): Contract<Declarations> {
  if (typeof name !== "string" || name.length > maxNameLength || !serviceNamePattern.test(name)) {
    throw new RpcError("invalid_argument",
      `service name ${JSON.stringify(name)?.slice(0, 80)} is not dotted identifiers such as "calc.v1.Calculator"`);
  }
  const names = Object.keys(declarations);
  if (names.length > maxMethods) {
    throw new RpcError("invalid_argument", `${name} has ${names.length} methods; at most ${maxMethods} are allowed`);
  }
  const methods = Object.create(null) as Record<string, AnyMethod>;
  const seen = new Map<string, string>();
  for (const methodName of names) {
    checkMethodName(name, methodName, seen);
    const declaration = declarations[methodName] as unknown as Rpc;
    if (typeof declaration !== "object" || declaration === null || !("~rpc" in declaration)) {
      throw new RpcError("invalid_argument", `${name}/${methodName} is not made by rpc({ input, output, ... })`);
    }
    methods[methodName] = createMethod(name, methodName, declaration);
  }
  checkWireNames(name, methods);
  const contract = Object.freeze({ name, methods: Object.freeze(methods) });
  for (const method of Object.values(methods)) belongsTo(method, contract);
  return contract as unknown as Contract<Declarations>;
}

/** Servers take both names of a method, so none may be another's: calls would reach the wrong handler. */
function checkWireNames(serviceName: string, methods: Readonly<Record<string, AnyMethod>>): void {
  const byWireName = new Map<string, string>();
  for (const [name, { wireName }] of Object.entries(methods)) {
    const twin = byWireName.get(wireName) ?? (wireName !== name && wireName in methods ? wireName : undefined);
    if (twin !== undefined) {
      throw new RpcError("invalid_argument", `${serviceName}: the methods "${twin}" and "${name}" would both be ` +
        `called "${wireName}" on the wire; give one another wireName`);
    }
    byWireName.set(wireName, name);
  }
}

/** `seen` holds the names so far by their lower case: generated code in other languages changes cases. */
function checkMethodName(serviceName: string, name: string, seen: Map<string, string>): void {
  if (name.startsWith("$") || reservedNames.has(name) || name in Object.prototype) {
    throw new RpcError("invalid_argument", `${serviceName}: the method name "${name}" is reserved; choose another`);
  }
  if (name.length > maxNameLength || !methodNamePattern.test(name)) {
    throw new RpcError("invalid_argument",
      `${serviceName}: the method name ${JSON.stringify(name.slice(0, 64))} is not an identifier ` +
      "(letters, digits and _, not beginning with a digit)");
  }
  const twin = seen.get(name.toLowerCase());
  if (twin !== undefined) {
    throw new RpcError("invalid_argument",
      `${serviceName}: the methods "${twin}" and "${name}" differ only by case; rename one`);
  }
  seen.set(name.toLowerCase(), name);
}
