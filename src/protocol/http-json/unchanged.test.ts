// ETag and If-None-Match: who has a reply already is told so, and sent nothing.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { gunzipSync } from "node:zlib";
import * as z from "zod";
import { createClient } from "../../client/index.ts";
import { rpc, service } from "../../contract/index.ts";
import { createServer, type Server } from "../../server/index.ts";
import { httpJson } from "./index.ts";

const Pages = service("pages.v1.Pages", {
  get: rpc({
    input: z.object({ id: z.string() }), output: z.object({ text: z.string() }), safe: true, http: { get: "/v1/{id}" },
  }),
  put: rpc({ input: z.object({ id: z.string() }), output: z.object({}), http: { put: "/v1/{id}" } }),
  list: rpc({
    kind: "server_stream", input: z.object({}), output: z.object({ id: z.string() }), safe: true, http: { get: "/v1" },
  }),
});

let text = "first";
const begin = async (etag?: boolean): Promise<{ server: Server; base: string }> => {
  const server = createServer(etag === undefined ? {} : { http: { json: { etag } } }).implement(Pages, {
    get({ id }, context) {
      if (id === "own") context.setHeader("etag", '"v7"');
      if (id === "odd") context.setHeader("etag", "v7");
      if (id === "secret") context.setHeader("cache-control", "private, no-store");
      if (id === "kept") context.setHeader("cache-control", "max-age=5");
      if (id === "gone") throw new Error("no");
      return { text: id === "large" ? "x".repeat(100_000) : text };
    },
    put: () => ({}),
    async *list() { yield { id: "a" }; },
  });
  return { server, base: `http://${await server.listen({ port: 0 })}` };
};

describe("replies to GET that their caller has already", () => {
  let server: Server;
  let base: string;
  before(async () => {
    ({ server, base } = await begin());
  });
  after(() => server.close(0));
  const get = (path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Response> =>
    fetch(base + path, { method, headers });

  test("are not sent again until they change", async () => {
    const first = await get("/v1/a");
    const etag = first.headers.get("etag") ?? "";
    assert.match(etag, /^W\/"[a-z0-9-]+"$/);
    assert.deepEqual(await first.json(), { text: "first" });
    const again = await get("/v1/a", { "if-none-match": `"other", ${etag}` });
    assert.equal(again.status, 304);
    assert.equal(await again.text(), "");
    assert.deepEqual(["etag", "content-type", "content-length", "vary"].map((name) => again.headers.get(name)),
      [etag, null, null, "accept, accept-encoding"]);
    // Whether a tag is weak does not matter here.
    assert.equal((await get("/v1/a", { "if-none-match": etag.slice(2) })).status, 304);
    assert.equal((await get("/v1/a", { "if-none-match": "*" })).status, 304);
    text = "second";
    const changed = await get("/v1/a", { "if-none-match": etag });
    assert.equal(changed.status, 200);
    assert.notEqual(changed.headers.get("etag"), etag);
    assert.deepEqual(await changed.json(), { text: "second" });
  });

  test("hold of HEAD as of GET, and of the path that every method has", async () => {
    const { headers } = await get("/v1/a", {}, "HEAD");
    const etag = headers.get("etag") ?? "";
    assert.equal((await get("/v1/a", { "if-none-match": etag })).status, 304);
    assert.equal((await get("/v1/a", { "if-none-match": etag }, "HEAD")).status, 304);
    assert.equal((await get("/pages.v1.Pages/Get?id=a", { "if-none-match": etag })).status, 304);
  });

  test("have other tags in other types", async () => {
    const tags = await Promise.all(["application/json", "application/xml", "application/msgpack"]
      .map(async (accept) => (await get("/v1/a", { accept })).headers.get("etag")));
    assert.equal(new Set(tags).size, 3);
  });

  test("keep the tag that the handler sets, and nothing that nobody may keep", async () => {
    assert.equal((await get("/v1/own")).headers.get("etag"), '"v7"');
    assert.equal((await get("/v1/own", { "if-none-match": 'W/"v7"' })).status, 304);
    assert.equal((await get("/v1/own", { "if-none-match": '"v8"' })).status, 200);
    assert.equal((await get("/v1/odd", { "if-none-match": "*" })).status, 200);
    assert.equal((await get("/v1/secret")).headers.get("etag"), null);
    assert.equal((await get("/v1/secret", { "if-none-match": "*" })).status, 200);
    const kept = (await get("/v1/kept", { "if-none-match": "*" })).headers;
    assert.equal(kept.get("cache-control"), "max-age=5");
  });

  test("not so errors, writes and streams", async () => {
    const headers = { "if-none-match": "*" };
    assert.equal((await get("/v1/gone", headers)).status, 500);
    const put = await get("/v1/a", headers, "PUT");
    assert.deepEqual([put.status, put.headers.get("etag")], [200, null]);
    const list = await get("/v1", headers);
    assert.deepEqual([list.status, list.headers.get("etag"), await list.text()], [200, null, '{"id":"a"}\n']);
  });

  test("a malformed If-None-Match is none", async () => {
    for (const asked of ["", "abc", '"', ",,,", 'W/"', `"${"x".repeat(4_000)}"`]) {
      assert.equal((await get("/v1/a", { "if-none-match": asked })).status, 200, asked);
    }
  });

  test("a connection goes on behind a 304, and our client never asks for one", async () => {
    const client = createClient(Pages, { address: base.slice("http://".length), protocol: httpJson() });
    try {
      for (let i = 0; i < 3; i++) assert.deepEqual(await client.get({ id: "a" }), { text });
    } finally {
      client.$.close();
    }
    const etag = (await get("/v1/large")).headers.get("etag") ?? "";
    for (let i = 0; i < 5; i++) {
      assert.equal((await get("/v1/large", { "if-none-match": etag })).status, 304);
      assert.equal(((await (await get("/v1/large")).json()) as { text: string }).text.length, 100_000);
    }
  });

  test("compressed as it is, a reply has a tag", async () => {
    const { get: request } = await import("node:http");
    interface Body { readonly etag: string | undefined; readonly bytes: Buffer; readonly encoding: string | undefined }
    const body = await new Promise<Body>((resolve) => {
      request(`${base}/v1/large`, { headers: { "accept-encoding": "gzip" } }, (reply) => {
        const parts: Buffer[] = [];
        reply.on("data", (part: Buffer) => void parts.push(part));
        reply.on("end", () => resolve({
          etag: reply.headers.etag, bytes: Buffer.concat(parts), encoding: reply.headers["content-encoding"],
        }));
      });
    });
    const { text: large } = JSON.parse((body.encoding === "gzip" ? gunzipSync(body.bytes) : body.bytes).toString()) as
      { text: string };
    assert.equal(large.length, 100_000);
    const again = await get("/v1/large", { "if-none-match": body.etag ?? "", "accept-encoding": "gzip" });
    assert.equal(again.status, 304);
  });
});

test("where nobody wants tags, there are none", async () => {
  const { server, base } = await begin(false);
  try {
    const reply = await fetch(`${base}/v1/a`, { headers: { "if-none-match": "*" } });
    assert.deepEqual([reply.status, reply.headers.get("etag")], [200, null]);
  } finally {
    await server.close(0);
  }
  assert.throws(() => createServer({ http: { json: { etag: "weak" as never } } }), /http\.json\.etag/);
});
