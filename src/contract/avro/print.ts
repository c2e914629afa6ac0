/** Prints a protocol or a schema of Avro as a readable contract in TypeScript, from the JSON that it is written in. */
import { RpcError } from "../../core/error.ts";
import { camelCase, pascalCase } from "../names.ts";
import { avroPrimitives } from "./schema.ts";

export type Json = Readonly<Record<string, unknown>>;

/** Where something stands in its file: from the object that it was made of. */
export type Places = WeakMap<object, number>;

export interface PrintOptions {
  /** What the module imports from. */
  readonly from: string;
  /** Lines of the objects, where the file's language has them. */
  readonly places?: Places | undefined;
  /** For messages. */
  readonly file: string;
}

/** What came of an import. */
export interface PrintedContract {
  readonly text: string;
  /** What was left out or said otherwise, for people. */
  readonly notes: readonly string[];
}

interface Named {
  /** Full. */
  readonly name: string;
  readonly json: Json;
  readonly namespace: string;
  readonly variable: string;
}

/** Logical types that a contract has no word for: their values are those of the types below. */
const plainLogicals = new Set([
  "date", "time-millis", "time-micros", "timestamp-micros", "timestamp-nanos", "local-timestamp-millis",
  "local-timestamp-micros", "local-timestamp-nanos", "decimal", "big-decimal", "uuid", "duration",
]);

export class AvroPrinter {
  readonly #options: PrintOptions;
  readonly #named = new Map<string, Named>();
  readonly #variables = new Set<string>();
  readonly #imports = new Set<string>();
  readonly #notes: string[] = [];
  readonly #lines: string[] = [];
  /** Types that are printed, and those that are being. */
  readonly #done = new Set<string>();
  readonly #open = new Set<string>();
  #home = "";

  constructor(options: PrintOptions) {
    this.#options = options;
  }

  protocol(json: Json): PrintedContract {
    const given = String(json["protocol"]);
    const namespace = given.includes(".") ? given.slice(0, given.lastIndexOf("."))
      : typeof json["namespace"] === "string" ? json["namespace"] : "";
    const name = given.slice(given.lastIndexOf(".") + 1);
    this.#home = namespace;
    const variable = this.#variable(pascalCase(name));
    for (const type of list(json["types"])) this.#collect(type, namespace);
    const messages = Object.entries((json["messages"] ?? {}) as Record<string, Json>);
    for (const [, message] of messages) {
      for (const part of [...list(message["request"]).map((one) => (one as Json)["type"]), message["response"],
        ...list(message["errors"])]) this.#collect(part, namespace);
    }
    for (const type of this.#named.values()) if (!isWrapper(type.json)) this.#type(type);
    const methods = messages.map(([method, message]) => this.#message(method, message, namespace));
    const lost = Object.keys((json["meridian"] as { omitted?: object } | undefined)?.omitted ?? {});
    if (lost.length > 0) this.#notes.push(`${this.#at(json)}${lost.join(", ")}: left out when this was exported`);
    this.#imports.add("rpc").add("service");
    const full = namespace === "" ? name : `${namespace}.${name}`;
    return this.#module([
      ...docLines(json["doc"], ""), `export const ${variable} = service(${quote(full)}, {`,
      methods.join("\n"), "});", "",
    ]);
  }

  /** A schema alone: its named types, without a service. */
  schemas(all: readonly unknown[]): PrintedContract {
    const first = all.map((one) => (one as Json | undefined)?.["namespace"]).find((one) => typeof one === "string");
    this.#home = typeof first === "string" ? first : "";
    for (const one of all) this.#collect(one, this.#home);
    if (this.#named.size === 0) throw this.#refuse(undefined, "there is no named type, so there is nothing to export");
    for (const type of this.#named.values()) this.#type(type);
    return this.#module([]);
  }

  #module(last: readonly string[]): PrintedContract {
    const imports = [...this.#imports].sort();
    const head = [
      `// Read from ${this.#options.file} by \`meridian import\`.`, 'import { z } from "zod";',
      ...(imports.length === 0 ? [] : [`import { ${imports.join(", ")} } from ${quote(this.#options.from)};`]), "",
    ];
    return { text: [...head, ...this.#lines, ...last].join("\n"), notes: this.#notes };
  }

  /** Finds the named types that stand in a schema. */
  #collect(json: unknown, namespace: string): void {
    if (Array.isArray(json)) {
      for (const one of json) this.#collect(one, namespace);
    } else if (isJson(json)) {
      const { type } = json;
      if (type === "record" || type === "error" || type === "enum" || type === "fixed") {
        const name = fullName(json, namespace);
        const inner = name.slice(0, Math.max(0, name.lastIndexOf(".")));
        if (this.#named.has(name)) throw this.#refuse(json, `there are two types ${name}`);
        const local = name.slice(name.lastIndexOf(".") + 1);
        this.#named.set(name, { name, json, namespace: inner, variable: this.#variable(pascalCase(local)) });
        for (const field of list(json["fields"])) this.#collect((field as Json)["type"], inner);
      } else for (const part of [type, json["items"], json["values"]]) this.#collect(part, namespace);
    }
  }

  #variable(name: string): string {
    let free = name;
    for (let i = 2; this.#variables.has(free) || reserved.has(free); i++) free = `${name}${i}`;
    this.#variables.add(free);
    return free;
  }

  #type(type: Named): void {
    if (this.#done.has(type.name) || this.#open.has(type.name)) return;
    this.#open.add(type.name);
    const { json, variable } = type;
    const text = json["type"] === "enum" ? this.#enum(type) : json["type"] === "fixed" ? this.#fixed(type)
      : `${this.#object(list(json["fields"]) as Json[], type.namespace)}${this.#meta(type, {})}`;
    this.#open.delete(type.name);
    this.#done.add(type.name);
    this.#lines.push(...docLines(json["doc"], ""), `export const ${variable} = ${text};`, "");
  }

  #enum(type: Named): string {
    const { json } = type;
    const facts = (json["meridian"] ?? {}) as { numbers?: number[]; names?: string[]; open?: boolean };
    const symbols = facts.names ?? list(json["symbols"]).map(String);
    const { default: fallback } = json;
    const at = list(json["symbols"]).indexOf(fallback);
    if (facts.open === true) {
      this.#imports.add("openEnum");
      const numbers = Object.fromEntries(symbols.map((symbol, i) => [symbol, facts.numbers?.[i] ?? i + 1]));
      return `openEnum(${literal(numbers)})${this.#meta(type, {})}`;
    }
    return `z.enum([${symbols.map(quote).join(", ")}])${this.#meta(type, {
      ...(facts.numbers === undefined ? {}
        : { numbers: Object.fromEntries(facts.numbers.map((number, i) => [symbols[i] ?? "", number])) }),
      ...(fallback === undefined ? {} : { fallback: symbols[at] }),
    })}`;
  }

  #fixed({ json, name }: Named): string {
    this.#imports.add("fixed");
    this.#logical(json, name);
    return `fixed(${quote(this.#local(name))}, ${Number(json["size"])})`;
  }

  #meta({ name, json }: Named, more: Json): string {
    const aliases = list(json["aliases"]).map(String);
    const meta = { id: this.#local(name), ...(aliases.length === 0 ? {} : { aliases }), ...more };
    return `.meta(${literal(meta)})`;
  }

  /** A type's name as models have it: short in the contract's own package. */
  #local(name: string): string {
    const isOwn = this.#home === "" ? !name.includes(".") : name.startsWith(`${this.#home}.`);
    const local = isOwn && this.#home !== "" ? name.slice(this.#home.length + 1) : name;
    return local;
  }

  #object(fields: readonly Json[], namespace: string): string {
    if (fields.length === 0) return "z.object({})";
    const lines = fields.map((field, i) => this.#field(field, i, namespace));
    return `z.object({\n${lines.join("")}})`;
  }

  #field(json: Json, index: number, namespace: string): string {
    const facts = (json["meridian"] ?? {}) as { number?: number; property?: string; nullable?: boolean };
    const name = facts.property ?? String(json["name"]);
    const waits = this.#waitsFor(json["type"], namespace);
    let type = this.#schema(json["type"], namespace, `${namespace}.${name}`);
    if (type.isOptional) {
      // Without a default of null, a field must be told that it is null.
      const isNullable = facts.nullable === true || json["default"] === undefined ||
        (json["default"] !== null && !Array.isArray(json["type"]));
      type = { text: `${type.text}${isNullable ? ".nullable()" : ".optional()"}`, isOptional: false };
    }
    if (json["default"] !== undefined && json["default"] !== null) {
      type = { text: `${type.text}.default(${this.#default(json)})`, isOptional: false };
    }
    const aliases = list(json["aliases"]).map(String);
    if (aliases.length > 0) type = { text: `${type.text}.meta(${literal({ fieldAliases: aliases })})`,
      isOptional: false };
    if (facts.number !== undefined && facts.number !== index + 1) {
      this.#imports.add("field");
      type = { text: `field(${facts.number}, ${type.text})`, isOptional: false };
    }
    const key = /^[A-Za-z_$][\w$]*$/.test(name) ? name : quote(name);
    const described = typeof json["doc"] === "string" && json["doc"].trim() !== ""
      ? `${type.text}.describe(${quote(json["doc"].trim())})` : type.text;
    const text = described.replaceAll("\n", "\n  ");
    // A type that is not complete yet is read when it is needed.
    if (waits) return `  get ${key}() {\n    return ${text.replaceAll("\n", "\n  ")};\n  },\n`;
    return `  ${key}: ${text},\n`;
  }

  /** Whether a type stands in a schema that is being printed: it contains itself. */
  #waitsFor(json: unknown, namespace: string): boolean {
    if (typeof json === "string") {
      const found = avroPrimitives.has(json) ? undefined : this.#find(json, namespace);
      return found !== undefined && (this.#open.has(found.name) || this.#reachesOpen(found, new Set()));
    }
    if (Array.isArray(json)) return json.some((one) => this.#waitsFor(one, namespace));
    if (!isJson(json)) return false;
    if (["record", "error", "enum", "fixed"].includes(String(json["type"]))) {
      return this.#waitsFor(fullName(json, namespace), namespace);
    }
    return [json["type"], json["items"], json["values"]].some((one) => this.#waitsFor(one, namespace));
  }

  #reachesOpen(type: Named, seen: Set<string>): boolean {
    if (this.#done.has(type.name) || seen.has(type.name)) return false;
    seen.add(type.name);
    return list(type.json["fields"]).some((field) => this.#reaches((field as Json)["type"], type.namespace, seen));
  }

  #reaches(json: unknown, namespace: string, seen: Set<string>): boolean {
    if (Array.isArray(json)) return json.some((one) => this.#reaches(one, namespace, seen));
    if (isJson(json) && !["record", "error", "enum", "fixed"].includes(String(json["type"]))) {
      return [json["type"], json["items"], json["values"]].some((one) => this.#reaches(one, namespace, seen));
    }
    const name = isJson(json) ? fullName(json, namespace) : json;
    if (typeof name !== "string" || avroPrimitives.has(name)) return false;
    const found = this.#find(name, namespace);
    return found !== undefined && (this.#open.has(found.name) || this.#reachesOpen(found, seen));
  }

  #find(name: string, namespace: string): Named | undefined {
    return this.#named.get(name.includes(".") || namespace === "" ? name
      : `${namespace}.${name}`) ?? this.#named.get(name);
  }

  /** A schema as a Zod type; `isOptional` where it is a union with null, which is left to whoever it is for. */
  #schema(json: unknown, namespace: string, where: string): { readonly text: string; readonly isOptional: boolean } {
    const plain = (text: string) => ({ text, isOptional: false });
    if (typeof json === "string") {
      if (avroPrimitives.has(json)) return plain(this.#primitive(json, where));
      const found = this.#find(json, namespace);
      if (found === undefined) throw this.#refuse(undefined, `${where}: there is no type ${json}`);
      if (isWrapper(found.json)) {
        const [only] = list(found.json["fields"]) as Json[];
        return plain(this.#whole(only?.["type"], found.namespace, where));
      }
      this.#type(found);
      return plain(found.variable);
    }
    if (Array.isArray(json)) return this.#union(json, namespace, where);
    if (!isJson(json)) throw this.#refuse(undefined, `${where} has no type`);
    const facts = (json["meridian"] ?? {}) as {
      json?: string; scalar?: string; as?: string; entries?: string; finite?: boolean;
    };
    switch (json["type"]) {
      case "record": case "error": case "enum": case "fixed": return this.#schema(fullName(json, namespace), namespace,
        where);
      case "array": {
        if (facts.entries !== undefined) return plain(this.#entries(json, namespace, where, facts.entries));
        return plain(`z.array(${this.#whole(json["items"], namespace, where)})`);
      }
      case "map": {
        const of = this.#whole(json["values"], namespace, where);
        return plain(`${facts.as === "Map" ? "z.map" : "z.record"}(z.string(), ${of})`);
      }
      default: break;
    }
    if (facts.json !== undefined) return plain(this.#free(facts.json));
    if (facts.scalar !== undefined || facts.finite === false) {
      this.#imports.add("scalar");
      return plain(`scalar(${quote(facts.scalar ?? String(json["type"]))})`);
    }
    if (json["logicalType"] === "timestamp-millis" && json["type"] === "long") return plain("z.date()");
    this.#logical(json, where);
    return this.#schema(json["type"], namespace, where);
  }

  /** With its null, for what is no field of its own. */
  #whole(json: unknown, namespace: string, where: string): string {
    const { text, isOptional } = this.#schema(json, namespace, where);
    return isOptional ? `${text}.nullable()` : text;
  }

  #logical(json: Json, where: string): void {
    const { logicalType } = json;
    if (typeof logicalType !== "string" || !plainLogicals.has(logicalType)) return;
    this.#notes.push(`${this.#at(json)}${where}: the logical type ${logicalType} is left to you; its values are ` +
      `those of ${String(json["type"])}`);
  }

  #free(form: string): string {
    if (form === "any") return "z.unknown()";
    this.#imports.add("wellKnown");
    return form === "struct" ? "wellKnown.struct()" : "wellKnown.listValue()";
  }

  #entries(json: Json, namespace: string, where: string, as: string): string {
    const item = typeof json["items"] === "string" ? this.#find(json["items"], namespace)?.json : json["items"] as Json;
    const [key, value] = list(item?.["fields"]) as Json[];
    const keyType = this.#whole(key?.["type"], namespace, where);
    return `${as === "Map" ? "z.map" : "z.record"}(${keyType}, ${this.#whole(value?.["type"], namespace, where)})`;
  }

  #union(branches: readonly unknown[], namespace: string, where: string): { text: string; isOptional: boolean } {
    const rest = branches.filter((one) => one !== "null" && !(isJson(one) && one["type"] === "null"));
    const isOptional = rest.length < branches.length;
    if (rest.length === 0) throw this.#refuse(undefined,
      `${where}: a union of nothing but null has no values to speak of`);
    const cases = this.#cases(rest, namespace, where);
    if (cases !== undefined) return { text: cases, isOptional };
    const isOpen = rest.length === 2 && rest[1] === "int" &&
      (this.#shown(rest[0], namespace)?.["meridian"] as { open?: boolean } | undefined)?.open === true;
    const types = (isOpen ? rest.slice(0, 1) : rest).map((one) => this.#schema(one, namespace, where).text);
    // Of free structure: null is what is absent.
    if (types.length === 1) return { text: types[0] as string, isOptional: types[0] === "z.unknown()" ? false
      : isOptional };
    return { text: `z.union([${types.join(", ")}])`, isOptional };
  }

  /** The definition behind a schema. */
  #shown(json: unknown, namespace: string): Json | undefined {
    if (isJson(json)) return json;
    return typeof json === "string" ? this.#find(json, namespace)?.json : undefined;
  }

  /** A oneof, if that is what the branches were made of. */
  #cases(branches: readonly unknown[], namespace: string, where: string): string | undefined {
    const records = branches.map((one) => this.#shown(one, namespace));
    const facts = records.map((one) => one?.["meridian"] as { shape?: string; case?: string } | undefined);
    if (!facts.every((one) => one?.shape === "case")) return undefined;
    const variants = records.map((record, i) => {
      const [only] = list(record?.["fields"]) as Json[];
      const number = (only?.["meridian"] as { number?: number } | undefined)?.number ?? 1;
      const type = this.#whole(only?.["type"], namespace, where);
      this.#imports.add("field");
      return `${literal({ [facts[i]?.case ?? ""]: 0 }).slice(2, -5)}: field(${number}, ${type})`;
    });
    this.#imports.add("oneof");
    return `oneof({ ${variants.join(", ")} })`;
  }

  #primitive(name: string, where: string): string {
    switch (name) {
      case "boolean": case "string": return `z.${name}()`;
      case "int": return "z.int32()";
      case "long": return "z.int64()";
      case "float": return this.#plainScalar("float");
      case "double": return "z.number()";
      case "bytes":
        this.#imports.add("bytes");
        return "bytes()";
      default: throw this.#refuse(undefined,
        `${where}: null alone has no values to speak of; make it a union, or leave it out`);
    }
  }

  #plainScalar(kind: string): string {
    return kind === "float" ? "z.float32()" : "z.number()";
  }

  #default(json: Json): string {
    const { default: value, type } = json;
    const name = typeof type === "string" ? type : isJson(type) ? String(type["type"]) : Array.isArray(type)
      ? String(type[0]) : "";
    if (name === "long" && typeof value === "number") {
      return isJson(type) && type["logicalType"] === "timestamp-millis" ? `new Date(${value})` : `${value}n`;
    }
    if (name === "bytes" && typeof value === "string") {
      return `Uint8Array.of(${Array.from(value, (char) => char.charCodeAt(0)).join(", ")})`;
    }
    return literal(value);
  }

  #message(name: string, json: Json, namespace: string): string {
    const facts = (json["meridian"] ?? {}) as {
      safe?: boolean; idempotent?: unknown; criticality?: string; timeoutMs?: number; wireName?: string; bare?: boolean;
      input?: string;
      errors?: { reason: string; code?: string }[];
    };
    const fields = list(json["request"]) as Json[];
    const input = facts.bare === true && fields.length === 1 ? this.#whole(fields[0]?.["type"], namespace, name)
      : this.#object(fields, namespace) + (facts.input === undefined ? "" : `.meta(${literal({ id: facts.input })})`);
    const response = json["response"] ?? "null";
    const output = response === "null" || (isJson(response) && response["type"] === "null") ? "z.object({})"
      : this.#whole(response, namespace, `${name}, response`);
    const errors = list(json["errors"]).map((error, i) => {
      const full = isJson(error) ? fullName(error, namespace) : String(error);
      if (full === "string") return undefined;
      const found = this.#find(full, namespace);
      if (found === undefined) throw this.#refuse(json, `${name}: there is no error ${full}`);
      let data = found.variable;
      if (isWrapper(found.json)) data = this.#whole((list(found.json["fields"])[0] as Json)["type"], found.namespace,
        name);
      else this.#type(found);
      const { reason = found.name.slice(found.name.lastIndexOf(".") + 1), code } = facts.errors?.[i] ?? {};
      return `      ${reason}: ${code === undefined ? data : `{ code: ${quote(code)}, data: ${data} }`},\n`;
    }).filter((one) => one !== undefined);
    const lines = [
      `    input: ${indented(input)},\n`, `    output: ${indented(output)},\n`,
      ...(errors.length === 0 ? [] : [`    errors: {\n${errors.join("")}    },\n`]),
      ...(json["one-way"] === true ? ["    oneway: true,\n"] : []),
      ...(facts.safe === true ? ["    safe: true,\n"] : []),
      ...(facts.idempotent === undefined ? [] : [`    idempotent: ${literal(facts.idempotent)},\n`]),
      ...(facts.criticality === undefined ? [] : [`    criticality: ${quote(facts.criticality)},\n`]),
      ...(facts.timeoutMs === undefined ? [] : [`    timeoutMs: ${facts.timeoutMs},\n`]),
      ...(facts.wireName === undefined ? [] : [`    wireName: ${quote(facts.wireName)},\n`]),
      ...(typeof json["doc"] === "string" ? [`    description: ${quote(json["doc"])},\n`] : []),
    ];
    const key = /^[A-Za-z_][\w]*$/.test(name) ? name : camelCase(name);
    return `  ${key}: rpc({\n${lines.join("")}  }),`;
  }

  #at(json: object | undefined): string {
    const line = json === undefined ? undefined : this.#options.places?.get(json);
    return `${this.#options.file}${line === undefined ? "" : `:${line}`}: `;
  }

  #refuse(json: object | undefined, why: string): RpcError {
    return new RpcError("invalid_argument", `${this.#at(json)}${why}`);
  }
}

const reserved = new Set(["Object", "Array", "Map", "Date", "String", "Number", "Boolean", "Uint8Array", "Promise",
  "Error",
  "Symbol", "Set", "Function"]);

/** Whether a record was made around a value that Avro allows nowhere else, or is an entry of a map. */
function isWrapper(json: Json): boolean {
  return (json["meridian"] as { shape?: string } | undefined)?.shape !== undefined;
}

function indented(text: string): string {
  return text.replaceAll("\n", "\n    ");
}

function docLines(doc: unknown, indent: string): string[] {
  if (typeof doc !== "string" || doc.trim() === "") return [];
  const lines = doc.trim().replaceAll("*/", "* /").split("\n").map((line) => line.trim());
  return lines.length === 1 ? [`${indent}/** ${lines[0]} */`]
    : [`${indent}/**`, ...lines.map((line) => `${indent} * ${line}`.trimEnd()), `${indent} */`];
}

function fullName(json: Json, namespace: string): string {
  const name = String(json["name"]);
  const own = typeof json["namespace"] === "string" ? json["namespace"] : namespace;
  return name.includes(".") || own === "" ? name : `${own}.${name}`;
}

function quote(text: string): string {
  return JSON.stringify(text);
}

/** A JSON value as TypeScript, keys without quotes where they need none. */
function literal(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (!isJson(value)) return JSON.stringify(value) ?? "undefined";
  const entries = Object.entries(value).map(([key, item]) =>
    `${/^[A-Za-z_$][\w$]*$/.test(key) ? key : quote(key)}: ${literal(item)}`);
  return entries.length === 0 ? "{}" : `{ ${entries.join(", ")} }`;
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value as readonly unknown[] : [];
}

function isJson(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
