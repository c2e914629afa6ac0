/** OpenAPI and JSON Schema as languages: documents of contracts. */
export { exportJsonSchema, exportOpenApi, type OpenApiDocument, type OpenApiOptions } from "./export.ts";
export { type ImportedOpenApi, importOpenApi, type ImportOpenApiOptions } from "./import.ts";
export type { JsonSchema } from "./schema.ts";
