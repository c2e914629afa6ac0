/** `exportAvro` writes a contract as an Avro protocol (.avpr), which is also what handshakes carry. */
import { RpcError } from "../../core/error.ts";
import { pascalCase } from "../names.ts";
import type { AnyMethod } from "../method.ts";
import type { Schema } from "../schema.ts";
import type { AnyContract } from "../service.ts";
import { type AvroJson, Describer } from "./describe.ts";
import { md5 } from "./md5.ts";
import { planOf, recordPlanOf, soleParameter } from "./messages.ts";
import { readAvroProtocol } from "./parse.ts";
import type { RecordPlan } from "./plan.ts";
import type { AvroProtocol } from "./schema.ts";

/** A contract as an Avro protocol. */
export interface ContractProtocol {
  readonly contract: AnyContract;
  readonly protocol: AvroProtocol;
  /** The document in one line: what a handshake carries, and `hash` is the MD5 of. */
  readonly text: string;
  readonly hash: Uint8Array;
  /** By message: the declared errors in the order of its error union, after the text. */
  readonly errors: ReadonlyMap<string, readonly DeclaredError[]>;
  /** Methods that Avro cannot say, and why. */
  readonly omitted: ReadonlyMap<string, string>;
}

export interface DeclaredError {
  /** In the contract. */
  readonly reason: string;
  /** The error type's name, with its namespace. */
  readonly type: string;
}

const made = new WeakMap<AnyContract, ContractProtocol>();

/** The protocol of a contract, made once. Methods that Avro cannot say are left out, and told in `omitted`. */
export function protocolOf(contract: AnyContract): ContractProtocol {
  let known = made.get(contract);
  if (known === undefined) made.set(contract, known = describe(contract));
  return known;
}

export interface ExportAvroOptions {
  /**
   * Whether methods that Avro cannot say are left out rather than refused: streams, since a message of Avro has one
   * request and one response. Default false.
   */
  readonly omit?: boolean | undefined;
}

/**
 * The `.avpr` text of a contract; docs/avro.md has the mapping. Throws `invalid_argument` naming the method, and the
 * place of what cannot be said.
 */
export function exportAvro(contract: AnyContract, options: ExportAvroOptions = {}): string {
  const { text, omitted } = protocolOf(contract);
  if (options.omit !== true && omitted.size > 0) {
    const all = [...omitted].map(([name, why]) => `${name} (${why})`).join("; ");
    throw new RpcError("invalid_argument", `not expressible in Avro: ${contract.name}: ${all}`);
  }
  return `${JSON.stringify(JSON.parse(text), undefined, 2)}\n`;
}

function describe(contract: AnyContract): ContractProtocol {
  const dot = contract.name.lastIndexOf(".");
  const namespace = contract.name.slice(0, Math.max(0, dot));
  const omitted = new Map<string, string>();
  const methods = Object.values(contract.methods).filter((method) => {
    const why = unsayable(method);
    if (why !== undefined) omitted.set(method.name, why);
    return why === undefined;
  });
  const planned = errorPlans(methods, namespace);
  const describer = new Describer(namespace, true);
  const messages: Record<string, unknown> = {};
  const errors = new Map<string, readonly DeclaredError[]>();
  for (const method of methods) {
    const declared = Object.keys(method.errors).map((reason) => {
      const plan = planned(method, reason);
      return { reason, json: describer.record(plan, "error"), type: describer.nameOf(plan.name) };
    });
    errors.set(method.name, declared.map(({ reason, type }) => ({ reason, type })));
    messages[method.name] = message(method, describer, declared);
  }
  const document = {
    protocol: contract.name.slice(dot + 1),
    ...(namespace === "" ? {} : { namespace }),
    types: describer.types, messages,
    ...(omitted.size === 0 ? {} : { meridian: { omitted: Object.fromEntries(omitted) } }),
  };
  const text = JSON.stringify(document);
  return {
    contract, protocol: readAvroProtocol(document), text, hash: md5(new TextEncoder().encode(text)), errors, omitted,
  };
}

/** Why Avro cannot say a method; undefined if it can. */
function unsayable(method: AnyMethod): string | undefined {
  if (method.kind !== "unary") return `it is ${method.kind}: a message of Avro has one request and one response`;
  try {
    const types: readonly Schema[] = [method.input, method.output, ...Object.values(method.errors)];
    for (const type of types) planOf(type, "response");
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function message(
  method: AnyMethod, describer: Describer, errors: readonly { readonly reason: string; readonly json: AvroJson }[],
): Readonly<Record<string, unknown>> {
  const { description, output, idempotent, safe, criticality, timeoutMs, wireName, name } = method;
  const oneway = method.oneway === true;
  const request = recordPlanOf(method.input, "request");
  const usualName = name.slice(0, 1).toUpperCase() + name.slice(1);
  const facts = {
    ...(safe === true ? { safe } : idempotent === false ? {} : { idempotent }),
    ...(criticality === "default" ? {} : { criticality }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(wireName === usualName ? {} : { wireName }),
    ...errorFacts(method, errors),
    // The request's own name shows nowhere else but in the names of types that were derived from it.
    ...(request.shape === "struct" && request.name !== derivedName(method) ? { input: request.name } : {}),
    ...(request.shape === "value" && request.fields[0]?.name === soleParameter ? { bare: true } : {}),
  };
  return {
    ...(description === undefined ? {} : { doc: description }),
    request: describer.fields(request),
    response: oneway ? "null" : describer.schema(planOf(output, "response")),
    ...(errors.length === 0 ? {} : { errors: errors.map(({ json }) => json) }),
    ...(oneway ? { "one-way": true } : {}),
    ...(Object.keys(facts).length === 0 ? {} : { meridian: facts }),
  };
}

function derivedName({ service, name }: AnyMethod): string {
  return `${pascalCase(service.slice(service.lastIndexOf(".") + 1))}${pascalCase(name)}Input`;
}

/** What an error's type does not say: its name in the contract, and its code. */
function errorFacts(
  { errorCodes = {} }: AnyMethod, errors: readonly { readonly reason: string; readonly json: AvroJson }[],
): { readonly errors?: readonly unknown[] } {
  if (errors.length === 0) return {};
  return {
    errors: errors.map(({ reason }) => {
      const code = errorCodes[reason];
      return { reason, ...(code === undefined || code === "failed_precondition" ? {} : { code }) };
    }),
  };
}

/** An error is called as the contract calls it, as long as all methods mean the same by that. */
function errorPlans(methods: readonly AnyMethod[], namespace: string): (method: AnyMethod, reason: string) =>
  RecordPlan {
  const texts = new Map<string, Set<string>>();
  for (const method of methods) {
    for (const [reason, schema] of Object.entries(method.errors)) {
      const text = JSON.stringify(new Describer(namespace).fields(recordPlanOf(schema, "error")));
      texts.set(reason, (texts.get(reason) ?? new Set()).add(text));
    }
  }
  return (method, reason) => {
    const name = `${texts.get(reason)?.size === 1 ? "" : pascalCase(method.name)}${pascalCase(reason)}`;
    return { ...recordPlanOf(method.errors[reason] as Schema, "error"), name };
  };
}
