/**
 * `parseAvroSchema` and `parseAvroProtocol` read the JSON that schemas and protocols of Avro are written in, checking
 * it completely: peers send theirs in handshakes.
 */
import { RpcError } from "../../core/error.ts";
import {
  type AvroEnum, type AvroField, type AvroFixed, type AvroMessage, avroName, type AvroPrimitive, avroPrimitives,
  type AvroProtocol, type AvroRecord, type AvroSchema, type AvroUnion, branchKey,
} from "./schema.ts";

export interface AvroLimits {
  /** Characters of a document. Default 1,048,576. */
  readonly maxChars: number;
  /** Schemas within schemas. Default 100. */
  readonly maxDepth: number;
  /** Schemas, fields, symbols and messages of a document. Default 100,000. */
  readonly maxParts: number;
}

export const avroLimits: AvroLimits = { maxChars: 1_048_576, maxDepth: 100, maxParts: 100_000 };

/** Reads a schema. Throws `invalid_argument` naming the place of what is wrong. */
export function parseAvroSchema(text: string, limits: Partial<AvroLimits> = {}): AvroSchema {
  return new Parser({ ...avroLimits, ...limits }).schema(jsonOf(text, { ...avroLimits, ...limits }), "", "schema");
}

/** Reads a protocol (.avpr). Throws `invalid_argument` naming the place of what is wrong. */
export function parseAvroProtocol(text: string, limits: Partial<AvroLimits> = {}): AvroProtocol {
  const all = { ...avroLimits, ...limits };
  return new Parser(all).protocol(jsonOf(text, all));
}

/** Reads a schema that was parsed already. */
export function readAvroSchema(json: unknown, limits: Partial<AvroLimits> = {}): AvroSchema {
  return new Parser({ ...avroLimits, ...limits }).schema(json, "", "schema");
}

/** Reads what was parsed already: a document that came from a file in another form. */
export function readAvroProtocol(json: unknown, limits: Partial<AvroLimits> = {}): AvroProtocol {
  return new Parser({ ...avroLimits, ...limits }).protocol(json);
}

/** Checks what IDL gave, in which types may be named before they are declared. */
export function checkAvroIdl(protocol: unknown, schemas: readonly unknown[]): void {
  const parser = new Parser(avroLimits, true);
  if (protocol !== undefined) parser.protocol(protocol);
  else parser.schemas(schemas);
}

type Json = Readonly<Record<string, unknown>>;

function jsonOf(text: string, { maxChars, maxDepth }: AvroLimits): unknown {
  if (text.length > maxChars) throw wrong(`the document has ${text.length} characters; at most ${maxChars} are read`);
  // Each schema stands in an object and a list of fields at least: JSON.parse itself must not run out of stack.
  let depth = 0;
  let inText = false;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (inText) {
      if (unit === 0x5c) i++;
      else if (unit === 0x22) inText = false;
    } else if (unit === 0x22) inText = true;
    else if (unit === 0x5b || unit === 0x7b) {
      if (++depth > maxDepth * 4) throw wrong(`schemas are nested deeper than ${maxDepth}`);
    } else if (unit === 0x5d || unit === 0x7d) depth--;
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw wrong(`the document is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

class Parser {
  readonly #limits: AvroLimits;
  readonly #named = new Map<string, AvroSchema>();
  /** With `isLoose`: declarations by full name, and what was made of those that were needed before their place. */
  readonly #declared = new Map<string, { readonly json: Json; readonly namespace: string }>();
  readonly #early = new Map<object, AvroSchema>();
  readonly #isLoose: boolean;
  #depth = 0;
  #parts = 0;

  constructor(limits: AvroLimits, isLoose = false) {
    this.#limits = limits;
    this.#isLoose = isLoose;
  }

  schemas(all: readonly unknown[]): void {
    for (const one of all) this.#declare(one, "");
    for (const one of all) this.schema(one, "", "schema");
  }

  #declare(json: unknown, namespace: string): void {
    if (!this.#isLoose || !isObject(json) || typeof json["name"] !== "string") return;
    const own = typeof json["namespace"] === "string" ? json["namespace"] : namespace;
    this.#declared.set(json["name"].includes(".") || own === "" ? json["name"] : `${own}.${json["name"]}`,
      { json, namespace });
  }

  protocol(json: unknown): AvroProtocol {
    if (!isObject(json)) throw wrong("a protocol must be a JSON object");
    const given = textOf(json, "protocol", "the protocol");
    const dot = given.lastIndexOf(".");
    const namespace = dot === -1 ? textOr(json["namespace"], "", "namespace") : given.slice(0, dot);
    const name = fullName(given, namespace, "the protocol");
    for (const type of listOf(json["types"] ?? [], "types")) this.#declare(type, namespace);
    const types = listOf(json["types"] ?? [], "types")
      .map((type, i) => this.schema(type, namespace, `types[${i}]`));
    const messages = new Map<string, AvroMessage>();
    const given2 = json["messages"] ?? {};
    if (!isObject(given2)) throw wrong("messages must be an object");
    for (const message of Object.keys(given2)) {
      messages.set(message, this.#message(message, given2[message], namespace));
    }
    return { name, doc: docOf(json), types, messages };
  }

  #message(name: string, json: unknown, namespace: string): AvroMessage {
    const where = `message ${JSON.stringify(name.slice(0, 64))}`;
    this.#count(where);
    if (!avroName.test(name)) throw wrong(`${where} has no name of letters, digits and _`);
    if (!isObject(json)) throw wrong(`${where} must be an object`);
    const fields = this.#fields(json["request"] ?? [], namespace, `${where}, request`);
    const response = this.schema(json["response"] ?? "null", namespace, `${where}, response`);
    const errors = listOf(json["errors"] ?? [], `${where}, errors`)
      .map((error, i) => this.schema(error, namespace, `${where}, errors[${i}]`));
    const isOneWay = json["one-way"] === true;
    if (isOneWay && (response.type !== "null" || errors.length > 0)) {
      throw wrong(`${where} is one-way, so its response must be null and it may declare no errors`);
    }
    const union: AvroUnion = { type: "union", branches: [{ type: "string" }, ...errors] };
    checkBranches(union, `${where}, errors`);
    return {
      name, doc: docOf(json), response, errors: union, isOneWay,
      request: { type: "record", name, aliases: [], isError: false, fields },
    };
  }

  schema(json: unknown, namespace: string, where: string): AvroSchema {
    this.#count(where);
    if (++this.#depth > this.#limits.maxDepth) {
      throw wrong(`${where}: schemas are nested deeper than ${this.#limits.maxDepth}`);
    }
    try {
      return this.#schema(json, namespace, where);
    } finally {
      this.#depth--;
    }
  }

  #schema(json: unknown, namespace: string, where: string): AvroSchema {
    if (typeof json === "string") return this.#reference(json, namespace, where);
    if (Array.isArray(json)) {
      const branches = json.map((one, i) => this.schema(one, namespace, `${where}[${i}]`));
      const union: AvroUnion = { type: "union", branches };
      checkBranches(union, where);
      return union;
    }
    const early = typeof json === "object" && json !== null ? this.#early.get(json) : undefined;
    if (early !== undefined) return early;
    if (!isObject(json)) throw wrong(`${where} is no schema: ${JSON.stringify(json)?.slice(0, 64) ?? "nothing"}`);
    const { type } = json;
    switch (type) {
      case "record": case "error": return this.#record(json, namespace, where);
      case "enum": return this.#enum(json, namespace, where);
      case "fixed": return this.#fixed(json, namespace, where);
      case "array": return { type, items: this.schema(json["items"], namespace, `${where}, items`) };
      case "map": return { type, values: this.schema(json["values"], namespace, `${where}, values`) };
      default: break;
    }
    if (typeof type === "string" && avroPrimitives.has(type)) {
      const { logicalType } = json;
      return { type: type as AvroPrimitive, ...(typeof logicalType === "string" ? { logicalType } : {}) };
    }
    if (type === undefined) throw wrong(`${where} has no type`);
    // `{"type": {"type": "record", ...}}`, and `{"type": "Name"}`.
    return this.schema(type, namespace, where);
  }

  #reference(name: string, namespace: string, where: string): AvroSchema {
    if (avroPrimitives.has(name)) return { type: name as AvroPrimitive };
    const full = name.includes(".") || namespace === "" ? name : `${namespace}.${name}`;
    const found = this.#named.get(full) ?? this.#named.get(name) ?? this.#later(full) ?? this.#later(name);
    if (found === undefined) throw wrong(`${where}: there is no type ${JSON.stringify(full.slice(0, 128))}`);
    return found;
  }

  #later(name: string): AvroSchema | undefined {
    const declared = this.#declared.get(name);
    if (declared === undefined) return undefined;
    const made = this.schema(declared.json, declared.namespace, name);
    this.#early.set(declared.json, made);
    return made;
  }

  #name(json: Json, namespace: string, where: string): { name: string; aliases: string[]; inner: string } {
    const given = textOf(json, "name", where);
    const own = typeof json["namespace"] === "string" ? json["namespace"] : namespace;
    const name = fullName(given, own, where);
    const inner = name.slice(0, Math.max(0, name.lastIndexOf(".")));
    const aliases = listOf(json["aliases"] ?? [], `${where}, aliases`)
      .map((alias) => fullName(String(alias), inner, `${where}, aliases`));
    if (avroPrimitives.has(name)) throw wrong(`${where}: ${name} is a primitive type's name`);
    if (this.#named.has(name)) throw wrong(`${where}: there are two types ${JSON.stringify(name)}`);
    return { name, aliases, inner };
  }

  #record(json: Json, namespace: string, where: string): AvroRecord {
    const { name, aliases, inner } = this.#name(json, namespace, where);
    const fields: AvroField[] = [];
    const record: AvroRecord = {
      type: "record", name, aliases, isError: json["type"] === "error", fields, doc: docOf(json),
    };
    // Before its fields, which may be of its own type.
    this.#named.set(name, record);
    if (json["fields"] === undefined) throw wrong(`${where} (${name}) has no fields`);
    fields.push(...this.#fields(json["fields"], inner, name));
    return record;
  }

  #fields(json: unknown, namespace: string, where: string): AvroField[] {
    const names = new Set<string>();
    return listOf(json, where).map((field, i): AvroField => {
      this.#count(where);
      if (!isObject(field)) throw wrong(`${where}: field ${i} must be an object`);
      const name = textOf(field, "name", `${where}: field ${i}`);
      const at = `${where}.${name.slice(0, 128)}`;
      if (!avroName.test(name)) throw wrong(`${at}: the name is not letters, digits and _`);
      if (names.has(name)) throw wrong(`${where} has two fields ${name}`);
      names.add(name);
      const aliases = listOf(field["aliases"] ?? [], `${at}, aliases`).map(String);
      const type = this.schema(field["type"], namespace, at);
      return { name, type, aliases, default: field["default"], doc: docOf(field) };
    });
  }

  #enum(json: Json, namespace: string, where: string): AvroEnum {
    const { name, aliases } = this.#name(json, namespace, where);
    const symbols = listOf(json["symbols"], `${where} (${name}), symbols`).map((symbol) => {
      this.#count(where);
      if (typeof symbol !== "string" || !avroName.test(symbol)) {
        throw wrong(`${name}: ${JSON.stringify(symbol)?.slice(0, 64) ?? ""} is no symbol of letters, digits and _`);
      }
      return symbol;
    });
    if (new Set(symbols).size < symbols.length) throw wrong(`${name} has a symbol twice`);
    const { default: fallback } = json;
    if (fallback !== undefined && !(typeof fallback === "string" && symbols.includes(fallback))) {
      throw wrong(`${name}: the default ${JSON.stringify(fallback).slice(0, 64)} is none of its symbols`);
    }
    const found: AvroEnum = { type: "enum", name, aliases, symbols, default: fallback, doc: docOf(json) };
    this.#named.set(name, found);
    return found;
  }

  #fixed(json: Json, namespace: string, where: string): AvroFixed {
    const { name, aliases } = this.#name(json, namespace, where);
    const { size, logicalType } = json;
    if (!(typeof size === "number" && Number.isInteger(size) && size >= 0 && size <= 0x7fff_ffff)) {
      throw wrong(`${name}: the size ${JSON.stringify(size)?.slice(0, 32) ?? "is missing,"} is no whole number`);
    }
    const found: AvroFixed = {
      type: "fixed", name, aliases, size, doc: docOf(json), ...(typeof logicalType === "string" ? { logicalType } : {}),
    };
    this.#named.set(name, found);
    return found;
  }

  #count(where: string): void {
    if (++this.#parts > this.#limits.maxParts) {
      throw wrong(`${where.slice(0, 256)}: the document has more than ${this.#limits.maxParts} parts`);
    }
  }
}

function checkBranches({ branches }: AvroUnion, where: string): void {
  const seen = new Set<string>();
  for (const branch of branches) {
    if (branch.type === "union") throw wrong(`${where}: a union stands directly in a union`);
    const key = branchKey(branch);
    if (seen.has(key)) throw wrong(`${where}: a union has two branches of type ${key}`);
    seen.add(key);
  }
}

function fullName(given: string, namespace: string, where: string): string {
  const name = given.includes(".") || namespace === "" ? given : `${namespace}.${given}`;
  if (name.length > 1024 || !name.split(".").every((part) => avroName.test(part))) {
    throw wrong(`${where}: ${JSON.stringify(name.slice(0, 128))} is no name: letters, digits, _ and dots`);
  }
  return name;
}

function docOf(json: Json): string | undefined {
  return typeof json["doc"] === "string" ? json["doc"] : undefined;
}

function textOf(json: Json, key: string, where: string): string {
  const value = json[key];
  if (typeof value !== "string" || value === "") throw wrong(`${where} has no ${key}`);
  return value;
}

function textOr(value: unknown, otherwise: string, where: string): string {
  if (value === undefined || value === null) return otherwise;
  if (typeof value !== "string") throw wrong(`${where} must be a text`);
  return value;
}

function listOf(value: unknown, where: string): readonly unknown[] {
  if (!Array.isArray(value)) throw wrong(`${where} must be a list`);
  return value as readonly unknown[];
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function wrong(what: string): RpcError {
  return new RpcError("invalid_argument", `Avro: ${what}`);
}
