/** The paths of a method, checked against its types: what servers route by and clients call. */
import { RpcError } from "../../core/error.ts";
import type { CallKind } from "../../core/method.ts";
import type { AnyMethod } from "../method.ts";
import type { Model } from "../model.ts";
import { findField, type FoundField, memberNamed, membersOf } from "./fields.ts";
import type { HttpBinding } from "./rule.ts";
import { parseTemplate } from "./template.ts";

/** A binding whose fields were found. */
export interface BoundPath extends HttpBinding {
  readonly method: AnyMethod;
  /** Of the template's variables, in their order. */
  readonly fields: readonly FoundField[];
  /** Whether the contract declares it; otherwise it is the path that every method has. */
  readonly isDeclared: boolean;
}

const made = new WeakMap<AnyMethod, readonly BoundPath[]>();

/** The paths that a method declares. Throws `invalid_argument` naming the method, the template and the field. */
export function declaredPaths(method: AnyMethod): readonly BoundPath[] {
  let found = made.get(method);
  if (found === undefined) made.set(method, found = (method.http ?? []).map((binding): BoundPath => (
    { ...binding, method, fields: checkPath(method, binding), isDeclared: true })));
  return found;
}

/** The paths that every method has: `POST /package.Service/Method`, and GET for one that is safe. */
export function standardPaths(method: AnyMethod): readonly BoundPath[] {
  const names = new Set([method.wireName, method.name]);
  const takesOne = method.kind === "unary" || method.kind === "server_stream";
  return [...names].flatMap((name) => {
    const path = `/${method.service}/${name}`;
    const template = parseTemplate(path, method.path);
    const common = { path, template, responseBody: undefined, method, fields: [], isDeclared: false };
    const post: BoundPath = { ...common, verb: "POST", body: "*" };
    return method.safe === true && takesOne ? [post, { ...common, verb: "GET", body: undefined }] : [post];
  });
}

/** What of a method its paths are checked against. */
export interface PathOwner {
  /** As errors name it. */
  readonly path: string;
  readonly kind: CallKind;
  readonly safe?: boolean | undefined;
  readonly input: { readonly model: Model | undefined; readonly modelError?: Error | undefined };
  readonly output: { readonly model: Model | undefined };
}

/** The fields of a binding's variables. Throws `invalid_argument` naming the method, the template and the field. */
export function checkPath(method: PathOwner, binding: HttpBinding): readonly FoundField[] {
  const { verb, path, template, body, responseBody } = binding;
  const refuse = (why: string): RpcError =>
    new RpcError("invalid_argument", `${method.path}: http ${verb} ${path}: ${why}`);
  if (verb === "GET" && method.safe !== true) {
    throw refuse("GET may be repeated by links, crawlers and caches: declare the method safe: true, or use POST");
  }
  const streams = method.kind === "client_stream" || method.kind === "bidi_stream";
  if (streams && (body !== "*" || template.variables.length > 0)) {
    throw refuse("the requests of a stream are lines of the body: it needs body: \"*\" and a path without fields");
  }
  const input = method.input.model;
  const needsModel = template.variables.length > 0 || (body !== "*" && body !== undefined) || body === undefined;
  if (input === undefined && needsModel) {
    throw refuse(`the structure of its input is unknown (${method.input.modelError?.message ?? "no model"}); ` +
      "use a Zod 4 type, or body: \"*\" and a path without fields");
  }
  const fields = template.variables.map(({ field }) => variableField(input as Model, field, refuse));
  if (body !== undefined && body !== "*") {
    if (memberNamed(input as Model, body) === undefined) throw refuse(missing("body", body, input));
    if (template.variables.some(({ field }) => memberNamed(input as Model, field[0] ?? "") ===
      memberNamed(input as Model, body))) throw refuse(`${body} is in the path and the body`);
  }
  if (responseBody !== undefined) {
    if (method.kind !== "unary" && method.kind !== "client_stream") {
      throw refuse("responseBody is for one response, not for streams");
    }
    const output = method.output.model;
    if (output === undefined || memberNamed(output, responseBody) === undefined) {
      throw refuse(missing("responseBody", responseBody, output));
    }
  }
  return fields;
}

function variableField(input: Model, path: readonly string[], refuse: (why: string) => RpcError): FoundField {
  const name = path.join(".");
  const found = findField(input, path);
  if (found === undefined) throw refuse(missing("the template", name, input));
  if (found.isList || found.kind === "none") {
    throw refuse(`the field ${name} is ${found.isList ? "a list" : `a ${found.model.kind}`}; ` +
      "a path holds scalars and enums alone");
  }
  return found;
}

function missing(what: string, name: string, model: Model | undefined): string {
  const names = model === undefined ? undefined : membersOf(model)?.map((one) => one.name).join(", ");
  return `${what} names ${JSON.stringify(name)}, ${names === undefined ? "but the type is no object"
    : `but the fields are ${names}`}`;
}
