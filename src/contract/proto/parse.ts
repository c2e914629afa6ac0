/**
 * `parseProto` reads the text of a `.proto` file into its syntax tree: proto2, proto3 and edition 2023, the whole
 * grammar of https://protobuf.dev/reference/protobuf/edition-2023-spec/.
 */
import { TokenCursor } from "./parse-cursor.ts";
import { refuseAt } from "./parse-error.ts";
import { parseEnum, parseExtend, parseMessage, type Syntax } from "./parse-message.ts";
import { parseOptionStatement } from "./parse-option.ts";
import { tokenize } from "./parse-tokens.ts";
import type {
  EnumNode, ExtendNode, FileNode, ImportNode, MessageNode, MethodNode, OptionNode, ServiceNode, TypeReference,
} from "./parse-tree.ts";

/** Throws `invalid_argument` with `path:line:column`, what was expected and what was found. */
export function parseProto(text: string, path: string): FileNode {
  const cursor = new TokenCursor(tokenize(text, path), path);
  const opening = cursor.opening();
  const syntax = parseSyntax(cursor);
  const body: Body = {
    package: undefined, imports: [], options: [], messages: [], enums: [], services: [], extensions: [],
  };
  while (cursor.token.kind !== "end") parseTopLevel(cursor, syntax, body);
  const declared = {
    position: opening.position, leading: opening.token.leading, detached: opening.token.detached, trailing: undefined,
  };
  return { path, ...syntax, declared, ...body, package: body.package ?? "" };
}

interface Body {
  package: string | undefined;
  readonly imports: ImportNode[];
  readonly options: OptionNode[];
  readonly messages: MessageNode[];
  readonly enums: EnumNode[];
  readonly services: ServiceNode[];
  readonly extensions: ExtendNode[];
}

function parseSyntax(cursor: TokenCursor): Syntax & { readonly edition: string | undefined } {
  const isEdition = cursor.at("edition");
  // Without a word about it, a file is proto2: so it was before there were others.
  if (!isEdition && !cursor.at("syntax")) return { syntax: "proto2", edition: undefined };
  cursor.next();
  cursor.expect("=");
  const { position } = cursor;
  const { text } = cursor.string(isEdition ? `"2023"` : `"proto3" or "proto2"`);
  cursor.expect(";");
  if (isEdition) {
    if (text !== "2023") refuseAt(position, `edition ${JSON.stringify(text)} is unknown here; use "2023"`);
    return { syntax: "editions", edition: text };
  }
  if (text !== "proto2" && text !== "proto3") {
    refuseAt(position, `syntax ${JSON.stringify(text)} is unknown; use "proto3" or "proto2"`);
  }
  return { syntax: text, edition: undefined };
}

function parseTopLevel(cursor: TokenCursor, syntax: Syntax, body: Body): void {
  if (cursor.take(";")) return;
  switch (cursor.token.text) {
    case "message": body.messages.push(parseMessage(cursor, syntax, 0)); break;
    case "enum": body.enums.push(parseEnum(cursor, syntax)); break;
    case "service": body.services.push(parseService(cursor)); break;
    case "extend": body.extensions.push(parseExtend(cursor, syntax, 0, body.messages)); break;
    case "option": body.options.push(parseOptionStatement(cursor)); break;
    case "import": body.imports.push(parseImport(cursor)); break;
    case "package": body.package = parsePackage(cursor, body.package); break;
    default: cursor.refuse("message, enum, service, extend, import, package or option");
  }
}

function parsePackage(cursor: TokenCursor, known: string | undefined): string {
  if (known !== undefined) refuseAt(cursor.position, "a second package; a file has one");
  cursor.expect("package");
  const name = cursor.dotted("the name of a package", false);
  cursor.expect(";");
  return name;
}

function parseImport(cursor: TokenCursor): ImportNode {
  const opening = cursor.opening();
  cursor.expect("import");
  let modifier: ImportNode["modifier"];
  if (cursor.take("public")) modifier = "public";
  else if (cursor.take("weak")) modifier = "weak";
  const { text } = cursor.string("the path of a file in quotes");
  return { ...cursor.declared(opening, cursor.expect(";")), path: text, modifier };
}

function parseService(cursor: TokenCursor): ServiceNode {
  const opening = cursor.opening();
  cursor.expect("service");
  const name = cursor.identifier("the name of a service");
  const declared = cursor.declared(opening, cursor.expect("{"));
  const methods: MethodNode[] = [];
  const options: OptionNode[] = [];
  while (!cursor.take("}")) {
    if (cursor.take(";")) continue;
    if (cursor.at("option")) options.push(parseOptionStatement(cursor));
    else methods.push(parseMethod(cursor));
  }
  return { ...declared, name, methods, options };
}

function parseMethod(cursor: TokenCursor): MethodNode {
  const opening = cursor.opening();
  cursor.expect("rpc");
  const name = cursor.identifier("the name of a method");
  const input = parseTypeReference(cursor);
  cursor.expect("returns");
  const output = parseTypeReference(cursor);
  const options: OptionNode[] = [];
  let last = cursor.token;
  if (cursor.take("{")) {
    while (!cursor.take("}")) {
      if (!cursor.take(";")) options.push(parseOptionStatement(cursor));
    }
  } else last = cursor.expect(";");
  return { ...cursor.declared(opening, last), name, input, output, options };
}

function parseTypeReference(cursor: TokenCursor): TypeReference {
  cursor.expect("(");
  const isStream = cursor.at("stream") && (cursor.second.kind === "identifier" || cursor.second.text === ".");
  if (isStream) cursor.next();
  const { position } = cursor;
  const type = cursor.dotted("the name of a message", true);
  cursor.expect(")");
  return { type, position, isStream };
}
