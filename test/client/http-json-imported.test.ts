// What was imported from our own OpenAPI calls our server by plain HTTP; what others answer without a body is read.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import * as z from "zod";
import { importOpenApi } from "../../src/contract/openapi/index.ts";
import { type AnyContract, createClient, createServer, httpJson, rpc, service } from "../../src/index.ts";

const root = join(import.meta.dirname, "../..");
const Book = z.object({ title: z.string(), pages: z.int32(), sold: z.int64() }).meta({ id: "Book" });
const Library = service("lib.v1.Library", {
  get: rpc({ input: z.object({ name: z.string(), deep: z.boolean().optional(), tags: z.array(z.string()) }),
    output: Book, safe: true, http: { get: "/v1/{name=books/*}" } }),
  put: rpc({ input: z.object({ id: z.string(), book: Book }), output: z.object({ book: Book }),
    http: { put: "/v1/books/{id}:put", body: "book", responseBody: "book" } }),
  watch: rpc({ kind: "server_stream", input: z.object({ count: z.int32() }), output: Book, safe: true,
    http: { get: "/v1/watch" } }),
});

test("the contract that a server's own document gives calls it", async () => {
  const server = createServer({ http: { json: { openApi: true } } }).implement(Library, {
    get: ({ name, deep, tags }) => ({ title: [name, String(deep), ...tags].join(" "), pages: 0, sold: 9n }),
    put: ({ id, book }) => ({ book: { ...book, title: `${id} ${book.title}` } }),
    async *watch({ count }) {
      for (let pages = 0; pages < count; pages++) yield { title: "", pages, sold: 0n };
    },
  });
  const address = await server.listen();
  const cache = join(root, "node_modules/.cache");
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, "openapi-calls-"));
  try {
    const document = await (await fetch(`http://${address}/openapi.json`)).text();
    const { text, notes } = importOpenApi(document, "openapi.json", { from: join(root, "src/contract/index.ts") });
    assert.deepEqual(notes, []);
    writeFileSync(join(folder, "contract.mjs"), text);
    const module = await import(pathToFileURL(join(folder, "contract.mjs")).href) as { Library: AnyContract };
    const client = createClient(module.Library as typeof Library, { address, protocol: httpJson() });
    assert.deepEqual(await client.get({ name: "books/7", deep: true, tags: ["a", "b&c"] }),
      { title: "books/7 true a b&c", pages: 0, sold: 9n });
    const book = { title: "t", pages: 3, sold: 2n ** 60n };
    assert.deepEqual(await client.put({ id: "i", book }), { book: { ...book, title: "i t" } });
    const seen: number[] = [];
    for await (const { pages } of client.watch({ count: 3 })) seen.push(pages);
    assert.deepEqual(seen, [0, 1, 2]);
    client.$.close();
  } finally {
    rmSync(folder, { recursive: true });
    await server.close(0);
  }
});

test("an answer without a body is a message without fields", async () => {
  const Other = service("other.v1.Other", {
    drop: rpc({ input: z.object({ id: z.string() }), output: z.object({}), http: { delete: "/v1/{id}" } }),
    put: rpc({ input: z.object({ id: z.string(), book: Book }), output: z.object({ book: Book.optional() }),
      http: { put: "/v1/{id}", body: "book", responseBody: "book" } }),
    cut: rpc({ input: z.object({}), output: z.object({}), http: { post: "/v1/cut", body: "*" } }),
  });
  const server = createHttpServer((request, response) => {
    if (request.method === "DELETE") response.writeHead(204).end();
    else if (request.method === "PUT") response.writeHead(200, { "content-length": "0" }).end();
    else response.writeHead(200, { "content-type": "text/html" }).end("<p>");
  });
  await new Promise<void>((resolve) => { server.listen(0, "127.0.0.1", resolve); });
  const client = createClient(Other, {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`, protocol: httpJson({ http: 1 }),
  });
  try {
    assert.deepEqual(await client.drop({ id: "1" }), {});
    assert.deepEqual(await client.put({ id: "1", book: { title: "t", pages: 1, sold: 1n } }), {});
    await assert.rejects(client.cut({}), /text\/html/);
  } finally {
    client.$.close();
    server.close();
  }
});

test("events that nobody reads are held back", { timeout: 60_000 }, async () => {
  const Feed = service("other.v1.Feed", {
    watch: rpc({ kind: "server_stream", input: z.object({}), output: z.object({ text: z.string() }), safe: true,
      http: { get: "/v1/watch" } }),
  });
  const count = 6_000;
  let written = 0;
  const server = createHttpServer((_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    const more = (): void => {
      while (written < count) {
        written++;
        // The blank line that ends an event comes with the next one.
        const event = `:\n\ndata: {"text":"${"x".repeat(16_384)}"}\ndata:\n\n`;
        if (!response.write(event)) {
          response.once("drain", more);
          return;
        }
      }
      response.end("event: end\ndata: {}\n\n");
    };
    more();
  });
  await new Promise<void>((resolve) => { server.listen(0, "127.0.0.1", resolve); });
  const client = createClient(Feed, {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`, protocol: httpJson({ http: 1 }),
  });
  try {
    const stream = client.watch({})[Symbol.asyncIterator]();
    assert.equal((await stream.next()).done, false);
    // Until no more is taken for a while.
    for (let before = -1; before !== written;) {
      before = written;
      await sleep(300);
    }
    // 98 MB in all; sockets of both sides hold some of it.
    assert.ok(written < count / 2, `${written} of ${count} events were taken, and one read`);
    let seen = 1;
    while ((await stream.next()).done !== true) seen++;
    assert.equal(seen, count);
  } finally {
    client.$.close();
    server.closeAllConnections();
    server.close();
  }
});
