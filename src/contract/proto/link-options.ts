/** Options by their meaning: those of descriptor.proto as values, custom ones told apart. */
import { RpcError } from "../../core/error.ts";
import type { Options } from "./file.ts";
import { type Position, refuseAt } from "./parse-error.ts";
import { type OptionNode, optionName, type OptionValue } from "./parse-tree.ts";
import { lowerCamel } from "./names.ts";

/** What an option's value may be: a type, or an enum's names in the order of their numbers. */
type OptionType = "bool" | "string" | "any" | { readonly [name: string]: number };

const features: Readonly<Record<string, { readonly [name: string]: number }>> = {
  field_presence: { EXPLICIT: 1, IMPLICIT: 2, LEGACY_REQUIRED: 3 },
  enum_type: { OPEN: 1, CLOSED: 2 },
  repeated_field_encoding: { PACKED: 1, EXPANDED: 2 },
  utf8_validation: { VERIFY: 2, NONE: 3 },
  message_encoding: { LENGTH_PREFIXED: 1, DELIMITED: 2 },
  json_format: { ALLOW: 1, LEGACY_BEST_EFFORT: 2 },
};

const all = (type: OptionType, ...names: string[]): Record<string, OptionType> =>
  Object.fromEntries(names.map((name) => [name, type]));
const common = all("bool", "deprecated");

/** The built-in options of each kind of declaration. */
export const builtInOptions = {
  file: {
    ...common,
    ...all("string", "java_package", "java_outer_classname", "go_package", "objc_class_prefix", "csharp_namespace",
      "swift_prefix", "php_class_prefix", "php_namespace", "php_metadata_namespace", "ruby_package"),
    ...all("bool", "java_multiple_files", "java_generate_equals_and_hash", "java_string_check_utf8",
      "cc_generic_services", "java_generic_services", "py_generic_services", "php_generic_services",
      "cc_enable_arenas"),
    optimize_for: { SPEED: 1, CODE_SIZE: 2, LITE_RUNTIME: 3 },
  },
  message: {
    ...common,
    ...all("bool", "message_set_wire_format", "no_standard_descriptor_accessor", "map_entry",
      "deprecated_legacy_json_field_conflicts"),
  },
  field: {
    ...common, ...all("bool", "packed", "lazy", "unverified_lazy", "weak", "debug_redact"),
    ctype: { STRING: 0, CORD: 1, STRING_PIECE: 2 },
    jstype: { JS_NORMAL: 0, JS_STRING: 1, JS_NUMBER: 2 },
    retention: { RETENTION_UNKNOWN: 0, RETENTION_RUNTIME: 1, RETENTION_SOURCE: 2 },
    ...all("any", "targets", "edition_defaults", "feature_support"),
  },
  oneof: {},
  extensionRange: { ...all("any", "declaration", "verification") },
  enum: { ...common, ...all("bool", "allow_alias", "deprecated_legacy_json_field_conflicts") },
  enumValue: { ...common, ...all("bool", "debug_redact"), ...all("any", "feature_support") },
  service: { ...common },
  method: { ...common, idempotency_level: { IDEMPOTENCY_UNKNOWN: 0, NO_SIDE_EFFECTS: 1, IDEMPOTENT: 2 } },
} as const satisfies Readonly<Record<string, Readonly<Record<string, OptionType>>>>;

export type OptionPlace = keyof typeof builtInOptions;

/** An option that descriptor.proto does not define. */
export interface CustomOption {
  readonly position: Position;
  readonly name: string;
}

/** The built-in ones among `nodes`; the custom ones go to `custom`. Refuses unknown names and wrong values. */
export function readOptions(
  nodes: readonly OptionNode[], place: OptionPlace, custom: CustomOption[],
): Record<string, unknown> | undefined {
  const options: Record<string, unknown> = {};
  const seen = new Set<string>();
  for (const node of nodes) {
    const name = optionName(node);
    const [first, second] = node.name;
    if (first === undefined || first.isExtension || second?.isExtension === true) {
      custom.push({ position: node.position, name });
      continue;
    }
    if (place === "field" && (name === "default" || name === "json_name")) continue;
    const type = (builtInOptions[place] as Readonly<Record<string, OptionType>>)[name];
    const isRepeated = type === "any";
    if (seen.has(name) && !isRepeated) refuseAt(node.position, `the option ${name} is there twice`);
    seen.add(name);
    if (first.text === "features") readFeatures(node, options);
    else if (type === undefined || !Object.hasOwn(builtInOptions[place], name)) {
      refuseAt(node.position, `the option ${name} is unknown here; custom options stand in parentheses`);
    } else if (!isRepeated) options[lowerCamel(name)] = valueOf(node.value, type, node.position, name);
  }
  return Object.keys(options).length > 0 ? options : undefined;
}

/** `features.field_presence = IMPLICIT` or `features = { field_presence: IMPLICIT }`. */
function readFeatures(node: OptionNode, options: Record<string, unknown>): void {
  const set = { ...options["features"] as Record<string, number> | undefined };
  const add = (name: string, value: OptionValue, position: Position): void => {
    const type = Object.hasOwn(features, name) ? features[name] : undefined;
    if (type === undefined) {
      refuseAt(position, `the feature ${name} is unknown; use ${Object.keys(features).join(", ")}`);
    }
    set[lowerCamel(name)] = valueOf(value, type, position, name) as number;
  };
  if (node.name.length === 2) add(node.name[1]?.text ?? "", node.value, node.position);
  else if (node.name.length === 1 && node.value.kind === "message") {
    for (const { name, value, position, isExtension } of node.value.fields) {
      if (!isExtension) add(name, value, position);
    }
  } else refuseAt(node.position, "features are set one by one: features.field_presence = IMPLICIT");
  options["features"] = set;
}

function valueOf(value: OptionValue, type: OptionType, position: Position, name: string): unknown {
  if (type === "string") {
    return value.kind === "string" ? value.text : refuseAt(position, `the option ${name} is a string in quotes`);
  }
  if (type === "bool") {
    const isBool = value.kind === "identifier" && (value.text === "true" || value.text === "false");
    return isBool ? value.text === "true" : refuseAt(position, `the option ${name} is true or false`);
  }
  if (type === "any") return undefined;
  const number = value.kind === "identifier" && Object.hasOwn(type, value.text) ? type[value.text] : undefined;
  return number ?? refuseAt(position, `the option ${name} is one of ${Object.keys(type).join(", ")}`);
}

/** The option of this name among a field's, for `json_name` and `default`, which are no options in a descriptor. */
export function findOption(nodes: readonly OptionNode[], name: string): OptionNode | undefined {
  return nodes.find((node) => node.name.length === 1 && node.name[0]?.text === name && !node.name[0].isExtension);
}

/** The built-in options by their names in `.proto`, enums as names; features one by one. */
export function optionValues(
  options: Options | undefined, place: OptionPlace,
): [name: string, value: string | boolean][] {
  const found: [string, string | boolean][] = [];
  const add = (name: string, value: unknown, type: OptionType): void => {
    if (value === undefined || type === "any") return;
    const shown = typeof type === "object" ? Object.keys(type).find((key) => type[key] === value) : value;
    if (typeof shown === "string" || typeof shown === "boolean") found.push([name, shown]);
  };
  for (const [name, type] of Object.entries<OptionType>(builtInOptions[place])) {
    add(name, options?.[lowerCamel(name)], type);
  }
  const set = (options?.["features"] ?? {}) as Readonly<Record<string, unknown>>;
  for (const [name, type] of Object.entries(features)) add(`features.${name}`, set[lowerCamel(name)], type);
  return found;
}

/** The reverse of {@link optionValues}. Throws `invalid_argument` for what is no built-in option. */
export function optionsFrom(values: Readonly<Record<string, unknown>>, place: OptionPlace): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(values)) {
    const isFeature = name.startsWith("features.");
    const table: Readonly<Record<string, OptionType>> = isFeature ? features : builtInOptions[place];
    const key = name.replace(/^features\./, "");
    const type = Object.hasOwn(table, key) ? table[key] : undefined;
    const read = typeof type === "object" ? (Object.hasOwn(type, String(value)) ? type[String(value)] : undefined)
      : typeof value === (type === "bool" ? "boolean" : "string") ? value : undefined;
    if (read === undefined) {
      throw new RpcError("invalid_argument", `${name} = ${JSON.stringify(value)} is no option of a ${place} in .proto`);
    }
    if (isFeature) options["features"] = { ...options["features"] as object | undefined, [lowerCamel(key)]: read };
    else options[lowerCamel(key)] = read;
  }
  return options;
}

/** An option as it stands in `.proto`: `["java_package", "\"a.b\""]`. */
export function printOptions(options: Options | undefined, place: OptionPlace): [name: string, value: string][] {
  const types: Readonly<Record<string, OptionType>> = builtInOptions[place];
  return optionValues(options, place).map(([name, value]) => (
    [name, types[name] === "string" ? JSON.stringify(value) : String(value)]));
}
