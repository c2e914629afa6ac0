/** Rules about whole messages and enums: numbers and names once, nothing reserved, what a syntax forbids. */
import { refuseAt } from "./parse-error.ts";
import type { EnumNode, FieldNode, FileNode, MessageNode, ReservedNode } from "./parse-tree.ts";
import { findOption } from "./link-options.ts";
import { lowerCamel } from "./names.ts";

/** Refuses what is wrong with a message's own fields. */
export function checkMessage(message: MessageNode, file: FileNode): void {
  const numbers = new Map<number, string>();
  const jsonNames = new Map<string, string>();
  for (const field of message.fields) {
    const { name, number, position } = field;
    const owner = numbers.get(number);
    if (owner !== undefined) refuseAt(position, `the fields ${owner} and ${name} both have the number ${number}`);
    numbers.set(number, name);
    checkReserved(message.reserved, field, `the message ${message.name}`);
    const range = message.extensionRanges.find(({ first, last }) => number >= first && number <= last);
    if (range !== undefined) refuseAt(position, `the number ${number} of ${name} is kept for extensions`);
    checkSyntax(field, file);
    if (file.syntax === "proto2") continue;
    const json = lowerCamel(name);
    const twin = jsonNames.get(json);
    if (twin !== undefined && findOption(field.options, "json_name") === undefined) {
      refuseAt(position, `the fields ${twin} and ${name} are both ${json} in JSON; rename one`);
    }
    jsonNames.set(json, name);
  }
  if (file.syntax === "proto3" && message.extensionRanges.length > 0) {
    refuseAt(message.extensionRanges[0]?.position ?? message.position, "proto3 has no extension ranges");
  }
}

function checkSyntax(field: FieldNode, file: FileNode): void {
  const { syntax } = file;
  if (syntax === "proto3" && field.label === "required") {
    refuseAt(field.position, `proto3 has no "required"; remove it`);
  }
  if (syntax === "proto3" && findOption(field.options, "default") !== undefined) {
    refuseAt(field.position, `proto3 has no default values; remove that of ${field.name}`);
  }
  if (syntax === "editions" && (field.label === "required" || field.label === "optional")) {
    refuseAt(field.position, `editions have no "${field.label}"; use features.field_presence`);
  }
  if (syntax === "proto2" && field.label === undefined && field.mapKey === undefined && field.oneof === undefined) {
    refuseAt(field.position, `in proto2 the field ${field.name} needs "optional", "required" or "repeated" before it`);
  }
}

/** Refuses what is wrong with an enum. */
export function checkEnum(declared: EnumNode, file: FileNode): void {
  const alias = findOption(declared.options, "allow_alias")?.value;
  const allowsAlias = alias?.kind === "identifier" && alias.text === "true";
  const owners = new Map<number, string>();
  for (const value of declared.values) {
    const owner = owners.get(value.number);
    if (owner !== undefined && !allowsAlias) {
      refuseAt(value.position,
        `${owner} and ${value.name} both have the number ${value.number}; ` +
        "set option allow_alias = true if that is meant");
    }
    owners.set(value.number, owner ?? value.name);
    checkReserved(declared.reserved, value, `the enum ${declared.name}`);
  }
  const [first] = declared.values;
  if (file.syntax === "proto3" && first !== undefined && first.number !== 0) {
    refuseAt(first.position,
      `the first value of a proto3 enum has the number 0, but ${first.name} has ${first.number}`);
  }
}

function checkReserved(
  reserved: ReservedNode, { name, number, position }: Pick<FieldNode, "name" | "number" | "position">, owner: string,
): void {
  if (reserved.names.includes(name)) refuseAt(position, `${owner} reserves the name ${name}`);
  if (reserved.ranges.some(({ first, last }) => number >= first && number <= last)) {
    refuseAt(position, `${owner} reserves the number ${number} of ${name}`);
  }
}
