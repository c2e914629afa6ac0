import assert from "node:assert/strict";
import { test } from "node:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import * as z from "zod";
import { Cities } from "../../../examples/main-job/contract.ts";
import { rpc, service } from "../index.ts";
import { exportJsonSchema, exportOpenApi } from "./index.ts";

interface Tree {
  name: string;
  children: Tree[];
}
const Tree: z.ZodType<Tree> = z.object({
  name: z.string(),
  get children() {
    return z.array(Tree);
  },
}).meta({ id: "Tree" });
const Library = service("lib.v1.Library", {
  get: rpc({
    input: z.object({ name: z.string(), deep: z.boolean().optional(), labels: z.record(z.string(), z.string()) }),
    output: Tree, safe: true, http: { get: "/v1/{name=books/*}", additional: [{ get: "/v1/short/{name}" }] },
  }),
  put: rpc({ input: z.object({ id: z.string(), tree: Tree }), output: z.object({ tree: Tree }),
    http: { put: "/v1/trees/{id}:plant", body: "tree", responseBody: "tree" } }),
  watch: rpc({ kind: "server_stream", input: z.object({ n: z.int32() }), output: Tree, safe: true,
    http: { get: "/v1/watch" } }),
});

test("what is exported is OpenAPI to its validator", async () => {
  for (const contracts of [[Cities], [Library], [Cities, Library]]) {
    const document = exportOpenApi(contracts);
    const { valid, errors } = await new Validator().validate(structuredClone(document));
    assert.ok(valid, JSON.stringify(errors));
  }
});

test("paths, parameters and bodies are those that are served", () => {
  const { paths, components } = exportOpenApi([Library]) as unknown as {
    paths: Record<string, Record<string, { parameters?: { name: string; in: string }[]; requestBody?: unknown }>>;
    components: { schemas: Record<string, { properties?: Record<string, unknown> }> };
  };
  assert.deepEqual(Object.keys(paths), ["/v1/{name}", "/v1/short/{name}", "/v1/trees/{id}:plant", "/v1/watch"]);
  assert.deepEqual(paths["/v1/{name}"]?.["get"]?.parameters?.map((one) => `${one.in} ${one.name}`),
    ["path name", "query deep", "query labels"]);
  assert.ok(paths["/v1/trees/{id}:plant"]?.["put"]?.requestBody !== undefined);
  assert.deepEqual(components.schemas["Tree"]?.properties?.["children"],
    { type: "array", items: { $ref: "#/components/schemas/Tree" } });
});

test("JSON Schema has every type by its name", () => {
  const { $defs } = exportJsonSchema([Library]) as { $defs: Record<string, unknown> };
  assert.ok("Tree" in $defs && "LibraryGetInput" in $defs);
});
