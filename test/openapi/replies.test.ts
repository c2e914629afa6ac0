// What is sent is what the served document promises, to a validator that takes it at its word: zeros that JSON leaves
// out are not required by it.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import addFormats from "ajv-formats";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import * as z from "zod";
import { json } from "../../src/codec/index.ts";
import {
  bytes, oneof, openEnum, rpc, scalar, type Schema, service, wellKnown, Writer,
} from "../../src/contract/index.ts";
import { SchemaWriter } from "../../src/contract/openapi/schema.ts";
import { createServer, RpcError, type Server } from "../../src/index.ts";
import { models, runs, valuesOfModel } from "../codec/models.ts";

/** Formats of Protocol Buffers' numbers that JSON Schema has no check for. */
const numbers = ["int64", "uint64", "float", "double"];

function validator(): Ajv2020 {
  const formats = Object.fromEntries(numbers.map((name) => [name, true] as const));
  const ajv = new Ajv2020({ strict: false, allErrors: true, ownProperties: true, formats });
  addFormats.default(ajv, ["date-time", "int32"]);
  return ajv;
}

describe("the JSON of a value is what its type's schema says", () => {
  for (const [name, model] of Object.entries(models)) {
    test(name, () => {
      const writer = new SchemaWriter("#/$defs/");
      const root = writer.message(model);
      const check = validator().compile({ ...root, $defs: writer.components });
      const schema: Schema = { model, name: `Message${name}`, refine: undefined, validate: (value) => value };
      const coder = json.compile(schema);
      fc.assert(fc.property(valuesOfModel(model), (value) => {
        const bytesOf = new Writer(64);
        coder.encode(value, bytesOf);
        const said: unknown = JSON.parse(new TextDecoder().decode(bytesOf.finish()));
        assert.ok(check(said), `${JSON.stringify(said)}: ${JSON.stringify(check.errors)}`);
      }), { seed: 7, numRuns: Math.min(runs, 300) });
    });
  }
});

const Inner = z.object({ count: z.int32(), on: z.boolean() }).meta({ id: "Inner" });
const All = z.object({
  text: z.string(), count: z.int32(), large: z.int64(), real: scalar("double"), yes: z.boolean(), data: bytes(),
  at: z.date(),
  kind: z.enum(["NONE", "SOME"]).meta({ id: "Kind", numbers: { NONE: 0, SOME: 1 } }),
  sure: z.enum(["LEFT", "RIGHT"]).meta({ id: "Side" }), open: openEnum({ A: 0, B: 1 }).meta({ id: "Open" }),
  inner: Inner, maybe: Inner.optional(), none: z.string().nullable(), seven: z.int32().default(7),
  list: z.array(Inner), map: z.record(z.string(), z.int32()), either: oneof({ a: z.string(), b: Inner }),
  shape: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("circle"), radius: z.number() }), z.object({ kind: z.literal("point") }),
  ]).meta({ id: "Shape" }),
  took: wellKnown.duration(), free: z.unknown(),
}).meta({ id: "All" });
const Things = service("things.v1.Things", {
  get: rpc({
    input: z.object({ id: z.string() }), output: All, safe: true, http: { get: "/v1/things/{id}" },
    errors: { Lost: z.object({ tries: z.int32() }) },
  }),
});

const nothing = {
  text: "", count: 0, large: 0n, real: 0, yes: false, data: new Uint8Array(), at: new Date(0), kind: "NONE" as const,
  sure: "LEFT" as const, open: "A" as const, inner: { count: 0, on: false }, maybe: undefined, none: null, seven: 0,
  list: [], map: {}, either: undefined, shape: { kind: "point" as const }, took: { seconds: 0n, nanos: 0 }, free: null,
};
const much = {
  text: "a", count: -5, large: -(2n ** 63n), real: NaN, yes: true, data: Uint8Array.of(1, 2), at: new Date(1e12),
  kind: "SOME" as const, sure: "RIGHT" as const, open: 77, inner: { count: 1, on: true },
  maybe: { count: 0, on: false }, none: "x", seven: 8, map: { a: 0, b: 1 },
  list: [{ count: 0, on: false }, { count: 2, on: true }],
  either: { case: "b" as const, value: { count: 0, on: false } }, shape: { kind: "circle" as const, radius: 0 },
  took: { seconds: 5n, nanos: 1 }, free: { any: [1] },
};

describe("replies of a server are what the document that it serves says", () => {
  let server: Server;
  let base: string;
  let ajv: Ajv2020;
  let document: { readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>> };
  before(async () => {
    server = createServer({ http: { json: { openApi: true } } }).implement(Things, {
      get({ id }) {
        if (id === "lost") throw Things.methods.get.error("Lost", { tries: 0 });
        if (id === "gone") throw new RpcError("not_found", "");
        return id === "nothing" ? nothing : much;
      },
    });
    base = `http://${await server.listen({ port: 0 })}`;
    document = await (await fetch(`${base}/openapi.json`)).json() as typeof document;
    ajv = validator();
    ajv.addSchema({ ...document, $id: "doc" });
  });
  after(() => server.close(0));

  for (const [id, status] of [["nothing", 200], ["much", 200], ["lost", 400], ["gone", 404]] as const) {
    test(`${id}: ${status}`, async () => {
      const reply = await fetch(`${base}/v1/things/${id}`);
      assert.equal(reply.status, status);
      const said: unknown = await reply.json();
      const operation = document.paths["/v1/things/{id}"]?.["get"];
      const { responses } = operation as { readonly responses: Readonly<Record<string, unknown>> };
      const key = Object.hasOwn(responses, String(status)) ? String(status) : "default";
      const path = encodeURIComponent("/v1/things/{id}").replaceAll("%2F", "~1");
      const pointer = `doc#/paths/${path}/get/responses/${key}/content/application~1json/schema`;
      const check = ajv.getSchema(pointer);
      assert.ok(check !== undefined, pointer);
      assert.ok(check(said), `${JSON.stringify(said)}: ${JSON.stringify(check.errors)}`);
      // A check that cannot fail is none.
      assert.ok(!check([said]));
    });
  }
});
