/**
 * `parseThrift` reads a `.thrift` file: the grammar of Thrift 0.25 and the older forms that its compiler still takes.
 */
import type {
  Annotations, ConstNode, DefinitionNode, EnumNode, FieldNode, FunctionNode, ServiceNode, StructNode, ThriftFile,
  TypeNode,
} from "./parse-tree.ts";
import { type Position, refuseAt, type Token, type TokenKind, tokensOf } from "./tokens.ts";

/** Containers and constants nested deeper than this are refused. */
const maxDepth = 100;

const baseTypes: ReadonlySet<string> =
  new Set(["bool", "byte", "i8", "i16", "i32", "i64", "double", "string", "binary", "uuid", "slist"]);
const structKinds: ReadonlySet<string> = new Set(["struct", "union", "exception"]);

/** Throws `invalid_argument` with `path:line:column` for what is no Thrift. Includes are not followed. */
export function parseThrift(source: string, path: string): ThriftFile {
  return new Parser(tokensOf(source, path), path).file();
}

type Tokens = readonly Token[];

class Parser {
  readonly #tokens: Tokens;
  readonly #path: string;
  #at = 0;

  constructor(tokens: Tokens, path: string) {
    this.#tokens = tokens;
    this.#path = path;
  }

  file(): ThriftFile {
    const includes: { path: string; position: Position }[] = [];
    const namespaces = new Map<string, string>();
    const definitions: DefinitionNode[] = [];
    while (this.#next.kind !== "end") {
      const { text, doc, position } = this.#take("name", "a definition");
      if (text === "include") {
        const { text: file, position: at } = this.#take("text", "a file in quotes");
        includes.push({ path: file, position: at });
      } else if (text === "cpp_include" || text === "c_include") this.#take("text", "a file in quotes");
      else if (text === "namespace") this.#namespace(namespaces);
      else if (/^\w+_(?:namespace|module|package|prefix)$/.test(text)) this.#advance();
      else definitions.push(this.#definition(text, doc, position));
      this.#separator();
    }
    return { path: this.#path, includes, namespaces, definitions };
  }

  #namespace(namespaces: Map<string, string>): void {
    const scope = this.#is("*") ? this.#advance().text : this.#take("name", "a language or *").text;
    const name = this.#next.kind === "text" ? this.#advance() : this.#take("name", "a namespace");
    namespaces.set(scope, name.text);
    this.#annotations();
  }

  #definition(word: string, doc: string | undefined, position: Position): DefinitionNode {
    if (structKinds.has(word)) return this.#struct(word as StructNode["kind"], doc);
    switch (word) {
      case "enum": return this.#enum(doc);
      case "service": return this.#service(doc);
      case "typedef": {
        const type = this.#type(0);
        const name = this.#name("the name of a type");
        this.#annotations();
        return { kind: "typedef", name: name.text, doc, position: name.position, type };
      }
      case "const": {
        const type = this.#type(0);
        const name = this.#name("the name of a constant");
        this.#expect("=");
        return { kind: "const", name: name.text, doc, position: name.position, type, value: this.#const(0) };
      }
      case "senum": return refuseAt(position, "senum is gone from Thrift; make it an enum");
      default: return refuseAt(position,
        `expected a definition (struct, enum, service, …), found ${JSON.stringify(word)}`);
    }
  }

  #struct(kind: StructNode["kind"], doc: string | undefined): StructNode {
    const name = this.#name(`the name of a ${kind}`);
    if (this.#is("xsd_all")) this.#advance();
    this.#expect("{");
    const fields = this.#fields("}");
    return { kind, name: name.text, doc, position: name.position, fields, annotations: this.#annotations() };
  }

  #enum(doc: string | undefined): EnumNode {
    const name = this.#name("the name of an enum");
    this.#expect("{");
    const values: EnumNode["values"][number][] = [];
    let number = -1;
    while (!this.#is("}")) {
      const value = this.#name("a value or }");
      number++;
      if (this.#is("=")) {
        this.#advance();
        number = this.#integer(-(2 ** 31), 2 ** 31 - 1);
      }
      values.push({
        name: value.text, number, doc: value.doc, position: value.position, annotations: this.#annotations(),
      });
      this.#separator();
    }
    this.#advance();
    return { kind: "enum", name: name.text, doc, position: name.position, values, annotations: this.#annotations() };
  }

  #service(doc: string | undefined): ServiceNode {
    const name = this.#name("the name of a service");
    let base: ServiceNode["extends"];
    if (this.#is("extends")) {
      this.#advance();
      const { text, position } = this.#take("name", "the name of a service");
      base = { name: text, position };
    }
    this.#expect("{");
    const functions: FunctionNode[] = [];
    while (!this.#is("}")) functions.push(this.#function());
    this.#advance();
    return {
      kind: "service", name: name.text, doc, position: name.position, extends: base, functions,
      annotations: this.#annotations(),
    };
  }

  #function(): FunctionNode {
    const { doc } = this.#next;
    const oneway = this.#is("oneway") || this.#is("async");
    if (oneway) this.#advance();
    const isVoid = this.#is("void");
    if (isVoid) this.#advance();
    const returns = isVoid ? undefined : this.#type(0);
    const name = this.#name("the name of a function");
    this.#expect("(");
    const args = this.#fields(")");
    let throws: readonly FieldNode[] = [];
    if (this.#is("throws")) {
      this.#advance();
      this.#expect("(");
      throws = this.#fields(")");
    }
    const annotations = this.#annotations();
    this.#separator();
    return { name: name.text, doc, position: name.position, oneway, returns, args, throws, annotations };
  }

  #fields(end: string): readonly FieldNode[] {
    const fields: FieldNode[] = [];
    while (!this.#is(end)) fields.push(this.#field());
    this.#advance();
    return fields;
  }

  #field(): FieldNode {
    const { doc, position, kind } = this.#next;
    let id: number | undefined;
    if (kind === "int") {
      id = this.#integer(-32_768, 32_767);
      this.#expect(":");
    }
    const word = this.#next.text;
    const requiredness = this.#next.kind === "name" && (word === "required" || word === "optional") ? word : "default";
    if (requiredness !== "default") this.#advance();
    const type = this.#type(0);
    if (this.#is("&")) this.#advance();
    const name = this.#name("the name of a field");
    let value: ConstNode | undefined;
    if (this.#is("=")) {
      this.#advance();
      value = this.#const(0);
    }
    this.#skipXsd();
    const annotations = this.#annotations();
    this.#separator();
    return { id, requiredness, type, name: name.text, value, annotations, doc: doc ?? name.doc, position };
  }

  #skipXsd(): void {
    while (this.#is("xsd_optional") || this.#is("xsd_nillable")) this.#advance();
    if (!this.#is("xsd_attrs")) return;
    this.#advance();
    this.#expect("{");
    this.#fields("}");
  }

  #type(depth: number): TypeNode {
    const { text, position } = this.#take("name", "a type");
    if (depth > maxDepth) refuseAt(position, `a type nested deeper than ${maxDepth}`);
    if (baseTypes.has(text)) return { kind: "base", name: text, annotations: this.#annotations(), position };
    const isMap = text === "map";
    if (!isMap && text !== "list" && text !== "set") {
      return { kind: "name", name: text, annotations: new Map(), position };
    }
    this.#skipCppType();
    this.#expect("<");
    const first = this.#type(depth + 1);
    if (!isMap) {
      this.#expect(">");
      this.#skipCppType();
      return { kind: text, of: first, annotations: this.#annotations(), position };
    }
    this.#expect(",");
    const value = this.#type(depth + 1);
    this.#expect(">");
    return { kind: "map", key: first, value, annotations: this.#annotations(), position };
  }

  #skipCppType(): void {
    if (!this.#is("cpp_type")) return;
    this.#advance();
    this.#take("text", "a type of C++ in quotes");
  }

  #const(depth: number): ConstNode {
    const { kind, text, position } = this.#next;
    if (depth > maxDepth) refuseAt(position, `a constant nested deeper than ${maxDepth}`);
    if (kind === "int") return { kind, value: this.#bigint(), position };
    if (kind === "double") return { kind, value: Number(this.#advance().text), position };
    if (kind === "text") return { kind, value: this.#advance().text, position };
    if (kind === "name") return { kind, value: this.#advance().text, position };
    if (text === "[") {
      this.#advance();
      const items: ConstNode[] = [];
      while (!this.#is("]")) {
        items.push(this.#const(depth + 1));
        this.#separator();
      }
      this.#advance();
      return { kind: "list", items, position };
    }
    if (text !== "{") this.#refuse("a constant");
    this.#advance();
    const entries: [ConstNode, ConstNode][] = [];
    while (!this.#is("}")) {
      const key = this.#const(depth + 1);
      this.#expect(":");
      entries.push([key, this.#const(depth + 1)]);
      this.#separator();
    }
    this.#advance();
    return { kind: "map", entries, position };
  }

  #annotations(): Annotations {
    const annotations = new Map<string, string>();
    if (!this.#is("(")) return annotations;
    this.#advance();
    while (!this.#is(")")) {
      const key = this.#take("name", "an annotation or )");
      let value = "1";
      if (this.#is("=")) {
        this.#advance();
        value = this.#take("text", "a text in quotes").text;
      }
      annotations.set(key.text, value);
      this.#separator();
    }
    this.#advance();
    return annotations;
  }

  #bigint(): bigint {
    const { text, position } = this.#take("int", "an integer");
    const digits = text.replace(/^[+-]/, "");
    const value = text.startsWith("-") ? -BigInt(digits) : BigInt(digits);
    if (BigInt.asIntN(64, value) !== value) refuseAt(position, `${text} does not fit 64 bits`);
    return value;
  }

  #integer(least: number, most: number): number {
    const { position } = this.#next;
    const value = Number(this.#bigint());
    if (value < least || value > most) refuseAt(position, `${value} is not from ${least} to ${most}`);
    return value;
  }

  get #next(): Token {
    return this.#tokens[this.#at] as Token;
  }

  /** Whether the next word is this one, and no text that says it. */
  #is(text: string): boolean {
    return this.#next.text === text && this.#next.kind !== "text";
  }

  #advance(): Token {
    const token = this.#next;
    if (token.kind === "end") this.#refuse("more");
    this.#at++;
    return token;
  }

  #take(kind: TokenKind, wanted: string): Token {
    if (this.#next.kind !== kind) this.#refuse(wanted);
    return this.#advance();
  }

  #name(wanted: string): Token {
    const token = this.#take("name", wanted);
    if (/[.-]/.test(token.text)) refuseAt(token.position,
      `${JSON.stringify(token.text)} is no name: letters, digits and _`);
    return token;
  }

  #expect(text: string): void {
    if (!this.#is(text)) this.#refuse(JSON.stringify(text));
    this.#advance();
  }

  #separator(): void {
    if (this.#is(",") || this.#is(";")) this.#advance();
  }

  #refuse(wanted: string): never {
    const { kind, text, position } = this.#next;
    const found = kind === "end" ? "the end of the file" : JSON.stringify(text.slice(0, 80));
    refuseAt(position, `expected ${wanted}, found ${found}`);
  }
}
