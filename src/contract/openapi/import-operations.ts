/** Operations of OpenAPI as methods: paths, parameters and bodies as one request, the answer as one response. */
import type { FieldModel, Model, StructModel } from "../model.ts";
import { camelCase, pascalCase, uniqueName } from "../names.ts";
import { parseTemplate } from "../http/template.ts";
import { below, type Json, listOf, objectOf, type OpenApiText, textOf } from "./import-document.ts";
import { field, type SchemaReader } from "./import-schema.ts";

export interface ReadMethod {
  readonly name: string;
  readonly kind: "unary" | "server_stream" | "client_stream" | "bidi_stream";
  /** A type with a name, or fields that only this method has. */
  readonly input: Model;
  readonly output: Model;
  readonly verb: string;
  readonly path: string;
  readonly body: string | undefined;
  readonly responseBody: string | undefined;
  readonly description: string | undefined;
}

/** Headers that a call has anyway, or that metadata is for. */
const ownHeaders = new Set(["accept", "content-type", "authorization", "idempotency-key"]);
const jsonType = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i;
const linesType = /^(?:application\/(?:x-ndjson|jsonl)|text\/event-stream)\s*(?:;|$)/i;
const maxParameters = 256;

const kinds: Readonly<Record<string, ReadMethod["kind"]>> = {
  in: "client_stream", out: "server_stream", inout: "bidi_stream",
};

interface Place {
  readonly text: OpenApiText;
  readonly schemas: SchemaReader;
  readonly pointer: string;
}

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly json: Json;
  readonly pointer: string;
}

/** Reads one operation. Throws `invalid_argument` with pointer and reason for what a method cannot say. */
export function readOperation(
  place: Place, verb: string, path: string, item: Json, operation: Json, name: string,
): ReadMethod {
  const type = pascalCase(name);
  const parameters = parametersOf(place, item, operation, path);
  const fields: FieldModel[] = [];
  const template = pathOf(place, path, parameters, fields, type);
  const inPath = new Set(fields.map((one) => one.name));
  addQuery(place, parameters.filter((one) => one.in === "query"), fields, type);
  const body = bodyOf(place, verb, operation, type);
  const answer = answerOf(place, operation, type);
  const streams = `${body?.isStream === true ? "in" : ""}${answer.isStream ? "out" : ""}`;
  const kind = kinds[streams] ?? "unary";
  const common = {
    name, kind, verb, path: template, output: answer.model, responseBody: answer.field,
    description: [textOf(operation["summary"]), textOf(operation["description"])]
      .filter((one, i, all) => one !== undefined && all.indexOf(one) === i).join("\n\n") || undefined,
  };
  if (body === undefined) return { ...common, input: struct(`${type}Input`, fields), body: undefined };
  const { model } = body;
  const members = model.kind === "struct" ? model.fields.map((one) => one.name) : [];
  if (body.field === undefined && fields.every((one) => inPath.has(one.name) && members.includes(one.name))) {
    return { ...common, input: model, body: "*" };
  }
  if (body.isStream) throw place.text.refuse(below(place.pointer, "requestBody"), "streams beside parameters");
  const taken = new Set(fields.map((one) => one.name));
  const wanted = body.field ?? (model.kind === "struct" ? camelCase(model.name.split(".").at(-1) ?? "") : "body");
  const bodyName = uniqueName(taken, wanted);
  fields.push({ ...field(bodyName, fields.length + 1, model, body.isRequired, {}) });
  return { ...common, input: struct(`${type}Input`, fields), body: bodyName };
}

function struct(name: string, fields: readonly FieldModel[]): StructModel {
  return { kind: "struct", name, fields };
}

/** Those of the path and of the operation, which count for more. Headers are told, or refused where they must be. */
function parametersOf({ text, pointer }: Place, item: Json, operation: Json, path: string): Parameter[] {
  const found = new Map<string, Parameter>();
  const lists = [[item, below("#/paths", path)], [operation, pointer]] as const;
  for (const [of, at] of lists) {
    for (const [i, one] of listOf(of["parameters"]).entries()) {
      const { value, pointer: where } = text.resolve(one, below(at, "parameters", i));
      const json = objectOf(value);
      const { name, in: place } = json;
      if (typeof name !== "string" || typeof place !== "string") {
        throw text.refuse(where, "is no parameter: it has no name, or does not say where it is");
      }
      if (found.size >= maxParameters) throw text.refuse(where, `is one of more than ${maxParameters} parameters`);
      found.set(`${place} ${name}`, { name, in: place, json, pointer: where });
    }
  }
  return [...found.values()].filter((one) => {
    if (one.in === "path" || one.in === "query") return true;
    if (one.in === "header" && ownHeaders.has(one.name.toLowerCase())) return false;
    if (one.json["required"] === true) {
      throw text.refuse(one.pointer, `is the ${one.in} ${JSON.stringify(one.name)}, which is required; a method's ` +
        "request has no headers (callers may send metadata)");
    }
    text.note(one.pointer, `is the ${one.in} ${JSON.stringify(one.name)}: it is left out; send it as metadata`);
    return false;
  });
}

function schemaOf({ text }: Place, { json, pointer, name }: Parameter): [unknown, string] {
  if (json["content"] !== undefined) throw text.refuse(below(pointer, "content"), `of ${name} is a text within a text`);
  return [json["schema"], below(pointer, "schema")];
}

/** The template with the fields that stand in it. */
function pathOf(
  place: Place, path: string, parameters: readonly Parameter[], fields: FieldModel[], type: string,
): string {
  const { text, schemas, pointer } = place;
  const template = path.replaceAll(/\{([^{}]*)\}/g, (_whole, name: string) => {
    const parameter = parameters.find((one) => one.in === "path" && one.name === name);
    if (parameter === undefined) throw text.refuse(pointer, `has {${name}} in its path, but no such parameter`);
    const [schema, at] = schemaOf(place, parameter);
    const model = schemas.read(schema, at, type + pascalCase(name));
    const known = { ...(objectOf(schema)), ...parameter.json };
    const isPlain = /^[A-Za-z_]\w*$/.test(name);
    // Dots are fields of fields, which no schema here says; names in paths are seen by nobody.
    const own = isPlain ? name : camelCase(name);
    if (fields.some((one) => one.name === own)) throw text.refuse(pointer, `has {${name}} twice in its path`);
    fields.push(field(own, fields.length + 1, model, true, { description: known["description"] }));
    const pattern = textOf(parameter.json["x-path-template"]);
    return pattern === undefined ? `{${own}}` : `{${own}=${pattern}}`;
  });
  try {
    parseTemplate(template, "path");
  } catch (error) {
    throw text.refuse(pointer, `has a path that is no template: ${error instanceof Error ? error.message : ""}`);
  }
  return template;
}

/** Names with dots are fields of fields, as both sides write them. */
function addQuery(place: Place, parameters: readonly Parameter[], fields: FieldModel[], type: string): void {
  const groups = new Map<string, Parameter[]>();
  for (const one of parameters) {
    const dot = one.name.indexOf(".");
    if (dot > 0 && dot < one.name.length - 1) {
      const group = one.name.slice(0, dot);
      groups.set(group, [...(groups.get(group) ?? []), { ...one, name: one.name.slice(dot + 1) }]);
      continue;
    }
    const [schema, at] = schemaOf(place, one);
    const model = place.schemas.read(schema, at, type + pascalCase(one.name));
    const { style, explode, description, required } = one.json as {
      style?: unknown; explode?: unknown; description?: unknown; required?: unknown;
    };
    const inner = model.kind === "nullable" ? model.of : model;
    const isDeep = style === "deepObject";
    if ((inner.kind === "list" && (explode === false || (style !== undefined && style !== "form"))) ||
      (inner.kind === "map" && !isDeep) || inner.kind === "struct" || inner.kind === "union") {
      throw place.text.refuse(one.pointer, `is a ${inner.kind} in the query as ${typeof style === "string" ? style
        : explode === false ? "one text" : "form"}; lists are written as a=1&a=2, maps as a[key]=1 (deepObject)`);
    }
    // Absent lists and maps are empty ones.
    const isThere = required === true || inner.kind === "list" || inner.kind === "map";
    if (fields.some((known) => known.name === one.name)) {
      throw place.text.refuse(one.pointer, `is ${one.name} a second time, in path and query`);
    }
    const about = { description, default: objectOf(schema)["default"] };
    fields.push(field(one.name, fields.length + 1, model, isThere, about));
  }
  for (const [name, inside] of groups) {
    const own: FieldModel[] = [];
    addQuery(place, inside, own, type + pascalCase(name));
    const model = place.schemas.own(type + pascalCase(name), own);
    fields.push(field(name, fields.length + 1, model, false, {}));
  }
}

interface Body {
  readonly model: Model;
  readonly isStream: boolean;
  readonly isRequired: boolean;
  readonly field: string | undefined;
}

function bodyOf(place: Place, verb: string, operation: Json, type: string): Body | undefined {
  if (operation["requestBody"] === undefined) return undefined;
  const { text } = place;
  const { value, pointer } = text.resolve(operation["requestBody"], below(place.pointer, "requestBody"));
  const json = objectOf(value);
  const isRequired = json["required"] === true;
  if (verb === "get" || verb === "delete") {
    if (isRequired) throw text.refuse(pointer, `is the body of a ${verb.toUpperCase()}, which has none here`);
    text.note(pointer, `is the body of a ${verb.toUpperCase()}: it is left out`);
    return undefined;
  }
  const found = contentOf(place, objectOf(json["content"]), pointer, `${type}Body`);
  if (found === undefined) {
    const kinds = Object.keys(objectOf(json["content"])).join(", ");
    throw text.refuse(pointer, `is ${kinds === "" ? "of no type" : kinds}; a request is JSON`);
  }
  return { ...found, isRequired, field: textOf(json["x-body-name"]) };
}

/** What a body is: JSON, or lines of it. */
function contentOf(
  { schemas }: Place, content: Json, pointer: string, name: string,
): { model: Model; isStream: boolean } | undefined {
  const types = Object.keys(content);
  const type = types.find((one) => jsonType.test(one)) ?? types.find((one) => linesType.test(one));
  if (type === undefined && !types.includes("*/*")) return undefined;
  const key = type ?? "*/*";
  const model = schemas.read(objectOf(content[key])["schema"], below(pointer, "content", key, "schema"), name);
  return { model, isStream: linesType.test(key) };
}

interface Answer {
  readonly model: Model;
  readonly isStream: boolean;
  readonly field: string | undefined;
}

/** The first answer that went well. Errors are told by their status, as every call's are. */
function answerOf(place: Place, operation: Json, type: string): Answer {
  const { text, pointer } = place;
  const responses = objectOf(operation["responses"]);
  const codes = Object.keys(responses).filter((code) => code.startsWith("2")).toSorted();
  const code = codes.find((one) => one !== "204") ?? codes[0] ?? (responses["default"] === undefined ? undefined
    : "default");
  const nothing: Answer = { model: struct(`${type}Output`, []), isStream: false, field: undefined };
  if (code === undefined) return nothing;
  if (codes.length > 1 && codes.some((one) => one !== "204" && one !== code)) {
    text.note(below(pointer, "responses"),
      `has several answers that went well (${codes.join(", ")}): ${code} is taken`);
  }
  const { value, pointer: at } = text.resolve(responses[code], below(pointer, "responses", code));
  const content = objectOf(objectOf(value)["content"]);
  if (code === "204" || Object.keys(content).length === 0) return nothing;
  const found = contentOf(place, content, at, `${type}Output`);
  if (found === undefined) throw text.refuse(at, `is ${Object.keys(content).join(", ")}; a response is JSON`);
  const name = textOf(objectOf(value)["x-body-name"]);
  if (name === undefined) return { ...found, field: undefined };
  const whole = place.schemas.own(`${type}Output`, [field(name, 1, found.model, true, {})]);
  return { model: whole, isStream: false, field: name };
}
