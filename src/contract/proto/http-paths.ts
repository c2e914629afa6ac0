/** Paths of plain HTTP, as a contract declares them and as `google.api.http` says them in `.proto`. */
import { RpcError } from "../../core/error.ts";
import { checkPath, declaredPaths, type PathOwner } from "../http/bindings.ts";
import { memberNamed } from "../http/fields.ts";
import { type HttpPath, type HttpRule, httpVerbs, type HttpVerb, readHttpRule } from "../http/rule.ts";
import { renameFields } from "../http/template.ts";
import type { AnyMethod } from "../method.ts";
import type { Model } from "../model.ts";
import { httpRuleShape } from "./descriptor-shape.ts";
import { type HttpOption, paths } from "./file.ts";
import { ruleVerbs } from "./http-option.ts";
import { protoFieldName } from "./names.ts";

/** What a method's paths are read by. */
export type PathsOwner = Omit<PathOwner, "safe" | "input" | "output"> & {
  readonly input: Model;
  readonly output: Model;
};

/** Throws, with the place of a part of the rule: by the numbers of its fields, from the rule down. */
export type RefusePart = (path: readonly number[], why: string) => never;

/** Whether one of a rule's paths is a GET: its method changes nothing. */
export function hasGet({ get, additionalBindings = [] }: HttpOption): boolean {
  return get !== undefined || additionalBindings.some((one) => one.get !== undefined);
}

/** The rule as a contract declares it, its fields by the names of properties. Refuses what a contract cannot say. */
export function httpRuleFrom(option: HttpOption, owner: PathsOwner, refuse: RefusePart): HttpRule {
  const { additionalBindings: additional = [] } = option;
  const rules = [option, ...additional].map((one, i) => {
    const at = i === 0 ? [] : [paths.method.additional, i - 1];
    if (i > 0 && one.additionalBindings !== undefined) {
      refuse(at, "additional_bindings inside of additional_bindings; list them beside each other");
    }
    return readPath(one, at, owner, refuse);
  });
  const [first, ...others] = rules as [HttpPath, ...HttpPath[]];
  const rule = others.length === 0 ? first : { ...first, additional: others };
  // Whatever is still wrong is so of the rule as a whole.
  attempt(() => readHttpRule(rule), (why) => refuse([], why));
  return rule;
}

function readPath(one: HttpOption, at: readonly number[], owner: PathsOwner, refuse: RefusePart): HttpPath {
  const { selector, custom, body, responseBody } = one;
  if (selector !== undefined) {
    refuse([...at, numberOf("selector")], "a selector is for the configuration of services; a method's own has none");
  }
  if (custom !== undefined) {
    refuse([...at, numberOf("custom")], `the HTTP method ${JSON.stringify(custom.kind ?? "")}: paths of a contract ` +
      `have ${httpVerbs.join(", ")}`);
  }
  const verb = ruleVerbs.find((name) => one[name] !== undefined) as HttpVerb | undefined;
  if (verb === undefined) return refuse(at, `a path without an HTTP method; add one of ${httpVerbs.join(", ")}`);
  const { input, output } = owner;
  const path = {
    [verb]: renameFields(one[verb] as string, (field) => renamed(input, field, (member) => member.name)),
    ...(body !== undefined && body !== "" && { body: body === "*" ? body : nameOf(input, body) }),
    ...(responseBody !== undefined && responseBody !== "" && { responseBody: nameOf(output, responseBody) }),
  } as unknown as HttpPath;
  const said: PathOwner = { ...owner, safe: true, input: { model: input }, output: { model: output } };
  attempt(() => {
    for (const binding of readHttpRule(path)) checkPath(said, binding);
  }, (why) => refuse([...at, numberOf(verb)], why));
  return path;
}

/** The rule as `.proto` says it, its fields by their names there; undefined for a method that declares no path. */
export function httpOptionOf(method: AnyMethod): HttpOption | undefined {
  const [first, ...others] = declaredPaths(method).map(({ verb, path, body, responseBody }): HttpOption => ({
    [verb.toLowerCase()]: renameFields(path, (field) => protoNames(method.input.model, field)),
    ...(body !== undefined && { body: body === "*" ? body : protoNames(method.input.model, [body])[0] }),
    ...(responseBody !== undefined && { responseBody: protoNames(method.output.model, [responseBody])[0] }),
  }));
  return first === undefined || others.length === 0 ? first : { ...first, additionalBindings: others };
}

function protoNames(model: Model | undefined, field: readonly string[]): readonly string[] {
  return model === undefined ? field
    : renamed(model, field, ({ name, protoName }) => protoFieldName(name, protoName));
}

function nameOf(model: Model, name: string): string {
  return renamed(model, [name], (member) => member.name)[0] as string;
}

type Member = NonNullable<ReturnType<typeof memberNamed>>;

/** The same field under other names; what is not found keeps its own. */
function renamed(root: Model, field: readonly string[], name: (member: Member) => string): readonly string[] {
  let model: Model | undefined = root;
  return field.map((part) => {
    const member: Member | undefined = model === undefined ? undefined : memberNamed(model, part);
    model = member?.model;
    return member === undefined ? part : name(member);
  });
}

const numbers: ReadonlyMap<string, number> =
  new Map(Object.entries(httpRuleShape).map(([number, [name]]) => [name, Number(number)]));

function numberOf(name: string): number {
  return numbers.get(name) as number;
}

function attempt(action: () => void, refuse: (why: string) => never): void {
  try {
    action();
  } catch (error) {
    if (!RpcError.is(error)) throw error;
    refuse(error.message.replace(/^rpc: /, ""));
  }
}
