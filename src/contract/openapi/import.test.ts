import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import fc from "fast-check";
import * as z from "zod";
import { Cities } from "../../../examples/main-job/contract.ts";
import { type AnyContract, bytes, openEnum, rpc, scalar, service } from "../index.ts";
import { exportOpenApi, importOpenApi } from "./index.ts";

const here = fileURLToPath(new URL(".", import.meta.url));
const front = join(here, "..", "index.ts");

/** The contracts of a module that an import printed. */
async function contractsOf(text: string): Promise<AnyContract[]> {
  const cache = join(here, "../../../node_modules/.cache");
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, "openapi-import-"));
  try {
    const file = join(folder, "contract.mjs");
    writeFileSync(file, text);
    const module = await import(pathToFileURL(file).href) as Readonly<Record<string, unknown>>;
    return Object.values(module).filter((one): one is AnyContract =>
      typeof one === "object" && one !== null && "methods" in one);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function comesBack(contract: AnyContract): Promise<void> {
  const first = exportOpenApi([contract]);
  const { text } = importOpenApi(JSON.stringify(first), "it.json", { from: front });
  const again = await contractsOf(text);
  assert.deepEqual(plain(exportOpenApi(again)), plain(first), text);
}

/** What OpenAPI tells people alone, the names of declared errors, is no part of what is compared. */
function plain(document: object): unknown {
  return JSON.parse(JSON.stringify(document).replaceAll(/ Declared errors[^"]*/g, ""));
}

const Tree = z.object({
  name: z.string().describe("What it is called."),
  get children() {
    return z.array(Tree);
  },
}).meta({ id: "Tree" });
const Everything = z.object({
  flag: z.boolean(), data: bytes(), small: z.int32(), wide: z.int64(), unsigned: z.uint32(), vast: z.uint64(),
  single: z.float32(), real: z.number(), odd: scalar("double"), when: z.date(), list: z.array(z.int64()),
  kind: z.enum(["in-progress", "DONE"]).meta({ id: "Kind" }), open: openEnum({ A: 0, B: 7 }).meta({ id: "Open" }),
  record: z.record(z.string(), Tree), maybe: z.string().optional(), none: z.string().nullable(), tree: Tree,
  snake_case: z.string(), other_name: z.string().meta({ jsonName: "other_name" }), anything: z.unknown(),
}).meta({ id: "Everything" });
const Whole = service("lib.v1.Whole", {
  get: rpc({
    input: z.object({ name: z.string(), deep: z.boolean().optional(), labels: z.record(z.string(), z.string()),
      where: z.object({ x: z.int32().optional() }).optional() }),
    output: Tree, safe: true, http: { get: "/v1/{name=books/*}", additional: [{ get: "/v1/short/{name}" }] },
    description: "Gets one.",
  }),
  put: rpc({ input: z.object({ id: z.string(), tree: Tree }), output: z.object({ tree: Tree }),
    idempotent: true, http: { put: "/v1/trees/{id}:plant", body: "tree", responseBody: "tree" } }),
  change: rpc({ input: Everything, output: Everything }),
  list: rpc({ input: z.object({}), output: z.array(Tree), http: { post: "/v1/list", body: "*" } }),
  watch: rpc({ kind: "server_stream", input: z.object({ n: z.int32().optional() }), output: Tree, safe: true,
    http: { get: "/v1/watch" } }),
  send: rpc({ kind: "client_stream", input: Tree, output: z.object({ n: z.int32() }) }),
});

for (const contract of [Whole, Cities] as readonly AnyContract[]) {
  test(`${contract.name}: what is exported and imported is exported again as the same`, () => comesBack(contract));
}

test("any types come back", { timeout: 120_000 }, async () => {
  const name = fc.constantFrom("a", "bB", "c_d", "name", "value", "x1");
  const leaf = fc.constantFrom<() => z.ZodType>(z.string, z.boolean, z.int32, z.int64, z.uint32, z.uint64, z.number,
    z.float32, z.date, bytes, z.unknown, () => Tree);
  const type = fc.letrec<{ type: () => z.ZodType }>((tie) => ({
    type: fc.oneof({ maxDepth: 3 }, leaf,
      tie("type").map((of) => () => z.array(of())),
      tie("type").map((of) => () => z.record(z.string(), of())),
      fc.uniqueArray(fc.constantFrom("UP", "down", "in-between"), { minLength: 1 })
        .map((values) => () => z.enum(values as [string])),
      fc.dictionary(name, fc.tuple(tie("type"), fc.constantFrom("", "optional", "nullable")), { minKeys: 1 })
        .map((fields) => () => z.object(Object.fromEntries(Object.entries(fields).map(([key, [of, how]]) => {
          const made = of();
          return [key, how === "optional" ? made.optional()
            : how === "nullable" && !(made instanceof z.ZodUnknown) ? made.nullable() : made];
        }))))),
  })).type;
  await fc.assert(fc.asyncProperty(fc.dictionary(name, type, { minKeys: 1 }), async (fields) => {
    const shape = Object.fromEntries(Object.entries(fields).map(([key, make]) => [key, make()]));
    await comesBack(service("any.v1.Any", {
      take: rpc({ input: z.object(shape), output: z.object({ it: z.object(shape).optional() }) }),
    }));
  }), { seed: 41, numRuns: Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 15) });
});

const shop = `openapi: 3.0.3
info: { title: Pet Shop, version: "1" }
servers: [{ url: "https://shop.example/{base}/v3", variables: { base: { default: api } } }]
tags: [{ name: pet, description: All of pets }]
paths:
  /pet/{pet-id}:
    parameters:
      - { name: pet-id, in: path, required: true, schema: { type: integer, format: int32 } }
    get:
      tags: [pet]
      operationId: getPet
      summary: One pet.
      parameters:
        - { name: X-Trace, in: header, schema: { type: string } }
        - { name: fields, in: query, schema: { type: array, items: { type: string } } }
      responses:
        "200": { description: It, content: { application/json: { schema: { $ref: "#/components/schemas/Pet" } } } }
    delete:
      tags: [pet]
      operationId: dropPet
      responses: { "204": { description: Gone } }
    put:
      tags: [pet]
      operationId: put_pet
      requestBody: { required: true, content: { application/json: { schema: { $ref: "#/components/schemas/Pet" } } } }
      responses:
        "200": { description: All, content: { application/json: { schema:
          { type: array, items: { $ref: "#/components/schemas/Pet" } } } } }
components:
  schemas:
    Named: { type: object, required: [name], properties: { name: { type: string, minLength: 1 } } }
    Pet:
      description: A pet, for sale or not.
      allOf:
        - $ref: "#/components/schemas/Named"
        - type: object
          properties:
            status: { type: string, enum: [available, sold], default: available }
            photo_urls: { type: array, items: { type: string } }
            born: { type: string, format: date-time, nullable: true }
            parent: { $ref: "#/components/schemas/Pet" }
            extra: { oneOf: [{ type: string }, { type: integer }] }
`;

test("another's document in YAML is read: allOf, nullable, parameters, 204, the path of its server", async () => {
  const { text, notes } = importOpenApi(shop, "shop.yaml", { from: front });
  const [pets, ...more] = await contractsOf(text);
  assert.ok(pets !== undefined && more.length === 0, text);
  assert.equal(pets.name, "petShop.Pet");
  const methods = Object.entries(pets.methods).map(([name, { http, safe }]) =>
    `${name} ${http?.[0]?.verb} ${http?.[0]?.path} ${http?.[0]?.body ?? "-"} ${safe}`);
  assert.deepEqual(methods, [
    "getPet GET /api/v3/pet/{petId} - true", "dropPet DELETE /api/v3/pet/{petId} - false",
    "putPet PUT /api/v3/pet/{petId} pet false",
  ]);
  assert.match(text, /\/\*\* A pet, for sale or not\. \*\//);
  assert.match(text, /photo_urls: z\.array\(z\.string\(\)\)\.optional\(\)\.meta\(\{ jsonName: "photo_urls" \}\)/);
  assert.match(text, /born: z\.date\(\)\.nullable\(\)\.optional\(\)/);
  assert.match(text, /\.default\("available"\)/);
  const told = notes.join("\n");
  assert.match(told, /shop\.yaml:14: #\/paths\/~1pet~1\{pet-id\}\/get\/parameters\/0 is the header "X-Trace"/);
  assert.match(told, /extra is oneOf of types/);
});

test("what is wrong or cannot be said is refused with place and reason", () => {
  const document = (paths: unknown, more: object = {}): string =>
    JSON.stringify({ openapi: "3.1.0", info: { title: "t", version: "1" }, paths, ...more });
  const ok = { responses: { 200: { description: "" } } };
  const schema = (of: unknown): string => document({ "/a": { post: { ...ok, operationId: "a", requestBody: {
    content: { "application/json": { schema: of } } } } } }, { components: { schemas: {
    Loop: { type: "array", items: { $ref: "#/components/schemas/Loop" } },
    Same: { $ref: "#/components/schemas/Same" },
  } } });
  let deep: object = { type: "string" };
  for (let i = 0; i < 200; i++) deep = { type: "array", items: deep };
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ["openapi: 3.0.0\n  bad: [", "x.yaml", /x\.yaml:\d+: it is no YAML/], ["{", "x.json", /x\.json: it is no JSON/],
    ["- 1", "x.yaml", /it is no object/], ['{"swagger":"2.0"}', "x.json", /before OpenAPI 3/],
    ['{"openapi":"4.0.0"}', "x.json", /read are 3\.0 and 3\.1/], [document({}), "x.json", /no operation/],
    [schema({ $ref: "other.yaml#/A" }), "x.json", /only references into the same document/],
    [schema({ $ref: "#/components/schemas/None" }), "x.json", /#\/components\/schemas\/None, which is not there/],
    [schema({ $ref: "#/components/schemas/Loop" }), "x.json", /refers to itself/],
    [schema({ $ref: "#/components/schemas/Same" }), "x.json", /refers to itself/],
    [schema(deep), "x.json", /nested deeper than 100/],
    [schema({ type: "thing" }), "x.json", /schema\/type is "thing", which is no type/],
    [document({ "/a": { get: { ...ok, parameters: [{ name: "k", in: "cookie", required: true }] } } }), "x.json",
      /#\/paths\/~1a\/get\/parameters\/0 is the cookie "k", which is required/],
    [document({ "/a/{b}": { get: ok } }), "x.json", /has \{b\} in its path, but no such parameter/],
    [document({ "/a": { post: { ...ok, requestBody: { content: { "multipart/form-data": {} } } } } }), "x.json",
      /requestBody is multipart\/form-data; a request is JSON/],
    [document({ "/a": { get: { responses: { 200: { content: { "image/png": {} } } } } } }), "x.json", /image\/png/],
  ];
  for (const [text, file, why] of cases) assert.throws(() => importOpenApi(text, file), why, text.slice(0, 200));
  const both = document({ "/a": { get: ok }, "/b/{c}": { get: ok } });
  const { text, notes } = importOpenApi(both, "x.json", { omit: true });
  assert.match(text, /get: "\/a"/);
  assert.match(notes.join(), /GET \/b\/\{c\} is left out: x\.json: .*no such parameter/);
});
