/** The JSON Schema of the configuration, for editors: made of the same data as the checker. */
import { configSchema } from "./config.ts";
import { namePattern, type Schema, secretPattern } from "./schema.ts";

type Json = Readonly<Record<string, unknown>>;

/** JSON Schema, draft 2020-12, as `meridian.schema.json` of the package. */
export function configJsonSchema(): Json {
  const definitions = new Map<string, { readonly schema: Schema; readonly json: Json }>();
  const root = jsonOf(configSchema, definitions, true);
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Meridian's configuration",
    ...root,
    $defs: Object.fromEntries([...definitions].map(([name, { json }]) => [name, json])),
  };
}

type Definitions = Map<string, { readonly schema: Schema; readonly json: Json }>;

function jsonOf(schema: Schema, definitions: Definitions, isRoot = false): Json {
  const description = schema.doc;
  switch (schema.kind) {
    case "number": {
      const { least: minimum, most: maximum } = schema;
      return { type: schema.whole ? "integer" : "number", minimum, maximum, description };
    }
    case "text": {
      const pattern = schema.pattern === undefined ? {} : { pattern: `^(?:${schema.pattern.source})$` };
      return { type: "string", minLength: 1, maxLength: schema.maxChars, ...pattern, description };
    }
    case "flag": return schema.only === undefined
      ? { type: "boolean", description }
      : { const: schema.only, description };
    case "choice": return { enum: schema.words, description };
    case "secret": return { type: "string", pattern: `^${secretPattern}$`, description };
    case "list": return {
      type: "array", items: jsonOf(schema.item, definitions), minItems: schema.least, maxItems: schema.most,
      description,
    };
    case "map": return {
      type: "object", propertyNames: { pattern: `^${namePattern}$` }, maxProperties: schema.most,
      additionalProperties: jsonOf(schema.value, definitions), description,
    };
    case "either": return { anyOf: schema.of.map((one) => jsonOf(one, definitions)), description };
    case "foreign": return { ...schema.json, description };
    case "group": return isRoot ? groupJson(schema, definitions) : reference(schema, definitions);
  }
}

/** A group stands in `$defs` once, however often it is used. */
function reference(schema: Schema & { readonly kind: "group" }, definitions: Definitions): Json {
  const base = schema.what.replace(/^an? /, "").replaceAll(/[^A-Za-z]+(\w?)/g, (_, letter: string) =>
    letter.toUpperCase());
  for (let i = 1; ; i++) {
    const name = i === 1 ? base : `${base}${i}`;
    const known = definitions.get(name);
    if (known?.schema === schema) return { $ref: `#/$defs/${name}` };
    if (known !== undefined) continue;
    // Entered before what is beneath it, which may have the same name.
    definitions.set(name, { schema, json: {} });
    definitions.set(name, { schema, json: groupJson(schema, definitions) });
    return { $ref: `#/$defs/${name}` };
  }
}

function groupJson(schema: Schema & { readonly kind: "group" }, definitions: Definitions): Json {
  const properties = Object.fromEntries(Object.entries(schema.fields).map(([key, field]) =>
    [key, jsonOf(field, definitions)]));
  return {
    type: "object", description: schema.doc, properties, additionalProperties: false,
    ...(schema.required.length > 0 && { required: schema.required }),
    ...(schema.one && { minProperties: 1, maxProperties: 1 }),
  };
}
