// Our client of plain HTTP and our server, by declared paths: what the one takes apart the other joins.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as z from "zod";
import { bytes, createClient, createServer, httpJson, RpcError, rpc, type Server, service } from "../../src/index.ts";

const Book = z.object({ id: z.string(), title: z.string(), pages: z.int32() });
const query = z.object({
  name: z.string(), deep: z.boolean(), big: z.int64(), at: z.date().optional(), data: bytes(),
  kind: z.enum(["any", "paper"]), tags: z.array(z.string()), labels: z.record(z.string(), z.int32()),
  where: z.object({ x: z.int32(), y: z.object({ z: z.number() }) }).optional(), note: z.string().nullable(),
});
const Library = service("lib.v1.Library", {
  get: rpc({ input: query, output: query, safe: true, http: { get: "/v1/{name=books/*}" } }),
  put: rpc({
    input: z.object({ name: z.string(), dry: z.boolean(), book: Book }), output: z.object({ book: Book }),
    http: { put: "/v1/{name=books/**}:put", body: "book", responseBody: "book" },
  }),
  list: rpc({
    input: z.object({ shelf: z.int32(), text: z.string() }), output: z.object({ names: z.array(z.string()) }),
    http: { post: "/v1/shelves/{shelf}", body: "*", responseBody: "names" },
  }),
  drop: rpc({ input: z.object({ name: z.string() }), output: z.object({}), http: { delete: "/v1/drop/{name}" } }),
  watch: rpc({ kind: "server_stream", input: z.object({ n: z.int32() }), output: z.object({ i: z.int32() }), safe: true,
    http: { get: "/v1/watch/{n}" } }),
});

let server: Server;
let address: string;
before(async () => {
  server = createServer({ http: { json: { openApi: { title: "Library" } } } }).implement(Library, {
    get: (request) => request,
    put: ({ book, name, dry }) => ({ book: { ...book, title: `${name} ${String(dry)}` } }),
    list: ({ shelf, text }) => ({ names: text === "" ? [] : [`${shelf}`, text] }),
    drop: ({ name }) => {
      throw new RpcError("not_found", `no ${name}`);
    },
    async *watch({ n }, context) {
      context.setTrailer("total", String(n));
      for (let i = 0; i < n; i++) yield { i };
    },
  });
  address = await server.listen();
});
after(() => server.close(0));

test("a request goes through path, query and body, and comes back", async () => {
  const client = createClient(Library, { address, protocol: httpJson() });
  try {
    const request = {
      name: "books/a b&c=d?e", deep: true, big: -9_007_199_254_740_993n, at: new Date("2031-02-03T04:05:06.007Z"),
      data: Uint8Array.of(251, 255, 0), kind: "paper" as const, tags: ["a", "", "b,c&"], labels: { one: 1, "t w": 2 },
      where: { x: -1, y: { z: 1.5 } }, note: "n",
    };
    assert.deepEqual(await client.get(request), request);
    const book = { id: "1", title: "t", pages: 3 };
    assert.deepEqual(await client.put({ name: "books/x/y z", dry: true, book }),
      { book: { ...book, title: "books/x/y z true" } });
    assert.deepEqual(await client.list({ shelf: 0, text: "hi" }), { names: ["0", "hi"] });
    assert.deepEqual(await client.list({ shelf: 7, text: "" }), { names: [] });
    await assert.rejects(client.drop({ name: "x" }), { code: "not_found", message: "no x" });
    await assert.rejects(client.drop({ name: "" }), /name is empty, but stands in the path/);
    await assert.rejects(client.get({ ...request, name: "other/1" }), /name is "other\/1", expected books\/\*/);
    let trailer: string | undefined;
    const seen: number[] = [];
    for await (const { i } of client.watch({ n: 3 }, {
      onMetadata: (kind, metadata) => {
        if (kind === "trailer") trailer = metadata["total"];
      },
    })) seen.push(i);
    assert.deepEqual([seen, trailer], [[0, 1, 2], "3"]);
  } finally {
    client.$.close();
  }
});

test("HEAD, OPTIONS, 405 and 404 say what there is", async () => {
  const base = `http://${address}`;
  const head = await fetch(`${base}/v1/books/1?kind=any`, { method: "HEAD" });
  assert.deepEqual([head.status, await head.text()], [200, ""]);
  const options = await fetch(`${base}/v1/books/1`, { method: "OPTIONS" });
  assert.deepEqual([options.status, options.headers.get("allow")], [204, "GET, HEAD, OPTIONS"]);
  const wrong = await fetch(`${base}/v1/books/1`, { method: "PATCH" });
  assert.deepEqual([wrong.status, wrong.headers.get("allow")], [405, "GET, HEAD, OPTIONS"]);
  const missing = await fetch(`${base}/v1/book`);
  assert.equal(missing.status, 404);
  assert.match(await missing.text(), /near are .*GET \/v1\/watch\/\{n\}/);
  const described = await (await fetch(`${base}/openapi.json`)).json() as { info: { title: string } };
  assert.equal(described.info.title, "Library");
});

test("two contracts with one path are refused when the second is implemented", () => {
  const Other = service("lib.v1.Other", {
    read: rpc({ input: z.object({ id: z.string() }), output: Book, safe: true, http: { get: "/v1/{id=books/*}" } }),
  });
  assert.throws(() => server.implement(Other, { read: () => ({ id: "", title: "", pages: 0 }) }),
    /of lib\.v1\.Other\/read takes the same paths as .* of lib\.v1\.Library\/get/);
  assert.ok(!server.services.includes("lib.v1.Other"));
});
