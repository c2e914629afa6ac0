/** `importAvro` reads .avpr, .avsc and .avdl files, and prints them as a contract in TypeScript. */
import { RpcError } from "../../core/error.ts";
import { type IdlImport, parseIdl } from "./idl.ts";
import { avroLimits, checkAvroIdl, readAvroProtocol, readAvroSchema } from "./parse.ts";
import { AvroPrinter, type Json, type Places, type PrintedContract } from "./print.ts";
import { avroPrimitives } from "./schema.ts";

export interface ImportAvroOptions {
  /** What the module imports from. Default `meridian-rpc`. */
  readonly from?: string | undefined;
  /** Reads the file that another imports: its path and its text. Default: there are no others. */
  readonly resolve?: ((name: string, from: string) => { readonly path: string; readonly text: string }) | undefined;
}

/** Most files of one import. */
const maxFiles = 1_000;

/**
 * The contract of a file; its name says what it is. A file of schemas alone gives types without a service. Throws
 * `invalid_argument` with file, and line where its language has them, for what is wrong or cannot be said.
 */
export function importAvro(text: string, path: string, options: ImportAvroOptions = {}): PrintedContract {
  const places: Places = new WeakMap();
  const files = new Set<string>();
  const imported: IdlImport = (kind, name, from) => {
    const found = options.resolve?.(name, from);
    if (found === undefined) throw new RpcError("invalid_argument", `${from}: there is no file ${name} to import`);
    if (files.has(found.path)) return { types: [], messages: {} };
    files.add(found.path);
    if (files.size > maxFiles) throw new RpcError("invalid_argument",
      `${from}: more than ${maxFiles} files are imported`);
    return qualified(kind, read(found.text, found.path, kind === "idl"), from);
  };
  const read = (body: string, file: string,
    isIdl: boolean): { protocol: Json | undefined; schemas: readonly unknown[] } => {
    if (isIdl) return parseIdl(body, file, places, imported);
    const json = parsed(body, file);
    if (typeof json === "object" && json !== null && "protocol" in json) return { protocol: json, schemas: [] };
    return { protocol: undefined, schemas: Array.isArray(json) ? json as unknown[] : [json] };
  };
  files.add(path);
  const { protocol, schemas } = read(text, path, path.endsWith(".avdl"));
  checked(path, () => {
    if (path.endsWith(".avdl")) checkAvroIdl(protocol, schemas);
    else if (protocol !== undefined) readAvroProtocol(protocol);
    else for (const one of schemas) readAvroSchema(one);
  });
  const printer = new AvroPrinter({ from: options.from ?? "meridian-rpc", file: path, places });
  return protocol === undefined ? printer.schemas(schemas) : printer.protocol(protocol);
}

function parsed(text: string, file: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new RpcError("invalid_argument", `${file}: it is not JSON: ${error instanceof Error ? error.message : ""}`);
  }
}

function checked(file: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    throw new RpcError("invalid_argument", `${file}: ${RpcError.from(error).message}`, { cause: error });
  }
}

/** What an import brings, its names in the namespace of the file that has it. */
function qualified(
  kind: string, { protocol, schemas }: { protocol: Json | undefined; schemas: readonly unknown[] }, from: string,
): { types: readonly unknown[]; messages: Json } {
  if (kind === "schema" ? protocol !== undefined : kind === "protocol" && protocol === undefined) {
    throw new RpcError("invalid_argument", `${from}: what it imports as a ${kind} is none`);
  }
  if (protocol === undefined) return { types: schemas, messages: {} };
  const { namespace } = protocol;
  const types = (protocol["types"] ?? []) as readonly Json[];
  const messages = (protocol["messages"] ?? {}) as Readonly<Record<string, Json>>;
  if (typeof namespace !== "string" || namespace === "") return { types, messages };
  return {
    types: types.map((type) => (typeof type === "object" ? { namespace, ...type } : type)),
    messages: Object.fromEntries(Object.entries(messages).map(([name, message]) => (
      [name, isObject(message) ? qualifiedMessage(message, namespace) : message]))),
  };
}

function qualifiedMessage(message: Json, namespace: string): Json {
  const { request, response, errors } = message;
  return {
    ...message,
    ...(Array.isArray(request) && {
      request: request.map((field: unknown) => (
        isObject(field) ? { ...field, type: qualifiedType(field["type"], namespace, 0) } : field)),
    }),
    ...(response !== undefined && { response: qualifiedType(response, namespace, 0) }),
    ...(Array.isArray(errors) && { errors: errors.map((error: unknown) => qualifiedType(error, namespace, 0)) }),
  };
}

/** A type as it is called from any namespace. What is no type, its reader refuses. */
function qualifiedType(type: unknown, namespace: string, depth: number): unknown {
  if (depth > avroLimits.maxDepth) return type;
  const inner = (one: unknown): unknown => qualifiedType(one, namespace, depth + 1);
  if (typeof type === "string") return avroPrimitives.has(type) || type.includes(".") ? type : `${namespace}.${type}`;
  if (Array.isArray(type)) return type.map(inner);
  if (!isObject(type)) return type;
  if (typeof type["name"] === "string") return { namespace, ...type };
  if (type["type"] === "array") return { ...type, items: inner(type["items"]) };
  if (type["type"] === "map") return { ...type, values: inner(type["values"]) };
  return { ...type, type: inner(type["type"]) };
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
