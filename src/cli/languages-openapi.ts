/** OpenAPI and JSON Schema as languages of `meridian export`; OpenAPI of `meridian import` too. */
import { exportJsonSchema, exportOpenApi, importOpenApi } from "../contract/openapi/index.ts";
import { RpcError } from "../core/index.ts";
import { readTextIfThere } from "./files.ts";
import type { Language } from "./languages.ts";

export const openapi: Language = {
  name: "openapi",
  endings: ["json", "yaml", "yml"],
  export: ({ contracts }) => [{ path: "openapi.json", text: print(exportOpenApi(contracts)) }],
  import([first = "", ...more], { from }) {
    if (more.length > 0) {
      throw new RpcError("invalid_argument", `${more.join(", ")}: one document of OpenAPI is read at once`);
    }
    return importOpenApi(readTextIfThere(first) ?? "", first, { from, omit: true });
  },
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
