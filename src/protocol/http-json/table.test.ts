import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import * as z from "zod";
import { codecByName } from "../../codec/choose.ts";
import { type AnyContract, rpc, service } from "../../contract/index.ts";
import type { HttpRule } from "../../contract/http/rule.ts";
import { RpcError } from "../../core/index.ts";
import { Head } from "../../http/message.ts";
import { httpJsonServer } from "./server.ts";
import { PathTable } from "./table.ts";

const input = z.object({
  name: z.string(), id: z.int32(), ids: z.array(z.int32()), book: z.object({ id: z.string(), page: z.int64() }),
  labels: z.record(z.string(), z.string()),
});
const output = z.object({ name: z.string(), list: z.array(z.string()) });

function contract(rules: Readonly<Record<string, HttpRule>>): AnyContract {
  return service("t.v1.Things", Object.fromEntries(Object.entries(rules).map(([name, http]) =>
    [name, rpc({ input, output, http, safe: "get" in http && http.get !== undefined })])));
}

function tableOf(rules: Readonly<Record<string, HttpRule>>): PathTable {
  const table = new PathTable();
  const one = contract(rules);
  table.add(one, table.plan(one));
  return table;
}

function found(table: PathTable, verb: string, path: string): string {
  const one = table.find(verb, path);
  return one.kind === "found" ? `${one.path.method.name}(${one.values.join("|")})`
    : one.kind === "method" ? `allowed ${one.allowed.join(",")}` : "none";
}

test("text goes before one segment, one before all, and custom verbs before what ends in them", () => {
  const table = tableOf({
    one: { get: "/v1/{name}" }, text: { get: "/v1/things" }, verb: { get: "/v1/things:count" },
    shelf: { get: "/v1/{name=shelves/*}" }, deep: { get: "/v1/{name=shelves/*}/books/{book.id}" },
    rest: { get: "/v1/files/{name=**}" }, made: { post: "/v1/{name}:make", body: "*" },
  });
  const wanted: readonly (readonly [string, string, string])[] = [
    ["GET", "/v1/a", "one(a)"], ["GET", "/v1/things", "text()"], ["GET", "/v1/things:count", "verb()"],
    ["GET", "/v1/a%2Fb%20c", "one(a/b c)"], ["GET", "/v1/shelves/1", "shelf(shelves/1)"],
    ["GET", "/v1/shelves/a%2Fb", "shelf(shelves/a%2Fb)"], ["GET", "/v1/shelves/1/books/2", "deep(shelves/1|2)"],
    ["GET", "/v1/files/a/b/c", "rest(a/b/c)"], ["GET", "/v1/files", "rest()"], ["POST", "/v1/x:make", "made(x)"],
    ["GET", "/v1/a:b", "one(a:b)"], ["POST", "/v1/things", "allowed GET,HEAD"], ["GET", "/v1/", "none"],
    ["GET", "/v1/%ff", "none"], ["GET", "/v2/a", "none"], ["HEAD", "/v1/a", "one(a)"],
    ["POST", "/t.v1.Things/One", "one()"],
  ];
  for (const [verb, path, answer] of wanted) assert.equal(found(table, verb, path), answer, `${verb} ${path}`);
});

test("two methods of one path are refused with both names", () => {
  assert.throws(() => tableOf({ a: { get: "/v1/{name}" }, b: { get: "/v1/{book.id}" } }),
    /GET \/v1\/\{book\.id\} of t\.v1\.Things\/b takes the same paths as \/v1\/\{name\} of t\.v1\.Things\/a/);
});

const badRules: readonly (readonly [HttpRule, RegExp])[] = [
  [{ get: "v1" }, /begins with \//], [{ get: "/v1/{name" }, /nothing closes/], [{ get: "/v1//x" }, /empty segment/],
  [{ get: "/v1/{name=**}/x" }, /behind \*\*/], [{ get: "/v1/{name}/{name}" }, /second time/],
  [{ get: "/v1/{name=fixed}" }, /without \* or \*\*/], [{ get: "/v1/{0}" }, /no field/],
  [{ get: "/v1/a b" }, /no segment/], [{ get: "/v1", body: "*" }, /GET has no body/],
  [{ get: "/v1/{nope}" }, /names "nope", but the fields are name, id, ids, book, labels/],
  [{ get: "/v1/{ids}" }, /ids is a list/], [{ get: "/v1/{book}" }, /book is a struct/],
  [{ post: "/v1", body: "nope" }, /body names "nope"/], [{ post: "/v1/{name}", body: "name" }, /path and the body/],
  [{ get: "/v1", responseBody: "nope" }, /responseBody names "nope"/],
  [{} as HttpRule, /no HTTP method/], [{ get: "/a", post: "/b" } as unknown as HttpRule, /get and post/],
];
for (const [rule, why] of badRules) {
  test(`refused: ${JSON.stringify(rule)}`, () => {
    assert.throws(() => tableOf({ one: rule }), (error) => RpcError.is(error) && error.code === "invalid_argument" &&
      why.test(error.message));
  });
}

test("GET of what is not safe is refused", () => {
  const one = service("t.v1.T", { a: rpc({ input, output, http: { get: "/v1" } }) });
  assert.throws(() => new PathTable().plan(one), /declare the method safe: true/);
});

test("no path and no query makes more than an error of them", () => {
  const table = tableOf({
    one: { get: "/v1/{name}" }, deep: { get: "/v1/{name=shelves/*}/books/{book.id}" }, rest: { get: "/f/{name=**}:do" },
  });
  const dialect = httpJsonServer({ table, codec: codecByName, leavesUnknown: false });
  const part = fc.oneof(fc.constantFrom("name", "id", "ids", "book.id", "book.page", "labels[a]", "labels[", "[]", "=",
    "&", "%", "%zz", "%ff", "book.", "..", "__proto__", "labels[__proto__]", "constructor", "?", ";"), fc.string());
  const segment = fc.constantFrom("v1", "f", "shelves", "books", "", "..", ":do", "%2F", "%");
  const path = fc.array(fc.oneof(segment, fc.string()));
  const numRuns = Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 1_000);
  fc.assert(fc.property(path, fc.array(part), (segments, parts) => {
    const head = new Head(Object.create(null) as Record<string, string>, 0, "GET",
      `/${segments.join("/")}?${parts.join("")}`, "http", "x");
    if (!dialect.claims(head)) return;
    const read = dialect.read(head, []);
    if (!RpcError.is(read) && "head" in read) assert.ok(read.head.status >= 200 && read.head.status < 500);
  }), { seed: 3, numRuns });
});
