/**
 * Reads Avro IDL (.avdl; Avro 1.12, "IDL Language"): protocols, and files of schemas, with imports, annotations, doc
 * comments, logical types, `string?`, defaults of enums. What comes out is the JSON of the same protocol or schemas.
 */
import { RpcError } from "../../core/error.ts";
import { type IdlToken, tokenizeIdl } from "./idl-tokens.ts";
import type { Json, Places } from "./print.ts";

/** What an IDL file holds. */
export interface IdlFile {
  /** Undefined in a file of schemas. */
  readonly protocol: Json | undefined;
  /** The schemas of a file without a protocol. */
  readonly schemas: readonly unknown[];
}

/** Reads what a file imports, given the name in the import and the file that has it. */
export type IdlImport = (kind: "idl" | "protocol" | "schema", name: string, from: string) => {
  readonly types: readonly unknown[]; readonly messages: Json;
};

/** Throws `invalid_argument` with file, line and reason. `places` is told where things stand. */
export function parseIdl(text: string, file: string, places: Places, imported: IdlImport): IdlFile {
  return new IdlParser(text, file, places, imported).file();
}

const primitives = new Set(["boolean", "int", "long", "float", "double", "bytes", "string", "null"]);
const logicals: Readonly<Record<string, Json>> = {
  date: { type: "int", logicalType: "date" }, time_ms: { type: "int", logicalType: "time-millis" },
  timestamp_ms: { type: "long", logicalType: "timestamp-millis" },
  local_timestamp_ms: { type: "long", logicalType: "local-timestamp-millis" },
  uuid: { type: "string", logicalType: "uuid" },
};
const maxDepth = 100;

class IdlParser {
  readonly #tokens: readonly IdlToken[];
  readonly #file: string;
  readonly #places: Places;
  readonly #imported: IdlImport;
  #at = 0;
  #depth = 0;

  constructor(text: string, file: string, places: Places, imported: IdlImport) {
    this.#tokens = tokenizeIdl(text, file);
    this.#file = file;
    this.#places = places;
    this.#imported = imported;
  }

  file(): IdlFile {
    const types: unknown[] = [];
    let namespace: string | undefined;
    let main: unknown;
    for (;;) {
      if (this.#token.kind === "end") break;
      if (namespace === undefined && this.#takes("namespace")) {
        namespace = this.#name();
        this.#expect(";");
      } else if (main === undefined && this.#isWord("schema")) {
        this.#at++;
        main = this.#type();
        this.#expect(";");
      } else {
        const { doc } = this.#token;
        const annotations = this.#annotations();
        if (this.#takes("protocol")) return { protocol: this.#protocol(doc, annotations), schemas: [] };
        const one = this.#declared(doc, annotations, {});
        types.push(...one);
      }
    }
    const named = types.map((type) => (namespace === undefined || typeof type !== "object" ? type
      : { namespace, ...type as Json }));
    const all = main !== undefined && typeof main === "object" && !named.includes(main) ? [...named, main] : named;
    return { protocol: undefined, schemas: all };
  }

  #protocol(doc: string | undefined, annotations: Json): Json {
    const line = this.#token.line;
    const protocol = this.#name();
    const types: unknown[] = [];
    const messages: Record<string, unknown> = {};
    this.#expect("{");
    while (!this.#takes("}")) {
      const { doc: own } = this.#token;
      types.push(...this.#declared(own, this.#annotations(), messages));
    }
    if (this.#token.kind !== "end") throw this.#wrong("expected the end of the file after the protocol");
    return this.#placed({ ...annotations, protocol, ...(doc === undefined ? {} : { doc }), types, messages }, line);
  }

  /** A declaration: gives types, or puts messages into `messages`. */
  #declared(doc: string | undefined, annotations: Json, messages: Record<string, unknown>): unknown[] {
    const { line } = this.#token;
    const facts = { ...annotations, ...(doc === undefined ? {} : { doc }) };
    if (this.#takes("import")) {
      const kind = this.#name();
      if (kind !== "idl" && kind !== "protocol" && kind !== "schema") {
        throw this.#wrong(`import ${kind}: expected idl, protocol or schema`);
      }
      const found = this.#imported(kind, this.#text(), this.#file);
      this.#expect(";");
      Object.assign(messages, found.messages);
      return [...found.types];
    }
    if (this.#isWord("record") || this.#isWord("error")) {
      const type = this.#name();
      const name = this.#name();
      return [this.#placed({ type, name, ...facts, fields: this.#fields() }, line)];
    }
    if (this.#takes("enum")) return [this.#placed({ type: "enum", name: this.#name(), ...facts, ...this.#symbols() },
      line)];
    if (this.#takes("fixed")) {
      const name = this.#name();
      this.#expect("(");
      const size = Number(this.#token.text);
      this.#at++;
      this.#expect(")");
      this.#expect(";");
      return [this.#placed({ type: "fixed", name, ...facts, size }, line)];
    }
    const [name, message] = this.#message(facts, line);
    if (Object.hasOwn(messages, name)) throw this.#wrong(`there are two messages ${name}`);
    messages[name] = message;
    return [];
  }

  #symbols(): Json {
    const symbols: string[] = [];
    this.#expect("{");
    while (!this.#takes("}")) {
      symbols.push(this.#name());
      this.#takes(",");
    }
    if (!this.#takes("=")) return { symbols };
    const fallback = this.#name();
    this.#takes(";");
    return { symbols, default: fallback };
  }

  #fields(): unknown[] {
    const fields: unknown[] = [];
    this.#expect("{");
    while (!this.#takes("}")) {
      const { doc } = this.#token;
      const type = this.#type();
      do fields.push(this.#variable(type, doc)); while (this.#takes(","));
      this.#expect(";");
    }
    return fields;
  }

  /** A field or a parameter, behind its type. */
  #variable(given: unknown, outer: string | undefined): Json {
    const { line } = this.#token;
    const own = this.#token.doc ?? outer;
    const annotations = this.#annotations();
    const name = this.#name();
    let type = given;
    let fallback: { readonly default?: unknown } = {};
    if (this.#takes("=")) {
      fallback = { default: this.#json() };
      // `string? name = "x"`: a default is of the first branch.
      if (isMaybe(type) && fallback.default !== null) type = [type[1], "null"];
    }
    return this.#placed({ name, type, ...annotations, ...(own === undefined ? {} : { doc: own }), ...fallback }, line);
  }

  #message(facts: Json, line: number): [string, Json] {
    const response = this.#takes("void") ? "null" : this.#type();
    const name = this.#name();
    const request: unknown[] = [];
    this.#expect("(");
    while (!this.#takes(")")) {
      const { doc } = this.#token;
      request.push(this.#variable(this.#type(), doc));
      if (!this.#takes(",") && !this.#isNext(")")) throw this.#wrong(`expected , or ) in the parameters of ${name}`);
    }
    const errors: string[] = [];
    let oneway = {};
    if (this.#takes("oneway")) oneway = { "one-way": true };
    else if (this.#takes("throws")) do errors.push(this.#name()); while (this.#takes(","));
    this.#expect(";");
    return [name, this.#placed({ ...facts, request, response, ...(errors.length === 0 ? {} : { errors }), ...oneway },
      line)];
  }

  #type(): unknown {
    if (++this.#depth > maxDepth) throw this.#wrong(`types are nested deeper than ${maxDepth}`);
    const annotations = this.#annotations();
    let type = this.#plainType(annotations);
    this.#depth--;
    if (this.#takes("?")) type = ["null", type];
    return type;
  }

  #plainType(annotations: Json): unknown {
    const { line } = this.#token;
    const has = Object.keys(annotations).length > 0;
    if (this.#takes("array")) return this.#placed({ type: "array", items: this.#inAngles(), ...annotations }, line);
    if (this.#takes("map")) return this.#placed({ type: "map", values: this.#inAngles(), ...annotations }, line);
    if (this.#takes("union")) {
      const branches: unknown[] = [];
      this.#expect("{");
      do branches.push(this.#type()); while (this.#takes(","));
      this.#expect("}");
      return branches;
    }
    if (this.#isWord("decimal") && this.#tokens[this.#at + 1]?.text === "(") return this.#decimal(annotations, line);
    const name = this.#name();
    const logical = Object.hasOwn(logicals, name) ? logicals[name] : undefined;
    if (logical !== undefined) return this.#placed({ ...logical, ...annotations }, line);
    if (name === "void") throw this.#wrong("void is no type but of a message's response");
    if (!has) return name;
    if (!primitives.has(name)) throw this.#wrong(`${name} is declared elsewhere: annotate it there`);
    return this.#placed({ type: name, ...annotations }, line);
  }

  #decimal(annotations: Json, line: number): Json {
    this.#at++;
    this.#expect("(");
    const precision = Number(this.#token.text);
    this.#at++;
    let scale = 0;
    if (this.#takes(",")) {
      scale = Number(this.#token.text);
      this.#at++;
    }
    this.#expect(")");
    if (!(Number.isInteger(precision) && precision > 0 && Number.isInteger(scale) && scale >= 0 &&
      scale <= precision)) {
      throw this.#wrong(`decimal(${precision}, ${scale}): expected a precision, and a scale of at most that`);
    }
    return this.#placed({ type: "bytes", logicalType: "decimal", precision, scale, ...annotations }, line);
  }

  #inAngles(): unknown {
    this.#expect("<");
    const type = this.#type();
    this.#expect(">");
    return type;
  }

  /** `@name(value)` as often as there are. */
  #annotations(): Json {
    const found: Record<string, unknown> = {};
    while (this.#takes("@")) {
      const name = this.#dashedName();
      this.#expect("(");
      found[name] = this.#json();
      this.#expect(")");
    }
    return found;
  }

  #dashedName(): string {
    let name = this.#name();
    while (this.#takes("-")) name += `-${this.#name()}`;
    return name;
  }

  #json(): unknown {
    if (++this.#depth > maxDepth) throw this.#wrong(`values are nested deeper than ${maxDepth}`);
    const value = this.#plainJson();
    this.#depth--;
    return value;
  }

  #plainJson(): unknown {
    const { kind, text } = this.#token;
    if (kind === "string") return this.#text();
    if (this.#takes("-")) return -(this.#json() as number);
    if (kind === "number") {
      this.#at++;
      return Number(text);
    }
    if (this.#takes("[")) {
      const items: unknown[] = [];
      while (!this.#takes("]")) {
        items.push(this.#json());
        this.#takes(",");
      }
      return items;
    }
    if (this.#takes("{")) {
      const entries: [string, unknown][] = [];
      while (!this.#takes("}")) {
        const key = this.#text();
        this.#expect(":");
        entries.push([key, this.#json()]);
        this.#takes(",");
      }
      return Object.fromEntries(entries);
    }
    const word = this.#name();
    if (word === "null") return null;
    if (word === "true" || word === "false") return word === "true";
    throw this.#wrong(`${word} is no JSON value`);
  }

  get #token(): IdlToken {
    return this.#tokens[this.#at] as IdlToken;
  }

  #isWord(word: string): boolean {
    return this.#token.kind === "word" && this.#token.text === word && !this.#token.isQuoted;
  }

  #isNext(text: string): boolean {
    return this.#token.text === text && this.#token.kind !== "string";
  }

  #takes(text: string): boolean {
    const { kind, isQuoted } = this.#token;
    if (this.#token.text !== text || kind === "string" || kind === "end" || isQuoted) return false;
    this.#at++;
    return true;
  }

  #expect(text: string): void {
    if (!this.#takes(text)) throw this.#wrong(`expected ${text}, found ${this.#token.text || "the end of the file"}`);
  }

  #name(): string {
    const { kind, text } = this.#token;
    if (kind !== "word") throw this.#wrong(`expected a name, found ${text || "the end of the file"}`);
    this.#at++;
    return text;
  }

  #text(): string {
    const { kind, text } = this.#token;
    if (kind !== "string") throw this.#wrong(`expected a text in quotes, found ${text || "the end of the file"}`);
    this.#at++;
    return text;
  }

  #placed<T extends object>(made: T, line: number): T {
    this.#places.set(made, line);
    return made;
  }

  #wrong(why: string): RpcError {
    return new RpcError("invalid_argument", `${this.#file}:${this.#token.line}: ${why}`);
  }
}

function isMaybe(type: unknown): type is readonly unknown[] {
  return Array.isArray(type) && type.length === 2 && type[0] === "null";
}
