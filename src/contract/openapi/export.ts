/** `exportOpenApi` describes contracts as OpenAPI 3.1: what they serve by plain HTTP (docs/openapi.md). */
import { type BoundPath, declaredPaths, standardPaths } from "../http/bindings.ts";
import { findField, jsonNameOf, memberNamed, queryNames } from "../http/fields.ts";
import type { Segment } from "../http/template.ts";
import type { AnyMethod } from "../method.ts";
import type { Model } from "../model.ts";
import { requireModel } from "../schema.ts";
import type { AnyContract } from "../service.ts";
import { type JsonSchema, SchemaWriter } from "./schema.ts";

export interface OpenApiOptions {
  /** Default: the contracts' names. */
  readonly title?: string | undefined;
  /** Of the API that is described. Default `1.0.0`. */
  readonly version?: string | undefined;
  /** Where it is served, e.g. `https://api.example.com`. Default: where the document is. */
  readonly servers?: readonly string[] | undefined;
}

/** A document of OpenAPI 3.1.0, to be written as JSON. */
export interface OpenApiDocument {
  readonly openapi: "3.1.0";
  readonly info: { readonly title: string; readonly version: string };
  readonly [key: string]: unknown;
}

const jsonType = "application/json";
const bodyTypes = [jsonType, "application/xml", "application/msgpack"];

/**
 * Describes contracts: the paths that methods declare, and of those that declare none, `/package.Service/Method`.
 * Throws `invalid_argument` for a type whose structure is not known, and for a path whose field is not there.
 */
export function exportOpenApi(contracts: readonly AnyContract[], options: OpenApiOptions = {}): OpenApiDocument {
  const writer = new SchemaWriter("#/components/schemas/");
  writer.components["Status"] = statusSchema;
  const paths: Record<string, Record<string, unknown>> = {};
  for (const contract of contracts) {
    for (const method of Object.values(contract.methods)) {
      const declared = declaredPaths(method);
      const bound = declared.length > 0 ? declared : standardPaths(method).slice(0, 1);
      bound.forEach((one, i) => {
        const path = (paths[templateText(one)] ??= {});
        path[one.verb.toLowerCase()] = operation(one, i, writer);
      });
    }
  }
  const { title = contracts.map(({ name }) => name).join(", "), version = "1.0.0", servers } = options;
  return {
    openapi: "3.1.0", info: { title, version },
    ...(servers !== undefined && { servers: servers.map((url) => ({ url })) }),
    tags: contracts.map(({ name }) => ({ name })),
    paths, components: { schemas: writer.components },
  };
}

const statusSchema: JsonSchema = {
  type: "object", description: "google.rpc.Status, as Google's APIs say it over HTTP.", required: ["error"],
  properties: {
    error: {
      type: "object", required: ["code", "status", "message"],
      properties: {
        code: { type: "integer", description: "The HTTP status." },
        status: { type: "string", description: "The code's name in gRPC, e.g. NOT_FOUND." },
        message: { type: "string" },
        details: {
          type: "array",
          items: { type: "object", properties: { "@type": { type: "string" } }, required: ["@type"] },
        },
      },
    },
  },
};

/** OpenAPI has no patterns in paths: a field of several segments is one parameter there. */
function templateText({ template }: BoundPath): string {
  const parts: string[] = [];
  for (let at = 0; at < template.segments.length;) {
    const variable = template.variables.find(({ from }) => from === at);
    const segment = template.segments[at];
    if (variable !== undefined) {
      parts.push(`{${variable.field.join(".")}}`);
      at = variable.to;
    } else {
      parts.push(segment?.kind === "literal" ? encodeURIComponent(segment.text) : `{segment${at}}`);
      at++;
    }
  }
  return `/${parts.join("/")}${template.verb === undefined ? "" : `:${template.verb}`}`;
}

/** What OpenAPI has no word for stands beside it: which segments a field is. */
function segmentsText(segments: readonly Segment[]): string {
  return segments.map((one) => (one.kind === "literal" ? encodeURIComponent(one.text)
    : one.kind === "one" ? "*" : "**")).join("/");
}

function operation(bound: BoundPath, index: number, writer: SchemaWriter): JsonSchema {
  const { method } = bound;
  const body = bodyOf(bound, writer);
  const parameters = parametersOf(bound, writer);
  const errors = Object.keys(method.errors);
  return {
    operationId: `${method.service}.${method.name}${index === 0 ? "" : `_${index + 1}`}`, tags: [method.service],
    ...(method.description !== undefined && { description: method.description }),
    ...(parameters.length > 0 && { parameters }),
    ...(body !== undefined && { requestBody: body }),
    responses: {
      200: {
        description: "The answer.", content: answerOf(bound, writer),
        ...(bound.responseBody !== undefined && { "x-body-name": bound.responseBody }),
      },
      default: {
        description: errors.length === 0 ? "What went wrong."
          : `What went wrong. Declared errors, by the reason of their google.rpc.ErrorInfo: ${errors.join(", ")}.`,
        content: { [jsonType]: { schema: { $ref: "#/components/schemas/Status" } } },
      },
    },
  };
}

function parametersOf({ template, fields, method, body }: BoundPath, writer: SchemaWriter): JsonSchema[] {
  const inPath = template.segments.flatMap((segment, at): JsonSchema[] => {
    const index = template.variables.findIndex(({ from, to }) => at >= from && at < to);
    const variable = template.variables[index];
    if (variable === undefined) {
      return segment.kind === "literal" ? []
        : [{ name: `segment${at}`, in: "path", required: true, schema: { type: "string" } }];
    }
    if (variable.from !== at) return [];
    const name = variable.field.join(".");
    const schema = writer.schema(fields[index]?.model as Model);
    const pattern = segmentsText(template.segments.slice(variable.from, variable.to));
    return [{ name, in: "path", required: true, schema, ...(pattern !== "*" && { "x-path-template": pattern }) }];
  });
  if (body === "*") return inPath;
  const model = requireModel(method.input);
  const taken = new Set(fields.map(({ keys }) => keys.join(".")));
  const bodyKey = body === undefined ? undefined : jsonNameOf(memberNamed(model, body) as never);
  const inQuery = queryNames(model).filter((name) => !taken.has(name) && name.split(".")[0] !== bodyKey)
    .flatMap((name): JsonSchema[] => {
      const isMap = name.endsWith("[key]");
      const found = findField(model, (isMap ? name.slice(0, -"[key]".length) : name).split("."));
      if (found === undefined) return [];
      return [{
        name: isMap ? name.slice(0, -"[key]".length) : name, in: "query", schema: writer.schema(found.model),
        ...(isMap && { style: "deepObject", explode: true }),
      }];
    });
  return [...inPath, ...inQuery];
}

function bodyOf(bound: BoundPath, writer: SchemaWriter): JsonSchema | undefined {
  const { body, method } = bound;
  if (body === undefined) return undefined;
  const input = requireModel(method.input);
  const schema = body === "*" ? writer.message(input) : writer.schema(memberNamed(input, body)?.model as Model);
  if (streamsIn(method)) return { required: true, content: { "application/x-ndjson": { schema } } };
  return {
    required: true, content: Object.fromEntries(bodyTypes.map((type) => [type, { schema }])),
    ...(body !== "*" && { "x-body-name": body }),
  };
}

function streamsIn({ kind }: AnyMethod): boolean {
  return kind === "client_stream" || kind === "bidi_stream";
}

function answerOf({ method, responseBody }: BoundPath, writer: SchemaWriter): JsonSchema {
  const output = requireModel(method.output);
  const schema = responseBody === undefined ? writer.message(output)
    : writer.schema(memberNamed(output, responseBody)?.model as Model);
  if (method.kind !== "server_stream" && method.kind !== "bidi_stream") {
    return Object.fromEntries(bodyTypes.map((type) => [type, { schema }]));
  }
  return {
    "application/x-ndjson": { schema },
    "text/event-stream": { schema: { type: "string", description: "An event for each message, its data in JSON." } },
  };
}

/** The types of contracts as one JSON Schema (2020-12): each is found under `$defs` by its name. */
export function exportJsonSchema(contracts: readonly AnyContract[], types: readonly Model[] = []): JsonSchema {
  const writer = new SchemaWriter("#/$defs/");
  for (const model of types) writer.schema(model);
  for (const contract of contracts) {
    for (const method of Object.values(contract.methods)) {
      for (const schema of [method.input, method.output, ...Object.values(method.errors)]) {
        writer.message(requireModel(schema));
      }
    }
  }
  return { $schema: "https://json-schema.org/draft/2020-12/schema", $defs: writer.components };
}
