// Paths of google.api.http: imported, served and called as such, and written as people write them.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import * as z from "zod";
import { createClient } from "../../src/client/index.ts";
import { rpc, service } from "../../src/contract/index.ts";
import { exportProto, fromFileDescriptorSet } from "../../src/contract/proto/index.ts";
import { httpJson } from "../../src/protocol/index.ts";
import { createServer } from "../../src/server/index.ts";
import { Shelf } from "./corpus/paths.ts";
import { compiled, compiledSet } from "./descriptors.ts";

describe("paths of google.api.http", () => {
  test("take what their .proto says, from plain HTTP and from our client", async () => {
    const server = createServer().implement(Shelf, {
      getBook: ({ name, bookId, where }) => ({ name, id: bookId, title: `${where?.shelfId ?? "none"}` }),
      listBooks: ({ parent, pageSize }) => ({ books: [{ name: parent, id: BigInt(pageSize), title: "" }] }),
      createBook: ({ parent, newBook }) => ({ name: parent, id: 1n, title: newBook?.title ?? "" }),
      replaceBook: ({ newBook }) => newBook ?? { name: "", id: 0n, title: "" },
      deleteBook: () => ({}),
      async *followBooks({ parent }) { yield { name: parent, id: 1n, title: "" }; },
      addBooks: () => ({ books: [] }),
    });
    after(() => server.close());
    const address = await server.listen({ port: 0 });
    const ask = async (path: string, init?: RequestInit): Promise<unknown> =>
      (await fetch(`http://${address}${path}`, init)).json();
    const post = (body: unknown): RequestInit =>
      ({ method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
    assert.deepEqual(await ask("/v1/shelves/1/books/2"), { name: "shelves/1/books/2", title: "none" });
    assert.deepEqual(await ask("/v1/books/7?where.shelf_id=5"), { id: "7", title: "5" });
    assert.equal(await ask("/v1/shelves/8/first"), "8");
    assert.deepEqual(await ask("/v1/shelves/3/books?page_size=4"), { books: [{ name: "shelves/3", id: "4" }] });
    assert.deepEqual(await ask("/v1/shelves/3/books", post({ title: "new" })),
      { name: "shelves/3", id: "1", title: "new" });
    assert.deepEqual(await ask("/v1/shelves/1/books/9", { ...post({ newBook: { title: "t" } }), method: "PUT" }),
      { name: "shelves/1/books/9", title: "t" });
    const client = createClient(Shelf, { address, protocol: httpJson() });
    after(() => client.$.close());
    assert.deepEqual(await client.getBook({ name: "shelves/4/books/2", bookId: 0n }),
      { name: "shelves/4/books/2", id: 0n, title: "none" });
  });

  test("are written with the names that .proto has for fields", () => {
    const Notes = service("google.notes.v1.google.Notes", {
      get: rpc({
        input: z.object({ noteId: z.string(), inside: z.object({ deepId: z.string() }) }),
        output: z.object({ noteText: z.string() }), safe: true,
        http: {
          get: "/v1/{noteId}", responseBody: "noteText",
          additional: [{ get: "/v1/{inside.deepId=a/*}:deep" }],
        },
      }),
      put: rpc({
        input: z.object({ theNote: z.object({ a: z.string() }).meta({ id: "Note" }).meta({ protoName: "TheNote" }) }),
        output: z.object({}), http: { post: "/v1/notes", body: "theNote" },
      }),
    });
    const text = exportProto(Notes);
    assert.match(text, /^import "google\/api\/annotations\.proto";$/m);
    // A package inside of this one is called google, too.
    assert.ok(text.includes(`    option idempotency_level = NO_SIDE_EFFECTS;
    option (.google.api.http) = {
      get: "/v1/{note_id}"
      response_body: "note_text"
      additional_bindings {
        get: "/v1/{inside.deep_id=a/*}:deep"
      }
    };
`), text);
    assert.ok(text.includes(`
      post: "/v1/notes"
      body: "TheNote"
`), text);
    compiled(new Map([["a.proto", text]]), "a.proto");
  });

  test("of descriptors are left out where a contract cannot say them", () => {
    const text = `syntax = "proto3"; package p; import "google/api/annotations.proto";
message A { string b = 1; }
service S {
  rpc Head(A) returns (A) { option (google.api.http) = { custom { kind: "HEAD" path: "/a" } }; }
  rpc Get(A) returns (A) { option (google.api.http) = { get: "/{b}" }; }
}`;
    const { "p.S": contract } = fromFileDescriptorSet(compiledSet(new Map([["a.proto", text]]), "a.proto"));
    assert.deepEqual(contract?.methods["head"]?.http, []);
    assert.deepEqual(contract.methods["get"]?.http?.map(({ verb, path }) => `${verb} ${path}`), ["GET /{b}"]);
  });
});
