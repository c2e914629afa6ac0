/** `option (google.api.http)` as it stands in `.proto`: where plain HTTP finds a method. */
import { httpRuleShape } from "./descriptor-shape.ts";
import type { HttpOption } from "./file.ts";
import { snake } from "./names.ts";
import { type Position, refuseAt } from "./parse-error.ts";
import type { AggregateField, OptionNode, OptionValue } from "./parse-tree.ts";

/** The verbs of a rule, of which it has one, in the order of google/api/http.proto. */
export const ruleVerbs = ["get", "put", "post", "delete", "patch", "custom"] as const;

/** The members of a rule by their names in `.proto`. */
const members: ReadonlyMap<string, { readonly name: string; readonly number: number }> = new Map(
  Object.entries(httpRuleShape).map(([number, [name]]) => [snake(name), { name, number: Number(number) }]));

/** Where a part of the rule stands, by the numbers of fields and the indices from the rule down. */
type Locate = (path: readonly number[], position: Position) => void;

/** Whether an option is `(google.api.http)` or a part of it. */
export function isHttpOption({ name: [first] }: OptionNode): boolean {
  return first?.isExtension === true && first.text.replace(/^\./, "") === "google.api.http";
}

/**
 * The rule that the options say, whole (`= { get: "/v1/a" }`) or part by part (`.get = "/v1/a"`); undefined without
 * any. Refuses what `google.api.HttpRule` does not have, and two rules for one method.
 */
export function readHttpOption(nodes: readonly OptionNode[], locate: Locate): HttpOption | undefined {
  const [first] = nodes;
  if (first === undefined) return undefined;
  locate([], first.position);
  const fields = nodes.flatMap(({ name: [, ...parts], value, position }): readonly AggregateField[] => {
    if (parts.length === 0) {
      if (nodes.length > 1) refuseAt(position, "the option (google.api.http) is there twice; use additional_bindings");
      return fieldsOf(value, position, "(google.api.http)");
    }
    // `(google.api.http).custom.kind = "HEAD"` is a message inside of a message.
    return [parts.toReversed().reduce<AggregateField>(
      (inner, { text, isExtension }) => ({
        name: text, isExtension, position,
        value: inner.name === "" ? inner.value : { kind: "message", fields: [inner] },
      }),
      { name: "", isExtension: false, position, value })];
  });
  return readRule(fields, [], locate);
}

function readRule(fields: readonly AggregateField[], path: readonly number[], locate: Locate): HttpOption {
  const rule: Record<string, unknown> = {};
  const additional: HttpOption[] = [];
  for (const { name, isExtension, value, position } of fields) {
    const member = isExtension ? undefined : members.get(name);
    if (member === undefined) {
      refuseAt(position, `google.api.http has no ${name}; it has ${[...members.keys()].join(", ")}`);
    }
    if (name === "additional_bindings") {
      for (const one of value.kind === "list" ? value.values : [value]) {
        const at = [...path, member.number, additional.length];
        locate(at, position);
        additional.push(readRule(fieldsOf(one, position, name), at, locate));
      }
      continue;
    }
    const other = ruleVerbs.find((verb) => rule[verb] !== undefined);
    const isVerb = (ruleVerbs as readonly string[]).includes(name);
    if (isVerb && other !== undefined && (other !== name || name !== "custom")) {
      refuseAt(position, `the path has ${name} beside ${other}; further paths are additional_bindings`);
    }
    if (rule[member.name] !== undefined && name !== "custom") refuseAt(position, `${name} is there twice`);
    locate([...path, member.number], position);
    rule[member.name] = name === "custom" ? { ...rule["custom"] as object | undefined, ...readCustom(value, position) }
      : textOf(value, position, name);
  }
  return { ...rule, ...(additional.length > 0 && { additionalBindings: additional }) };
}

function readCustom(value: OptionValue, position: Position): HttpOption["custom"] {
  return Object.fromEntries(fieldsOf(value, position, "custom").map((field) => {
    const isKnown = !field.isExtension && (field.name === "kind" || field.name === "path");
    if (!isKnown) refuseAt(field.position, `custom has no ${field.name}; it has kind, path`);
    return [field.name, textOf(field.value, field.position, field.name)];
  }));
}

function fieldsOf(value: OptionValue, position: Position, name: string): readonly AggregateField[] {
  return value.kind === "message" ? value.fields : refuseAt(position, `${name} is a message in braces`);
}

function textOf(value: OptionValue, position: Position, name: string): string {
  return value.kind === "string" ? value.text : refuseAt(position, `${name} of google.api.http is a string in quotes`);
}

/** The lines of a rule between its braces. */
export function printHttpOption(rule: HttpOption, indent: string): string[] {
  const text = (name: keyof HttpOption): string[] => (
    rule[name] === undefined ? [] : [`${indent}${snake(name)}: ${JSON.stringify(rule[name])}`]);
  const { custom, additionalBindings = [] } = rule;
  return [
    ...text("selector"), ...text("get"), ...text("put"), ...text("post"), ...text("delete"), ...text("patch"),
    ...(custom === undefined ? []
      : [`${indent}custom { kind: ${JSON.stringify(custom.kind)} path: ${JSON.stringify(custom.path)} }`]),
    ...text("body"), ...text("responseBody"),
    ...additionalBindings.flatMap((one) => (
      [`${indent}additional_bindings {`, ...printHttpOption(one, `${indent}  `), `${indent}}`])),
  ];
}
