/** The bodies of messages, enums and extensions. */
import type { Opening, TokenCursor } from "./parse-cursor.ts";
import { type Position, refuseAt } from "./parse-error.ts";
import { parseBracketed, parseOptionStatement } from "./parse-option.ts";
import type {
  EnumNode, EnumValueNode, ExtendNode, ExtensionRangeNode, FieldNode, MessageNode, OneofNode, OptionNode, RangeNode,
} from "./parse-tree.ts";

/** Deepest nesting of messages in messages, as in protoc. */
export const maxMessageDepth = 31;

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer I)[] ? I[] : T[K] };

/** What decides how a body reads: the file's syntax. */
export interface Syntax {
  readonly syntax: "proto2" | "proto3" | "editions";
}

const scalarNames: ReadonlySet<string> = new Set([
  "double", "float", "int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64", "sfixed32",
  "sfixed64", "bool", "string", "bytes",
]);

/** Whether a type's name is that of a scalar. */
export function isScalarName(name: string): boolean {
  return scalarNames.has(name);
}

/** `message Name { … }` whose keyword is next. */
export function parseMessage(cursor: TokenCursor, syntax: Syntax, depth: number): MessageNode {
  const opening = cursor.opening();
  cursor.expect("message");
  const name = cursor.identifier("the name of a message");
  return parseMessageBody(cursor, syntax, depth, name, opening);
}

function parseMessageBody(
  cursor: TokenCursor, syntax: Syntax, depth: number, name: string, opening: Opening,
): MessageNode {
  if (depth > maxMessageDepth) refuseAt(opening.position, `messages nested deeper than ${maxMessageDepth}`);
  const reserved = { ranges: [] as RangeNode[], names: [] as string[] };
  const message: Mutable<MessageNode> = {
    ...cursor.declared(opening, cursor.expect("{")), name, fields: [], oneofs: [], messages: [], enums: [],
    extensions: [], extensionRanges: [], reserved, options: [], detached: [...opening.token.detached],
  };
  while (!cursor.take("}")) parseMember(cursor, syntax, depth, message, reserved);
  return message;
}

function parseMember(
  cursor: TokenCursor, syntax: Syntax, depth: number, message: Mutable<MessageNode>,
  reserved: { ranges: RangeNode[]; names: string[] },
): void {
  if (cursor.take(";")) return;
  const isDeclaration = cursor.second.kind === "identifier";
  if (cursor.at("message") && isDeclaration) message.messages.push(parseMessage(cursor, syntax, depth + 1));
  else if (cursor.at("enum") && isDeclaration) message.enums.push(parseEnum(cursor, syntax));
  else if (cursor.at("extend")) message.extensions.push(parseExtend(cursor, syntax, depth, message.messages));
  else if (cursor.at("option")) message.options.push(parseOptionStatement(cursor));
  else if (cursor.at("oneof") && isDeclaration) parseOneof(cursor, syntax, depth, message);
  else if (cursor.at("extensions")) message.extensionRanges.push(...parseExtensionRanges(cursor));
  else if (cursor.at("reserved")) parseReserved(cursor, "fields", syntax, reserved);
  else message.fields.push(parseField(cursor, syntax, depth, message.messages, undefined));
}

/** A field, a map field, or a group, whose message goes to `groups`. */
function parseField(
  cursor: TokenCursor, syntax: Syntax, depth: number, groups: MessageNode[], oneof: number | undefined,
): FieldNode {
  const opening = cursor.opening();
  const label = parseLabel(cursor, oneof);
  if (cursor.at("map") && cursor.second.text === "<") return parseMap(cursor, opening, label, oneof);
  const typePosition = cursor.position;
  if (cursor.at("group") && cursor.second.kind === "identifier" && /^[A-Z]/.test(cursor.second.text)) {
    return parseGroup(cursor, syntax, depth, { opening, label, oneof, groups });
  }
  const type = cursor.dotted("the type of a field", true);
  const name = cursor.identifier("the name of a field");
  cursor.expect("=");
  const number = cursor.fieldNumber();
  const options = parseBracketed(cursor);
  const declared = cursor.declared(opening, cursor.expect(";"));
  return { ...declared, name, number, label, type, typePosition, mapKey: undefined, group: undefined, oneof, options };
}

function parseLabel(cursor: TokenCursor, oneof: number | undefined): FieldNode["label"] {
  const { text, kind } = cursor.token;
  if (kind !== "identifier" || (text !== "optional" && text !== "required" && text !== "repeated")) return undefined;
  if (cursor.second.text !== "." && cursor.second.kind !== "identifier") return undefined;
  if (oneof !== undefined) refuseAt(cursor.position, `a field in a oneof takes no label; remove "${text}"`);
  cursor.next();
  return text;
}

function parseMap(
  cursor: TokenCursor, opening: Opening, label: FieldNode["label"], oneof: number | undefined,
): FieldNode {
  if (label !== undefined) refuseAt(opening.position, `a map takes no label; remove "${label}"`);
  if (oneof !== undefined) refuseAt(opening.position, "a map cannot stand in a oneof; wrap it in a message");
  cursor.expect("map");
  cursor.expect("<");
  const keyPosition = cursor.position;
  const mapKey = cursor.identifier("the type of the map's keys");
  if (!isScalarName(mapKey) || mapKey === "bytes" || mapKey === "float" || mapKey === "double") {
    refuseAt(keyPosition, `a map's keys are an integer type, bool or string, not ${mapKey}`);
  }
  cursor.expect(",");
  const typePosition = cursor.position;
  const type = cursor.dotted("the type of the map's values", true);
  cursor.expect(">");
  const name = cursor.identifier("the name of a field");
  cursor.expect("=");
  const number = cursor.fieldNumber();
  const options = parseBracketed(cursor);
  const declared = cursor.declared(opening, cursor.expect(";"));
  return { ...declared, name, number, label: undefined, type, typePosition, mapKey, group: undefined, oneof, options };
}

interface GroupPlace {
  readonly opening: Opening;
  readonly label: FieldNode["label"];
  readonly oneof: number | undefined;
  readonly groups: MessageNode[];
}

function parseGroup(cursor: TokenCursor, syntax: Syntax, depth: number, place: GroupPlace): FieldNode {
  const { opening, label, oneof, groups } = place;
  const typePosition = cursor.position;
  if (syntax.syntax !== "proto2") {
    refuseAt(typePosition, `groups belong to proto2; use a message${
      syntax.syntax === "editions" ? " and features.message_encoding = DELIMITED" : ""}`);
  }
  cursor.expect("group");
  const type = cursor.identifier("the name of a group");
  cursor.expect("=");
  const number = cursor.fieldNumber();
  const options = parseBracketed(cursor);
  const group = parseMessageBody(cursor, syntax, depth + 1, type, opening);
  groups.push(group);
  const { position, leading, trailing, detached } = group;
  return {
    position, leading, trailing, detached, name: type.toLowerCase(), number, label, type, typePosition,
    mapKey: undefined, group, oneof, options,
  };
}

function parseOneof(cursor: TokenCursor, syntax: Syntax, depth: number, message: Mutable<MessageNode>): void {
  const opening = cursor.opening();
  cursor.expect("oneof");
  const name = cursor.identifier("the name of a oneof");
  const declared = cursor.declared(opening, cursor.expect("{"));
  const options: OptionNode[] = [];
  const oneof: OneofNode = { ...declared, name, options };
  const index = message.oneofs.push(oneof) - 1;
  const before = message.fields.length;
  while (!cursor.take("}")) {
    if (cursor.take(";")) continue;
    if (cursor.at("option")) options.push(parseOptionStatement(cursor));
    else message.fields.push(parseField(cursor, syntax, depth, message.messages, index));
  }
  if (message.fields.length === before) refuseAt(opening.position, `the oneof ${name} has no fields; remove it`);
}

/** `extend Name { … }` whose keyword is next; messages of groups in it go to `groups`. */
export function parseExtend(
  cursor: TokenCursor, syntax: Syntax, depth: number, groups: MessageNode[],
): ExtendNode {
  const opening = cursor.opening();
  cursor.expect("extend");
  const extendee = cursor.dotted("the name of a message", true);
  const declared = cursor.declared(opening, cursor.expect("{"));
  const fields: FieldNode[] = [];
  while (!cursor.take("}")) {
    if (!cursor.take(";")) fields.push(parseField(cursor, syntax, depth, groups, undefined));
  }
  return { ...declared, extendee, fields };
}

function parseExtensionRanges(cursor: TokenCursor): ExtensionRangeNode[] {
  const position: Position = cursor.position;
  cursor.expect("extensions");
  const ranges: RangeNode[] = [];
  do ranges.push(cursor.range("fields")); while (cursor.take(","));
  const options = parseBracketed(cursor);
  cursor.expect(";");
  return ranges.map((range) => ({ ...range, position, options }));
}

function parseReserved(
  cursor: TokenCursor, of: "fields" | "values", syntax: Syntax, reserved: { ranges: RangeNode[]; names: string[] },
): void {
  cursor.expect("reserved");
  if (cursor.token.kind === "string") {
    if (syntax.syntax === "editions") cursor.refuse("in editions, a reserved name without quotes");
    do {
      // Not `cursor.string`: reserved names one behind the other without a comma are a slip, not one name.
      if (cursor.token.kind !== "string") cursor.refuse("a reserved name in quotes");
      reserved.names.push(cursor.next().text);
    } while (cursor.take(","));
  } else if (cursor.token.kind === "identifier") {
    if (syntax.syntax !== "editions") cursor.refuse("a reserved name in quotes, or a number");
    do reserved.names.push(cursor.identifier("a reserved name")); while (cursor.take(","));
  } else {
    do reserved.ranges.push(cursor.range(of)); while (cursor.take(","));
  }
  cursor.expect(";");
}

/** `enum Name { … }` whose keyword is next. */
export function parseEnum(cursor: TokenCursor, syntax: Syntax): EnumNode {
  const opening = cursor.opening();
  cursor.expect("enum");
  const name = cursor.identifier("the name of an enum");
  const declared = cursor.declared(opening, cursor.expect("{"));
  const values: EnumValueNode[] = [];
  const options: OptionNode[] = [];
  const reserved = { ranges: [] as RangeNode[], names: [] as string[] };
  while (!cursor.take("}")) {
    if (cursor.take(";")) continue;
    if (cursor.at("option") && cursor.second.text !== "=") options.push(parseOptionStatement(cursor));
    else if (cursor.at("reserved") && cursor.second.text !== "=") parseReserved(cursor, "values", syntax, reserved);
    else values.push(parseEnumValue(cursor));
  }
  if (values.length === 0) refuseAt(opening.position, `the enum ${name} has no values`);
  return { ...declared, name, values, options, reserved };
}

function parseEnumValue(cursor: TokenCursor): EnumValueNode {
  const opening = cursor.opening();
  const name = cursor.identifier("the name of an enum value");
  cursor.expect("=");
  const number = cursor.integer("the number of an enum value", -(2 ** 31), 2 ** 31 - 1);
  const options = parseBracketed(cursor);
  return { ...cursor.declared(opening, cursor.expect(";")), name, number, options };
}
