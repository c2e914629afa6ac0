/** `importOpenApi` reads OpenAPI 3.0 and 3.1, and prints it as a contract in TypeScript, to be called by plain HTTP. */
import { RpcError } from "../../core/error.ts";
import { camelCase, pascalCase, uniqueName } from "../names.ts";
import { constantName, inOrder } from "../proto/source.ts";
import {
  printComment, printEnum, printKey, printModel, printObject, printStruct, printText, printUnion, type SourceNames,
} from "../proto/source-types.ts";
import type { Model } from "../model.ts";
import { below, isJson, listOf, objectOf, OpenApiText, textOf } from "./import-document.ts";
import { type ReadMethod, readOperation } from "./import-operations.ts";
import { SchemaReader } from "./import-schema.ts";

export interface ImportOpenApiOptions {
  /** What the module imports from. Default `meridian-rpc`. */
  readonly from?: string | undefined;
  /** What services' names begin with, e.g. `shop.v1`. Default: from the document's title. */
  readonly package?: string | undefined;
  /** Leaves out operations that no method can say, with a note, instead of refusing the document. Default false. */
  readonly omit?: boolean | undefined;
}

/** The module, and lines for people about what was left out. */
export interface ImportedOpenApi {
  readonly text: string;
  readonly notes: readonly string[];
}

const verbs = ["get", "put", "post", "delete", "patch"];
const otherVerbs = ["head", "options", "trace"];
const maxOperations = 5_000;
const takenNames = ["z", "service", "rpc", "field", "bytes", "oneof", "openEnum", "scalar", "wellKnown", "Uint8Array",
  "Object", "Array", "Map", "Date", "String", "Number", "Boolean", "Promise", "Error", "Symbol", "Set", "Function"];

/**
 * The contract of a document in JSON or YAML; `file` is its name in messages. Throws `invalid_argument` with the JSON
 * pointer, in YAML with the line, and the reason, for what is wrong or cannot be said.
 */
export function importOpenApi(text: string, file: string, options: ImportOpenApiOptions = {}): ImportedOpenApi {
  const document = new OpenApiText(text, file);
  const { root } = document;
  if (root["swagger"] !== undefined) {
    throw document.refuse("#/swagger", "is of before OpenAPI 3; convert the document to OpenAPI 3 first");
  }
  const version = String(root["openapi"]);
  if (!/^3\.[01](?:\.|$)/.test(version)) {
    throw document.refuse("#/openapi", `is ${JSON.stringify(version.slice(0, 32))}; read are 3.0 and 3.1`);
  }
  for (const name of ["webhooks", "security"]) {
    if (root[name] !== undefined) document.note(`#/${name}`, "is no part of a contract: it is left out");
  }
  const schemas = new SchemaReader(document);
  const services = readServices(document, schemas, options);
  const printed = printModule(document, schemas, services, { from: options.from ?? "meridian-rpc", file });
  return { text: printed, notes: document.notes };
}

interface ReadService {
  readonly name: string;
  readonly methods: { method: ReadMethod; additional: ReadMethod[] }[];
  readonly description: string | undefined;
}

function readServices(document: OpenApiText, schemas: SchemaReader, options: ImportOpenApiOptions): ReadService[] {
  const services = new Map<string, ReadService & { readonly names: Set<string> }>();
  const packageName = options.package ?? (camelCase(textOf(objectOf(document.root["info"])["title"]) ?? "api"));
  const prefix = basePath(document);
  let count = 0;
  for (const [path, item] of Object.entries(objectOf(document.root["paths"]))) {
    const found = document.resolve(item, below("#/paths", path));
    for (const verb of Object.keys(objectOf(found.value))) {
      const pointer = below(found.pointer, verb);
      if (otherVerbs.includes(verb)) document.note(pointer, "is left out: no method is found by it");
      const operation = objectOf(found.value)[verb];
      if (!verbs.includes(verb) || !isJson(operation)) continue;
      if (++count > maxOperations) throw document.refuse(pointer, `is one of more than ${maxOperations} operations`);
      const tag = textOf(listOf(operation["tags"])[0]);
      const id = textOf(operation["operationId"]);
      // Our own documents name services whole.
      const isOwn = tag !== undefined && id?.startsWith(`${tag}.`) === true;
      const serviceName = isOwn ? tag : `${packageName}.${pascalCase(tag ?? "Api")}`;
      const about = listOf(document.root["tags"]).map(objectOf).find((one) => one["name"] === tag);
      const service = services.get(serviceName) ??
        { name: serviceName, methods: [], description: textOf(about?.["description"]), names: new Set<string>() };
      const name = isOwn ? id.slice(tag.length + 1) : camelCase(id ?? `${verb} ${path}`);
      const first = isOwn ? service.methods.find(({ method }) => name.replace(/_\d+$/, "") === method.name) : undefined;
      try {
        const unique = first === undefined ? uniqueName(service.names, name) : name;
        const method = readOperation({ text: document, schemas, pointer }, verb, prefix + path, objectOf(found.value),
          operation, unique);
        services.set(serviceName, service);
        if (first === undefined) service.methods.push({ method, additional: [] });
        else first.additional.push(method);
      } catch (error) {
        if (options.omit !== true) throw error;
        document.notes.push(`${verb.toUpperCase()} ${path} is left out: ${RpcError.from(error, "internal").message}`);
      }
    }
  }
  return [...services.values()];
}

/** The path below which the first server serves. */
function basePath(document: OpenApiText): string {
  const [first, ...more] = listOf(document.root["servers"]).map(objectOf);
  if (first === undefined) return "";
  const url = String(first["url"]).replaceAll(/\{([^{}]*)\}/g, (_whole, name: string) =>
    textOf(objectOf(objectOf(first["variables"])[name])["default"]) ?? "");
  if (more.length > 0) document.note("#/servers", `are several: paths are those of the first, ${url}`);
  return url.replace(/^[a-z]+:\/\/[^/]*/i, "").replace(/\/+$/, "");
}

function printModule(
  document: OpenApiText, schemas: SchemaReader, services: readonly ReadService[],
  { from, file }: { readonly from: string; readonly file: string },
): string {
  const used = new Set<string>(services.length === 0 ? [] : ["service", "rpc"]);
  const taken = new Set(takenNames);
  const serviceNames = services.map(({ name }) => uniqueName(taken, constantName(name)));
  const constants = new Map<Model, string>();
  for (const type of schemas.types) constants.set(type, uniqueName(taken, constantName(type.name)));
  const declared = new Set<Model>();
  const names: SourceNames = {
    constants, isDeclared: (model) => declared.has(model), use: (name) => used.add(name),
    comment: (name) => schemas.comments.get(name),
  };
  const types = inOrder(schemas.types).map((type) => {
    const text = type.kind === "enum" ? printEnum(type, names) : type.kind === "union" ? printUnion(type, names)
      : printStruct(type, names);
    declared.add(type);
    return text;
  });
  const printed = services.map((service, i) => printService(service, serviceNames[i] as string, names));
  const body = [...types, ...printed].join("\n\n");
  if (body === "") throw document.refuse("#/paths", "has no operation that a method says");
  const title = textOf(objectOf(document.root["info"])["title"]);
  const about = title === undefined ? "" : ` (${title.replaceAll(/\s+/g, " ")})`;
  return `// The contract of ${file.split("/").at(-1)}${about}.\n` +
    `import * as z from "zod";\n` +
    (used.size === 0 ? "" : `import { ${[...used].sort().join(", ")} } from ${JSON.stringify(from)};\n`) +
    `\n${body}\n`;
}

function printService(service: ReadService, constant: string, names: SourceNames): string {
  const { name, methods, description } = service;
  const lines = methods.map(({ method, additional }) => printMethod(method, additional, names));
  const head = `${printComment(description, "")}export const ${constant} = service(${JSON.stringify(name)}`;
  return `${head}, {\n${lines.join("")}});`;
}

function printMethod(method: ReadMethod, additional: readonly ReadMethod[], names: SourceNames): string {
  const { kind, input, output, verb, description } = method;
  const http = [pathText(method), ...(additional.length === 0 ? []
    : [`additional: [${additional.map((one) => `{ ${pathText(one)} }`).join(", ")}]`])].join(", ");
  const members = [
    ...(description === undefined ? [] : [`description: ${printText(description, "      ")}`]),
    ...(kind === "unary" ? [] : [`kind: "${kind}"`]),
    `input: ${typeText(input, names)}`, `output: ${typeText(output, names)}`,
    ...(verb === "get" ? ["safe: true"] : verb === "put" || verb === "delete" ? ["idempotent: true"] : []),
    `http: { ${http} }`,
  ];
  return `  ${printKey(method.name)}: rpc({\n${members.map((one) => `    ${one},\n`).join("")}  }),\n`;
}

function pathText({ verb, path, body, responseBody }: ReadMethod): string {
  return [`${verb}: ${JSON.stringify(path)}`, ...(body === undefined ? [] : [`body: ${JSON.stringify(body)}`]),
    ...(responseBody === undefined ? [] : [`responseBody: ${JSON.stringify(responseBody)}`])].join(", ");
}

/** A type without a name is written where it is. */
function typeText(model: Model, names: SourceNames): string {
  return model.kind === "struct" && !names.constants.has(model)
    ? printObject(model, names).replaceAll("\n", "\n    ") : printModel(model, names);
}
