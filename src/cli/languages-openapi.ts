/** OpenAPI and JSON Schema as languages of `meridian export`. */
import { exportJsonSchema, exportOpenApi } from "../contract/openapi/index.ts";
import type { Language } from "./languages.ts";

export const openapi: Language = {
  name: "openapi",
  endings: ["json"],
  export: ({ contracts }) => [{ path: "openapi.json", text: print(exportOpenApi(contracts)) }],
};

export const jsonSchema: Language = {
  name: "jsonschema",
  endings: ["json"],
  export: ({ contracts, types }) =>
    [{ path: "schema.json", text: print(exportJsonSchema(contracts, [...types.values()].flat())) }],
};

function print(document: object): string {
  return `${JSON.stringify(document, undefined, 2)}\n`;
}
